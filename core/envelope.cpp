#include "core/envelope.hpp"

#include <limits>
#include <msgpack.hpp>

#include "ferry/error.hpp"

namespace ferry {
namespace {

constexpr std::size_t producer_id_bytes = 8;
constexpr std::size_t depth_max = 4;

void pack_value(msgpack::packer<msgpack::sbuffer>& out, const header_value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) {
        out.pack(*text);
    } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
        out.pack(*number);
    } else {
        const auto& bytes = std::get<binary>(value).bytes;
        out.pack_bin(static_cast<std::uint32_t>(bytes.size()));
        out.pack_bin_body(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
    }
}

bool read_value(const msgpack::object& from, header_value& into) {
    switch (from.type) {
        case msgpack::type::STR: into = std::string{from.via.str.ptr, from.via.str.size}; return true;
        case msgpack::type::BIN: into = binary{{from.via.bin.ptr, from.via.bin.size}}; return true;
        case msgpack::type::NEGATIVE_INTEGER: into = from.via.i64; return true;
        case msgpack::type::POSITIVE_INTEGER:
            if (from.via.u64 > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) return false;
            into = static_cast<std::int64_t>(from.via.u64);
            return true;
        default: return false;
    }
}

bool read_number(const msgpack::object& from, std::uint64_t& into) {
    if (from.type != msgpack::type::POSITIVE_INTEGER) return false;
    into = from.via.u64;
    return true;
}

const char* read_fields(const msgpack::object& root, decoded_header& into) {
    if (root.type != msgpack::type::ARRAY || root.via.array.size < 5) return "the header is no array of five";
    const msgpack::object* field = root.via.array.ptr;
    if (field[0].type != msgpack::type::BIN || field[0].via.bin.size != producer_id_bytes)
        return "the producer id is not 8 bytes";
    into.sent_by.producer_id.assign(field[0].via.bin.ptr, field[0].via.bin.size);
    if (!read_number(field[1], into.sent_by.epoch) || !read_number(field[2], into.sent_by.sequence) ||
        !read_number(field[3], into.sent_by.time_ns))
        return "epoch, sequence or time is no number";
    if (field[4].type != msgpack::type::MAP) return "the headers are no map";
    for (std::uint32_t i = 0; i < field[4].via.map.size; ++i) {
        const msgpack::object_kv& entry = field[4].via.map.ptr[i];
        header_value value;
        if (entry.key.type != msgpack::type::STR || !read_value(entry.val, value))
            return "a header is not text to text, number or bytes";
        into.headers.insert_or_assign(std::string{entry.key.via.str.ptr, entry.key.via.str.size}, std::move(value));
    }
    return nullptr;
}

}  // namespace

std::string encode_header(const stamp& stamp, const header_map& headers) {
    msgpack::sbuffer buffer;
    buffer.write(envelope_magic.data(), envelope_magic.size());
    msgpack::packer<msgpack::sbuffer> out{buffer};
    std::string id = stamp.producer_id;
    id.resize(producer_id_bytes);
    out.pack_array(5);
    out.pack_bin(producer_id_bytes);
    out.pack_bin_body(id.data(), producer_id_bytes);
    out.pack(stamp.epoch).pack(stamp.sequence).pack(stamp.time_ns);
    out.pack_map(static_cast<std::uint32_t>(headers.size()));
    for (const auto& [name, value] : headers) {
        out.pack(name);
        pack_value(out, value);
    }
    if (buffer.size() > envelope_header_bytes_max)
        throw error{errc::too_large, "the headers take " + std::to_string(buffer.size()) + " bytes, the limit is " +
                                         std::to_string(envelope_header_bytes_max)};
    return {buffer.data(), buffer.size()};
}

decoded_header decode_header(std::string_view bytes) {
    decoded_header result;
    result.reason = "the header does not start with the magic bytes";
    if (!bytes.starts_with(envelope_magic)) return result;
    result.reason = "the header is longer than 64 KiB";
    if (bytes.size() > envelope_header_bytes_max) return result;
    bytes.remove_prefix(envelope_magic.size());
    const std::size_t most = bytes.size();
    try {
        std::size_t offset = 0;
        const auto handle = msgpack::unpack(bytes.data(), bytes.size(), offset, nullptr, nullptr,
                                            msgpack::unpack_limit{most, most, most, most, most, depth_max});
        result.reason = offset == bytes.size() ? read_fields(handle.get(), result) : "bytes follow the header";
    } catch (const msgpack::unpack_error&) {
        result.reason = "the header is not msgpack, too deep or cut short";
    }
    result.good = result.reason == nullptr;
    if (result.good) result.reason = "";
    return result;
}

std::vector<frame> to_frames(message message, envelope_mode mode) {
    const bool wanted = mode == envelope_mode::full || !message.headers().empty() || message.sent_by();
    const bool enveloped = wanted && mode != envelope_mode::none;
    std::vector<frame> frames;
    if (message.has_topic() || enveloped || !message.frames().empty()) frames.push_back(message.topic_frame());
    if (enveloped) frames.emplace_back(encode_header(message.sent_by().value_or(stamp{}), message.headers()));
    frames.insert(frames.end(), message.frames().begin(), message.frames().end());
    frames.push_back(message.body_frame());
    return frames;
}

decoded_message from_frames(std::vector<frame> frames) {
    decoded_message result;
    if (frames.empty()) {
        result.reason = "no frames";
        return result;
    }
    result.good = true;
    result.content.set_body(std::move(frames.back()));
    if (frames.size() == 1) return result;
    std::size_t between = 1;
    if (frames.size() > 2 && frames[1].view().starts_with(envelope_magic)) {
        decoded_header header = decode_header(frames[1].view());
        if (!header.good) return {false, {}, header.reason};
        result.content.set_sent_by(std::move(header.sent_by));
        for (auto& [name, value] : header.headers) result.content.set_header(name, std::move(value));
        between = 2;
    }
    // In an envelope the topic frame is always there; empty means none.
    if (between == 1 || !frames[0].empty()) result.content.set_topic(std::move(frames[0]));
    for (; between + 1 < frames.size(); ++between) result.content.add_frame(std::move(frames[between]));
    return result;
}

}  // namespace ferry
