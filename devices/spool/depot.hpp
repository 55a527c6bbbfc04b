// The depot: puts admitted batches into streams, and shows them to the groups once they are durable.
//
// A message may be shown when its record is as durable as was asked for, and, below grade synced, when a told
// mark covers its offset: no offset that anybody has seen is used again.
#pragma once

#include "devices/spool/admission.hpp"
#include "devices/spool/brain_parts.hpp"

namespace ferry {

class depot {
  public:
    explicit depot(brain_parts& parts) : parts_{parts} {}

    /// The stream of that name, made if need be.
    stream& find_or_create(const std::string& name);

    /// What of a batch stands in its record beside the messages' own bytes.
    struct record {
        std::string head;
        std::uint64_t count = 0;
        std::uint8_t flags = 0;
        protocol::grade grade{};
        std::uint64_t checksum_kind = 0;
        std::uint64_t checksum = 0;
    };
    /// Stores the batch, and gives the offset of its first message.
    std::uint64_t store(stream& into, const record& what, shared_bytes batch);

    /// Raises the stream's told mark to cover `end`, ahead of use.
    void ask_told(stream& into, std::uint64_t end);

  private:
    void advance_visible(std::uint32_t stream_number);

    brain_parts& parts_;
};

}  // namespace ferry
