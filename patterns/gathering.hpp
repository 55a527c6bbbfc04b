// Small messages on their way out that wait a moment to leave together: what publisher and pusher do with
// `batch`.
//
// A message leaves at once while little is under way to the wire; behind others it gathers with those of its
// topic. A batch leaves when the wire is free again, when it is full (64 KiB, which grows to 256 KiB while
// the wire cannot follow), or when its first message has waited for the linger time. Where so much comes that
// a free wire would be given a small batch after the other, it waits for larger ones.
//
// A plain value; whoever owns it sends. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ferry/message.hpp"

namespace ferry {

/// Strings that were used before: their pages are there.
class buffer_pool : public std::enable_shared_from_this<buffer_pool> {
  public:
    /// An empty one, which comes back when its last holder lets it go. From any thread.
    std::shared_ptr<std::string> take();

  private:
    static constexpr std::size_t kept_max = 8;

    void keep(std::unique_ptr<std::string> used);

    std::mutex mutex_;  // guards all
    std::vector<std::unique_ptr<std::string>> kept_;
};

class gathering {
  public:
    static constexpr std::uint64_t linger_ns = 200'000;
    /// Larger messages gain nothing: they leave alone.
    static constexpr std::size_t small_bytes_max = 16 << 10;
    /// Of so many topics messages gather at a time, with so many bytes.
    static constexpr std::size_t topics_max = 1024;
    static constexpr std::size_t bytes_max = 1 << 20;
    /// How many batches libzmq keeps for a puller: each may be worth thousands of messages.
    static constexpr int queue_max = 64;

    struct batch {
        std::string topic;
        std::shared_ptr<std::string> items;  // shared with the frames they leave in
        std::uint64_t messages = 0;
        std::uint64_t body_bytes = 0;
        std::uint64_t began_ns = 0;
    };

    gathering() = default;
    gathering(const gathering&) = delete;
    gathering& operator=(const gathering&) = delete;

    static bool is_small(const message& content);

    bool empty() const noexcept { return batches_.empty(); }
    /// What gathers of the topic; null when nothing does.
    batch* find(std::string_view topic);
    /// False when what gathers of the topic must leave before `content` can gather too.
    bool has_room(const batch& into, const message& content) const;
    /// Whether one must leave before another topic can begin.
    bool crowded() const noexcept { return batches_.size() >= topics_max || bytes_ >= bytes_max; }

    batch& begin(std::string_view topic, std::uint64_t now_ns);
    void add(batch& into, const message& content, bool with_topic);

    /// The one that began first.
    batch& oldest() { return batches_.front(); }
    /// When the oldest has waited long enough; the end of time when nothing gathers.
    std::uint64_t due_ns() const;
    /// Whether it may leave as soon as the wire is free.
    bool enough(const batch& one) const noexcept { return one.messages >= enough_; }

    /// Why a batch left.
    enum class cause : std::uint8_t {
        wire_free,
        full,  ///< others were under way still
        full_while_free,
        time_over,
    };
    /// It was sent, or is given up.
    void left(const batch& gone, cause why);

  private:
    using batches = std::list<batch>;

    batches batches_;  // in the order they began
    std::unordered_map<std::string_view, batches::iterator> by_topic_;
    batches::iterator last_ = batches_.end();  // that was found: most senders stay with a topic
    std::shared_ptr<buffer_pool> pool_ = std::make_shared<buffer_pool>();
    std::size_t limit_ = 64 << 10;
    std::size_t bytes_ = 0;
    std::uint64_t enough_ = 0;  // messages, for a wire that is free
};

}  // namespace ferry
