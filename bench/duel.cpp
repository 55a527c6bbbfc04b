#include "bench/duel.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bench/child.hpp"
#include "bench/fresh_spool.hpp"

namespace ferry::bench {
namespace {

// Without a rate of its own latency is measured where nothing queues: at a tenth of what goes through.
constexpr double quiet_share = 0.1;
constexpr double quiet_rate_least = 100;

double median(std::vector<double> all) {
    if (all.empty()) return 0;
    std::ranges::sort(all);
    return all[all.size() / 2];
}

double median_of(const std::vector<sample>& runs, double sample::*which) {
    std::vector<double> all;
    for (const sample& each : runs) all.push_back(each.*which);
    return median(std::move(all));
}

void take_rates(side& into, const std::vector<sample>& runs) {
    into.rate = median_of(runs, &sample::value);
    const auto [least, most] = std::ranges::minmax_element(runs, {}, &sample::value);
    into.least = least->value;
    into.most = most->value;
}

void take_latencies(side& into, const std::vector<sample>& runs) {
    into.p50_us = median_of(runs, &sample::p50_us);
    into.p99_us = median_of(runs, &sample::p99_us);
}

// A socket file stands in the run's own directory: what libzmq names itself would stay behind.
std::string anywhere(const duel_options& how) {
    return how.transport == "ipc" ? "ipc://" + how.directory + "/socket*" : "tcp://127.0.0.1:*";
}

}  // namespace

sample duel::ask_and_answer(const std::string& who, double rate) const {
    child answerer{{"answer", who, anywhere(how_)}};
    child asker{{"ask", who, answerer.line(), std::to_string(how_.size), std::to_string(rate),
                 std::to_string(how_.lasts.count())}};
    return rate_of(asker.line(how_.lasts));
}

sample duel::send_and_receive(const std::string& who, double rate) const {
    const bool push = how_.kind == "pushpull";
    const bool batch = how_.batch && who == "ferry";
    // A publisher of ferry's numbers its messages; so the other side sends a frame as long.
    const std::string kind = how_.kind == "reqrep" ? "req"
                             : batch               ? (push ? "push-batch" : "pub-batch")
                                                   : (push ? "push" : "counted");
    const std::string size = std::to_string(how_.size);
    const std::string lasts = std::to_string(how_.lasts.count());
    if (how_.transport == "inproc") {
        child both{{"inproc", who, kind, size, std::to_string(rate), lasts}};
        return rate_of(both.line(how_.lasts));
    }
    if (kind == "req") return ask_and_answer(who, rate);
    child receiver{{"receive", who, kind, anywhere(how_), lasts, size, std::to_string(rate)}};
    const std::string where = receiver.line();
    child sender{{"send", who, kind, where, receiver.line(), size, std::to_string(rate)}};
    return rate_of(receiver.line(how_.lasts));
}

// Put, synced, confirmed, taken and acked; the slower side counts.
sample duel::keep(double rate) const {
    const fresh_spool spool{how_.directory};
    const std::string size = std::to_string(how_.size);
    const std::string lasts = std::to_string(how_.lasts.count());
    if (rate > 0) {
        child producer{{"put-paced", spool.endpoint(), size, std::to_string(rate)}};
        child consumer{{"take-timed", spool.endpoint(), lasts}};
        return rate_of(consumer.line(how_.lasts));
    }
    child producer{{"put", spool.endpoint(), size, lasts}};
    child consumer{{"take-on", spool.endpoint(), lasts, size}};
    const sample in = rate_of(producer.line(how_.lasts));
    const sample out = rate_of(consumer.line(how_.lasts));
    return {std::min(in.value, out.value), in.lost + out.lost};
}

sample duel::bare_hop() const {
    const std::string log = how_.directory + "/bare";
    child hop{{"bare-hop", log, "deliver"}};
    const std::string in = hop.line();
    const std::string out = hop.line();
    const std::string lasts = std::to_string(how_.lasts.count());
    child producer{{"bare-put", in, std::to_string(how_.size), lasts}};
    child consumer{{"bare-take", out, lasts}};
    const double put = rate_of(producer.line(how_.lasts)).value;
    const double taken = rate_of(consumer.line(how_.lasts)).value;
    std::filesystem::remove(log);
    return {std::min(put, taken), 0};
}

sample duel::run(bool ferry, double rate) const {
    if (how_.kind != "spool") return send_and_receive(ferry ? "ferry" : "plain", rate);
    return ferry ? keep(rate) : bare_hop();
}

result duel::fight(const std::function<void(const std::string&)>& tell) const {
    result found;
    const bool durable = how_.kind == "spool";
    found.against = durable ? "bare hop" : "plain libzmq";
    std::vector<sample> ours, theirs;
    const auto turns = [&](double rate, bool both) {
        ours.clear();
        theirs.clear();
        for (int i = 1; i <= how_.repeats; ++i)
            for (const bool ferry : {true, false}) {
                if (!ferry && !both) continue;
                tell(fmt::format("{}, run {} of {}{}", ferry ? "ferry" : found.against, i, how_.repeats,
                                 rate > 0 ? fmt::format(", {:.0f} messages a second", rate) : ""));
                (ferry ? ours : theirs).push_back(run(ferry, rate));
            }
        for (const sample& each : ours) found.ferry.lost += each.lost;
        for (const sample& each : theirs) found.other.lost += each.lost;
    };
    // The bare hop knows no pace.
    const bool both_paced = !durable;
    turns(how_.rate, how_.rate == 0 || both_paced);
    take_rates(found.ferry, ours);
    if (!theirs.empty()) take_rates(found.other, theirs);
    found.latency_rate = how_.rate;
    if (how_.rate == 0 && how_.kind != "reqrep") {
        const double slower = std::min(found.ferry.rate, found.other.rate);
        found.latency_rate = std::max(quiet_rate_least, slower * quiet_share);
        turns(found.latency_rate, both_paced);
    }
    take_latencies(found.ferry, ours);
    take_latencies(found.other, theirs);
    return found;
}

}  // namespace ferry::bench
