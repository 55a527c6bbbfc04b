// ferry bench: how fast a pattern is here, beside plain libzmq doing the same.
#include <fmt/format.h>
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/child.hpp"
#include "bench/duel.hpp"
#include "bench/roles.hpp"
#include "cli/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/flags.hpp"
#include "cli/json_writer.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/units.hpp"
#include "core/context_parts.hpp"

namespace ferry::cli {
namespace {

namespace fs = std::filesystem;
using bench::duel_options;

constexpr std::array<std::string_view, 4> kinds = {"pubsub", "pushpull", "reqrep", "spool"};
constexpr std::size_t size_least = 16, size_most = 16 << 20;

struct bench_words {
    duel_options how;
    std::vector<std::size_t> sizes;
    bool json = false;
    bool quiet = false;
    std::string compare;
    std::string directory = ".";
};

void declare(command_line& line, bench_words& into) {
    line.value("--size", "SIZE", "bytes of a message (64; spool: 100); repeat for more cases",
               [&](const std::string& text) {
                   const std::uint64_t size = parse_size("--size", text);
                   if (size < size_least || size > size_most) throw usage_error{"--size: 16 bytes to 16 MiB"};
                   into.sizes.push_back(size);
               });
    line.value(
        "--for", "DUR", "how long a run counts, behind its warm-up (1s)", [&](const std::string& text) {
            into.how.lasts = std::chrono::ceil<std::chrono::milliseconds>(parse_duration("--for", text));
            if (into.how.lasts < std::chrono::milliseconds{1} || into.how.lasts > std::chrono::hours{1})
                throw usage_error{"--for: 1ms to 1h"};
        });
    line.value("--transport", "NAME", "tcp, ipc or inproc (tcp)",
               [&](const std::string& text) { into.how.transport = text; });
    line.value("--rate", "N/s", "messages a second, whoever keeps up (as fast as it goes)",
               [&](const std::string& text) {
                   into.how.rate = 1e9 / static_cast<double>(parse_rate("--rate", text).count());
               });
    line.value("--repeats", "N", "runs of each side, in turn (3)", [&](const std::string& text) {
        into.how.repeats = static_cast<int>(std::min<std::uint64_t>(parse_count("--repeats", text), 1000));
    });
    line.flag("--batch", "ferry sends small messages together", into.how.batch);
    line.value("--dir", "DIR", "where a spool's directory is made, on a real disk (.)",
               [&](const std::string& text) { into.directory = text; });
    line.flag("--json", "an object for each case", into.json);
    line.value("--compare", "FILE", "what --json wrote before, beside it",
               [&](const std::string& text) { into.compare = text; });
    line.flag("-q,--quiet", "no progress", into.quiet);
}

void check(bench_words& words) {
    duel_options& how = words.how;
    const bool durable = how.kind == "spool";
    if (how.transport != "tcp" && how.transport != "ipc" && how.transport != "inproc")
        throw usage_error{fmt::format("--transport: '{}' is not tcp, ipc or inproc", how.transport)};
    if (durable && how.transport != "tcp") throw usage_error{"a spool is measured over tcp"};
    if (how.batch && (durable || how.kind == "reqrep"))
        throw usage_error{"--batch is for pubsub and pushpull; a spool's messages always leave in batches"};
    if (words.sizes.empty()) words.sizes.push_back(durable ? 100 : 64);
}

// Gone with the run.
class scratch {
  public:
    explicit scratch(const std::string& parent) : path_{parent + "/ferry-bench-XXXXXX"} {
        if (::mkdtemp(path_.data()) == nullptr)
            throw failure{exit_code::not_found, fmt::format("cannot make a directory in {}", parent)};
    }
    ~scratch() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    const std::string& path() const noexcept { return path_; }

  private:
    std::string path_;
};

std::string key_of(const std::string& name, std::size_t size, const std::string& transport) {
    return fmt::format("{} {} {}", name, size, transport);
}

std::string name_of(const duel_options& how) {
    return how.kind + (how.batch ? " batch" : "");
}

// The ratios that an earlier run wrote, by case: they can be compared, whatever the machine does.
std::map<std::string, double> read_earlier(const std::string& path) {
    std::map<std::string, double> ratios;
    if (path.empty()) return ratios;
    std::ifstream in{path};
    if (!in) throw failure{exit_code::not_found, fmt::format("{}: no such file", path)};
    for (std::string text; std::getline(in, text);) {
        const auto one = nlohmann::json::parse(text, nullptr, false);
        if (!one.is_object() || !one.contains("name") || !one.contains("ratio"))
            throw usage_error{fmt::format("--compare: {} is not what bench --json wrote", path)};
        if (one["ratio"].is_number())
            ratios[key_of(one.value("name", ""), one.value("size", 0U), one.value("transport", ""))] =
                one["ratio"].get<double>();
    }
    return ratios;
}

std::string as_json(const duel_options& how, const bench::result& found,
                    const std::optional<double>& before) {
    const auto number = [](double value, int digits) { return fmt::format("{:.{}f}", value, digits); };
    const auto known = [&](double value, int digits) { return value > 0 ? number(value, digits) : "null"; };
    std::string text;
    {
        json_object one{text};
        one.number("v", 1)
            .text("name", name_of(how))
            .number("size", how.size)
            .text("transport", how.transport);
        one.raw("rate", number(found.ferry.rate, 0)).raw("rate_least", number(found.ferry.least, 0));
        one.raw("rate_most", number(found.ferry.most, 0)).text("baseline", found.against);
        one.raw("baseline_rate", known(found.other.rate, 0)).raw("ratio", known(found.ratio(), 3));
        one.raw("latency_rate", number(found.latency_rate, 0));
        one.raw("p50_us", known(found.ferry.p50_us, 1)).raw("p99_us", known(found.ferry.p99_us, 1));
        one.raw("baseline_p50_us", known(found.other.p50_us, 1));
        one.raw("baseline_p99_us", known(found.other.p99_us, 1));
        one.number("lost", found.ferry.lost).number("baseline_lost", found.other.lost);
        if (before) one.raw("ratio_before", number(*before, 3));
    }
    return text;
}

std::string as_row(std::string_view who, const bench::side& one) {
    const auto latency = [](double us) { return us > 0 ? fmt::format("{:.1f}", us) : std::string{"-"}; };
    if (one.rate == 0) return fmt::format("  {:<13} {:>12}", who, "-");
    return fmt::format("  {:<13} {:>12.0f}  {:<23} {:>9} {:>9} {:>8}", who, one.rate,
                       fmt::format("{:.0f} to {:.0f}", one.least, one.most), latency(one.p50_us),
                       latency(one.p99_us), one.lost);
}

std::vector<std::string> as_table(const duel_options& how, const bench::result& found,
                                  const std::optional<double>& before) {
    std::vector<std::string> lines;
    lines.push_back(fmt::format("{}, {}, {} bytes: medians of {} runs of {} ms each, in turn", name_of(how),
                                how.transport, how.size, how.repeats, how.lasts.count()));
    lines.push_back(fmt::format("  {:<13} {:>12}  {:<23} {:>9} {:>9} {:>8}", "", "messages/s", "spread",
                                "p50 us", "p99 us", "lost"));
    lines.push_back(as_row("ferry", found.ferry));
    lines.push_back(as_row(found.against, found.other));
    if (found.other.rate > 0)
        lines.push_back(fmt::format("  {:<13} {:>12.2f}{}", "ratio", found.ratio(),
                                    before ? fmt::format("  before: {:.2f}", *before) : ""));
    lines.push_back(
        found.latency_rate > 0
            ? fmt::format("  latency at {:.0f} messages/s, from when each was due", found.latency_rate)
            : "  latency of one question at a time");
    return lines;
}

int measure(bench_words& words, const context& context, output& out) {
    const auto earlier = read_earlier(words.compare);
    std::optional<scratch> room;
    if (words.how.kind == "spool" || words.how.transport == "ipc") {
        room.emplace(words.how.kind == "spool" ? words.directory : fs::temp_directory_path().string());
        words.how.directory = room->path();
    }
    progress shown;
    for (const std::size_t size : words.sizes) {
        words.how.size = size;
        const bench::result found = bench::duel{words.how}.fight([&](const std::string& what) {
            if (!words.quiet) shown.show(fmt::format("{}, {} bytes: {}", name_of(words.how), size, what));
        });
        if (context.stopped()) break;
        shown.clear();
        const auto at = earlier.find(key_of(name_of(words.how), size, words.how.transport));
        const auto before = at == earlier.end() ? std::nullopt : std::optional{at->second};
        if (words.json)
            out.line(as_json(words.how, found, before));
        else
            for (const std::string& each : as_table(words.how, found, before)) out.line(each);
        out.flush();
    }
    return context.signal() != 0 ? interrupted_by(context.signal()) : to_int(exit_code::done);
}

int run_bench(command_line& line) {
    bench_words words;
    words.how.kind = line.verb(kinds);
    declare(line, words);
    const std::vector<std::string> rest = line.parse();
    if (!rest.empty()) throw usage_error{fmt::format("one argument too many: '{}'", rest[0])};
    check(words);
    context context;
    context.stop_on_signals();
    bench::give_up_when_readable(context.internals().stop.fd());
    output out{context, {}};
    try {
        return measure(words, context, out);
    } catch (const std::runtime_error&) {
        if (context.signal() == 0) throw;
        return interrupted_by(context.signal());
    }
}

constexpr std::array<std::string_view, 4> examples = {
    "ferry bench pushpull", "ferry bench pubsub --size 64 --size 1KiB --batch",
    "ferry bench reqrep --transport ipc --json", "ferry bench spool --rate 10000/s --dir ."};
constexpr std::array<std::string_view, 1> runnable = {
    "ferry bench pushpull --size 64 --for 50ms --repeats 1 --json"};

}  // namespace

const command bench_command{"bench",
                            "",
                            "bench pubsub|pushpull|reqrep|spool [FLAGS]",
                            "Measures a pattern on this machine, in turn with plain libzmq doing the same.",
                            examples,
                            runnable,
                            run_bench};

}  // namespace ferry::cli
