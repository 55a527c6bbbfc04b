// Who saw which offset how often: the parent's account of what the workers wrote, held against what the
// spool confirmed.
//
// A worker writes one line for each delivery, before it acks: `OFFSET ATTEMPT NETWORK MAGNITUDE`. Each offset
// counts once. A second delivery is as promised when it says so (its attempt is above 1); an offset that
// came twice as a first attempt is an error.
//
//     demo_ledger ledger;
//     ledger.note("17 1 ci 1.2");
//     ledger.note("17 2 ci 1.2");           // redelivered and flagged
//     ledger.counted() == 1;
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "cli/demo_events.hpp"

namespace ferry::cli {

class demo_ledger {
  public:
    /// Throws failure for what is no such line.
    void note(std::string_view line);

    std::uint64_t counted() const noexcept { return sightings_.size(); }  ///< offsets, each once
    std::uint64_t deliveries() const noexcept { return deliveries_; }     ///< lines
    std::uint64_t redelivered() const noexcept { return redelivered_; }   ///< lines flagged as such
    std::uint64_t unflagged() const noexcept { return unflagged_; }       ///< second first attempts
    const network_totals& totals() const noexcept { return totals_; }     ///< of offsets, each once

    bool has(std::uint64_t offset) const { return sightings_.contains(offset); }
    /// True when every delivery of this offset was this event's.
    bool agrees(std::uint64_t offset, const demo_event& event) const;

  private:
    struct sighting {
        bool first_attempt = false;
        bool contradicted = false;  // two deliveries of it were not the same
        std::string what;           // network and magnitude
    };

    std::unordered_map<std::uint64_t, sighting> sightings_;
    network_totals totals_;
    std::uint64_t deliveries_ = 0;
    std::uint64_t redelivered_ = 0;
    std::uint64_t unflagged_ = 0;
};

/// The line a worker writes.
std::string ledger_line(std::uint64_t offset, std::uint64_t attempt, const demo_event& event);

}  // namespace ferry::cli
