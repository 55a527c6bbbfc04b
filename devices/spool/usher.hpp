// The usher: looks ahead in an ordered group, so that its keys are known before messages are given out.
//
// Messages are met in the order of their offsets, in the batches at hand or read for it, and stand ready or
// wait for their key (key_order.hpp). It looks no further than is needed for those who take, and not while a
// million messages wait. After a restart it first learns the keys of all that is out,
// then meets the rest again from the floor on, in the same order as before.
//
// A key is let go when the ack, the dead letter or the removal of the message that had it is as durable as
// the stream says.
#pragma once

#include "devices/spool/brain_parts.hpp"

namespace ferry {

class usher {
  public:
    explicit usher(brain_parts& parts) : parts_{parts} {}

    static constexpr std::uint64_t waiting_max = 1'000'000;

    /// Looks ahead below `visible` until so much is ready. Gives the offset that must be read first, if any.
    std::optional<std::uint64_t> lead(const stream& from, group& whose, std::uint64_t visible,
                                      std::uint64_t enough);
    /// The lowest that may be given out: what came back, or what is ready for the first time.
    std::optional<tried_run> pick(const stream& from, const group& whose, std::uint64_t visible,
                                  std::uint64_t count_max) const;
    void given(const stream& from, const group& whose, protocol::run out);

    void begin_turn() noexcept { left_ = looks_a_turn; }
    /// This turn looked at as much as it may.
    bool exhausted() const noexcept { return left_ == 0; }

  private:
    static constexpr std::size_t looks_a_turn = 16'384;

    ordered_run& run_of(const stream& from, group& whose);
    const ordered_run* find_run(const stream& from, const group& whose) const;
    void hear(const stream& from, group& whose, ordered_run& at);
    struct settled_turn {
        std::vector<std::uint64_t> keys;  ///< of what had its key
        offset_set waited;                ///< what may have waited for its own
        bool blind = false;               ///< there is more, whose keys are not known
    };
    void when_durable(const stream& from, const group& whose, ordered_run& at, settled_turn turn);
    void free(brain_parts::group_key which, std::uint64_t seeks, std::uint64_t turn,
              std::vector<std::uint64_t> keys, bool was_blind);
    bool learn_keys(const stream& from, ordered_run& at);
    void meet(const stream& from, group& whose, ordered_run& at, const cached_batch& in, protocol::run what,
              bool fresh);

    brain_parts& parts_;
    std::size_t left_ = looks_a_turn;
};

}  // namespace ferry
