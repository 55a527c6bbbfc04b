// Counts numbered messages over a fixed time, after a warm-up that does not count.
//
// Numbers stand in the first 8 bytes of each body; a number that is skipped is a loss. The clock is read once
// in 64 messages: less than 1 % of the time of a message.
//
//     meter meter;
//     while (!meter.over()) meter.take(receive());
//     meter.report();                                  // "COUNT SECONDS LOST" on stdout
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

namespace ferry::bench {

inline constexpr std::chrono::milliseconds warm_up{250};
inline constexpr std::chrono::milliseconds window{700};

class meter {
  public:
    using clock = std::chrono::steady_clock;

    void take(std::string_view body) {
        std::uint64_t number = 0;
        std::memcpy(&number, body.data(), sizeof number);
        lost_ += number - next_;
        next_ = number + 1;
        if (++count_ % 64 != 0) return;
        now_ = clock::now();
        if (started_ && now_ - from_ < (warm_ ? window : warm_up)) return;
        over_ = warm_;
        warm_ = started_;
        started_ = true;
        if (over_) return;
        from_ = now_;
        count_ = 0;
        lost_ = 0;
    }

    bool over() const noexcept { return over_; }

    void report() const {
        std::printf("%llu %.6f %llu\n", static_cast<unsigned long long>(count_),
                    std::chrono::duration<double>(now_ - from_).count(),
                    static_cast<unsigned long long>(lost_));
        std::fflush(stdout);
    }

  private:
    std::uint64_t next_ = 0;
    std::uint64_t count_ = 0;
    std::uint64_t lost_ = 0;
    bool started_ = false;
    bool warm_ = false;
    bool over_ = false;
    clock::time_point from_{};
    clock::time_point now_{};
};

/// A body of `size` bytes that is numbered anew for each message.
class numbered_body {
  public:
    explicit numbered_body(std::size_t size) : bytes_(size, 'x') {}
    std::string_view next() {
        std::memcpy(bytes_.data(), &number_, sizeof number_);
        ++number_;
        return bytes_;
    }

  private:
    std::string bytes_;
    std::uint64_t number_ = 0;
};

}  // namespace ferry::bench
