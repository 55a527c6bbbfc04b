// The third part of `ferry demo`: durable work, across the death of the spool and of a worker.
#include <fmt/format.h>

#include <array>
#include <atomic>
#include <csignal>
#include <future>

#include "cli/demo_crew.hpp"
#include "cli/demo_ledger.hpp"
#include "cli/demo_parts.hpp"
#include "cli/demo_scratch.hpp"
#include "cli/exit_codes.hpp"
#include "ferry/administrator.hpp"
#include "ferry/producer.hpp"

namespace ferry::cli {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr const char* stream_name = "quakes";
constexpr std::size_t workers = 3;

// Small against the messages of the second half, so that the spool dies with messages on their way to it.
constexpr std::size_t outbox_bytes = 512 << 10;

// Puts messages and keeps their receipts, for as long as the spool is alive or will be again.
struct source {
    const demo_stage& stage;
    demo_crew& crew;
    producer out;
    std::vector<receipt> receipts{};
    std::atomic<std::size_t> put{0};
    std::atomic<bool> flushed{false};

    void put_up_to(std::size_t end) {
        for (std::size_t i = put; i < end; ++i, ++put) {
            receipts.push_back(out.put(stage.events.all()[i % stage.events.size()].line));
            if (i % 1000 == 0) crew.wake();
        }
        crew.wake();
    }
    void put_the_rest() {
        put_up_to(stage.messages);
        flushed = out.flush() == outcome::done;
        crew.wake();
    }
};

struct scene {
    const demo_stage& stage;
    demo_scratch directory{};
    demo_crew crew;
    demo_ledger ledger{};
    demo_process* spool = nullptr;
    std::array<demo_process*, workers> team{};
    std::string where{};

    // Also after the kill: then on the port it had, for those who come back.
    void start_spool(const std::string& listen) {
        spool = &crew.start({"spool", "--dir", directory / "spool", "--listen", listen});
        where = crew.ready_words(*spool).at(0);
    }
    void start_team() {
        for (demo_process*& each : team)
            each = &crew.start({"demo", "worker", where, stream_name},
                               [this](std::string_view line) { ledger.note(line); });
    }
    void until_counted(std::uint64_t count) {
        crew.until(fmt::format("{} messages are processed", count), [this, count] { return counted(count); },
                   {.limit = 60s});
    }
    bool counted(std::uint64_t count) const {
        stage.line.show(fmt::format("   {} of {} messages processed", ledger.counted(), stage.messages));
        return ledger.counted() >= count;
    }
    void tell(const std::string& text) const {
        stage.line.clear();
        stage.speaker.say("   " + text);
    }
};

// In the middle: half is put and half of that processed, the producer is putting on and the workers work.
void kill_and_restart_spool(scene& at, source& from) {
    const std::size_t total = at.stage.messages;
    at.crew.until("the second half is being put", [&] { return from.put >= total / 2 + total / 10; });
    at.crew.end(*at.spool, SIGKILL);
    at.tell(fmt::format("the spool killed: {} messages put, {} confirmed, {} processed", from.put.load(),
                        from.out.stats().confirmed, at.ledger.counted()));
    at.start_spool(at.where);
    at.tell("the spool started again on its directory");
}

void run_scene(scene& at, source& from) {
    const std::size_t total = at.stage.messages;
    std::future<void> second_half;
    auto first_half = std::async(std::launch::async, [&] { from.put_up_to(total / 2); });
    const stop_on_failure guard{at.stage.context};
    at.until_counted(total / 4);
    first_half.get();
    second_half = std::async(std::launch::async, [&] { from.put_the_rest(); });
    kill_and_restart_spool(at, from);
    at.until_counted(total * 6 / 10);
    at.crew.end(*at.team[1], SIGKILL);
    at.tell(fmt::format("one worker killed after {} messages processed", at.ledger.counted()));
    at.crew.until("everything is confirmed",
                  [&] {
                      at.counted(total);
                      return from.flushed.load();
                  },
                  {.limit = 60s});
    second_half.get();
    at.until_counted(total);
    at.stage.line.clear();
}

// Each confirmed offset was processed, as the event that was put there; nothing else was.
void compare(const scene& at, const source& from, demo_result& result) {
    std::uint64_t unconfirmed = 0;
    std::uint64_t changed = 0;
    for (std::size_t i = 0; i < from.receipts.size(); ++i) {
        const auto confirm = from.receipts[i].wait(0s);
        if (!confirm || confirm->is != put_outcome::stored)
            ++unconfirmed;
        else if (!at.ledger.has(confirm->offset))
            ++result.lost;
        else if (!at.ledger.agrees(confirm->offset, at.stage.events.all()[i % at.stage.events.size()]))
            ++changed;
    }
    result.confirmed = from.receipts.size() - unconfirmed;
    result.delivered = at.ledger.counted();
    result.redelivered = at.ledger.redelivered();
    const auto complain = [&](std::uint64_t count, std::string_view what) {
        if (count > 0) result.wrong.push_back(fmt::format("{} {}", count, what));
    };
    complain(unconfirmed, "messages were not confirmed");
    complain(result.lost, "confirmed messages were never processed");
    complain(changed, "messages were processed as something else");
    complain(at.ledger.unflagged(), "redeliveries were not flagged");
    complain(result.delivered - (*result.confirmed - result.lost), "messages were processed that nobody put");
    if (at.ledger.totals() != at.stage.events.totals(at.stage.messages))
        result.wrong.emplace_back("counts and largest magnitudes by network are not those of the file");
}

// The spool's own account: nothing of the group is outstanding. What the dead worker had written and not
// acked comes again when its lease is over, so the living ones must still be there.
void wait_until_settled(scene& at) {
    administrator admin{at.stage.context, connect(at.where)};
    const auto number = [](const header_map& row, const char* name) {
        return std::get<std::int64_t>(row.at(name));
    };
    const auto settled = [&] {
        const auto rows = admin.call("stream.info", {{"stream", std::string{stream_name}}});
        return rows.size() == 2 && number(rows[1], "acked_floor") == number(rows[0], "next");
    };
    // Nobody tells when the last ack has reached the spool, so it is asked.
    at.crew.until("everything is acked", settled, {.limit = 15s, .ask_every = 100ms});
}

}  // namespace

demo_result show_work(const demo_stage& stage) {
    demo_result result{.part = "durable work", .sent = stage.messages};
    stage.speaker.say(
        fmt::format("3. durable work: {} messages through a spool to three workers", stage.messages));
    scene at{.stage = stage, .crew = demo_crew{stage.context}};
    at.start_spool("@:0");
    at.start_team();
    for (demo_process* each : at.team) at.crew.ready_words(*each);
    source from{
        .stage = stage,
        .crew = at.crew,
        .out = {stage.context, connect(at.where), {.stream = stream_name, .outbox_bytes = outbox_bytes}}};
    from.receipts.reserve(stage.messages);
    const auto begin = steady_clock::now();
    run_scene(at, from);
    result.took = steady_clock::now() - begin;
    wait_until_settled(at);
    for (const std::size_t living : {std::size_t{0}, workers - 1}) {
        at.crew.end(*at.team[living], SIGTERM);
        if (at.team[living]->status() != 0) result.wrong.push_back(at.team[living]->describe() + " failed");
    }
    compare(at, from, result);
    at.crew.end(*at.spool, SIGTERM);
    if (at.spool->status() != 0) result.wrong.push_back("the spool did not end with status 0");
    if (result.wrong.empty())
        at.tell(fmt::format("{} networks: counts and largest magnitudes are those of the file",
                            at.ledger.totals().size()));
    return result;
}

}  // namespace ferry::cli
