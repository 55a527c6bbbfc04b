// Structs as msgpack arrays: what the spool protocol and the spool's state records share.
//
// A struct says `static auto fields(auto& self) { return std::tie(self.a, self.b); }` once, and is written
// and read field by field in that order; one with a `valid()` is refused when that is false. Fields that a
// newer version appends to an array are skipped.
#pragma once

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "core/header_map.hpp"
#include "core/pack_cursor.hpp"

namespace ferry {

template <typename T>
concept packed_struct = requires(T& value) {
    T::fields(value);
};

inline void write_field(pack_writer& out, std::uint64_t value) {
    out.number(value);
}
inline void write_field(pack_writer& out, bool value) {
    out.boolean(value);
}
inline void write_field(pack_writer& out, const std::string& value) {
    out.bytes(value);
}
inline void write_field(pack_writer& out, std::string_view value) {
    out.bytes(value);
}
inline void write_field(pack_writer& out, const header_map& value) {
    write_headers(out, value);
}
template <typename T>
void write_field(pack_writer& out, const std::optional<T>& value);
template <typename T>
void write_field(pack_writer& out, const std::vector<T>& values);
template <packed_struct T>
void write_field(pack_writer& out, const T& value) {
    std::apply(
        [&out](const auto&... field) {
            out.array(static_cast<std::uint32_t>(sizeof...(field)));
            (write_field(out, field), ...);
        },
        T::fields(value));
}
template <typename T>
void write_field(pack_writer& out, const std::optional<T>& value) {
    if (value)
        write_field(out, *value);
    else
        out.nil();
}
template <typename T>
void write_field(pack_writer& out, const std::vector<T>& values) {
    out.array(static_cast<std::uint32_t>(values.size()));
    for (const T& each : values) write_field(out, each);
}

inline void read_field(pack_cursor& from, std::uint64_t& value) {
    value = from.number();
}
inline void read_field(pack_cursor& from, bool& value) {
    value = from.boolean();
}
inline void read_field(pack_cursor& from, std::string& value) {
    value = from.bytes();
}
inline void read_field(pack_cursor& from, std::string_view& value) {
    value = from.bytes();
}
inline void read_field(pack_cursor& from, header_map& value) {
    const char* const start = from.position();
    from.skip();
    const std::string_view all{start, static_cast<std::size_t>(from.position() - start)};
    auto headers = from.good() ? read_headers(all) : std::nullopt;
    if (headers)
        value = std::move(*headers);
    else
        from.fail();
}
template <typename T>
void read_field(pack_cursor& from, std::optional<T>& value);
template <typename T>
void read_field(pack_cursor& from, std::vector<T>& values);
template <packed_struct T>
void read_field(pack_cursor& from, T& value) {
    const std::uint32_t count = from.array();
    std::apply(
        [&](auto&... field) {
            if (count < sizeof...(field)) from.fail();
            (read_field(from, field), ...);
            for (std::size_t extra = count - sizeof...(field); extra > 0 && from.good(); --extra) from.skip();
        },
        T::fields(value));
    if constexpr (requires { value.valid(); })
        if (!value.valid()) from.fail();
}
template <typename T>
void read_field(pack_cursor& from, std::optional<T>& value) {
    value.reset();
    if (!from.nil()) read_field(from, value.emplace());
}
template <typename T>
void read_field(pack_cursor& from, std::vector<T>& values) {
    values.clear();
    for (std::uint32_t left = from.array(); left > 0 && from.good(); --left)
        read_field(from, values.emplace_back());
}

/// The struct as bytes.
template <packed_struct T>
std::string pack_struct(const T& value) {
    std::string bytes;
    pack_writer out{bytes};
    write_field(out, value);
    return bytes;
}

/// The struct in exactly these bytes; false otherwise.
template <packed_struct T>
bool unpack_struct(std::string_view bytes, T& value) {
    pack_cursor from{bytes};
    read_field(from, value);
    return from.good() && from.at_end();
}

}  // namespace ferry
