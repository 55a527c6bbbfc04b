#include "core/batch.hpp"

#include "core/header_map.hpp"

namespace ferry {
namespace {

constexpr std::size_t largest_tag_bytes = 5;

std::uint32_t fields_present(const message& message, bool with_topic = true) {
    if (message.plain()) return with_topic && message.has_topic() ? 2 : 1;
    if (!message.frames().empty()) return 4;
    if (!message.headers().empty()) return 3;
    return with_topic && message.has_topic() ? 2 : 1;
}

// What most items are: in one piece, which is twice as fast as value by value.
constexpr std::size_t short_bytes_max = 0xFF;
void append_short(std::string& batch, std::string_view payload) {
    const char head[] = {'\x91', '\xC4', static_cast<char>(payload.size())};
    batch.append(head, sizeof head).append(payload);
}

}  // namespace

void append_payload(std::string& batch, std::string_view payload) {
    if (payload.size() <= short_bytes_max) return append_short(batch, payload);
    pack_writer{batch}.array(1).bytes(payload);
}

void append_item(std::string& batch, const message& message, bool with_topic) {
    const std::uint32_t fields = fields_present(message, with_topic);
    if (fields == 1) return append_payload(batch, message.body());
    pack_writer out{batch};
    out.array(fields).bytes(message.body());
    const bool topic = with_topic && message.has_topic();
    if (fields > 1) topic ? out.bytes(message.topic()) : out.nil();
    if (fields > 2) {
        if (message.headers().empty())
            out.nil();
        else
            write_headers(out, message.headers());
    }
    if (fields > 3) {
        out.array(static_cast<std::uint32_t>(message.frames().size()));
        for (const frame& each : message.frames()) out.bytes(each.view());
    }
}

std::size_t item_bytes_max(const message& message) {
    const std::size_t body = message.body().size();
    std::size_t size = 1 + largest_tag_bytes + body;
    if (fields_present(message) == 1) return size - (body < 0x100 ? 3 : body < 0x10000 ? 2 : 0);
    size += 3 * largest_tag_bytes + message.topic().size();
    if (message.plain()) return size;
    for (const auto& [name, value] : message.headers()) {
        size += 2 * largest_tag_bytes + name.size() + 8;
        if (const auto* text = std::get_if<std::string>(&value)) size += text->size();
        if (const auto* bytes = std::get_if<binary>(&value)) size += bytes->bytes.size();
    }
    for (const frame& each : message.frames()) size += largest_tag_bytes + each.size();
    return size;
}

std::optional<item_view> batch_cursor::next() {
    if (!cursor_.good() || cursor_.at_end()) return std::nullopt;
    const char* const from = cursor_.position();
    const auto since = [&](const char* start) {
        return std::string_view{start, static_cast<std::size_t>(cursor_.position() - start)};
    };
    item_view item;
    if (cursor_.take_short_item(item.payload)) {
        item.all = since(from);
        return item;
    }
    const std::uint32_t fields = cursor_.array();
    if (fields < 1 || fields > 4) cursor_.fail();
    item.payload = cursor_.bytes();
    if (fields > 1 && !cursor_.nil()) item.topic = cursor_.bytes();
    if (fields > 2 && !cursor_.nil()) {
        const char* const start = cursor_.position();
        if (!cursor_.next_is_map()) cursor_.fail();
        cursor_.skip();
        item.headers = since(start);
    }
    if (fields > 3 && !cursor_.nil()) {
        const char* const start = cursor_.position();
        for (std::uint32_t left = cursor_.array(); left > 0 && cursor_.good(); --left) cursor_.bytes();
        item.frames = since(start);
    }
    if (!cursor_.good()) return std::nullopt;
    item.all = since(from);
    return item;
}

bool add_extras(const item_view& item, message& to) {
    if (!item.headers.empty()) {
        const auto headers = read_headers(item.headers);
        if (!headers) return false;
        for (const auto& [name, value] : *headers) to.set_header(name, value);
    }
    if (!item.frames.empty()) {
        pack_cursor frames{item.frames};
        for (std::uint32_t left = frames.array(); left > 0; --left) to.add_frame(frame{frames.bytes()});
    }
    return true;
}

std::optional<message> to_message(const item_view& item) {
    message result{frame{item.payload}};
    if (item.topic) result.set_topic(frame{*item.topic});
    if (!add_extras(item, result)) return std::nullopt;
    return result;
}

}  // namespace ferry
