#include "cli/receiving.hpp"

#include <algorithm>

#include "cli/exit_codes.hpp"
#include "cli/output.hpp"

namespace ferry::cli {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using namespace std::chrono_literals;

// Looks whether anybody is there: once after a second for the hint, once after --wait to give up.
class peer_watch {
  public:
    peer_watch(const shared_flags& flags, const receiving& by)
        : by_{by}, talk_{flags.speaker()}, hint_at_{steady_clock::now() + 1s} {
        if (flags.wait) give_up_at_ = steady_clock::now() + *flags.wait;
    }

    void met() {
        hint_at_.reset();
        give_up_at_.reset();
    }

    std::optional<steady_clock::time_point> next() const {
        if (hint_at_ && give_up_at_) return std::min(*hint_at_, *give_up_at_);
        return hint_at_ ? hint_at_ : give_up_at_;
    }

    void look() {
        const auto now = steady_clock::now();
        if (next() > now || !next()) return;
        if (by_.connected()) return met();
        if (give_up_at_ && *give_up_at_ <= now) throw failure{exit_code::no_peer, by_.nobody};
        hint_at_.reset();
        talk_.say(by_.hint);
    }

  private:
    const receiving& by_;
    talk talk_;
    std::optional<steady_clock::time_point> hint_at_;
    std::optional<steady_clock::time_point> give_up_at_;
};

std::optional<nanoseconds> time_to_wait(const ending& end, const peer_watch& watch) {
    const auto next = watch.next();
    if (!next) return end.wait();
    return end.wait(std::max<nanoseconds>(*next - steady_clock::now(), 0ns));
}

}  // namespace

received receive_all(ferry::context& context, const shared_flags& flags, const receiving& by) {
    output out{context, flags.out};
    ending end{flags.end};
    peer_watch watch{flags, by};
    received got;
    while (!end.complete(got.messages)) {
        auto next = by.receive(0ns);
        if (!next) {
            out.flush();
            next = by.receive(time_to_wait(end, watch));
        }
        if (next) {
            out.print(*next);
            if (++got.messages == 1) watch.met();
            end.heard();
            if (end.run_over() || context.stopped()) break;
            continue;
        }
        if (context.stopped() || end.over()) break;
        watch.look();
    }
    out.flush();
    got.code = end.code(got.messages);
    return got;
}

}  // namespace ferry::cli
