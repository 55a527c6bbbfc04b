#include "core/envelope.hpp"

#include "core/header_map.hpp"
#include "core/pack_cursor.hpp"
#include "ferry/error.hpp"

namespace ferry {
namespace {

// What stands ahead of the producer's id: the magic bytes, an array of five, and that it is a bin of 8.
constexpr std::string_view front{
    "\xC1"
    "fy\x01\x95\xC4\x08",
    7};
static_assert(front.starts_with(envelope_magic) && producer_id_bytes == 8);

const char* read_fields(std::string_view bytes, decoded_header& into) {
    pack_cursor from{bytes};
    if (from.array() < 5 || !from.good()) return "the header is no array of five";
    into.sent_by.producer_id = from.bytes();
    if (!from.good() || into.sent_by.producer_id.size() != producer_id_bytes)
        return "the producer id is not 8 bytes";
    into.sent_by.epoch = from.number();
    into.sent_by.sequence = from.number();
    into.sent_by.time_ns = from.number();
    if (!from.good()) return "epoch, sequence or time is no number";
    if (!from.empty_map()) {  // as most have it
        const char* const start = from.position();
        from.skip(envelope_header_depth_max);
        if (!from.good()) return "the header is cut short or too deep";
        auto headers = read_headers({start, static_cast<std::size_t>(from.position() - start)});
        if (!headers) return "a header is not text to text, number or bytes";
        into.headers = std::move(*headers);
    }
    return from.at_end() ? nullptr : "bytes follow the header";
}

}  // namespace

void encode_header(std::string& into, const stamp& stamp, const header_map& headers) {
    into = front;
    into.append(stamp.producer_id, 0, producer_id_bytes).resize(front.size() + producer_id_bytes);
    pack_writer out{into};
    out.number(stamp.epoch).number(stamp.sequence).number(stamp.time_ns);
    write_headers(out, headers);
    if (into.size() > envelope_header_bytes_max)
        throw error{errc::too_large, "the headers take " + std::to_string(into.size()) +
                                         " bytes, the limit is " + std::to_string(envelope_header_bytes_max)};
}

std::string encode_header(const stamp& stamp, const header_map& headers) {
    std::string bytes;
    encode_header(bytes, stamp, headers);
    return bytes;
}

decoded_header decode_header(std::string_view bytes) {
    decoded_header result;
    if (!bytes.starts_with(envelope_magic))
        result.reason = "the header does not start with the magic bytes";
    else if (bytes.size() > envelope_header_bytes_max)
        result.reason = "the header is longer than 64 KiB";
    else
        result.reason = read_fields(bytes.substr(envelope_magic.size()), result);
    result.good = result.reason == nullptr;
    if (result.good) result.reason = "";
    return result;
}

std::vector<frame> to_frames(message message, envelope_mode mode) {
    const bool wanted = mode == envelope_mode::full || !message.headers().empty() || message.sent_by();
    const bool enveloped = wanted && mode != envelope_mode::none;
    std::vector<frame> frames;
    frames.reserve(3);
    if (message.has_topic() || enveloped || !message.frames().empty()) frames.push_back(message.take_topic());
    if (enveloped) frames.emplace_back(encode_header(message.sent_by().value_or(stamp{}), message.headers()));
    frames.insert(frames.end(), message.frames().begin(), message.frames().end());
    frames.push_back(message.take_body());
    return frames;
}

decoded_message from_frames(std::span<frame> frames) {
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
