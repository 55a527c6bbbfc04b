// What a replier remembers of its last requests, so that one that comes again is not run again.
//
// Bounded in requests and in bytes of their replies: the oldest are forgotten first. A request forgotten
// while it runs is answered all the same; it might be run twice.
//
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "core/bounded_table.hpp"
#include "ferry/message.hpp"

namespace ferry {

class remembered_replies {
  public:
    remembered_replies(std::size_t requests_max, std::size_t bytes_max)
        : on_{requests_max > 0}, bytes_max_{bytes_max}, known_{requests_max} {}

    struct verdict {
        bool again = false;                         ///< it runs already, or was answered
        std::optional<std::vector<frame>> reply{};  ///< its answer, when it has one
    };

    /// A request came.
    verdict begin(std::string_view id) {
        if (!on_) return {};
        if (const entry* seen = known_.find(id)) return {true, seen->reply};
        if (known_.full()) forget_oldest();
        known_.add(id, {});
        return {};
    }

    /// It runs here, or was answered here not long ago.
    bool knows(std::string_view id) { return on_ && known_.find(id) != nullptr; }

    /// It was answered with these frames, which are shared, not copied.
    void finish(std::string_view id, const std::vector<frame>& reply) {
        entry* seen = on_ ? known_.find(id) : nullptr;
        if (seen == nullptr || seen->reply) return;
        seen->reply = reply;
        for (const frame& each : reply) seen->bytes += each.size();
        bytes_ += seen->bytes;
        while (bytes_ > bytes_max_ && known_.size() > 0) forget_oldest();
    }

    std::size_t size() const noexcept { return known_.size(); }

  private:
    struct entry {
        std::optional<std::vector<frame>> reply{};
        std::size_t bytes = 0;
    };

    void forget_oldest() {
        bytes_ -= known_.oldest().bytes;
        known_.drop_oldest();
    }

    bool on_;
    std::size_t bytes_max_;
    std::size_t bytes_ = 0;
    bounded_table<entry> known_;
};

}  // namespace ferry
