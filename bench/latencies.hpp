// How long messages took, as a histogram: 64 buckets for each factor of two, so that a figure is true to 1 %.
//
//     latencies took;
//     took.add(now_ns - due_ns);
//     took.microseconds(0.99);
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace ferry::bench {

class latencies {
  public:
    void add(std::uint64_t ns) {
        ++buckets_.at(bucket_of(ns));
        ++count_;
    }
    std::uint64_t count() const noexcept { return count_; }

    /// So many microseconds, or less, did this share of the messages take; 0 when there are none.
    double microseconds(double share) const {
        auto left = static_cast<std::uint64_t>(static_cast<double>(count_) * share);
        for (std::size_t i = 0; i < buckets_.size(); ++i) {
            if (left < buckets_[i]) return static_cast<double>(middle_of(i)) / 1000;
            left -= buckets_[i];
        }
        return 0;
    }

  private:
    static constexpr unsigned bits = 6;
    static constexpr std::uint64_t steps = 1U << bits;

    static std::size_t bucket_of(std::uint64_t ns) {
        if (ns < steps) return ns;
        const auto above = static_cast<unsigned>(std::bit_width(ns)) - 1 - bits;
        return (above + 1) * steps + ((ns >> above) & (steps - 1));
    }
    static std::uint64_t middle_of(std::size_t bucket) {
        if (bucket < steps) return bucket;
        const std::size_t above = bucket / steps - 1;
        return ((steps + bucket % steps) << above) + ((std::uint64_t{1} << above) >> 1);
    }

    std::array<std::uint64_t, (64 - bits + 1) * steps> buckets_{};
    std::uint64_t count_ = 0;
};

}  // namespace ferry::bench
