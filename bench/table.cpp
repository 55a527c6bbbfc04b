#include "bench/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace ferry::bench {
namespace {

std::string readable(double value, const std::string& unit) {
    if (unit.empty()) return fmt::format("{:.0f}", value);
    if (unit != "msg/s") return fmt::format("{:.1f} {}", value, unit);
    return fmt::format("{:.0f} k/s", value / 1000);
}

std::string key_of(const std::string& name, std::uint64_t size, const std::string& against) {
    return fmt::format("{}/{}/{}", name, size, against);
}

}  // namespace

figure::figure(std::vector<sample> samples) {
    if (samples.empty()) return;
    std::ranges::sort(samples, {}, &sample::value);
    median = samples[samples.size() / 2].value;
    least = samples.front().value;
    most = samples.back().value;
    for (const sample& each : samples) lost += each.lost;
}

earlier_run::earlier_run(const std::string& path) {
    std::ifstream in{path};
    if (!in) throw std::runtime_error{"cannot read " + path};
    for (std::string line; std::getline(in, line);) {
        const auto one = nlohmann::json::parse(line, nullptr, false);
        if (!one.is_object() || !one.contains("name") || !one.contains("rate"))
            throw std::runtime_error{path + " is not what --json wrote"};
        const std::string against = one.value("baseline", "");
        figures_.insert_or_assign(key_of(one.value("name", ""), one.value("size", 0U), against),
                                  one.value(against.empty() ? "rate" : "ratio", 0.0));
    }
}

std::optional<double> earlier_run::of(const outcome& now) const {
    const auto found = figures_.find(key_of(now.name, now.of.size, now.of.against));
    return found == figures_.end() ? std::nullopt : std::optional{found->second};
}

void print_head(bool compared) {
    fmt::print("{:<27} {:>7} {:>11}  {:<22} {:>11} {:>6} {}{:>9} {:>9}  {}\n", "case", "size", "ferry",
               "spread", "counterpart", "ratio", compared ? "    before " : "", "lost", "its lost", "");
}

void print_row(const outcome& what, const earlier_run* before) {
    const bench_case& which = what.of;
    const std::string size = which.size > 0 ? fmt::format("{} B", which.size) : "";
    const std::string spread =
        fmt::format("{} .. {}", readable(what.ours.least, which.unit), readable(what.ours.most, which.unit));
    std::string then;
    if (before != nullptr) {
        const auto found = before->of(what);
        then = !found ? "-" : what.alone() ? readable(*found, which.unit) : fmt::format("{:.2f}", *found);
        then = fmt::format("{:>10} ", then);
    }
    fmt::print("{:<27} {:>7} {:>11}  {:<22} {:>11} {:>6} {}{:>9} {:>9}  {}\n", which.name, size,
               readable(what.ours.median, which.unit), spread,
               what.alone() ? "" : readable(what.theirs.median, which.unit),
               what.alone() ? "" : fmt::format("{:.2f}", what.ratio()), then, what.ours.lost,
               what.alone() ? "" : std::to_string(what.theirs.lost), which.against);
    std::fflush(stdout);
}

void write_json(std::ostream& out, const outcome& what) {
    nlohmann::ordered_json line{{"v", 1},
                                {"name", what.name},
                                {"size", what.of.size},
                                {"transport", "tcp"},
                                {"unit", what.of.unit},
                                {"rate", what.ours.median},
                                {"least", what.ours.least},
                                {"most", what.ours.most}};
    if (!what.alone()) {
        line["baseline"] = what.of.against;
        line["baseline_rate"] = what.theirs.median;
        line["ratio"] = what.ratio();
        line["baseline_lost"] = what.theirs.lost;
    }
    line["lost"] = what.ours.lost;
    out << line.dump() << std::endl;
}

}  // namespace ferry::bench
