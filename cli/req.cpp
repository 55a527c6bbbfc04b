// ferry req: asks and prints the replies.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/exit_codes.hpp"
#include "cli/sending.hpp"
#include "ferry/requester.hpp"

namespace ferry::cli {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr nanoseconds reply_wait_default = 10s;
constexpr nanoseconds peer_wait_default = 2s;

class asking {
  public:
    asking(ferry::context& context, input& in, requester& req, const shared_flags& flags,
           const endpoints& where)
        : context_{context},
          in_{in},
          req_{req},
          flags_{flags},
          where_{where},
          talk_{flags.speaker()},
          end_{flags.end},
          out_{context, flags.out} {
        has_topic_ = take_topic(flags, topic_);
    }

    int go() {
        message question;
        input::state state = read(question);
        if (state == input::state::message) wait_for_peer();
        exit_code how = exit_code::done;
        while (state == input::state::message && how == exit_code::done && !context_.stopped()) {
            how = ask(std::move(question));
            if (how == exit_code::done) state = pause() ? read(question) : input::state::stopped;
        }
        if (state == input::state::timed_out) how = end_.code(answered_);
        const bool one = asked_ == 1 && !context_.stopped();
        if (asked_ == 0)
            talk_.say("sent 0");
        else if (!one)
            talk_.say(fmt::format("sent {}, answered {}", asked_, answered_));
        return context_.signal() != 0 ? interrupted_by(context_.signal()) : to_int(how);
    }

  private:
    input::state read(message& into) {
        const bool argument_sent = in_.from_argument() && asked_ >= flags_.end.count.value_or(1);
        if (argument_sent || end_.complete(asked_)) return input::state::end;
        const input::state state = in_.next(into, end_.deadline());
        if (state != input::state::message) return state;
        if (has_topic_) into.set_topic(frame{topic_});
        for (const auto& [name, value] : flags_.headers) into.set_header(name, value);
        return state;
    }

    // What is left of the run, but no more than `most`.
    nanoseconds left(nanoseconds most) const {
        const auto at = end_.run_deadline();
        return at ? std::clamp<nanoseconds>(*at - ending::clock::now(), 0ns, most) : most;
    }

    void wait_for_peer() {
        if (flags_.no_wait) return;
        const nanoseconds wait = flags_.wait_or(peer_wait_default);
        const outcome how = wait_with_hint(talk_, nobody_yet(where_, "replier"), left(wait),
                                           [this](nanoseconds time) { return req_.wait_for_peer(time); });
        if (how != outcome::timed_out) return;
        if (end_.run_over())
            throw failure{exit_code::timed_out, fmt::format("no replier at {} in time", where_.describe())};
        throw failure{exit_code::no_peer,
                      fmt::format("no replier at {}; nothing was sent", where_.describe())};
    }

    bool pause() { return !flags_.pause || sleep_until(context_, ending::clock::now() + *flags_.pause); }

    exit_code ask(message question) {
        const auto run_end = end_.run_deadline();
        const nanoseconds most = run_end ? left(nanoseconds::max()) : reply_wait_default;
        ++asked_;
        const answer got =
            req_.ask(std::move(question), std::max(1ms, std::chrono::ceil<milliseconds>(most)));
        switch (got.kind) {
            case answer_kind::answered:
                ++answered_;
                end_.heard();
                out_.print(got.content);
                out_.flush();
                talk_.detail(fmt::format("rtt {:.3f} ms", static_cast<double>(got.took.count()) / 1e6));
                return exit_code::done;
            case answer_kind::refused:
                talk_.complain("req", "the replier answered with an error: " + got.reason);
                return exit_code::failed;
            case answer_kind::no_peer:
                talk_.complain("req", fmt::format("no replier took the request at {}", where_.describe()));
                return exit_code::no_peer;
            case answer_kind::timed_out:
                talk_.complain("req", fmt::format("no answer from {} in time", where_.describe()));
                return exit_code::timed_out;
            case answer_kind::stopped:
                break;
        }
        return exit_code::failed;
    }

    ferry::context& context_;
    input& in_;
    requester& req_;
    const shared_flags& flags_;
    const endpoints& where_;
    talk talk_;
    ending end_;
    output out_;
    std::string topic_;
    bool has_topic_ = false;
    std::uint64_t asked_ = 0;
    std::uint64_t answered_ = 0;
};

int run_req(command_line& line) {
    shared_flags flags;
    declare(line, flags,
            {shared::endpoints, shared::topic, shared::input, shared::output, shared::headers, shared::ending,
             shared::pacing, shared::waiting, shared::sockets});
    std::vector<std::string> words = line.parse();
    check(flags);
    const endpoints where = take_endpoint(words, flags);
    if (words.size() > 1) throw usage_error{fmt::format("one argument too many: '{}'", words[1])};

    context context;
    context.stop_on_signals();
    input in{context, flags.in, in_format::raw, words.empty() ? std::nullopt : std::optional{words[0]}};
    auto req = open(flags.speaker(), where, [&] {
        return requester{context, where, {.envelope = flags.envelope, .socket = flags.socket}};
    });
    return asking{context, in, req, flags, where}.go();
}

constexpr std::array<std::string_view, 3> examples = {"ferry req :5560 hello",
                                                      "ferry req :5560 --in line < questions.txt",
                                                      "ferry req :5560 hello -v -t 500ms"};
constexpr std::array<std::string_view, 1> runnable = {
    "ferry rep @./echo.sock --echo -n 1 -t 10s & ferry req ./echo.sock hello && wait $!"};

}  // namespace

const command req_command{"req",
                          "request",
                          "req EP [MESSAGE]",
                          "Sends a request and prints the reply; waits 10 s for it.",
                          examples,
                          runnable,
                          run_req};

}  // namespace ferry::cli
