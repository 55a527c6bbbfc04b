// A batch: many messages of one stream as one run of bytes.
//
// A batch is its items behind each other, each the msgpack array `[payload, topic?, headers?, frames?]` with
// trailing absent ones cut: payload bin, topic bin or nil, headers a map as in the envelope or nil, frames an
// array of bin. Two batches behind each other are a batch; a slice between item borders is one too. The
// spool stores what it received and cuts slices without understanding more than the borders.
//
// Failure: foreign bytes never throw; the cursor turns bad.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/pack_cursor.hpp"
#include "ferry/message.hpp"

namespace ferry {

/// No frame on the spool protocol is larger; what is larger, as one large message may be, travels in parts.
inline constexpr std::size_t batch_bytes_max = 256 << 10;
/// A batch starts to leave at this size, and grows to the maximum while the way out is busy.
inline constexpr std::size_t batch_bytes_start = 64 << 10;

/// How a batch is checked on its way: not every language has CRC32C at hand.
enum class checksum_kind : std::uint8_t { none = 0, crc32c = 1 };

/// Appends one item. `topic` may be absent, or be left out; of `message` the sender's stamp always is.
void append_item(std::string& batch, const message& message, bool with_topic = true);
void append_payload(std::string& batch, std::string_view payload);

/// The size `append_item` will add, exact for a bare payload and never too small otherwise.
std::size_t item_bytes_max(const message& message);

/// One item, in place.
struct item_view {
    std::string_view payload;
    std::optional<std::string_view> topic;
    std::string_view headers;  ///< the msgpack map, empty when absent
    std::string_view frames;   ///< the msgpack array, empty when absent
    std::string_view all;      ///< the item's own bytes
};

/// Walks the items of a batch, from outside bytes too.
class batch_cursor {
  public:
    explicit batch_cursor(std::string_view batch) : cursor_{batch} {}

    /// The next item; empty at the end and when the bytes are no batch (`good` tells which).
    std::optional<item_view> next();
    bool good() const noexcept { return cursor_.good(); }

  private:
    pack_cursor cursor_;
};

/// Puts headers and frames of an item into a message; false when they are malformed.
bool add_extras(const item_view& item, message& to);
/// The message an item holds; empty when its headers or frames are malformed.
std::optional<message> to_message(const item_view& item);

}  // namespace ferry
