#include "cli/sending.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>

#include "cli/connection.hpp"
#include "cli/exit_codes.hpp"
#include "core/context_parts.hpp"

namespace ferry::cli {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr nanoseconds hint_after = 1s;
constexpr nanoseconds peer_wait_default = 2s;

class sending_run {
  public:
    sending_run(ferry::context& context, input& in, const shared_flags& flags, const sending& by)
        : context_{context}, in_{in}, flags_{flags}, by_{by}, talk_{flags.speaker()}, end_{flags.end} {}

    int go() {
        message next;
        exit_code how = read(next) ? wait_for_taker(next) : exit_code::done;
        if (how == exit_code::done && have_) how = send_from(std::move(next));
        return sum_up(how);
    }

  private:
    // Reads the next message and stamps it; false when there is none to send.
    bool read(message& into) {
        const bool argument_sent = in_.from_argument() && attempts_ >= flags_.end.count.value_or(1);
        have_ = false;
        if (argument_sent || end_.complete(attempts_)) return false;
        state_ = in_.next(into, end_.deadline());
        have_ = state_ == input::state::message;
        if (!have_) return false;
        end_.heard();
        if (by_.has_topic) into.set_topic(frame{by_.topic});
        for (const auto& [name, value] : flags_.headers) into.set_header(name, value);
        if (flags_.envelope == envelope_mode::none && !into.headers().empty())
            throw usage_error{"headers need the envelope, and --envelope none leaves it out"};
        return true;
    }

    exit_code wait_for_taker(const message& first) {
        if (flags_.no_wait) return exit_code::done;
        const nanoseconds wait = flags_.wait_or(peer_wait_default);
        const nanoseconds left = time_until(end_.run_deadline()).value_or(wait);
        const outcome how = wait_with_hint(talk_, by_.hint, std::min(wait, left),
                                           [&](nanoseconds time) { return by_.wait_for_taker(first, time); });
        have_ = how == outcome::done;
        if (how != outcome::timed_out) return exit_code::done;
        return left < wait ? exit_code::timed_out : exit_code::no_peer;
    }

    exit_code send_from(message next) {
        auto due = steady_clock::now();
        do {
            if (attempts_ > 0 && flags_.pause) {
                due += *flags_.pause;
                const auto until = end_.run_deadline();
                if (!sleep_until(context_, until ? std::min(due, *until) : due)) return exit_code::done;
            }
            if (context_.stopped()) return exit_code::done;
            if (end_.run_over()) return end_.code(sent_);
            switch (by_.send(std::move(next), end_.run_deadline())) {
                case fate::taken:
                    ++sent_;
                    break;
                case fate::lost:
                    ++lost_;
                    break;
                case fate::nobody:
                    return sent_ > 0 ? exit_code::partly_done : exit_code::no_peer;
                case fate::late:
                    return end_.code(sent_);
                case fate::stopped:
                    return exit_code::done;
            }
            ++attempts_;
        } while (read_on(next));
        if (state_ == input::state::timed_out) return end_.code(sent_);
        return bad_input_.empty() ? exit_code::done : exit_code::partly_done;
    }

    // Bad input behind good input: what was sent is flushed and summed up all the same.
    bool read_on(message& into) {
        try {
            return read(into);
        } catch (const usage_error& problem) {
            bad_input_ = problem.what();
        } catch (const failure& problem) {
            bad_input_ = problem.what();
        }
        return false;
    }

    int sum_up(exit_code how) {
        const std::uint64_t unsent = by_.close();
        const std::uint64_t gone = sent_ - std::min(sent_, unsent);
        std::string text = fmt::format("sent {}", gone);
        if (lost_ > 0) text += fmt::format(", lost {}", lost_);
        if (unsent > 0) text += fmt::format(", not flushed {}", unsent);
        if (how == exit_code::no_peer) throw failure{how, by_.nobody};
        if (!bad_input_.empty()) talk_.complain(by_.command, bad_input_);
        if (how == exit_code::partly_done && bad_input_.empty()) talk_.complain(by_.command, by_.nobody);
        talk_.say(text);
        if (context_.stopped() && context_.signal() != 0) return interrupted_by(context_.signal());
        if (how == exit_code::done && state_ == input::state::timed_out) how = end_.code(sent_);
        if (how == exit_code::done && unsent > 0) how = exit_code::partly_done;
        return to_int(how);
    }

    ferry::context& context_;
    input& in_;
    const shared_flags& flags_;
    const sending& by_;
    talk talk_;
    ending end_;
    input::state state_ = input::state::end;
    bool have_ = false;
    std::uint64_t attempts_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t lost_ = 0;
    std::string bad_input_;
};

}  // namespace

sender_line read_sender_line(command_line& line) {
    shared_flags flags;
    declare(line, flags,
            {shared::endpoints, shared::topic, shared::input, shared::headers, shared::ending, shared::pacing,
             shared::batching, shared::waiting, shared::sockets});
    std::vector<std::string> words = line.parse();
    check(flags);
    endpoints where = take_endpoint(words, flags);
    return {std::move(flags), std::move(where), std::move(words)};
}

int send_all(ferry::context& context, input& in, const shared_flags& flags, const sending& by) {
    return sending_run{context, in, flags, by}.go();
}

std::optional<nanoseconds> time_until(std::optional<steady_clock::time_point> deadline) {
    if (!deadline) return std::nullopt;
    return std::max<nanoseconds>(*deadline - steady_clock::now(), 0ns);
}

bool take_topic(const shared_flags& flags, std::string& topic) {
    if (flags.topics.size() > 1) throw usage_error{"a sender stamps one topic; --topic is given twice"};
    if (flags.topics.empty()) return false;
    topic = flags.topics.front();
    return true;
}

outcome wait_with_hint(const talk& talk, std::string_view hint, nanoseconds wait,
                       const std::function<outcome(nanoseconds)>& wait_for) {
    const outcome first = wait_for(std::min(wait, hint_after));
    if (first != outcome::timed_out || wait <= hint_after) return first;
    talk.say(hint);
    return wait_for(wait - hint_after);
}

bool sleep_until(ferry::context& context, steady_clock::time_point when) {
    pollfd stop{context.internals().stop.fd(), POLLIN, 0};
    const nanoseconds left = std::max<nanoseconds>(when - steady_clock::now(), 0ns);
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    const timespec time{seconds.count(), (left - seconds).count()};
    return ::ppoll(&stop, 1, &time, nullptr) == 0;
}

}  // namespace ferry::cli
