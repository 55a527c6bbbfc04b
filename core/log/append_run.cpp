#include "core/log/append_run.hpp"

#include <array>

namespace ferry::log {
namespace {

constexpr std::size_t copied_bytes_max = 8 << 10;
constexpr std::size_t buffer_bytes_kept = 1 << 20;
constexpr std::string_view padding{"\0\0\0\0\0\0\0", 7};

}  // namespace

void append_run::add_copied(std::string_view bytes) {
    buffer_.append(bytes);
    if (pieces_.empty() || !pieces_.back().outside.empty()) pieces_.push_back({});
    pieces_.back().size += bytes.size();
}

void append_run::add(const record& next, position durable, std::uint64_t nonce, position at) {
    std::array<char, record_header_bytes> header;
    encode_header(next, durable, nonce, at, header.data());
    add_copied({header.data(), header.size()});
    add_copied(next.head);
    if (next.body.size() <= copied_bytes_max)
        add_copied(next.body);
    else
        pieces_.push_back({0, next.body});
    const std::uint64_t length = next.head.size() + next.body.size();
    add_copied(padding.substr(0, padded(length) - length));
    headers_.push_back({next.type, next.flags, next.stream, next.first_offset, next.count, next.wall_ns,
                        durable, static_cast<std::uint32_t>(length)});
    bytes_ += record_bytes(length);
}

void append_run::write(file& target, std::uint64_t offset) {
    views_.clear();
    std::string_view left = buffer_;
    for (const piece& p : pieces_) {
        if (!p.outside.empty()) {
            views_.push_back(p.outside);
        } else if (p.size > 0) {
            views_.push_back(left.substr(0, p.size));
            left.remove_prefix(p.size);
        }
    }
    target.write(offset, views_);
}

void append_run::clear() {
    buffer_.clear();
    if (buffer_.capacity() > buffer_bytes_kept) buffer_ = {};
    pieces_.clear();
    headers_.clear();
    bytes_ = 0;
}

}  // namespace ferry::log
