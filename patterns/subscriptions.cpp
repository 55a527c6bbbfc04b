#include "patterns/subscriptions.hpp"

namespace ferry {

void subscriptions::add(std::string_view topic, int connection) {
    told_.reset();
    const auto [entry, is_new] = topics_.try_emplace(std::string{topic}, 0);
    ++entry->second;
    ++all_;
    if (is_new) ++lengths_[topic.size()];
    if (connection >= 0) ++connections_[connection];
}

void subscriptions::remove(std::string_view topic, int connection) {
    const auto entry = topics_.find(topic);
    if (entry == topics_.end()) return;  // a hostile peer may cancel what it never asked for
    told_.reset();
    --all_;
    if (--entry->second == 0) {
        const auto length = lengths_.find(topic.size());
        if (--length->second == 0) lengths_.erase(length);
        topics_.erase(entry);
    }
    const auto from = connections_.find(connection);
    if (from != connections_.end() && --from->second == 0) connections_.erase(from);
}

bool subscriptions::wanted(std::string_view topic) {
    if (told_ && asked_ == topic) return *told_;
    asked_ = topic;
    told_ = wanted_by_some(topic);
    return *told_;
}

bool subscriptions::wanted_by_some(std::string_view topic) const {
    // There are few lengths, however many topics.
    for (const auto& [length, count] : lengths_) {
        if (length > topic.size()) return false;
        if (topics_.contains(topic.substr(0, length))) return true;
    }
    return false;
}

std::size_t subscriptions::subscribers() const {
    std::size_t accounted = 0;
    for (const auto& [connection, count] : connections_) accounted += count;
    return connections_.size() + (all_ > accounted ? all_ - accounted : 0);
}

}  // namespace ferry
