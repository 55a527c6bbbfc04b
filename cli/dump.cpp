// ferry dump: the records of a spool's directory, one a line, off line.
#include <fmt/format.h>

#include <array>

#include "cli/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/flags.hpp"
#include "cli/json_writer.hpp"
#include "cli/output.hpp"
#include "cli/spool_directory.hpp"
#include "cli/units.hpp"

namespace ferry::cli {
namespace {

// Indexed by record_type.
constexpr std::array<std::string_view, 15> type_names = {
    "?",        "messages",  "acks",     "attempt",         "dead",
    "redrive",  "mark",      "commit",   "stream_settings", "group_settings",
    "producer", "watermark", "adoption", "removed",         "footer"};

std::string_view type_name(log::record_type type) {
    const auto index = static_cast<std::size_t>(type);
    return index < type_names.size() ? type_names[index] : type_names[0];
}

struct dumped {
    const std::string& segment;
    const log::stored_record& record;
    std::uint32_t stream;
    std::string name;
};

// position  type  stream  offsets  count  bytes  time
std::string as_text(const dumped& from) {
    const log::record_header& header = from.record.header;
    const std::string number = from.stream == 0 ? "-" : std::to_string(from.stream);
    const std::string offsets = header.count == 0 ? "-"
                                                  : fmt::format("{}..{}", header.first_offset,
                                                                header.first_offset + header.count - 1);
    return fmt::format("{:>12}  {:<15}  {:<16}  {:<17}  {:>6}  {:>8}  {}", from.record.at,
                       type_name(header.type), from.name.empty() ? number : from.name, offsets, header.count,
                       header.length, format_time(header.wall_ns));
}

std::string as_json(const dumped& from) {
    const log::record_header& header = from.record.header;
    std::string line;
    {
        json_object object{line};
        object.number("v", 1).text("segment", from.segment).number("position", from.record.at);
        object.text("type", type_name(header.type));
        if (!from.name.empty()) object.text("stream", from.name);
        if (from.stream != 0) object.number("stream_number", from.stream);
        if (header.count != 0) object.number("first_offset", header.first_offset);
        object.number("count", header.count).number("bytes", header.length);
        object.text("ts", format_time(header.wall_ns)).number("durable", header.durable);
    }
    return line;
}

// Prints until all is printed, -n is reached or a signal comes; gives the number of damaged places met.
std::uint64_t print_records(spool_directory& directory, const ending& end, context& context, bool json) {
    constexpr std::uint64_t flush_every = 256;
    output out{context, {}};
    std::uint64_t printed = 0;
    const auto print = [&](const std::string& segment, const log::stored_record& record) {
        if (end.complete(printed) || context.stopped()) throw log::seen_enough{};
        const std::uint32_t stream = spool_directory::stream_of(record);
        const dumped each{segment, record, stream, directory.stream_name(stream)};
        out.line(json ? as_json(each) : as_text(each));
        if (++printed % flush_every == 0) out.flush();
    };
    const std::uint64_t bad = directory.walk(print).bad();
    out.flush();
    return bad;
}

int run_dump(command_line& line) {
    shared_flags flags;
    bool json = false;
    line.value("-n,--count", "N", "stop after N records",
               [&flags](const std::string& value) { flags.end.count = parse_count("--count", value); });
    line.flag("--json", "one JSON object a line", json);
    declare(line, flags, {});
    const std::vector<std::string> words = line.parse();
    if (words.empty()) throw usage_error{"the directory is missing"};
    if (words.size() > 1) throw usage_error{fmt::format("one argument too many: '{}'", words[1])};

    context context;
    context.stop_on_signals();
    spool_directory directory{words[0]};
    const std::uint64_t bad = print_records(directory, ending{flags.end}, context, json);
    if (context.signal() != 0) return interrupted_by(context.signal());
    if (bad != 0)
        throw failure{exit_code::damaged,
                      fmt::format("damage left out, places: {}; ferry verify {} names them", bad, words[0])};
    return to_int(exit_code::done);
}

constexpr std::array<std::string_view, 3> examples = {"ferry dump ./outbox", "ferry dump ./outbox -n 10",
                                                      "ferry dump ./outbox --json | grep acks"};

}  // namespace

const command dump_command{
    "dump",
    "",
    "dump DIR [-n N] [--json]",
    "Prints a spool's records: position, type, stream, offsets, count, bytes, time; no spool may run there.",
    examples,
    {},
    run_dump};

}  // namespace ferry::cli
