#include "core/log/scan.hpp"

#include <algorithm>
#include <cstring>
#include <system_error>

namespace ferry::log {
namespace {

constexpr std::uint64_t window_bytes = 256 << 10;  // stays in a core's own cache
constexpr std::uint64_t word_bytes = 8;
constexpr std::uint64_t zero_step = 4096;
constexpr std::uint64_t block_bytes = 4096;  // what a disk fails to read, at the least

bool all_zero(const char* bytes, std::uint64_t count) {
    // Comparing a block with itself, one byte on, is the fastest portable way to see that all are equal.
    return count == 0 || (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, count - 1) == 0);
}

}  // namespace

record_scan::record_scan(const file& segment, std::uint64_t nonce, position base, position from, position to,
                         unreadable_blocks how)
    : segment_(segment),
      nonce_(nonce),
      base_(base),
      to_(std::min(to, base + segment.size())),
      how_(how),
      at_(from),
      window_from_(from) {}

// At least `bytes` bytes from `at`; the caller has checked that they lie before the end.
const char* record_scan::window_at(position at, std::uint64_t bytes) {
    const bool inside = at >= window_from_ && at + bytes <= window_from_ + window_.size();
    if (!inside) {
        const std::uint64_t wanted = std::min(std::max(bytes, window_bytes), to_ - at);
        window_.resize(wanted);
        read_window(at);
        window_from_ = at;
    }
    return window_.data() + (at - window_from_);
}

void record_scan::read_window(position at) {
    try {
        const std::size_t got = segment_.read(at - base_, window_);
        // The file shrank under us: what is missing reads as zeros and so fails every checksum.
        std::memset(window_.data() + got, 0, window_.size() - got);
    } catch (const std::system_error&) {
        if (how_ == unreadable_blocks::fail) throw;
        read_blocks(at);
    }
}

void record_scan::read_blocks(position at) {
    const position end = at + window_.size();
    for (position from = at; from < end;) {
        const position to = std::min(end, base_ + ((from - base_) / block_bytes + 1) * block_bytes);
        char* const into = window_.data() + (from - at);
        try {
            const std::size_t got = segment_.read(from - base_, {into, to - from});
            std::memset(into + got, 0, to - from - got);
        } catch (const std::system_error&) {
            std::memset(into, 0, to - from);
            unreadable_.push_back({from, to});
        }
        from = to;
    }
}

std::optional<record_header> record_scan::header_at(position at) {
    if (at + record_header_bytes > to_) return std::nullopt;
    return decode_header(window_at(at, record_header_bytes), nonce_, at);
}

bool record_scan::whole_at(position at, const record_header& header) {
    const std::uint64_t size = record_bytes(header.length);
    if (size > to_ - at) return false;
    const char* bytes = window_at(at, size);
    return payload_intact(bytes, {bytes + record_header_bytes, header.length}, nonce_);
}

std::optional<scanned> record_scan::next() {
    std::optional<scanned> found = step();
    if (found && !found->record)
        found->unreadable = std::ranges::any_of(
            unreadable_, [&](const range& bad) { return bad.from < found->to && found->from < bad.to; });
    return found;
}

std::optional<scanned> record_scan::step() {
    if (at_ >= to_) return std::nullopt;
    const std::optional<record_header> header = header_at(at_);
    if (!header) return search();
    scanned found{.from = at_, .to = std::min(at_ + record_bytes(header->length), to_), .header = header};
    if (whole_at(at_, *header)) {
        const char* bytes = window_at(at_, record_bytes(header->length));
        found.record = stored_record{at_, *header, {bytes + record_header_bytes, header->length}};
    }
    at_ = found.used_to = found.to;
    return found;
}

scanned record_scan::search() {
    scanned found{.from = at_, .zeros = true, .used_to = at_};
    position at = at_;
    while (at < to_) {
        const std::uint64_t step = std::min(zero_step, to_ - at);
        if (all_zero(window_at(at, step), step)) {
            at += step;
            continue;
        }
        const position block_end = at + step;
        for (; at < block_end; at += word_bytes) {
            const std::uint64_t word = std::min(word_bytes, to_ - at);
            if (all_zero(window_at(at, word), word)) continue;
            if (const auto header = header_at(at); header && whole_at(at, *header)) {
                found.zeros = false;
                found.to = found.used_to = at_ = at;
                return found;
            }
            found.zeros = false;
            found.used_to = at + word;
        }
    }
    found.to = at_ = to_;
    return found;
}

}  // namespace ferry::log
