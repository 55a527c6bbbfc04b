// ferry verify: reads every byte of a spool's directory and says what is damaged, off line.
#include <fmt/format.h>

#include <array>

#include "cli/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/flags.hpp"
#include "cli/json_writer.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/spool_directory.hpp"

namespace ferry::cli {
namespace {

// Thrown out of a walk that a signal ends.
struct interrupted {};

std::string stream_text(const spool_directory& directory, const log::damage& found) {
    if (found.stream == 0) return "stream not known";
    const std::string name = directory.stream_name(found.stream);
    const std::string who = name.empty() ? fmt::format("stream {}", found.stream) : "stream " + name;
    if (found.count == 0) return who;
    return fmt::format("{} offsets {}..{} ({} messages)", who, found.first_offset,
                       found.first_offset + found.count - 1, found.count);
}

// `damage FILE position A..B stream NAME offsets A..B (N messages): REASON`
std::string as_text(const spool_directory& directory, const log::damage& found) {
    const std::string place = fmt::format("{} position {}..{}", found.file, found.from, found.to);
    if (found.torn_tail) return fmt::format("torn {}: {}", place, found.reason);
    return fmt::format("damage {} {}: {}", place, stream_text(directory, found), found.reason);
}

std::string as_json(const spool_directory& directory, const log::inspection& found) {
    std::string damages;
    for (const log::damage& each : found.damages) {
        damages += damages.empty() ? "" : ",";
        json_object object{damages};
        object.text("file", each.file).number("from", each.from).number("to", each.to);
        object.boolean("torn_tail", each.torn_tail);
        if (each.stream != 0) {
            const std::string name = directory.stream_name(each.stream);
            if (!name.empty()) object.text("stream", name);
            object.number("stream_number", each.stream).number("first_offset", each.first_offset);
            object.number("count", each.count);
        }
        object.text("reason", each.reason);
    }
    std::string notes;
    for (const std::string& each : found.notes) {
        notes += notes.empty() ? "" : ",";
        append_json_string(notes, each);
    }
    std::string line;
    {
        json_object object{line};
        object.number("v", 1).number("segments", found.segments).number("snapshots", found.snapshots);
        object.number("records", found.records).number("messages", found.messages).number("bad", found.bad());
        object.raw("damages", '[' + damages + ']').raw("notes", '[' + notes + ']');
    }
    return line;
}

log::inspection look_through(spool_directory& directory, const context& context, bool quiet) {
    constexpr std::uint64_t show_every = 4096;
    progress so_far;
    std::uint64_t records = 0;
    return directory.walk([&](const std::string& segment, const log::stored_record&) {
        ++records;
        if (context.stopped()) throw interrupted{};
        if (!quiet && records % show_every == 0)
            so_far.show(fmt::format("{} records, in {}", records, segment));
    });
}

int run_verify(command_line& line) {
    shared_flags flags;
    bool json = false;
    line.flag("--json", "as one JSON object", json);
    declare(line, flags, {});
    const std::vector<std::string> words = line.parse();
    if (words.empty()) throw usage_error{"the directory is missing"};
    if (words.size() > 1) throw usage_error{fmt::format("one argument too many: '{}'", words[1])};

    context context;
    context.stop_on_signals();
    output out{context, {}};
    spool_directory directory{words[0]};
    log::inspection found;
    try {
        found = look_through(directory, context, flags.quiet);
    } catch (const interrupted&) {
        return interrupted_by(context.signal());
    }
    if (json) {
        out.line(as_json(directory, found));
    } else {
        for (const log::damage& each : found.damages) out.line(as_text(directory, each));
        out.line(fmt::format("{} segments, {} records, {} messages, {} bad", found.segments, found.records,
                             found.messages, found.bad()));
    }
    out.flush();
    for (const std::string& each : found.notes) flags.speaker().detail("note: " + each);
    if (found.bad() == 0) return to_int(exit_code::done);
    for (const log::damage& each : found.damages)
        if (!each.torn_tail) throw failure{exit_code::damaged, words[0] + ": " + as_text(directory, each)};
    return to_int(exit_code::damaged);
}

constexpr std::array<std::string_view, 2> examples = {"ferry verify /var/lib/spool",
                                                      "ferry verify ./outbox --json"};

}  // namespace

const command verify_command{
    "verify",
    "",
    "verify DIR [--json]",
    "Reads all of a spool's directory and says what is damaged; no spool may run in it.",
    examples,
    {},
    run_verify};

}  // namespace ferry::cli
