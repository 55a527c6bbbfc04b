#include "tests/fault/history.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>
#include <unordered_map>

namespace ferry::test {
namespace {

// The whole lines of a log, each with the word it begins with.
template <typename Take>
void each_line(const std::string& file, Take take) {
    std::ifstream in{file};
    if (!in) throw std::runtime_error{"no log " + file};
    std::string line;
    while (std::getline(in, line) && !in.eof())
        if (!take(line.c_str())) throw std::runtime_error{file + ": not a line of a log: " + line};
}

using unsigned_number = unsigned long long;

// Every place a message was stored at, as confirms and shows have it.
std::map<message_name, std::set<std::uint64_t>> places(const history& all) {
    std::map<message_name, std::set<std::uint64_t>> found;
    for (const confirmed& each : all.confirms) found[each.name].insert(each.offset);
    for (const auto& consumer : all.shows)
        for (const shown& each : consumer) found[each.name].insert(each.offset);
    return found;
}

// Whether somebody put a message: runs are looked up by where they begin.
class put_list {
  public:
    explicit put_list(const history& all) {
        for (const put_run& run : all.puts) counts_[run.first] = run.count;
    }
    bool has(message_name name) const {
        auto after = counts_.upper_bound(name);
        if (after == counts_.begin()) return false;
        const auto& [first, count] = *--after;
        return first.producer == name.producer && name.number - first.number < count;
    }

  private:
    std::map<message_name, std::uint64_t> counts_;
};

void judge_storing(const history& all, verdict& found) {
    const auto stored = places(all);
    std::map<unsigned, std::uint64_t> last;
    std::map<std::uint64_t, message_name> holder;
    for (const auto& [name, offsets] : stored) {  // by producer, then by number
        found.unflagged += offsets.size() - 1;
        const auto before = last.find(name.producer);
        if (before != last.end() && *offsets.begin() <= before->second) ++found.misplaced;
        last[name.producer] = *offsets.begin();
        for (const std::uint64_t offset : offsets) found.phantom += !holder.emplace(offset, name).second;
    }
}

void judge_shows(const history& all, verdict& found) {
    const put_list puts{all};
    std::set<message_name> seen;
    std::unordered_map<std::uint64_t, unsigned> firsts;
    std::unordered_map<std::uint64_t, std::uint64_t> done;
    for (const answered_ack& each : all.acks) {
        const auto [at, is_new] = done.emplace(each.offset, each.when);
        if (!is_new) at->second = std::min(at->second, each.when);
    }
    for (const auto& consumer : all.shows) {
        std::uint64_t next = 0;
        for (const shown& each : consumer) {
            seen.insert(each.name);
            found.corrupted += !each.intact;
            found.phantom += each.intact && !puts.has(each.name);
            found.flagged += each.attempt > 1;
            const auto answered = done.find(each.offset);
            found.returned += answered != done.end() && each.when > answered->second;
            if (each.attempt > 1) continue;
            found.unflagged += ++firsts[each.offset] > 1;
            found.out_of_order += each.offset < next;
            next = each.offset + 1;
        }
    }
    found.seen = seen.size();
    found.confirmed = all.confirms.size();
    for (const confirmed& each : all.confirms) found.lost += !seen.contains(each.name);
}

}  // namespace

void history::read_producer(const std::string& file) {
    each_line(file, [this](const char* line) {
        unsigned producer = 0;
        unsigned_number one = 0;
        unsigned_number two = 0;
        if (std::sscanf(line, "put %u %llu %llu", &producer, &one, &two) == 3)
            puts.push_back({{producer, one}, two});
        else if (std::sscanf(line, "confirm %u %llu %llu", &producer, &one, &two) == 3)
            confirms.push_back({{producer, one}, two});
        else
            return false;
        return true;
    });
}

void history::read_consumer(const std::string& file) {
    std::vector<shown>& mine = shows.emplace_back();
    std::vector<std::uint64_t> waiting;  // acks without an answer
    std::set<std::uint64_t> refused;
    each_line(file, [&](const char* line) {
        unsigned producer = 0;
        unsigned intact = 0;
        unsigned_number offset = 0;
        unsigned_number attempt = 0;
        unsigned_number when = 0;
        unsigned_number number = 0;
        if (std::sscanf(line, "show %llu %llu %llu %u %llu %u", &offset, &attempt, &when, &producer, &number,
                        &intact) == 6) {
            mine.push_back({{producer, number}, offset, attempt, when, intact == 1});
        } else if (std::sscanf(line, "ack %llu", &offset) == 1) {
            waiting.push_back(offset);
        } else if (std::sscanf(line, "stale %llu %llu", &offset, &number) == 2) {
            for (; offset <= number; ++offset) refused.insert(offset);
        } else if (std::sscanf(line, "answered %llu", &when) == 1) {
            for (const std::uint64_t each : waiting) acks.push_back({each, when});
            waiting.clear();
        } else {
            return false;
        }
        return true;
    });
    std::erase_if(acks, [&](const answered_ack& each) { return refused.contains(each.offset); });
}

std::string verdict::text() const {
    char line[300];
    std::snprintf(
        line, sizeof line,
        "confirmed %llu, seen %llu, flagged redeliveries %llu, lost %llu, phantom %llu, corrupted %llu, "
        "unflagged duplicates %llu, misplaced %llu, out of order %llu, returned after their ack %llu",
        static_cast<unsigned_number>(confirmed), static_cast<unsigned_number>(seen),
        static_cast<unsigned_number>(flagged), static_cast<unsigned_number>(lost),
        static_cast<unsigned_number>(phantom), static_cast<unsigned_number>(corrupted),
        static_cast<unsigned_number>(unflagged), static_cast<unsigned_number>(misplaced),
        static_cast<unsigned_number>(out_of_order), static_cast<unsigned_number>(returned));
    return line;
}

verdict judge(const history& all) {
    verdict found;
    judge_storing(all, found);
    judge_shows(all, found);
    return found;
}

}  // namespace ferry::test
