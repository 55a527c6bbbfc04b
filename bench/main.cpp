// The benchmark: ferry beside its counterparts in one run, one table. Medians; separate processes; loopback
// only.
//
//     ferry_bench [--json FILE] [--dir DIR] [--from CASE]     from the first case whose name begins so
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <thread>

#include "bench/cases.hpp"
#include "bench/child.hpp"
#include "bench/roles.hpp"

namespace ferry::bench {
namespace {

namespace fs = std::filesystem;

const std::map<std::string, void (*)(const words&)>& roles() {
    static const std::map<std::string, void (*)(const words&)> all = {
        {"send", send_role},   {"receive", receive_role}, {"device", device_role},
        {"spool", spool_role}, {"fill", fill_role},       {"put", put_role},
        {"take", take_role},   {"take-on", take_on_role}, {"fill-late", fill_late_role},
        {"crowd", crowd_role}, {"scatter", scatter_role},
    };
    return all;
}

struct figure {
    double median = 0;
    double least = 0;
    double most = 0;
    std::uint64_t lost = 0;
};

figure figure_of(std::vector<sample> samples) {
    if (samples.empty()) return {};
    std::ranges::sort(samples, {}, &sample::value);
    figure all{samples[samples.size() / 2].value, samples.front().value, samples.back().value, 0};
    for (const sample& each : samples) all.lost += each.lost;
    return all;
}

std::string readable(double value, const std::string& unit) {
    if (unit.empty()) return fmt::format("{:.0f}", value);
    if (unit != "msg/s") return fmt::format("{:.1f} {}", value, unit);
    return fmt::format("{:.0f} k/s", value / 1000);
}

void print_row(const bench_case& which, const figure& ours, const figure& theirs) {
    const std::string size = which.size > 0 ? fmt::format("{} B", which.size) : "";
    const std::string spread =
        fmt::format("{} .. {}", readable(ours.least, which.unit), readable(ours.most, which.unit));
    const bool alone = which.against.empty();
    fmt::print("{:<27} {:>7} {:>11}  {:<22} {:>11} {:>6}  {:>9} {:>9}  {}\n", which.name, size,
               readable(ours.median, which.unit), spread, alone ? "" : readable(theirs.median, which.unit),
               alone ? "" : fmt::format("{:.2f}", ours.median / theirs.median), ours.lost,
               alone ? "" : std::to_string(theirs.lost), which.against);
    std::fflush(stdout);
}

void write_json(std::ostream& out, const bench_case& which, const figure& ours, const figure& theirs) {
    out << fmt::format(
        "{{\"v\":1,\"name\":\"{}\",\"size\":{},\"transport\":\"tcp\",\"unit\":\"{}\",\"rate\":{:.3f}",
        which.name, which.size, which.unit, ours.median);
    if (!which.against.empty())
        out << fmt::format(
            ",\"baseline\":\"{}\",\"baseline_rate\":{:.3f},\"ratio\":{:.3f},\"baseline_lost\":{}",
            which.against, theirs.median, ours.median / theirs.median, theirs.lost);
    out << fmt::format(",\"lost\":{}}}\n", ours.lost);
}

void run(const std::string& directory, const std::string& json, const std::string& first) {
    std::ofstream lines;
    if (!json.empty()) {
        lines.open(json);
        if (!lines) throw std::runtime_error{"cannot write " + json};
    }
    fmt::print(
        "{} cores, tcp loopback, spools in {}; medians of runs that alternate with the counterpart's\n\n",
        std::thread::hardware_concurrency(), directory);
    fmt::print("{:<27} {:>7} {:>11}  {:<22} {:>11} {:>6}  {:>9} {:>9}  {}\n", "case", "size", "ferry",
               "spread", "counterpart", "ratio", "lost", "its lost", "");
    const std::string ferry = (fs::path{own_path()}.parent_path().parent_path() / "ferry").string();
    bool begun = false;
    for (const bench_case& each : all_cases(directory, ferry)) {
        begun = begun || each.name.starts_with(first);
        if (!begun) continue;
        std::vector<sample> ours;
        std::vector<sample> theirs;
        for (int i = 0; i < each.repeats; ++i) {
            ours.push_back(each.ours());
            if (each.theirs) theirs.push_back(each.theirs());
        }
        print_row(each, figure_of(ours), figure_of(theirs));
        if (lines.is_open()) write_json(lines, each, figure_of(ours), figure_of(theirs));
    }
}

int bench(const words& arguments) {
    // Beside the binary: a temporary directory may live in memory, where a sync costs nothing.
    std::string directory = fs::path{own_path()}.parent_path().string();
    std::string json;
    std::string first;
    for (std::size_t i = 0; i < arguments.size(); i += 2) {
        const bool has_value = i + 1 < arguments.size();
        if (has_value && arguments[i] == "--json")
            json = arguments[i + 1];
        else if (has_value && arguments[i] == "--dir")
            directory = arguments[i + 1];
        else if (has_value && arguments[i] == "--from")
            first = arguments[i + 1];
        else {
            fmt::print(stderr, "usage: ferry_bench [--json FILE] [--dir DIR] [--from CASE]\n");
            return 2;
        }
    }
    directory += "/bench-XXXXXX";
    if (::mkdtemp(directory.data()) == nullptr) throw std::runtime_error{"cannot make " + directory};
    std::exception_ptr failure;
    try {
        run(directory, json, first);
    } catch (...) {
        failure = std::current_exception();
    }
    fs::remove_all(directory);
    if (failure) std::rethrow_exception(failure);
    return 0;
}

}  // namespace
}  // namespace ferry::bench

int main(int argc, char** argv) {
    ferry::bench::words arguments(argv + 1, argv + argc);
    try {
        if (arguments.size() < 2 || arguments[0] != "--role") return ferry::bench::bench(arguments);
        const auto role = ferry::bench::roles().at(arguments[1]);
        role({arguments.begin() + 2, arguments.end()});
        return 0;
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "ferry_bench: %s\n", failure.what());
        return 1;
    }
}
