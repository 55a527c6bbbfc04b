#include "core/log/cold_segment.hpp"

#include <algorithm>
#include <system_error>

#include "core/log/seal.hpp"

namespace ferry::log {

cold_segment::cold_segment(storage& directory, const segment_header& header)
    : directory_(directory),
      header_(header),
      part_name_(segment_name(header.base) + ".part"),
      end_(header.records_from()) {
    directory_.make_directory(std::string{cold_directory});
    opened_ = directory_.open(part_name_, open_mode::create_new);
    buffer_ = encode_segment_header(header_);
}

cold_segment::~cold_segment() {
    if (named_) return;
    try {
        directory_.remove(part_name_);
    } catch (const std::system_error&) {
        // The next opening finds it and removes it.
    }
}

std::uint64_t cold_segment::end_of(std::uint32_t stream) const {
    const auto found = shares_.find(stream);
    return found == shares_.end() ? 0 : found->second.back().end_offset;
}

void cold_segment::add(const record& moved, bool apart) {
    const position from = end_;
    encode_record(moved, 0, header_.nonce, from, buffer_);
    const std::uint64_t length = moved.head.size() + moved.body.size();
    end_ += record_bytes(length);
    wall_ns_ = std::max(wall_ns_, moved.wall_ns);
    extents_.add({.type = moved.type,
                  .flags = moved.flags,
                  .stream = moved.stream,
                  .first_offset = moved.first_offset,
                  .count = moved.count},
                 from, end_);
    auto& shares = shares_[moved.stream];
    if (shares.empty() || apart)
        shares.push_back({.stream = moved.stream, .first_offset = moved.first_offset});
    stream_share& share = shares.back();
    share.end_offset = moved.first_offset + moved.count;
    share.messages += moved.count;
    share.bytes += end_ - from;
}

void cold_segment::write() {
    opened_->write(end_ - header_.base - buffer_.size(), buffer_);
    opened_->sync();
    buffer_.clear();
}

segment_entry cold_segment::finish() {
    if (!buffer_.empty()) write();
    segment_entry entry{.base = header_.base, .end = end_, .nonce = header_.nonce, .shares = {}};
    for (const auto& [stream, shares] : shares_)
        entry.shares.insert(entry.shares.end(), shares.begin(), shares.end());
    file_bytes_ = seal_segment(*opened_, header_, end_, {extents_.all(), {}}, {wall_ns_, 0});
    directory_.rename(part_name_, segment_name(header_.base));
    named_ = true;
    return entry;
}

}  // namespace ferry::log
