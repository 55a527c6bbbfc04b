// The demo's input: each line of a JSON-lines file is an event with a network, an id and a magnitude.
//
// The members `net`, `id` and `mag` are optional: an event without a network belongs to "unknown", one
// without an id is called by its line, one without a magnitude counts as an event only. Everything is counted
// by line. Networks and ids become tokens of topics and words of lines, so other characters than letters,
// digits, `_` and `-` in them are written as `_`.
//
// Threads: const calls from any. Failure: throws failure naming the file and the line that is not JSON.
//
//     const demo_events events{"earthquakes.jsonl"};
//     events.all()[0].topic == "quake.uw.uw61345682";
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ferry::cli {

struct demo_event {
    std::string line;  ///< as it stands in the file
    std::string id;
    std::string network;
    std::string magnitude;  ///< the shortest text of the number; "-" when there is none
    std::string topic;      ///< quake.<network>.<id>
};

/// One line of the file. Throws failure when it is not a JSON object.
demo_event read_demo_event(std::string line, std::size_t line_number);

/// What is counted of a network.
struct network_total {
    std::uint64_t events = 0;
    std::optional<double> largest{};  ///< magnitude

    void add(std::string_view magnitude);
    friend bool operator==(const network_total&, const network_total&) = default;
};
using network_totals = std::map<std::string, network_total, std::less<>>;

class demo_events {
  public:
    explicit demo_events(const std::string& path);

    const std::vector<demo_event>& all() const noexcept { return all_; }
    std::size_t size() const noexcept { return all_.size(); }
    const std::string& path() const noexcept { return path_; }

    /// Of the first event of that id; empty when there is none.
    std::optional<std::string_view> magnitude_of(std::string_view id) const;

    /// Three prefixes of topics, a longer one before those it begins with; the last is everything.
    std::vector<std::string> prefixes() const;

    /// The totals of the first `messages` of all events in a row, begun again when they end.
    network_totals totals(std::size_t messages) const;

  private:
    std::string path_;
    std::vector<demo_event> all_;
    std::unordered_map<std::string_view, std::size_t> by_id_;  // views into all_, which does not change
};

/// The file that comes with ferry: beside the binary in a build tree, in share/ferry when installed. Throws
/// failure naming where it was looked for.
std::string find_demo_data();

}  // namespace ferry::cli
