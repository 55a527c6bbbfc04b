// ferry take: takes messages of a stream, and prints each or runs a command for it before it is acked.
#include <fmt/format.h>

#include <array>
#include <string_view>
#include <vector>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/durable.hpp"
#include "cli/exec_worker.hpp"
#include "cli/exit_codes.hpp"
#include "cli/filter_flags.hpp"
#include "cli/output.hpp"
#include "cli/sending.hpp"
#include "cli/units.hpp"
#include "cli/words.hpp"
#include "core/wildcard.hpp"
#include "ferry/consumer.hpp"

namespace ferry::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t held_max = 256;  // printed and not acked yet: then they are flushed and acked

struct take_flags {
    shared_flags shared;
    consumer_options consumer;
    filter_flags wants;
    std::optional<std::uint64_t> credit;
    bool peek = false;
    bool of_group = false;             // something was asked for that only a group has
    std::vector<std::string> command;  // of --exec
    std::optional<std::uint64_t> at_once;
    failure_rules failures;
    std::optional<std::string> into;
    std::optional<in_format> printed;
};

constexpr std::uint64_t credit_by_default = 1000;

std::vector<std::string> parse_command(const std::string& text) {
    std::vector<std::string> words = split_words(text);
    if (words.empty()) throw usage_error{"--exec: the command is empty"};
    find_program(words.front());
    return words;
}

int parse_status(std::string_view flag, const std::string& text) {
    const std::uint64_t status = parse_count(flag, text);
    if (status > 255) throw usage_error{fmt::format("{}: an exit status is 1 to 255, not {}", flag, text)};
    return static_cast<int>(status);
}

// DUR for all, or STATUS=DUR for one.
void read_delay(const std::string& word, failure_rules& into) {
    const auto parse = [&](const std::string& text) {
        return std::chrono::ceil<std::chrono::milliseconds>(parse_duration("--nack-delay", text));
    };
    const auto at = word.find('=');
    if (at == std::string::npos)
        into.other_delay = parse(word);
    else
        into.delay.insert_or_assign(parse_status("--nack-delay", word.substr(0, at)),
                                    parse(word.substr(at + 1)));
}

void declare_exec(command_line& line, take_flags& flags) {
    line.value("--exec", "CMD", "run CMD for each message, payload on its stdin: exit 0 acks, else it nacks",
               [&](const std::string& text) { flags.command = parse_command(text); });
    line.value("-P,--parallel", "N", "with --exec: run so many commands at once (1)",
               [&](const std::string& word) { flags.at_once = parse_count("--parallel", word); });
    line.value("--into", "STREAM", "with --exec: store what CMD prints there, as one with the ack",
               [&](const std::string& word) {
                   check_name("stream", word);
                   flags.into = word;
               });
    line.value("-i,--in", "FORMAT",
               "with --into: how CMD prints messages: line, raw, nul, json, len32 (line)",
               [&](const std::string& word) { flags.printed = parse_in_format(word); });
    line.value(
        "--dead-exit", "STATUS", "with --exec: what ends so is a dead letter at once (repeat)",
        [&](const std::string& word) { flags.failures.dead.insert(parse_status("--dead-exit", word)); });
    line.value("--nack-delay", "[STATUS=]DUR",
               "with --exec: what fails (so) comes again after DUR, not the group's back-off (repeat)",
               [&](const std::string& word) { read_delay(word, flags.failures); });
}

void declare_take(command_line& line, take_flags& flags) {
    declare(line, flags.shared,
            {shared::endpoints, shared::output, shared::ending, shared::topic, shared::match, shared::waiting,
             shared::sockets});
    declare(line, flags.wants);
    line.flag("--single-active",
              "a group that is made has one active consumer at a time, the others stand by",
              flags.consumer.single_active);
    line.value("--ordered", "key|none",
               "a group that is made gives out messages of one key one at a time, in order",
               [&](const std::string& word) { flags.consumer.ordered_by_key = read_order(word); });
    line.value("--name", "NAME", "what 'group info' calls this consumer (ferry:PID)",
               [&](const std::string& name) { flags.consumer.name = name; });
    line.value("--group", "G", "the group to take for; 'default' if not given", [&](const std::string& word) {
        check_name("group", word);
        flags.consumer.group = word;
        flags.of_group = true;
    });
    line.value("--from", "first|new|OFFSET|TIME",
               "where a group that is made starts; a TIME may be --from=-5m",
               [&](const std::string& word) { flags.consumer.from = parse_from("--from", word); });
    line.flag("--no-create", "fail when the stream or the group is not there",
              [&] { flags.consumer.create = false; });
    line.value("--credit", "N", "messages held and not acked, at most (1000)",
               [&](const std::string& word) { flags.credit = parse_count("--credit", word); });
    line.value("--lease", "DUR", "how long a message is ours without a sign of life",
               [&](const std::string& word) {
                   flags.consumer.lease = parse_lease("--lease", word);
                   flags.of_group = true;
               });
    line.flag("--peek", "read without a group: nothing is leased or acked", flags.peek);
    declare_exec(line, flags);
}

// What goes together, and the credit that follows.
void settle(take_flags& flags) {
    const bool executes = !flags.command.empty();
    const output_options& out = flags.shared.out;
    if (flags.at_once && !executes) throw usage_error{"-P says how many commands run; --exec is missing"};
    const failure_rules& failures = flags.failures;
    if (!executes &&
        (flags.into || !failures.dead.empty() || !failures.delay.empty() || failures.other_delay))
        throw usage_error{"--into, --dead-exit and --nack-delay are about commands; --exec is missing"};
    if (flags.printed && !flags.into)
        throw usage_error{"--in says how what commands print is read; --into is missing"};
    for (const int status : failures.dead)
        if (failures.delay.contains(status))
            throw usage_error{
                fmt::format("status {} is a dead letter or comes again: leave out one", status)};
    if (executes && flags.peek) throw usage_error{"--peek acks nothing: it does not go with --exec"};
    const bool chooses = flags.wants.given() || !flags.shared.topics.empty() || !flags.shared.match.empty();
    if (chooses && flags.peek)
        throw usage_error{"--peek reads without a group, and filters belong to groups: leave one out"};
    if (executes && flags.credit) throw usage_error{"with --exec, -P N is the credit: leave out --credit"};
    if (executes && (out.format || out.form || out.decode != decoding::none))
        throw usage_error{"with --exec the commands print, take does not: leave out the output format"};
    for (const std::string& each : flags.shared.match) check_pattern(each);
    flags.consumer.filter = flags.wants.patterns;
    flags.consumer.filter.insert(flags.consumer.filter.end(), flags.shared.match.begin(),
                                 flags.shared.match.end());
    flags.consumer.filter_prefix = flags.shared.topics;
    flags.consumer.where = flags.wants.where;
    if ((flags.consumer.single_active || flags.consumer.ordered_by_key) && flags.peek)
        throw usage_error{"--peek reads without a group: leave out --single-active and --ordered"};
    if (flags.of_group && flags.peek)
        throw usage_error{"--peek reads without a group: leave out --group and --lease"};
    if (flags.peek) flags.consumer.group.reset();
    flags.consumer.credit = executes ? flags.at_once.value_or(1) : flags.credit.value_or(credit_by_default);
    flags.consumer.linger = 0ms;
    flags.consumer.socket = flags.shared.socket;
    if (flags.shared.end.count)
        flags.consumer.credit = std::min(flags.consumer.credit, *flags.shared.end.count);
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
        } catch (...) {
            give_back();
            from_.leave(2s);
            throw;
        }
        leave_answered(context_, from_, end_);
        return end_.code(counted());
    }

    std::uint64_t printed() const { return printed_; }

  private:
    /// Acks that were refused do not count.
    std::uint64_t counted() const { return printed_ - std::min(printed_, refused()); }

    std::uint64_t refused() const {
        const consumer_stats stats = from_.stats();
        return stats.stale + stats.gone;
    }

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
        held_.push_back(std::move(*next));
        ++printed_;
        const delivered_as as = place_of(held_.back());
        out_.print(held_.back().content(), &as);
        end_.heard();
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
        give_back();  // of a reader who does not read, when it is time to stop
        const std::ptrdiff_t unfinished = printed_ > out_.written() ? 1 : 0;
        for (auto each = held_.begin(); each != held_.end() - unfinished; ++each) each->ack();
        held_.erase(held_.begin(), held_.end() - unfinished);
    }

    // What was not begun was shown to nobody. What was, and is not finished, comes again, flagged.
    void give_back() {
        for (; !held_.empty() && printed_ > out_.begun(); --printed_, held_.pop_back())
            held_.back().release();
    }

    ferry::context& context_;
    const take_flags& flags_;
    consumer& from_;
    output out_;
    ending end_;
    std::vector<delivery> held_;
    std::uint64_t printed_ = 0;
};

void wait_for(consumer& from, const talk& talk, const endpoints& where, const shared_flags& flags) {
    const auto wait = flags.wait_or(2s);
    const duration limit = flags.end.timeout ? std::min<duration>(wait, *flags.end.timeout) : wait;
    const outcome met = wait_with_hint(talk, nobody_yet(where, "spool"), limit,
                                       [&](duration time) { return from.wait_for_spool(time); });
    if (met == outcome::timed_out)
        throw failure{limit < wait ? exit_code::timed_out : exit_code::no_peer,
                      fmt::format("no spool answers at {}", where.describe())};
}

exit_code print_messages(ferry::context& context, const take_flags& flags, consumer& from, const talk& talk) {
    taking run{context, flags, from};
    const exit_code code = run.go();
    talk.say(fmt::format("received {}", run.printed()));
    return code;
}

exit_code run_commands(ferry::context& context, const take_flags& flags, consumer& from, event_fd& changed,
                       const talk& talk) {
    exec_worker worker{context,
                       from,
                       changed,
                       {flags.command, static_cast<std::size_t>(flags.at_once.value_or(1)), flags.shared.end,
                        talk, flags.failures, flags.into, flags.printed.value_or(in_format::line)}};
    const exit_code code = worker.go();
    talk.say(worker.summary());
    return code;
}

std::string range(std::uint64_t first, std::uint64_t last) {
    return first == last ? fmt::format("{}", first) : fmt::format("{}..{}", first, last);
}

int run_take(command_line& line) {
    take_flags flags;
    declare_take(line, flags);
    std::vector<std::string> words = line.parse();
    check(flags.shared);
    settle(flags);
    const endpoints where = take_endpoint(words, flags.shared);
    check_connects(where);
    if (words.empty()) throw usage_error{"STREAM is missing"};
    check_name("stream", words[0]);
    if (words.size() > 1) throw usage_error{fmt::format("one argument too many: '{}'", words[1])};
    flags.consumer.stream = words[0];
    if (!flags.command.empty()) forget_outer_message();

    context context;
    context.stop_on_signals();
    const talk talk = flags.shared.speaker();
    event_fd changed;
    if (!flags.command.empty()) flags.consumer.on_change = [&changed] { changed.set(); };
    flags.consumer.on_stale = [&talk](std::uint64_t first, std::uint64_t last) {
        talk.say(fmt::format("ack refused: the lease on offset {} was over", range(first, last)));
    };
    flags.consumer.on_gone = [&talk](std::uint64_t first, std::uint64_t last) {
        talk.say(
            fmt::format("ack in vain: offset {} is gone, expired or removed meanwhile", range(first, last)));
    };
    auto from = open_quietly(talk, where, [&] { return consumer{context, where, flags.consumer}; });
    if (!flags.shared.no_wait) wait_for(from, talk, where, flags.shared);
    const exit_code code = flags.command.empty() ? print_messages(context, flags, from, talk)
                                                 : run_commands(context, flags, from, changed, talk);
    if (context.signal() != 0) return interrupted_by(context.signal());
    return to_int(code);
}

constexpr std::array<std::string_view, 6> examples = {
    "ferry take :7000 jobs",
    "ferry take :7000 jobs --exec 'sh resize.sh' -P 4",
    "ferry take :7000 jobs --exec ./work --into results --dead-exit 65",
    "ferry take :7000 jobs --group thumbs -n 100 --json",
    "ferry take :7000 jobs --group large -m 'image.*.large'",
    "ferry take :7000 jobs --peek --idle 1s"};
constexpr std::array<std::string_view, 3> runnable = {
    "ferry spool --dir jobs --listen @./jobs.sock & s=$!; seq 3 | ferry put ./jobs.sock n --wait 10s && "
    "ferry take "
    "./jobs.sock n --idle 300ms; c=$?; kill $s; wait $s; [ $c = 0 ]",
    "ferry spool --dir work --listen @./work.sock & s=$!; seq 5 | ferry put ./work.sock n --wait 10s && "
    "ferry take ./work.sock n -n 5 -P 2 --exec 'sh -c \"read x; echo $FERRY_OFFSET: $x\"'; c=$?; kill $s; "
    "wait $s; [ $c = 0 ]",
    "ferry spool --dir sums --listen @./sums.sock & s=$!; seq 3 | ferry put ./sums.sock n --wait 10s && "
    "ferry take ./sums.sock n -n 3 --exec 'sh -c \"read x; echo $x and $x\"' --into doubled && "
    "ferry take ./sums.sock doubled -n 3; c=$?; kill $s; wait $s; [ $c = 0 ]"};

}  // namespace

const command take_command{
    "take",           "",
    "take EP STREAM", "Takes messages from a spool and acks each once it is printed, or its command is done.",
    examples,         runnable,
    run_take};

}  // namespace ferry::cli
