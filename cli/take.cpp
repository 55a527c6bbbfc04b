// ferry take: takes messages of a stream, prints them, and acks each after its line is flushed.
#include <fmt/format.h>

#include <array>
#include <string_view>
#include <vector>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/durable.hpp"
#include "cli/exit_codes.hpp"
#include "cli/output.hpp"
#include "cli/sending.hpp"
#include "cli/units.hpp"
#include "ferry/consumer.hpp"

namespace ferry::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t held_max = 256;  // printed and not acked yet: then they are flushed and acked

struct take_flags {
    shared_flags shared;
    consumer_options consumer;
    bool peek = false;
};

void declare_take(command_line& line, take_flags& flags) {
    declare(line, flags.shared,
            {shared::endpoints, shared::output, shared::ending, shared::waiting, shared::sockets});
    line.value("--group", "G", "the group to take for; 'default' if not given", [&](const std::string& word) {
        check_name("group", word);
        flags.consumer.group = word;
    });
    line.value("--from", "first|new|OFFSET|TIME",
               "where a group that is made starts; a TIME may be --from=-5m",
               [&](const std::string& word) { flags.consumer.from = parse_from("--from", word); });
    line.flag("--no-create", "fail when the stream or the group is not there",
              [&] { flags.consumer.create = false; });
    line.value("--credit", "N", "messages held and not acked, at most (1000)",
               [&](const std::string& word) { flags.consumer.credit = parse_count("--credit", word); });
    line.value("--lease", "DUR", "how long a message is ours without a sign of life",
               [&](const std::string& word) {
                   flags.consumer.lease =
                       std::chrono::ceil<std::chrono::milliseconds>(parse_duration("--lease", word));
               });
    line.flag("--peek", "read without a group: nothing is leased or acked", flags.peek);
}

class taking {
  public:
    taking(ferry::context& context, const take_flags& flags, consumer& from)
        : context_{context},
          flags_{flags},
          from_{from},
          out_{context, flags.shared.out, true},
          end_{flags.shared.end} {}

    exit_code go() {
        end_.heard();
        wait_for_claims();
        try {
            while (!complete() && !context_.stopped() && take_one()) {}
            settle();
        } catch (const output_closed&) {
            for (delivery& each : held_) each.release();  // nobody saw them
            held_.clear();
            from_.leave(2s);
            throw;
        }
        finish();
        return end_.code(counted());
    }

    std::uint64_t printed() const { return printed_; }

  private:
    /// Acks that were refused do not count.
    std::uint64_t counted() const { return printed_ - std::min(printed_, from_.stats().stale); }

    bool complete() {
        if (!end_.complete(printed_)) return false;
        settle();
        from_.flush(end_.wait());
        return end_.complete(counted());
    }

    // One message printed; false when the time is over.
    bool take_one() {
        auto next = from_.next(0ns);
        if (!next) {
            settle();
            next = from_.next(end_.wait());
        }
        if (!next) return !context_.stopped() && (!end_.over() || wait_for_claims());
        const delivered_as as = place_of(*next);
        out_.print(next->content(), &as);
        ++printed_;
        end_.heard();
        held_.push_back(std::move(*next));
        if (held_.size() >= held_max) settle();
        return !end_.run_over();
    }

    // After its restart a spool keeps messages back for a moment; the silence begins after it.
    bool wait_for_claims() {
        const duration left = from_.claim_wait_left();
        if (left > 0s) end_.heard_after(left);
        return left > 0s && !end_.run_over();
    }

    delivered_as place_of(const delivery& of) const {
        const std::string_view group =
            flags_.consumer.group ? std::string_view{*flags_.consumer.group} : std::string_view{};
        return {.stream = flags_.consumer.stream,
                .group = group,
                .offset = of.offset(),
                .attempt = of.attempt(),
                .time_ns = of.stored_wall_ns()};
    }

    void settle() {
        out_.flush();
        for (delivery& each : held_) each.ack();
        held_.clear();
    }

    // It leaves when its last acks are answered; a signal or -t shortens that to a moment.
    void finish() {
        const auto deadline = end_.run_deadline();
        if (!context_.stopped())
            from_.flush(
                deadline ? std::optional<duration>{std::max<duration>(*deadline - ending::clock::now(), 2s)}
                         : forever);
        from_.leave(2s);
    }

    ferry::context& context_;
    const take_flags& flags_;
    consumer& from_;
    output out_;
    ending end_;
    std::vector<delivery> held_;
    std::uint64_t printed_ = 0;
};

int run_take(command_line& line) {
    take_flags flags;
    flags.consumer.credit = 1000;
    declare_take(line, flags);
    std::vector<std::string> words = line.parse();
    check(flags.shared);
    const endpoints where = take_endpoint(words, flags.shared);
    if (words.empty()) throw usage_error{"STREAM is missing"};
    check_name("stream", words[0]);
    if (words.size() > 1) throw usage_error{fmt::format("one argument too many: '{}'", words[1])};
    flags.consumer.stream = words[0];
    flags.consumer.socket = flags.shared.socket;
    flags.consumer.linger = 0ms;
    if (flags.peek) flags.consumer.group.reset();
    if (flags.shared.end.count)
        flags.consumer.credit = std::min(flags.consumer.credit, *flags.shared.end.count);

    context context;
    context.stop_on_signals();
    const talk talk = flags.shared.speaker();
    flags.consumer.on_stale = [&talk](std::uint64_t first, std::uint64_t last) {
        const std::string which =
            first == last ? fmt::format("{}", first) : fmt::format("{}..{}", first, last);
        talk.say(fmt::format("ack refused: the lease on offset {} was over; it comes again", which));
    };
    auto from = open_quietly(talk, where, [&] { return consumer{context, where, flags.consumer}; });
    const auto run_limit = flags.shared.end.timeout;
    const auto wait = flags.shared.wait_or(2s);
    const duration limit = run_limit ? std::min<duration>(wait, *run_limit) : wait;
    const outcome met = wait_with_hint(talk, nobody_yet(where, "spool"), limit,
                                       [&](duration time) { return from.wait_for_spool(time); });
    if (met == outcome::timed_out)
        throw failure{limit < wait ? exit_code::timed_out : exit_code::no_peer,
                      fmt::format("no spool answers at {}", where.describe())};
    taking run{context, flags, from};
    const exit_code code = run.go();
    talk.say(fmt::format("received {}", run.printed()));
    if (context.signal() != 0) return interrupted_by(context.signal());
    return to_int(code);
}

constexpr std::array<std::string_view, 3> examples = {"ferry take :7000 jobs",
                                                      "ferry take :7000 jobs --group thumbs -n 100 --json",
                                                      "ferry take :7000 jobs --peek --idle 1s"};
constexpr std::array<std::string_view, 1> runnable = {
    "ferry spool --dir jobs --listen @./jobs.sock & s=$!; seq 3 | ferry put ./jobs.sock n --wait 10s && "
    "ferry take "
    "./jobs.sock n --idle 300ms; c=$?; kill $s; wait $s; [ $c = 0 ]"};

}  // namespace

const command take_command{
    "take",           "",
    "take EP STREAM", "Takes messages from a spool, prints them and acks each once it is printed.",
    examples,         runnable,
    run_take};

}  // namespace ferry::cli
