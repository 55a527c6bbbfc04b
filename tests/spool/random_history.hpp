// A random history of a spool with one stream or two: commands from a seed, done to a spool on a table and to
// the reference, and after each the two compared in all that a spool shows.
//
// What a command does to the spool is done by the sessions that programs use; what it does to the reference
// is told to it in a line. `run` throws `disagreement` when they part; `story` is then what led there.
//
//     random_history history{{.seed = 7}};
//     history.run();
#pragma once

#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/spool/reference_spool.hpp"
#include "tests/spool/table.hpp"

namespace ferry::test {

struct random_history_options {
    std::uint64_t seed = 1;
    std::uint64_t steps = 40;
    // Faults planted between the spool and the reference, to show that they are noticed.
    bool plant_lost_ack = false;        ///< an ack never reaches the spool
    bool plant_drop_redrives = false;   ///< a dead letter that is dropped is redriven
    bool plant_hasty_nack = false;      ///< the delay of a nack is forgotten
    bool plant_restarts_count = false;  ///< the reference takes a restart for a failure
    bool plant_refusals = false;        ///< what should wait for room is refused
    bool plant_no_bytes_max = false;    ///< the limit of bytes is forgotten
    bool plant_half_commits = false;    ///< of a commit only the ack is done
    bool plant_no_key_order = false;    ///< an ordered group is a plain one
    bool plant_all_active = false;      ///< where one consumer should be active all are
};

class random_history {
  public:
    explicit random_history(random_history_options of);

    void run();
    /// The commands so far, a line each.
    std::string story() const;
    std::uint64_t deliveries() const noexcept { return deliveries_; }
    std::uint64_t restarts() const noexcept { return restarts_; }
    std::uint64_t steps() const noexcept { return lines_.size(); }

  private:
    struct worker {
        std::string stream, group;
        std::map<std::uint64_t, std::uint64_t> leases;  // offset -> lease
    };
    // What a history is about: not everything goes with everything, see the constructor.
    struct flavour {
        bool filters = false, delays = false, priorities = false, ttls = false, ids = false, limits = false,
             ages = false, keys = false, turns = false;
    };
    struct one_stream {
        reference_spool model;
        std::map<std::string, reference_spool::group_settings> groups;
        std::vector<reference_spool::message> under_way;  // what its producer does not know the fate of
        std::vector<put_place> places;                    // of these
    };

    void step();
    void settle();
    bool collect();
    bool refuse_late();
    void hear_producers(bool wait_is_new);
    void compare();
    void compare_stream();
    void compare_row(const std::string& what, const header_map& row,
                     const std::vector<std::pair<std::string, std::uint64_t>>& expected) const;
    void compare_dead(const std::string& group);
    static std::string described(const header_map& row);
    protocol::result tell(const std::string& command, header_map arguments);

    void put();
    void commit();
    void read();
    void join();
    void leave();
    void die();
    void reconnect();
    void ack();
    void nack();
    void give_up();
    void release();
    void wait();
    void restart();
    void snapshot();
    void set_stream();
    void purge();
    void make_group();
    void remove_group();
    void seek();
    void pause();
    void redrive();
    void drop();
    void move_dead(const std::string& group, bool drop);

    void leap(std::uint64_t ms);
    void begin();
    void say(std::string line) { lines_.push_back(std::move(line)); }
    std::uint64_t below(std::uint64_t end) { return random_() % end; }
    bool chance(unsigned percent) { return below(100) < percent; }
    template <typename Container>
    const auto& any_of(const Container& from) {
        return *std::next(from.begin(), static_cast<std::ptrdiff_t>(below(from.size())));
    }
    /// A worker that holds something, and what; empty name when there is none.
    std::pair<std::string, std::uint64_t> any_held();
    std::pair<header_map, std::uint64_t> any_place();
    reference_spool::message any_message(std::uint64_t bytes, bool may_overtake = true);
    one_stream& here() { return streams_.at(at_); }
    reference_spool& model() { return here().model; }
    reference_spool& model_of(const std::string& worker_name) {
        return streams_.at(workers_.at(worker_name).stream).model;
    }
    /// A worker, whose stream commands are about then.
    std::string any_worker();
    reference_spool::stream_settings any_settings();
    header_map arguments_of(const reference_spool::stream_settings& wanted) const;

    const random_history_options with_;
    std::mt19937_64 random_;
    flavour about_;
    table table_;
    std::map<std::string, one_stream> streams_;
    std::string at_ = "s";  // the stream that the command is about
    std::map<std::string, worker> workers_;
    std::set<std::string> made_;
    std::vector<std::string> lines_;
    std::uint64_t bodies_ = 0, names_ = 0;
    std::uint64_t deliveries_ = 0, restarts_ = 0;
};

}  // namespace ferry::test
