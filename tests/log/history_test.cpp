// Random histories of one log on the fault disk, checked against a list of what was appended.
//
// Whatever happens, what an opening brings back is a beginning of that list: nothing that was synced is
// missing, nothing is changed, nothing comes from nowhere.
#include <doctest/doctest.h>

#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include "core/log/log.hpp"
#include "tests/support/fault_disk.hpp"

using namespace ferry;
using log::record;
using log::record_type;

namespace {

constexpr std::uint32_t streams = 3;

struct appended {
    std::uint32_t stream;
    std::uint64_t first_offset;
    std::uint32_t count;
    std::string payload;
};

class history {
  public:
    explicit history(std::uint64_t seed) : seed_(seed), random_(seed), disk_(seed * 7919 + 1) {
        // Most segments are small, so that they roll over often; some hold several extents and large records.
        if (seed % 8 == 0) segment_bytes_ = 256 << 10;
    }

    void run(int steps) {
        reopen();
        for (int i = 0; i < steps; ++i) step();
        crash();
        reopen();
        check_reads();
    }

  private:
    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

    void step() {
        switch (below(20)) {
            case 0:
            case 1:
            case 2:
            case 3:
            case 4:
            case 5:
            case 6:
            case 7:
                attempt([&] { append(); });
                break;
            case 8:
            case 9:
            case 10:
                attempt([&] {
                    log_->sync();
                    synced_ = list_.size();
                });
                break;
            case 11:
            case 12:
                attempt([&] { log_->prepare_spare(1 + below(segment_bytes_ / 2)); });
                if (below(2) == 0) attempt([&] { fill_ahead(); });
                break;
            case 13:
                attempt([&] { snapshot(); });
                break;
            case 14:
                release();
                break;
            case 15:
                check_reads();
                break;
            case 16:
                disk_.fail_call(1 + below(12), static_cast<test::fault>(below(4)), below(2) == 0);
                break;
            case 17:
            case 18:
                crash();
                reopen();
                break;
            default:
                log_.reset();
                reopen();
                break;
        }
    }

    // A failed write breaks the log for good; the only way on is a crash and an opening.
    template <typename action>
    void attempt(action&& act) {
        try {
            act();
        } catch (const std::system_error&) {
            REQUIRE(disk_.failed());
            all_written_ = false;
            const std::uint64_t syncs = disk_.syncs();
            REQUIRE_THROWS_AS(log_->sync(), std::system_error);
            REQUIRE(disk_.syncs() == syncs);
            disk_.heal();
            crash();
            reopen();
        }
    }

    void fill_ahead() {
        log_->write_ahead();
        if (log_->durable() == log_->end()) synced_ = list_.size();
    }

    void append() {
        std::vector<record> records(1 + below(4));
        const std::size_t before = list_.size();
        for (std::size_t i = 0; i < records.size(); ++i) {
            const auto stream = static_cast<std::uint32_t>(1 + below(streams));
            if (below(20) == 0) next_[stream] += below(5);
            const auto count = static_cast<std::uint32_t>(below(4));
            const std::size_t size = below(30) == 0 ? below(log_->record_bytes_max() + 1) : below(700);
            std::string payload(size, static_cast<char>('a' + below(26)));
            for (std::size_t at = 0; at < payload.size(); at += 61)
                payload[at] = static_cast<char>(random_());
            list_.push_back({stream, next_[stream], count, std::move(payload)});
            next_[stream] += count;
        }
        for (std::size_t i = 0; i < records.size(); ++i) {
            const appended& a = list_[before + i];
            records[i] = {.type = record_type::messages,
                          .stream = a.stream,
                          .first_offset = a.first_offset,
                          .count = a.count,
                          .wall_ns = ++wall_,
                          .head = std::string_view{a.payload}.substr(0, a.payload.size() / 3),
                          .body = std::string_view{a.payload}.substr(a.payload.size() / 3)};
        }
        std::vector<log::position> positions(records.size());
        log_->append(records, positions);
        for (const log::position at : positions) {
            REQUIRE(at > last_position_);
            last_position_ = at;
        }
        if (log_->durable() == log_->end()) synced_ = list_.size();
    }

    void snapshot() {
        std::string state = std::to_string(list_.size());
        state.resize(64 + below(3) * 200000, ' ');
        for (std::uint32_t s = 1; s <= streams; ++s) saved_released_[s] = released_[s];
        log_->save_snapshot(state);
        synced_ = list_.size();
    }

    void release() {
        const auto stream = static_cast<std::uint32_t>(1 + below(streams));
        const std::uint64_t floor = below(next_[stream] + 1);
        released_[stream] = std::max(released_[stream], floor);
        log_->release(stream, released_[stream]);
    }

    void crash() {
        const std::uint64_t kind = below(4);
        const bool power = kind != 0;
        log_.reset();
        if (kind == 0)
            disk_.kill();
        else if (kind == 1)
            disk_.power_cut_losing_all();
        else
            disk_.power_cut();
        if (power) all_written_ = false;
    }

    void reopen() {
        for (;;) {
            std::vector<appended> back;
            const auto replay = [&](const log::stored_record& r) {
                if (r.header.type == record_type::messages)
                    back.push_back(
                        {r.header.stream, r.header.first_offset, r.header.count, std::string{r.payload}});
            };
            try {
                log_.emplace(disk_, log::log_options{.segment_bytes = segment_bytes_, .random = seed_},
                             replay);
            } catch (const std::system_error&) {
                REQUIRE(disk_.failed());
                disk_.heal();
                log_.reset();
                all_written_ = false;
                if (below(2) == 0)
                    disk_.kill();
                else
                    disk_.power_cut();
                continue;
            }
            compare(back);
            return;
        }
    }

    void compare(const std::vector<appended>& back) {
        for (const log::damage& d : log_->opened().damages) {
            INFO(d.file, " ", d.from, "..", d.to, ": ", d.reason);
            REQUIRE(d.torn_tail);
        }
        const std::string& state = log_->opened().snapshot;
        const std::size_t known = state.empty() ? 0 : std::stoul(state);
        const std::size_t total = known + back.size();
        REQUIRE(total <= list_.size());
        REQUIRE(total >= (all_written_ ? list_.size() : synced_));
        for (std::size_t i = 0; i < back.size(); ++i) {
            const appended& was = list_[known + i];
            REQUIRE(back[i].stream == was.stream);
            REQUIRE(back[i].first_offset == was.first_offset);
            REQUIRE(back[i].count == was.count);
            REQUIRE(back[i].payload == was.payload);
        }
        list_.resize(total);
        synced_ = total;
        all_written_ = true;
        for (std::uint32_t s = 1; s <= streams; ++s) next_[s] = 0;
        for (const appended& a : list_) next_[a.stream] = a.first_offset + a.count;
        REQUIRE(log_->end() > last_position_);
        REQUIRE(log_->durable() == log_->end());
        for (std::uint32_t s = 1; s <= streams; ++s) log_->release(s, released_[s]);
    }

    // Every stream from a random offset above what was released, in small steps, to its end.
    void check_reads() {
        for (std::uint32_t stream = 1; stream <= streams; ++stream) {
            const std::uint64_t from = released_[stream] + below(20);
            std::vector<const appended*> expected;
            for (const appended& a : list_)
                if (a.stream == stream && a.count > 0 && a.first_offset + a.count > from)
                    expected.push_back(&a);
            std::size_t got = 0;
            std::uint64_t offset = from;
            for (bool at_end = false; !at_end;) {
                const log::read_result part = log_->read(stream, offset, below(3000));
                REQUIRE(part.damages.empty());
                REQUIRE((part.at_end || !part.records.empty()));
                for (const log::stored_record& r : part.records) {
                    REQUIRE(got < expected.size());
                    REQUIRE(r.header.first_offset == expected[got]->first_offset);
                    REQUIRE(r.payload == expected[got]->payload);
                    offset = r.header.first_offset + r.header.count;
                    ++got;
                }
                at_end = part.at_end;
            }
            REQUIRE(got == expected.size());
        }
    }

    const std::uint64_t seed_;
    std::uint64_t segment_bytes_ = 16384;
    std::mt19937_64 random_;
    test::fault_disk disk_;
    std::optional<log::segmented_log> log_;
    std::vector<appended> list_;
    std::size_t synced_ = 0;
    bool all_written_ = true;  // no failure and no power cut since the last opening
    std::uint64_t next_[streams + 1]{};
    std::uint64_t released_[streams + 1]{};
    std::uint64_t saved_released_[streams + 1]{};
    std::uint64_t wall_ = 0;
    log::position last_position_ = 0;
};

}  // namespace

TEST_CASE("log: whatever the history of crashes, what was synced is there and nothing else is") {
    // FERRY_SEED replays one history, FERRY_HISTORIES runs more of them than the few hundred of every day.
    const char* const one = std::getenv("FERRY_SEED");
    const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
    const char* const many = std::getenv("FERRY_HISTORIES");
    const std::uint64_t last = one != nullptr    ? first
                               : many != nullptr ? std::strtoull(many, nullptr, 10)
                                                 : 400;
    for (std::uint64_t seed = first; seed <= last; ++seed) {
        INFO("replay with FERRY_SEED=", seed);
        history{seed}.run(120);
    }
}
