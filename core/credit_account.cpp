#include "core/credit_account.hpp"

#include <algorithm>

#include "core/protocol.hpp"

namespace ferry {
namespace {

constexpr std::uint64_t start_bytes = 64 << 10;  // two seconds at 256 kbit/s
constexpr std::uint64_t quick_ns = 200'000'000;

}  // namespace

credit_account::credit_account(std::uint64_t messages, std::uint64_t bytes)
    : messages_most_{messages}, bytes_most_{bytes}, bytes_allowed_{std::min(bytes, start_bytes)} {}

void credit_account::joined(std::uint64_t held) {
    bytes_allowed_ = std::min(bytes_most_, start_bytes);
    held_at_join_ = held;
    settled_ = bytes_read_ = frames_read_ = 0;
    told_ = {};
    measured_bytes_ = 0;
}

// In a window of that time: what comes slowly is measured anew.
void credit_account::received(std::uint64_t bytes, std::uint64_t now_ns) {
    if (bytes_allowed_ == bytes_most_) return;
    if (measured_bytes_ == 0 || now_ns >= measured_from_ns_ + quick_ns) {
        measured_from_ns_ = now_ns;
        measured_bytes_ = 0;
    }
    measured_bytes_ += bytes;
    if (measured_bytes_ < bytes_allowed_) return;
    bytes_allowed_ = std::min(bytes_most_, 2 * bytes_allowed_);
    measured_bytes_ = 0;
}

void credit_account::read(std::uint64_t bytes) noexcept {
    bytes_read_ += bytes;
    ++frames_read_;
}

std::optional<credit_account::limits> credit_account::worth_telling(bool idle) {
    const std::uint64_t allowed = settled_ + messages_most_;
    const limits now{allowed > held_at_join_ ? allowed - held_at_join_ : 0, bytes_read_ + bytes_allowed_,
                     frames_read_};
    const bool worth = told_.messages == 0 ||
                       now.messages >= told_.messages + std::max<std::uint64_t>(1, messages_most_ / 4) ||
                       now.bytes >= told_.bytes + bytes_allowed_ / 4 ||
                       now.frames >= told_.frames + protocol::frames_ahead_max / 4 ||
                       (now.messages > told_.messages && idle);
    if (!worth) return std::nullopt;
    return told_ = now;
}

}  // namespace ferry
