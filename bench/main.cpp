// The benchmark: ferry beside its counterparts in one run, one table. Medians; separate processes; loopback
// only.
//
//     ferry_bench                            all of it; --from CASE: from the first one whose name begins so
//     ferry_bench --from profile             where a spool's time goes, and how it goes with the number of
//                                            everything (--from scale); all of it leaves these out
//     ferry_bench --only CASE [--size BYTES] [--against COUNTERPART] [--repeats N]
//     ferry_bench --json NOW.json --compare EARLIER.json
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <thread>

#include "bench/cases.hpp"
#include "bench/child.hpp"
#include "bench/roles.hpp"
#include "bench/table.hpp"

namespace ferry::bench {
namespace {

namespace fs = std::filesystem;

// Beyond those of every program.
const role_table& own_roles() {
    static const role_table all = {
        {"append", append_role},
        {"confirm", confirm_role},
        {"sync-echo", sync_echo_role},
        {"sync-ask", sync_ask_role},
        {"device", device_role},
        {"ask-many", ask_many_role},
        {"fill-late", fill_late_role},
        {"crowd", crowd_role},
        {"hold", hold_role},
        {"scatter", scatter_role},
        {"share", share_role},
        {"connections", connections_role},
        {"subscribe", subscribe_role},
        {"put-allocations", put_allocations_role},
        {"take-allocations", take_allocations_role},
#ifdef FERRY_BENCH_REDIS
        {"redis-put", redis_put_role},
        {"redis-take", redis_take_role},
        {"redis-confirm", redis_confirm_role},
#endif
#ifdef FERRY_BENCH_NATS
        {"nats-make", nats_make_role},
        {"nats-put", nats_put_role},
        {"nats-take", nats_take_role},
#endif
#ifdef FERRY_BENCH_RABBITMQ
        {"rabbit-make", rabbit_make_role},
        {"rabbit-put", rabbit_put_role},
        {"rabbit-take", rabbit_take_role},
#endif
    };
    return all;
}

struct options {
    std::string directory;
    std::string json;
    std::string from;                 ///< begins with the first case whose name begins so
    std::vector<std::string> only;    ///< these, by their whole names; empty: all
    std::string against;              ///< and of these, those with this counterpart
    std::optional<std::size_t> size;  ///< and of that size
    std::string compare;
    int repeats = 0;  ///< of each side; 0 = as many as the case has
};

constexpr const char* usage =
    "usage: ferry_bench [--from CASE] [--only CASE]... [--against COUNTERPART] [--size BYTES] [--repeats N]\n"
    "                   [--dir DIR] [--json FILE] [--compare FILE]\n"
    "only when named: --from profile (a spool's threads and syncs), --from scale (from one to many)\n";

std::optional<options> parsed(const words& arguments) {
    options into;
    // Beside the binary: a temporary directory may live in memory, where a sync costs nothing.
    into.directory = fs::path{own_path()}.parent_path().string();
    for (std::size_t i = 0; i < arguments.size(); i += 2) {
        if (i + 1 == arguments.size()) return std::nullopt;
        const std::string& flag = arguments[i];
        const std::string& value = arguments[i + 1];
        if (flag == "--json")
            into.json = value;
        else if (flag == "--dir")
            into.directory = value;
        else if (flag == "--from")
            into.from = value;
        else if (flag == "--only")
            into.only.push_back(value);
        else if (flag == "--against")
            into.against = value;
        else if (flag == "--size")
            into.size = std::stoul(value);
        else if (flag == "--compare")
            into.compare = value;
        else if (flag == "--repeats")
            into.repeats = std::stoi(value);
        else
            return std::nullopt;
    }
    return into;
}

bool chosen(const options& by, const bench_case& each) {
    return (by.only.empty() || std::ranges::find(by.only, each.name) != by.only.end()) &&
           (by.against.empty() || each.against == by.against) && (!by.size || each.size == *by.size);
}

void run(const std::string& directory, const options& how) {
    std::ofstream lines;
    if (!how.json.empty()) {
        lines.open(how.json);
        if (!lines) throw std::runtime_error{"cannot write " + how.json};
    }
    std::optional<earlier_run> before;
    if (!how.compare.empty()) before.emplace(how.compare);
    fmt::print(
        "{} cores, tcp loopback, spools in {}; medians of runs that alternate with the counterpart's\n\n",
        std::thread::hardware_concurrency(), directory);
    print_head(before.has_value());
    const std::string ferry = (fs::path{own_path()}.parent_path().parent_path() / "ferry").string();
    bool begun = false, begun_by_name = false;
    bool any = false;
    std::string head;
    bool wanted = false;
    for (const bench_case& each : all_cases(directory, ferry)) {
        const bool begins = !begun && each.name.starts_with(how.from);
        begun_by_name = begins ? each.by_name_only : begun_by_name;
        begun = begun || begins;
        // One that is set in looks at the spool of the one before it: they go together.
        if (!each.name.starts_with("  ")) {
            wanted = chosen(how, each) && (!each.by_name_only || begun_by_name || !how.only.empty());
            head = each.name;
        }
        if (!begun || !wanted) continue;
        any = true;
        std::vector<sample> ours;
        std::vector<sample> theirs;
        for (int i = 0; i < (how.repeats > 0 ? how.repeats : each.repeats); ++i) {
            ours.push_back(each.ours());
            if (each.theirs) theirs.push_back(each.theirs());
        }
        const outcome came_to{each, each.name == head ? head : head + "," + each.name.substr(1),
                              figure{std::move(ours)}, figure{std::move(theirs)}};
        print_row(came_to, before ? &*before : nullptr);
        if (lines.is_open()) write_json(lines, came_to);
    }
    if (!any) throw std::runtime_error{"no such case"};
}

int bench(const words& arguments) {
    const auto how = parsed(arguments);
    if (!how) {
        fmt::print(stderr, "{}", usage);
        return 2;
    }
    std::string directory = how->directory + "/bench-XXXXXX";
    if (::mkdtemp(directory.data()) == nullptr) throw std::runtime_error{"cannot make " + directory};
    std::exception_ptr failure;
    try {
        run(directory, *how);
    } catch (...) {
        failure = std::current_exception();
    }
    fs::remove_all(directory);
    if (failure) std::rethrow_exception(failure);
    return 0;
}

// A connection takes some descriptors, and a shell gives a thousand; the processes inherit it.
void open_many_files() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace
}  // namespace ferry::bench

int main(int argc, char** argv) {
    ferry::bench::open_many_files();
    ferry::bench::words arguments(argv + 1, argv + argc);
    try {
        return ferry::bench::plays(arguments, ferry::bench::own_roles()) ? 0 : ferry::bench::bench(arguments);
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "ferry_bench: %s\n", failure.what());
        return 1;
    }
}
