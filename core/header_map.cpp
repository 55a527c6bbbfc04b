#include "core/header_map.hpp"

namespace ferry {

void write_headers(pack_writer& out, const header_map& headers) {
    out.map(static_cast<std::uint32_t>(headers.size()));
    for (const auto& [name, value] : headers) {
        out.text(name);
        if (const auto* text = std::get_if<std::string>(&value))
            out.text(*text);
        else if (const auto* number = std::get_if<std::int64_t>(&value))
            out.integer(*number);
        else
            out.bytes(std::get<binary>(value).bytes);
    }
}

std::optional<header_map> read_headers(std::string_view bytes) {
    header_map headers;
    pack_cursor from{bytes};
    for (std::uint32_t left = from.map(); left > 0 && from.good(); --left) {
        std::string name{from.text()};
        if (from.next_is_text())
            headers.insert_or_assign(std::move(name), std::string{from.text()});
        else if (from.next_is_bytes())
            headers.insert_or_assign(std::move(name), binary{std::string{from.bytes()}});
        else
            headers.insert_or_assign(std::move(name), from.integer());
    }
    if (!from.good() || !from.at_end()) return std::nullopt;
    return headers;
}

}  // namespace ferry
