#include <stdexcept>

#include "tests/sim/world.hpp"

namespace ferry::test {

void model::broken(const std::string& what) const {
    throw std::logic_error{what + " (seed " + std::to_string(seed_) + ")"};
}

// Texts read "producer:number"; numbers of one producer rise.
void model::place(const std::string& text, std::uint64_t offset) {
    if (!put_.contains(text)) broken("phantom: '" + text + "' was never put");
    if (const auto [at, fresh] = at_offset_.emplace(offset, text); !fresh && at->second != text)
        broken("offset " + std::to_string(offset) + " held '" + at->second + "' and now holds '" + text +
               "'");
    const auto [known, fresh] = offset_of_.emplace(text, offset);
    if (!fresh && known->second != offset)
        broken("'" + text + "' is stored twice, at " + std::to_string(known->second) + " and " +
               std::to_string(offset));
    if (!fresh) return;
    const std::string producer = text.substr(0, text.find(':'));
    const int number = std::stoi(text.substr(text.find(':') + 1));
    for (const auto& [other, other_offset] : offset_of_) {
        if (other.substr(0, other.find(':')) != producer || other == text) continue;
        const bool before = std::stoi(other.substr(other.find(':') + 1)) < number;
        if (before != (other_offset < offset)) broken("'" + other + "' and '" + text + "' changed order");
    }
}

void model::confirmed(const std::string& text, std::uint64_t offset) {
    place(text, offset);
    confirmed_.emplace(text, offset);
}

void model::shown(const std::string& group, const std::string& text, std::uint64_t offset,
                  std::uint64_t attempt) {
    ++shown_total_;
    place(text, offset);
    if (acked_[group].contains(offset)) broken("'" + text + "' came again although its ack was answered");
    const bool again = !shown_[group].insert(offset).second;
    if (again && attempt == 1) broken("'" + text + "' came again to " + group + " and was not flagged");
}

void model::ack_answered(const std::string& group, std::uint64_t offset) {
    acked_[group].insert(offset);
}

void model::finished() {
    for (const auto& [group, since] : exists_from_)
        for (const auto& [text, offset] : confirmed_)
            if (put_.at(text) >= since && !shown_[group].contains(offset))
                broken("'" + text + "' was confirmed and never reached " + group);
}

}  // namespace ferry::test
