#include "cli/stream_messages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "cli/durable.hpp"
#include "cli/ending.hpp"
#include "cli/progress.hpp"
#include "cli/put.hpp"
#include "cli/remote_spool.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "ferry/consumer.hpp"

namespace ferry::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t peek_by_default = 10;
constexpr std::uint64_t credit_max = 10'000;
constexpr std::uint64_t progress_step = 1000;  // messages; few are not worth a line

struct reading_flags {
    shared_flags shared;
    std::string from = "first";
};

// What is read: from `from`, as the protocol writes it, to below the offset `until`, no more than `count`.
struct range {
    std::string stream;
    std::string from;
    std::uint64_t until = 0;
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
};

void declare_reading(command_line& line, reading_flags& flags, std::string_view verb) {
    if (verb == "export")
        declare_spool(line, flags.shared);
    else
        declare_spool(line, flags.shared, {shared::timeout, shared::output});
    if (verb == "get") return;
    line.value("-n,--count", "N",
               verb == "peek" ? "so many messages at most (10)" : "so many messages at most (all)",
               [&flags](const std::string& word) { flags.shared.end.count = parse_count("--count", word); });
    line.value("--from", "first|new|OFFSET|TIME", "where to begin (first)",
               [&flags](const std::string& word) { flags.from = parse_from("--from", word); });
}

header_map look_at(remote_spool& spool, const std::string& stream) {
    return spool.call("stream.info", {{"stream", stream}}).at(0);
}

// Prints a range, and gives how many messages there were.
class printing {
  public:
    printing(remote_spool& spool, const endpoints& where, const shared_flags& flags)
        : context_{spool.owner()}, where_{where}, flags_{flags}, out_{context_, flags.out, true} {}

    std::uint64_t print(const range& what) {
        consumer reader{context_,
                        where_,
                        {.stream = what.stream,
                         .group = std::nullopt,
                         .create = false,
                         .from = what.from,
                         .until = what.until,
                         .credit = std::min(what.count, credit_max),
                         .linger = 0ms}};
        std::uint64_t printed = 0;
        while (printed < what.count) {
            auto next = reader.next(0ns);
            if (!next) {
                out_.flush();
                next = reader.next(end_.wait());
            }
            if (!next) break;
            const delivered_as as{.stream = what.stream,
                                  .group = {},
                                  .offset = next->offset(),
                                  .time_ns = next->stored_wall_ns()};
            out_.print(next->content(), &as);
            if (++printed % progress_step == 0) show(next->offset(), what);
        }
        out_.flush();
        progress_.clear();
        const bool whole = printed == what.count || reader.at_end();
        if (!whole && !context_.stopped())
            throw failure{exit_code::timed_out, fmt::format("the time is over after {} messages", printed)};
        return printed;
    }

  private:
    void show(std::uint64_t offset, const range& what) {
        progress_.show(fmt::format("read to offset {} of {}", offset, what.until));
    }

    ferry::context& context_;
    const endpoints& where_;
    const shared_flags& flags_;
    output out_;
    ending end_{flags_.end};
    progress progress_;
};

exit_code get(remote_spool& spool, const endpoints& where, const reading_flags& flags,
              const std::string& stream, std::uint64_t offset) {
    const header_map info = look_at(spool, stream);
    const bool stored = offset < number_in(info, "next");
    const std::uint64_t printed =
        stored ? printing{spool, where, flags.shared}.print({stream, std::to_string(offset), offset + 1}) : 0;
    if (printed == 1 || spool.owner().stopped()) return exit_code::done;
    throw failure{exit_code::not_found,
                  fmt::format("stream '{}' has no message at offset {}", stream, offset)};
}

exit_code read(remote_spool& spool, const endpoints& where, const reading_flags& flags,
               const std::string& stream, std::string_view verb) {
    const header_map info = look_at(spool, stream);
    range what{stream, flags.from, number_in(info, "next")};
    if (flags.shared.end.count || verb == "peek")
        what.count = flags.shared.end.count.value_or(peek_by_default);
    const std::uint64_t printed = printing{spool, where, flags.shared}.print(what);
    if (verb == "export") flags.shared.speaker().say(fmt::format("exported {}", printed));
    return exit_code::done;
}

std::uint64_t take_offset(std::vector<std::string>& words) {
    if (words.empty()) throw usage_error{"the OFFSET is missing"};
    const std::uint64_t offset = parse_count("OFFSET", words.front(), 0);
    words.erase(words.begin());
    return offset;
}

int run_reading(command_line& line, std::string_view verb) {
    reading_flags flags;
    declare_reading(line, flags, verb);
    std::vector<std::string> words = line.parse();
    check(flags.shared);
    if (verb == "export") flags.shared.out.format = out_format::json;
    const endpoints where = take_spool(words, flags.shared);
    const std::string stream = take_name(words, "stream");
    const std::uint64_t offset = verb == "get" ? take_offset(words) : 0;
    refuse_more(words);
    return with_spool(flags.shared, where, [&](remote_spool& spool, output&) {
        return verb == "get" ? get(spool, where, flags, stream, offset)
                             : read(spool, where, flags, stream, verb);
    });
}

void declare_import(command_line& line, put_flags& flags) {
    declare_spool(line, flags.shared);
    line.flag("--no-create", "fail when the stream is not there",
              [&flags] { flags.producer.create = false; });
}

int run_import(command_line& line) {
    put_flags flags;
    declare_import(line, flags);
    std::vector<std::string> words = line.parse();
    check(flags.shared);
    const endpoints where = take_spool(words, flags.shared);
    flags.producer.stream = take_name(words, "stream");
    refuse_more(words);
    flags.shared.in.format = in_format::json;
    flags.producer.dedup = false;  // what was exported is all there again, whatever ids its messages have
    return put_messages(std::move(flags), where, std::nullopt, line.what().name);
}

}  // namespace

bool reads_or_writes(std::string_view verb) {
    static constexpr std::array<std::string_view, 4> verbs = {"peek", "get", "export", "import"};
    return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
}

void declare_stream_messages(command_line& line) {
    const auto shown_only = [](const std::string&) {};
    line.value("-n,--count", "N", "peek, export: so many messages at most (peek: 10)", shown_only);
    line.value("--from", "first|new|OFFSET|TIME", "peek, export: where to begin (first)", shown_only);
    line.flag("--no-create", "import: fail when the stream is not there", [] {});
}

int run_stream_messages(command_line& line, std::string_view verb) {
    return verb == "import" ? run_import(line) : run_reading(line, verb);
}

}  // namespace ferry::cli
