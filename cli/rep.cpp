// ferry rep: answers requests with a text, with themselves, or with what a command prints.
#include <fmt/format.h>

#include <array>

#include "cli/child.hpp"
#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/exit_codes.hpp"
#include "cli/words.hpp"
#include "ferry/replier.hpp"

namespace ferry::cli {
namespace {

// Exactly one of the three is set.
struct answers {
    std::optional<std::string> text;
    std::vector<std::string> command;
    bool echo = false;
};

class answering {
  public:
    answering(ferry::context& context, replier& rep, const answers& how, const shared_flags& flags)
        : context_{context}, rep_{rep}, how_{how}, flags_{flags}, talk_{flags.speaker()}, end_{flags.end} {}

    exit_code go() {
        while (!end_.complete(requests_)) {
            auto next = rep_.receive(end_.wait());
            if (!next) {
                if (context_.stopped() || end_.over()) break;
                continue;
            }
            ++requests_;
            answer(*std::move(next));
            end_.heard();
            if (context_.stopped() || end_.run_over()) break;
        }
        talk_.say(failed_ == 0 ? fmt::format("answered {}", requests_)
                               : fmt::format("answered {}, {} of them with an error", requests_, failed_));
        return end_.code(requests_);
    }

  private:
    void answer(request asked) {
        if (!how_.command.empty()) return run_command(std::move(asked));
        if (how_.text) return send(std::move(asked), message{frame{*how_.text}});
        message same = asked.content();
        send(std::move(asked), without_stamp(std::move(same)));
    }

    // The stamp is the requester's; an echo of it would say that we are the requester.
    static message without_stamp(message from) {
        message plain{from.body_frame()};
        if (from.has_topic()) plain.set_topic(from.topic_frame());
        for (const auto& [name, value] : from.headers()) plain.set_header(name, value);
        for (const frame& each : from.frames()) plain.add_frame(each);
        return plain;
    }

    void send(request asked, message reply) {
        for (const auto& [name, value] : flags_.headers) reply.set_header(name, value);
        if (rep_.reply(std::move(asked), std::move(reply)) == outcome::timed_out)
            talk_.say("a requester was gone before its reply");
    }

    void run_command(request asked) {
        child running{{.command = how_.command, .input = asked.content().body_frame().str()}};
        const child::end end = running.run(context_, end_.run_deadline());
        if (end == child::end::exited && running.status() == 0 && !running.output_too_large())
            return send(std::move(asked), message{frame{running.output()}});
        ++failed_;
        const std::string reason = end == child::end::stopped     ? "the replier was stopped"
                                   : end == child::end::timed_out ? "the time of the replier was over"
                                   : running.output_too_large()
                                       ? "the command printed too much"
                                       : fmt::format("the command ended with status {}", running.status());
        talk_.say(fmt::format("{}: {}", how_.command.front(), reason));
        rep_.refuse(std::move(asked), "failed", reason);
    }

    ferry::context& context_;
    replier& rep_;
    const answers& how_;
    const shared_flags& flags_;
    talk talk_;
    ending end_;
    std::uint64_t requests_ = 0;
    std::uint64_t failed_ = 0;
};

answers read_answers(const std::vector<std::string>& words, bool echo,
                     const std::optional<std::string>& command) {
    if (words.size() > 1) throw usage_error{fmt::format("one argument too many: '{}'", words[1])};
    const int given = static_cast<int>(words.size()) + (echo ? 1 : 0) + (command ? 1 : 0);
    if (given == 0) throw usage_error{"say what to answer: a TEXT, --echo, or --exec CMD"};
    if (given > 1) throw usage_error{"give one of TEXT, --echo and --exec, not several"};
    answers how;
    how.echo = echo;
    if (!words.empty()) how.text = words[0];
    if (!command) return how;
    how.command = split_words(*command);
    if (how.command.empty()) throw usage_error{"--exec: the command is empty"};
    find_program(how.command.front());
    return how;
}

int run_rep(command_line& line) {
    shared_flags flags;
    bool echo = false;
    std::optional<std::string> command;
    declare(line, flags, {shared::endpoints, shared::headers, shared::ending, shared::sockets});
    line.flag("--echo", "answer with the request itself", echo);
    line.value("--exec", "CMD", "run CMD for each request: request on its stdin, its stdout is the reply",
               [&command](const std::string& text) { command = text; });
    std::vector<std::string> words = line.parse();
    check(flags);
    const endpoints where = take_endpoint(words, flags);
    const answers how = read_answers(words, echo, command);

    context context;
    context.stop_on_signals();
    const talk talk = flags.speaker();
    auto rep = open(talk, where, [&] {
        return replier{
            context,
            where,
            {.envelope = flags.envelope, .socket = flags.socket, .on_event = [&talk](const event& what) {
                 if (what.kind == event_kind::bad_frame)
                     talk.detail("dropped what is no request: " + what.text);
             }}};
    });
    const exit_code code = answering{context, rep, how, flags}.go();
    return context.signal() != 0 ? interrupted_by(context.signal()) : to_int(code);
}

constexpr std::array<std::string_view, 3> examples = {
    "ferry rep @:5560 --echo", "ferry rep @:5560 --exec 'wc -c'", "ferry rep @:5560 pong -n 1"};
constexpr std::array<std::string_view, 1> runnable = {
    "ferry rep @./sort.sock --exec 'sort -r' -n 1 -t 10s & printf 'a\\nb\\n' | ferry req ./sort.sock && wait "
    "$!"};

}  // namespace

const command rep_command{"rep",
                          "reply",
                          "rep EP (TEXT | --echo | --exec CMD)",
                          "Answers requests: with a text, with the request, or with what a command prints.",
                          examples,
                          runnable,
                          run_rep};

}  // namespace ferry::cli
