// One read of one stream: gathers its records extent by extent, with whatever damage lies between them.
// Threads: one read, one thread. Bytes that the disk refuses to give are damage too, not an exception.
#pragma once

#include <cstdint>
#include <string>

#include "core/log/footer.hpp"
#include "core/log/log.hpp"

namespace ferry::log {

class stream_read {
  public:
    stream_read(std::uint32_t stream, std::uint64_t offset, std::size_t bytes_max);

    /// Takes the records of `where` that end above the offset reached so far and begin below `until`; `name`
    /// is the segment's.
    void take(const file& segment, const std::string& name, std::uint64_t nonce, position base,
              const extent& where, std::uint64_t until);

    /// The messages from `first` to `end`, of which no extent tells, were in these bytes.
    void miss(const std::optional<damage>& nameless, std::uint64_t first, std::uint64_t end);

    /// Everything of the stream below `offset` has been seen, though it may not have been there.
    void skip_to(std::uint64_t offset);

    bool full() const { return stopped_ || (!placed_.empty() && bytes_.size() >= bytes_max_); }
    bool empty() const { return placed_.empty(); }
    std::uint32_t stream() const { return stream_; }
    std::uint64_t offset() const { return offset_; }

    read_result finish(bool at_end);

  private:
    struct placed {
        position at = 0;
        record_header header;
        std::size_t payload_from = 0;
    };
    void gather(const file& segment, const std::string& name, std::uint64_t nonce, position base,
                const extent& where, std::uint64_t until);
    void settle_unknown(std::uint64_t expected, std::uint64_t next);

    const std::uint32_t stream_;
    const std::size_t bytes_max_;
    std::uint64_t offset_;
    std::string bytes_;
    std::vector<placed> placed_;
    std::vector<damage> damages_;
    bool stopped_ = false;           // by an error behind what could be read
    std::optional<damage> unknown_;  // a bad header: whose it was shows when the next record comes
};

}  // namespace ferry::log
