#include "patterns/gathering.hpp"

#include <algorithm>
#include <limits>

#include "core/batch.hpp"

namespace ferry {
namespace {

constexpr std::uint64_t many = 64;

}  // namespace

std::shared_ptr<std::string> buffer_pool::take() {
    std::unique_ptr<std::string> given;
    {
        const std::lock_guard lock{mutex_};
        if (!kept_.empty()) {
            given = std::move(kept_.back());
            kept_.pop_back();
        }
    }
    if (!given) given = std::make_unique<std::string>();
    given->clear();
    return {given.release(), [pool = weak_from_this()](std::string* used) {
                std::unique_ptr<std::string> back{used};
                if (const auto still = pool.lock()) still->keep(std::move(back));
            }};
}

void buffer_pool::keep(std::unique_ptr<std::string> used) {
    const std::lock_guard lock{mutex_};
    if (kept_.size() < kept_max) kept_.push_back(std::move(used));
}

bool gathering::is_small(const message& content) {
    return item_bytes_max(content) <= small_bytes_max;
}

gathering::batch* gathering::find(std::string_view topic) {
    if (batches_.empty()) return nullptr;
    if (last_ != batches_.end() && last_->topic == topic) return &*last_;
    const auto found = by_topic_.find(topic);
    if (found == by_topic_.end()) return nullptr;
    last_ = found->second;
    return &*last_;
}

bool gathering::has_room(const batch& into, const message& content) const {
    return into.items->size() + item_bytes_max(content) <= limit_;
}

gathering::batch& gathering::begin(std::string_view topic, std::uint64_t now_ns) {
    last_ = batches_.insert(batches_.end(), {std::string{topic}, pool_->take(), 0, 0, now_ns});
    by_topic_.emplace(last_->topic, last_);
    return *last_;
}

void gathering::add(batch& into, const message& content, bool with_topic) {
    bytes_ -= into.items->size();
    append_item(*into.items, content, with_topic);
    bytes_ += into.items->size();
    ++into.messages;
    into.body_bytes += content.body().size();
}

std::uint64_t gathering::due_ns() const {
    return batches_.empty() ? std::numeric_limits<std::uint64_t>::max()
                            : batches_.front().began_ns + linger_ns;
}

void gathering::left(const batch& gone, cause why) {
    const std::size_t most = batch_bytes_max, least = batch_bytes_start;
    limit_ = why == cause::full ? std::min(most, 2 * limit_) : std::max(least, limit_ / 2);
    // A sender that has so much ready within one breath of the wire will have as much again.
    if (why == cause::time_over)
        enough_ = 0;
    else if (why == cause::wire_free && gone.messages >= many)
        enough_ = 2 * gone.messages;
    bytes_ -= gone.items->size();
    const auto at = by_topic_.find(gone.topic);
    if (last_ == at->second) last_ = batches_.end();
    const auto which = at->second;
    by_topic_.erase(at);
    batches_.erase(which);
}

}  // namespace ferry
