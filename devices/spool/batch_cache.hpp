// Batches at hand: those just stored and those just read from the log, so that a reader near the tail never
// waits for the disk and a backlog is read in blocks. Bounded by bytes; the oldest to come in goes first.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "core/batch.hpp"
#include "core/protocol.hpp"
#include "devices/spool/actions.hpp"

namespace ferry {

struct cached_batch {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::uint64_t wall_ns = 0;
    checksum_kind checksum_is = checksum_kind::none;
    std::uint32_t checksum = 0;
    shared_bytes batch;
    std::uint64_t end() const noexcept { return first + count; }

    /// The bytes of items `from` .. `from + items - 1`, by offset.
    std::string_view slice(std::uint64_t from, std::uint64_t items) const;
    /// Where each item starts; made when first needed.
    mutable std::vector<std::uint32_t> starts;
};

class batch_cache {
  public:
    explicit batch_cache(std::size_t bytes_max) : bytes_max_{bytes_max} {}

    /// Gives what the batch costs of the bound.
    std::size_t add(std::uint32_t stream, cached_batch batch);
    std::size_t bytes_max() const noexcept { return bytes_max_; }
    /// The batch that holds the offset; null when it must be read.
    const cached_batch* find(std::uint32_t stream, std::uint64_t offset) const;
    void forget(std::uint32_t stream);

  private:
    using key = std::pair<std::uint32_t, std::uint64_t>;  // stream, first offset
    std::size_t bytes_max_;
    std::size_t bytes_ = 0;
    std::map<key, cached_batch> batches_;
    std::deque<key> arrival_;
};

}  // namespace ferry
