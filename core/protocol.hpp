// The spool protocol ferry-spool/1, message by message (docs/wire.md).
//
// A message is one frame holding the msgpack array `[kind, fields...]`, followed by a payload frame where
// data is bulky: PUT, PART and DELIVER. Here each kind is a struct whose fields stand in wire order. Windows
// and credit are cumulative limits since OPEN and JOIN: repeating one is harmless, losing one is repaired by
// the next. Fields a newer minor version appends are skipped.
//
// Failure: `decode` says false for bytes that are not that message; nothing throws.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "core/batch.hpp"
#include "ferry/grade.hpp"
#include "ferry/message.hpp"

namespace ferry::protocol {

inline constexpr std::uint64_t version = 1;

/// A PUT channel may have this many batches unconfirmed; the spool remembers as many for resends.
inline constexpr std::uint64_t window_batches = 64;
/// DELIVER frames in flight beyond those the client's CREDIT says it has read.
inline constexpr std::uint64_t frames_ahead_max = 32;
/// A session that is silent for three of these is taken for gone; any frame counts as life.
inline constexpr std::uint64_t ping_interval_ns = 2'000'000'000;
/// The same for a consumer that may be the active one of its group; such a one pings without being silent.
inline constexpr std::uint64_t active_ping_interval_ns = 500'000'000;
inline constexpr std::size_t name_bytes_max = 128;
/// OPENs and JOINs of one session at a time; each costs the spool memory.
inline constexpr std::size_t channels_max = 1024;

/// Stable error codes, as they stand in ERROR, REFUSED and RESULT.
namespace code {
inline constexpr std::string_view full = "full";
inline constexpr std::string_view too_large = "too-large";
inline constexpr std::string_view split = "split";
inline constexpr std::string_view no_such_stream = "no-such-stream";
inline constexpr std::string_view no_such_group = "no-such-group";
inline constexpr std::string_view exists = "exists";
inline constexpr std::string_view differs = "differs";
inline constexpr std::string_view bad_name = "bad-name";
inline constexpr std::string_view bad_option = "bad-option";
inline constexpr std::string_view unsupported = "unsupported";
inline constexpr std::string_view denied = "denied";
inline constexpr std::string_view fenced = "fenced";
inline constexpr std::string_view out_of_order = "out-of-order";
inline constexpr std::string_view read_only = "read-only";
inline constexpr std::string_view no_session = "no-session";
inline constexpr std::string_view no_channel = "no-channel";
inline constexpr std::string_view bad_frame = "bad-frame";
inline constexpr std::string_view removed = "removed";
inline constexpr std::string_view end = "end";
}  // namespace code

enum class kind : std::uint8_t {
    hello = 1,
    open,
    put,
    part,
    join,
    leave,
    credit,
    ack,
    nack,
    release,
    extend,
    dead,
    commit,
    admin,
    ping,
    welcome = 33,
    error,
    opened,
    stored,
    refused,
    joined,
    deliver,
    done,
    result,
    pong,
};

using ferry::grade;

/// Offsets (or sequences) `first` .. `first + count - 1`.
struct run {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::uint64_t end() const noexcept { return first + count; }
    bool valid() const noexcept { return end() >= first; }
    static auto fields(auto& m) { return std::tie(m.first, m.count); }
    friend bool operator==(const run&, const run&) = default;
};
/// In DONE, as a stale run: the lease is over with all it held. No stream is longer.
inline constexpr run everything{0, std::uint64_t{1} << 63};
struct stored_run {
    std::uint64_t first = 0;  ///< sequence
    std::uint64_t count = 0;
    std::uint64_t offset = 0;
    bool duplicate = false;
    bool valid() const noexcept { return first + count >= first && offset + count >= offset; }
    static auto fields(auto& m) { return std::tie(m.first, m.count, m.offset, m.duplicate); }
    friend bool operator==(const stored_run&, const stored_run&) = default;
};
struct delivered_run {
    std::uint64_t offset = 0;
    std::uint64_t count = 0;
    std::uint64_t attempt = 1;
    std::uint64_t wall_ns = 0;  ///< when it was stored
    std::uint64_t end() const noexcept { return offset + count; }
    bool valid() const noexcept { return end() >= offset; }
    static auto fields(auto& m) { return std::tie(m.offset, m.count, m.attempt, m.wall_ns); }
    friend bool operator==(const delivered_run&, const delivered_run&) = default;
};

/// A lease a client still holds, and what of it is not settled.
struct claim {
    std::uint64_t lease = 0;
    std::vector<run> runs;
    static auto fields(auto& m) { return std::tie(m.lease, m.runs); }
    friend bool operator==(const claim&, const claim&) = default;
};

/// What is stored with an ack: a batch for one stream. The batches stand behind each other in the payload.
struct output {
    std::string stream;
    std::uint64_t count = 0;  ///< messages
    std::uint64_t checksum_kind = 0, checksum = 0, time_ns = 0;
    std::uint64_t bytes = 0;  ///< of the batch
    static auto fields(auto& m) {
        return std::tie(m.stream, m.count, m.checksum_kind, m.checksum, m.time_ns, m.bytes);
    }
};

// clang-format off
struct hello { static constexpr kind id = kind::hello;
    std::uint64_t version = protocol::version; std::string client; std::uint64_t last_incarnation = 0;
    static auto fields(auto& m) { return std::tie(m.version, m.client, m.last_incarnation); } };
struct open { static constexpr kind id = kind::open;
    std::uint64_t channel = 0; std::string stream; std::optional<std::string> producer_name;
    std::optional<std::string> producer_id; std::uint64_t epoch = 0;
    header_map options;  // create: 0|1, grade: 0|1|2
    static auto fields(auto& m) { return std::tie(m.channel, m.stream, m.producer_name, m.producer_id, m.epoch, m.options); } };
struct put { static constexpr kind id = kind::put;
    std::uint64_t channel = 0, previous = 0, first = 0, count = 0; std::uint64_t checksum_kind = 0, checksum = 0, time_ns = 0;
    static auto fields(auto& m) { return std::tie(m.channel, m.previous, m.first, m.count, m.checksum_kind, m.checksum, m.time_ns); } };
struct part { static constexpr kind id = kind::part;
    std::uint64_t channel = 0, index = 0, count = 0;
    static auto fields(auto& m) { return std::tie(m.channel, m.index, m.count); } };
struct join { static constexpr kind id = kind::join;
    std::uint64_t channel = 0; std::string stream; std::optional<std::string> group;  // no group: read only
    header_map options;  // create: 0|1, from, lease_ms, dead_of, settings of a new group
    std::vector<claim> leases;  // still held
    static auto fields(auto& m) { return std::tie(m.channel, m.stream, m.group, m.options, m.leases); } };
struct leave { static constexpr kind id = kind::leave;
    std::uint64_t channel = 0, frames = 0;  // DELIVERs received: what came later was never shown
    static auto fields(auto& m) { return std::tie(m.channel, m.frames); } };
struct credit { static constexpr kind id = kind::credit;
    std::uint64_t channel = 0, messages = 0, bytes = 0, frames = 0;
    static auto fields(auto& m) { return std::tie(m.channel, m.messages, m.bytes, m.frames); } };
struct ack { static constexpr kind id = kind::ack;
    std::uint64_t channel = 0, lease = 0; std::vector<run> runs;
    static auto fields(auto& m) { return std::tie(m.channel, m.lease, m.runs); } };
struct nack { static constexpr kind id = kind::nack;
    std::uint64_t channel = 0, lease = 0; std::vector<run> runs; std::optional<std::uint64_t> delay_ms; std::string reason;
    static auto fields(auto& m) { return std::tie(m.channel, m.lease, m.runs, m.delay_ms, m.reason); } };
struct release { static constexpr kind id = kind::release;
    std::uint64_t channel = 0, lease = 0; std::vector<run> runs;
    static auto fields(auto& m) { return std::tie(m.channel, m.lease, m.runs); } };
struct extend { static constexpr kind id = kind::extend;
    std::uint64_t channel = 0; std::vector<std::uint64_t> leases;
    static auto fields(auto& m) { return std::tie(m.channel, m.leases); } };
struct dead { static constexpr kind id = kind::dead;
    std::uint64_t channel = 0, lease = 0; std::vector<run> runs; std::string reason;
    static auto fields(auto& m) { return std::tie(m.channel, m.lease, m.runs, m.reason); } };
struct commit { static constexpr kind id = kind::commit;
    std::uint64_t channel = 0, lease = 0; std::vector<run> runs; std::uint64_t number = 0;  // a REFUSED names it
    std::vector<output> outputs;
    static auto fields(auto& m) { return std::tie(m.channel, m.lease, m.runs, m.number, m.outputs); } };
struct admin { static constexpr kind id = kind::admin;
    std::uint64_t request = 0; std::string command; header_map arguments;
    static auto fields(auto& m) { return std::tie(m.request, m.command, m.arguments); } };
struct ping { static constexpr kind id = kind::ping; static constexpr std::size_t fields_least = 1;
    std::uint64_t token = 0;
    std::uint64_t frames = 0;  // that the client sent behind its HELLO, before this one
    static auto fields(auto& m) { return std::tie(m.token, m.frames); } };

struct welcome { static constexpr kind id = kind::welcome;
    std::uint64_t version = protocol::version, incarnation = 0; header_map limits;
    static auto fields(auto& m) { return std::tie(m.version, m.incarnation, m.limits); } };
struct error { static constexpr kind id = kind::error;
    std::uint64_t channel = 0; std::string code, text;  // channel 0: the session
    static auto fields(auto& m) { return std::tie(m.channel, m.code, m.text); } };
struct opened { static constexpr kind id = kind::opened;
    std::uint64_t channel = 0; std::string producer_id; std::uint64_t epoch = 0, last_sequence = 0;
    std::uint64_t window_batches = 0, window_bytes = 0;
    static auto fields(auto& m) { return std::tie(m.channel, m.producer_id, m.epoch, m.last_sequence, m.window_batches, m.window_bytes); } };
struct stored { static constexpr kind id = kind::stored;
    std::uint64_t channel = 0, incarnation = 0, up_to = 0; std::vector<stored_run> runs; std::uint64_t grade = 0;
    std::uint64_t window_batches = 0, window_bytes = 0;
    static auto fields(auto& m) { return std::tie(m.channel, m.incarnation, m.up_to, m.runs, m.grade, m.window_batches, m.window_bytes); } };
struct refused { static constexpr kind id = kind::refused;
    std::uint64_t channel = 0, first = 0, count = 0; std::string code, reason; std::uint64_t expected = 0;
    std::uint64_t fits = 0;  // full: so many of its first messages could be stored
    static auto fields(auto& m) { return std::tie(m.channel, m.first, m.count, m.code, m.reason, m.expected, m.fits); } };
struct joined { static constexpr kind id = kind::joined;
    std::uint64_t channel = 0, lease_ms = 0, start = 0; std::vector<claim> leases;  // given back
    std::uint64_t claim_wait_ms = 0;  // so long the group waits for others' claims
    std::uint64_t ping_ms = 0;        // PING so often on this channel's account; 0 = as WELCOME says
    static auto fields(auto& m) { return std::tie(m.channel, m.lease_ms, m.start, m.leases, m.claim_wait_ms, m.ping_ms); } };
struct deliver { static constexpr kind id = kind::deliver;
    std::uint64_t channel = 0, lease = 0, lease_ms = 0; std::vector<delivered_run> runs;
    std::uint64_t checksum_kind = 0, checksum = 0;
    static auto fields(auto& m) { return std::tie(m.channel, m.lease, m.lease_ms, m.runs, m.checksum_kind, m.checksum); } };
struct done { static constexpr kind id = kind::done;
    std::uint64_t channel = 0, incarnation = 0, lease = 0; std::vector<run> runs, already, stale, gone;
    static auto fields(auto& m) { return std::tie(m.channel, m.incarnation, m.lease, m.runs, m.already, m.stale, m.gone); } };
struct result { static constexpr kind id = kind::result;
    std::uint64_t request = 0; std::string code, text;  // code empty: it worked
    std::vector<header_map> rows;
    static auto fields(auto& m) { return std::tie(m.request, m.code, m.text, m.rows); } };
struct pong { static constexpr kind id = kind::pong; static constexpr std::size_t fields_least = 2;
    std::uint64_t token = 0, incarnation = 0;
    std::uint64_t frames = 0;  // that the spool sent behind its WELCOME, before this one
    static auto fields(auto& m) { return std::tie(m.token, m.incarnation, m.frames); } };
// clang-format on

/// The frame of a message.
template <typename Message>
std::string encode(const Message& message);

/// Fills `message` from a frame; false when the frame is not one.
template <typename Message>
bool decode(std::string_view frame, Message& message);

/// The kind a frame claims to be; empty when it is no protocol frame at all.
std::optional<kind> kind_of(std::string_view frame);

/// The same offsets in order, every one once: a peer that names them over and over must not be answered for
/// each. Runs that touch are joined, and empty ones are none.
std::vector<run> each_once(std::vector<run> runs);

/// Streams and groups are named [A-Za-z0-9._-]{1,128}.
bool good_name(std::string_view name);

}  // namespace ferry::protocol
