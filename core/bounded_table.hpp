// A table from names to values that holds at most so many: the one not used for longest falls out.
//
// Threads: one at a time. Cost: about 150 bytes an entry besides the name.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace ferry {

template <typename Value>
class bounded_table {
  public:
    explicit bounded_table(std::size_t entries_max) : entries_max_{entries_max} {}

    /// The value of `name`, now the latest used; nullptr when it is not there.
    Value* find(std::string_view name) {
        // Names come in runs.
        if (!entries_.empty() && entries_.front().first == name) return &entries_.front().second;
        const auto found = index_.find(name);
        if (found == index_.end()) return nullptr;
        entries_.splice(entries_.begin(), entries_, found->second);
        return &found->second->second;
    }

    /// Adds a name that is not there. True in `second` when another one had to fall out.
    std::pair<Value*, bool> add(std::string_view name, Value value) {
        const bool full = entries_.size() >= entries_max_;
        if (full) drop_oldest();
        entries_.emplace_front(std::string{name}, std::move(value));
        index_.emplace(entries_.front().first, entries_.begin());
        return {&entries_.front().second, full};
    }

    /// Lets the entry not used for longest fall out.
    void drop_oldest() {
        if (entries_.empty()) return;
        index_.erase(entries_.back().first);
        entries_.pop_back();
    }

    /// The value not used for longest; only when not empty.
    const Value& oldest() const { return entries_.back().second; }

    std::size_t size() const noexcept { return entries_.size(); }
    bool full() const noexcept { return entries_.size() >= entries_max_; }

  private:
    using entry = std::pair<std::string, Value>;
    std::size_t entries_max_;
    std::list<entry> entries_;  // the latest used first; the index's keys are views of their names
    std::unordered_map<std::string_view, typename std::list<entry>::iterator> index_;
};

}  // namespace ferry
