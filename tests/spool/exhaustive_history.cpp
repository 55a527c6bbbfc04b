#include "tests/spool/exhaustive_history.hpp"

#include <doctest/doctest.h>

#include <functional>

#include "core/log/snapshot.hpp"
#include "tests/spool/table.hpp"

namespace ferry::test {
namespace {

enum class deed : std::uint8_t { ack, nack, dead, hold, commit };
using rule = std::function<deed(std::uint64_t offset)>;

std::string text_at(const std::string& stream, std::uint64_t offset) {
    return stream + "/" + std::to_string(offset) + " " + std::string(offset * 7 % 200, '.');
}

class life {
  public:
    short_history live() {
        create();
        for (int round = 0; round < 12; ++round) {
            put("s", 12);
            put("out", 3);
            work("f", {1, "far"}, far);
            work("n", {1, "near"}, near);
            work("o", {2, "o"},
                 [](std::uint64_t offset) { return offset % 5 == 1 ? deed::hold : deed::ack; });
            if (round == 2) purge();
            if (round == 4) restart();
            if (round % 3 == 2) snapshot();
            t_.pass(second_ns);
        }
        CHECK(t_.found().cold_segments > 0);
        told_.files = told_.earlier = files_now();
        go_on();
        for (bool more = true; more;) more = t_.log().prepare_spare(1 << 20);
        // As if no snapshot had found room since: much stands above the two that there are.
        for (auto& [name, bytes] : files_now())
            if (!log::snapshot_position(name)) told_.files[name] = std::move(bytes);
        return told_;
    }

  private:
    static deed far(std::uint64_t offset) {
        return offset % 16 == 7 ? deed::commit : offset % 16 == 12 ? deed::hold : deed::ack;
    }
    static deed near(std::uint64_t offset) {
        switch (offset % 16) {
            case 1:
                return deed::nack;
            case 5:
                return deed::dead;
            case 9:
                return deed::hold;
            default:
                return deed::ack;
        }
    }

    directory_files files_now() {
        directory_files all;
        for (const std::string& name : t_.disk().names_with("")) all[name] = t_.disk().contents(name);
        return all;
    }

    // Above the snapshots.
    void go_on() {
        create_stream(3, "late", {{"sync", std::string{"written"}}});
        create_stream(4, "even");
        create_group(3, "last");
        for (int round = 0; round < 6; ++round) {
            put("s", 6);
            put("out", 3);
            put("late", 4);
            put("even", 1);
            work("f", {1, "far"}, far);
            work("l", {3, "last"}, near);
        }
        work("n", {1, "near"}, near);
        put("s", 2);
    }

    void create_stream(std::uint32_t number, const std::string& name, header_map settings = {}) {
        settings.emplace("stream", name);
        REQUIRE(t_.tell("stream.create", settings).empty());
        REQUIRE(t_.find(name)->number == number);
        told_.names[number] = name;
    }

    void create_group(std::uint32_t number, const std::string& name) {
        const std::string stream = told_.names.at(number);
        REQUIRE(t_.tell("group.create", {{"stream", stream}, {"group", name}}).empty());
        told_.open[{number, name}];
        t_.consumer(name.substr(0, 1),
                    {.stream = stream, .group = name, .create = false, .credit_messages = 100});
        t_.settle();
    }

    void create() {
        create_stream(1, "s");
        create_stream(2, "out");
        create_group(1, "far");
        create_group(1, "near");
        create_group(2, "o");
    }

    message made(const std::string& stream, std::uint64_t offset) {
        message m{text_at(stream, offset)};
        if (offset % 8 == 2) m.set_header("priority", std::int64_t{7});
        if (offset % 8 == 3) m.set_header("message-id", "id " + std::to_string(offset));
        if (offset % 8 == 4) m.set_header("key", "k");
        if (stream == "s" && offset % 8 == 6)
            m.set_header("delay", std::int64_t{offset % 16 == 6 ? 500 : 60'000});
        if (stream == "s" && offset % 32 == 14) {
            m.set_header("delay", std::int64_t{24 * 3600 * 1000});
            told_.early.insert(offset);
        }
        return m;
    }

    void is_put(std::uint32_t number, std::uint64_t offset) {
        told_.put[number][offset] = text_at(told_.names[number], offset);
        for (auto& [place, open] : told_.open)
            if (place.first == number) open.insert(offset);
    }

    void put(const std::string& stream, std::uint64_t count) {
        const std::uint32_t number = t_.find(stream)->number;
        producer_session& by = t_.producer(stream, {.stream = stream, .batch_bytes_max = 800});
        std::vector<put_place> places;
        std::uint64_t offset = t_.find(stream)->next;
        for (std::uint64_t i = 0; i < count; ++i) {
            places.push_back(by.put(made(stream, offset + i), t_.now()));
            is_put(number, offset + i);
            if (i % 3 == 2 || i + 1 == count) {
                by.flush();
                t_.settle();
            }
        }
        for (const put_place& each : places) {
            REQUIRE(each.now().is == message_fate::state::stored);
            REQUIRE(each.now().offset == offset++);
        }
    }

    void work(const std::string& name, const group_place& place, const rule& what) {
        consumer_session& who = t_.session(name);
        t_.settle();
        while (const auto item = who.next(t_.now().monotonic_ns)) {
            const std::uint64_t at = item->offset;
            REQUIRE(item->item.payload == told_.put[place.first].at(at));
            told_.given[place].insert(at);
            bool settles = true;
            switch (what(at)) {
                case deed::ack:
                    who.ack(item->lease, at);
                    break;
                case deed::dead:
                    who.dead_letter(item->lease, at, "bad");
                    break;
                case deed::commit:
                    commit(who, *item);
                    break;
                case deed::nack:
                    who.nack(item->lease, at, 30'000, "no");
                    [[fallthrough]];
                case deed::hold:
                    settles = false;
            }
            if (settles) told_.open[place].erase(at);
            if (what(at) == deed::dead) told_.dead[place].insert(at);
            t_.settle();
        }
    }

    void commit(consumer_session& who, const delivered_item& item) {
        const std::uint64_t next = t_.find("out")->next;
        commit_output made{"out", 1, {}};
        append_item(made.batch, message{text_at("out", next)});
        const auto fate = who.commit(item.lease, item.offset, {made}, t_.now());
        t_.settle();
        REQUIRE(fate->is == commit_fate::state::committed);
        is_put(2, next);
    }

    void purge() {
        REQUIRE(t_.tell("stream.purge", {{"stream", "out"}}).empty());
        for (auto& [place, open] : told_.open)
            if (place.first == 2) open.clear();
    }

    void snapshot() {
        t_.want_snapshot();
        put("out", 1);
    }

    void restart() {
        t_.restart(false);
        for (const char* each : {"f", "n", "o"}) t_.reconnect(each);
        t_.pass(3 * second_ns);
    }

    table t_{tiny_segments()};
    short_history told_;
};

}  // namespace

brain_options tiny_segments() {
    brain_options of;
    of.segment_bytes = 4096;  // the smallest
    return of;
}

short_history live_shortly() {
    return life{}.live();
}

}  // namespace ferry::test
