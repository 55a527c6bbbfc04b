// Counts numbered messages over a fixed time, after a warm-up that does not count, and how long they took.
//
// Numbers stand in the first 8 bytes of each body; a number that is skipped is a loss. Where there is room
// for it the next 8 say when the message was due (0: as fast as it goes). The clock is read for each of
// these, else once in 64 messages: less than 1 % of the time of a message.
//
//     meter meter;
//     while (!meter.over()) meter.take(receive());
//     meter.report();                                  // "COUNT SECONDS LOST P50 P99" on stdout
#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "bench/latencies.hpp"
#include "bench/window.hpp"
#include "core/clock.hpp"

namespace ferry::bench {

inline constexpr std::chrono::milliseconds warm_up{250};
inline constexpr std::chrono::milliseconds window{700};

class meter {
  public:
    explicit meter(std::chrono::nanoseconds lasts = window)
        : lasts_ns_{static_cast<std::uint64_t>(lasts.count())} {}

    void take(std::string_view body) {
        std::uint64_t number = 0, due_ns = 0;
        std::memcpy(&number, body.data(), sizeof number);
        if (body.size() >= sizeof number + sizeof due_ns)
            std::memcpy(&due_ns, body.data() + sizeof number, sizeof due_ns);
        lost_ += number - next_;
        next_ = number + 1;
        ++count_;
        if (due_ns != 0) return step(due_ns);
        if (count_ % 64 == 0) step(0);
    }

    bool over() const noexcept { return over_; }

    void report() const { bench::report(count_, std::chrono::nanoseconds{now_ns_ - from_ns_}, lost_, took_); }

  private:
    static constexpr std::uint64_t warm_up_ns = std::chrono::nanoseconds{warm_up}.count();

    void step(std::uint64_t due_ns) {
        now_ns_ = read_clocks().monotonic_ns;
        if (due_ns != 0) took_.add(now_ns_ > due_ns ? now_ns_ - due_ns : 0);
        if (started_ && now_ns_ - from_ns_ < (warm_ ? lasts_ns_ : warm_up_ns)) return;
        over_ = warm_;
        warm_ = started_;
        started_ = true;
        if (over_) return;
        from_ns_ = now_ns_;
        count_ = 0;
        lost_ = 0;
        took_ = {};
    }

    const std::uint64_t lasts_ns_;
    std::uint64_t next_ = 0;
    std::uint64_t count_ = 0;
    std::uint64_t lost_ = 0;
    latencies took_;
    bool started_ = false;
    bool warm_ = false;
    bool over_ = false;
    std::uint64_t from_ns_ = 0;
    std::uint64_t now_ns_ = 0;
};

/// A body of `size` bytes, at least 8, that is numbered anew for each message and says when it was due.
class numbered_body {
  public:
    explicit numbered_body(std::size_t size) : bytes_(size, 'x') {}
    std::string_view next(std::uint64_t due_ns = 0) {
        std::memcpy(bytes_.data(), &number_, sizeof number_);
        if (bytes_.size() >= sizeof number_ + sizeof due_ns)
            std::memcpy(bytes_.data() + sizeof number_, &due_ns, sizeof due_ns);
        ++number_;
        return bytes_;
    }

  private:
    std::string bytes_;
    std::uint64_t number_ = 0;
};

}  // namespace ferry::bench
