#include "cli/dead_letters.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/table.hpp"
#include "ferry/consumer.hpp"
#include "ferry/subscriber.hpp"

namespace ferry::cli {
namespace {

using namespace std::chrono_literals;
using protocol::run;

constexpr auto look_again_after = 500ms;
constexpr int looks_max = 20;

struct dead_place {
    std::string group;
    std::uint64_t offset = 0;
    std::uint64_t attempt = 0;
    std::string reason;
};

std::string text_in(const header_map& row, std::string_view name) {
    const auto found = row.find(name);
    const auto* text = found == row.end() ? nullptr : std::get_if<std::string>(&found->second);
    return text == nullptr ? std::string{} : *text;
}

bool wanted(const dead_letter_choice& which, std::uint64_t offset) {
    return which.offsets.empty() || std::any_of(which.offsets.begin(), which.offsets.end(), [&](run each) {
               return offset >= each.first && offset < each.end();
           });
}

bool fits(const dead_letter_choice& which, const message& content) {
    return which.match.empty() ||
           std::any_of(which.match.begin(), which.match.end(), [&](const std::string& pattern) {
               return matches(pattern, content.has_topic() ? content.topic() : content.body());
           });
}

std::vector<std::string> groups_with_dead(remote_spool& spool, const dead_letter_choice& which) {
    header_map arguments{{"stream", which.stream}};
    if (which.group) arguments.emplace("group", *which.group);
    std::vector<std::string> names;
    for (const header_map& row : spool.call(which.group ? "group.info" : "group.list", arguments))
        if (number_in(row, "dead") > 0) names.push_back(text_in(row, "name"));
    return names;
}

// Page by page, one place for each message; false when `visit` wanted no more.
bool for_each_place(remote_spool& spool, const dead_letter_choice& which, const std::string& group,
                    const std::function<bool(const dead_place&)>& visit) {
    std::uint64_t from = 0;
    while (true) {
        const auto rows = spool.call(
            "dead.list",
            {{"stream", which.stream}, {"group", group}, {"from", static_cast<std::int64_t>(from)}});
        if (rows.empty()) return true;
        for (const header_map& row : rows) {
            const run dead{number_in(row, "offset"), number_in(row, "count")};
            dead_place place{group, 0, number_in(row, "attempt"), text_in(row, "reason")};
            for (place.offset = dead.first; place.offset < dead.end(); ++place.offset)
                if (wanted(which, place.offset) && !visit(place)) return false;
            from = dead.end();
        }
    }
}

/// The messages of one group's dead letters, asked for in the order of their offsets.
class dead_letter_reader {
  public:
    dead_letter_reader(remote_spool& spool, const endpoints& where, std::string stream, std::string group,
                       std::uint64_t from)
        : spool_{spool},
          stream_{std::move(stream)},
          group_{std::move(group)},
          reader_{spool.owner(),
                  where,
                  {.stream = stream_,
                   .group = std::nullopt,
                   .dead_of = group_,
                   .from = std::to_string(from),
                   .linger = 0ms}} {}

    /// Empty when it is no dead letter any more, or a signal came.
    std::optional<delivery> at(std::uint64_t offset) {
        for (int looks = 0; looks < looks_max; ++looks) {
            if (!next_) next_ = reader_.next(look_again_after);
            while (next_ && next_->offset() < offset) next_ = reader_.next(look_again_after);
            if (next_ && next_->offset() == offset) return std::exchange(next_, std::nullopt);
            if (next_ || spool_.owner().stopped() || !still_dead(offset)) return std::nullopt;
        }
        throw failure{exit_code::timed_out,
                      fmt::format("the spool does not give dead letter {} of group '{}'", offset, group_)};
    }

  private:
    bool still_dead(std::uint64_t offset) {
        const auto rows = spool_.call(
            "dead.list",
            {{"stream", stream_}, {"group", group_}, {"from", static_cast<std::int64_t>(offset)}});
        return !rows.empty() && number_in(rows[0], "offset") == offset;
    }

    remote_spool& spool_;
    std::string stream_;
    std::string group_;
    consumer reader_;
    std::optional<delivery> next_;
};

void add(std::vector<run>& runs, std::uint64_t offset) {
    if (!runs.empty() && runs.back().end() == offset)
        ++runs.back().count;
    else
        runs.push_back({offset, 1});
}

}  // namespace

void for_each_dead_letter(remote_spool& spool, const endpoints& where, const dead_letter_choice& which,
                          const std::function<bool(const dead_letter&)>& visit) {
    std::uint64_t visited = 0;
    for (const std::string& group : groups_with_dead(spool, which)) {
        std::optional<dead_letter_reader> reader;
        const auto show = [&](const dead_place& place) {
            if (!reader) reader.emplace(spool, where, which.stream, group, place.offset);
            const auto found = reader->at(place.offset);
            if (!found) return !spool.owner().stopped();
            dead_letter letter{
                group, place.offset, place.attempt, place.reason, found->stored_wall_ns(), found->content()};
            if (!fits(which, letter.content)) return true;
            return visit(letter) && !(which.count && ++visited >= *which.count);
        };
        if (!for_each_place(spool, which, group, show)) return;
    }
}

chosen_dead_letters choose_dead_letters(remote_spool& spool, const endpoints& where,
                                        const dead_letter_choice& which) {
    chosen_dead_letters chosen;
    const auto take = [&](const std::string& group, std::uint64_t offset) {
        if (chosen.empty() || chosen.back().first != group) chosen.emplace_back(group, std::vector<run>{});
        add(chosen.back().second, offset);
    };
    if (!which.match.empty()) {
        for_each_dead_letter(spool, where, which, [&](const dead_letter& each) {
            take(each.group, each.offset);
            return true;
        });
        return chosen;
    }
    std::uint64_t taken = 0;
    for (const std::string& group : groups_with_dead(spool, which)) {
        const auto count = [&](const dead_place& place) {
            take(group, place.offset);
            return !(which.count && ++taken >= *which.count);
        };
        if (!for_each_place(spool, which, group, count)) break;
    }
    return chosen;
}

}  // namespace ferry::cli
