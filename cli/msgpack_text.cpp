#include "cli/msgpack_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <msgpack.hpp>

#include "cli/encoding.hpp"
#include "cli/json_writer.hpp"
#include "cli/units.hpp"

namespace ferry::cli {
namespace {

constexpr std::size_t depth_max = 64;
// JSON quotes a key that is no text, and with every key within a key what is quoted doubles.
constexpr int keys_in_keys_max = 3;
constexpr std::int8_t timestamp_type = -1;

enum class dialect : bool { text, json };

std::uint64_t big_endian(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char c : bytes) value = value << 8 | static_cast<std::uint8_t>(c);
    return value;
}

// The timestamp extension of the msgpack specification, when it is one that a calendar can show.
std::optional<std::string> timestamp(std::string_view data) {
    std::uint64_t seconds = 0;
    std::uint64_t nanoseconds = 0;
    if (data.size() == 4) {
        seconds = big_endian(data);
    } else if (data.size() == 8) {
        nanoseconds = big_endian(data) >> 34;
        seconds = big_endian(data) & ((std::uint64_t{1} << 34) - 1);
    } else if (data.size() == 12) {
        nanoseconds = big_endian(data.substr(0, 4));
        seconds = big_endian(data.substr(4));
    } else {
        return std::nullopt;
    }
    if (nanoseconds >= 1'000'000'000 || seconds > 18'000'000'000) return std::nullopt;
    return format_time(seconds * 1'000'000'000 + nanoseconds);
}

class printer {
  public:
    printer(std::string& out, dialect how) : out_{out}, json_{how == dialect::json} {}

    void value(const msgpack::object& from) {
        switch (from.type) {
            case msgpack::type::NIL:
                out_ += "null";
                return;
            case msgpack::type::BOOLEAN:
                out_ += from.via.boolean ? "true" : "false";
                return;
            case msgpack::type::POSITIVE_INTEGER:
                append("{}", from.via.u64);
                return;
            case msgpack::type::NEGATIVE_INTEGER:
                append("{}", from.via.i64);
                return;
            case msgpack::type::FLOAT32:
            case msgpack::type::FLOAT64:
                number(from.via.f64, from.type == msgpack::type::FLOAT32);
                return;
            case msgpack::type::STR:
                text({from.via.str.ptr, from.via.str.size});
                return;
            case msgpack::type::BIN:
                bytes({from.via.bin.ptr, from.via.bin.size});
                return;
            case msgpack::type::EXT:
                extension(from.via.ext.type(), {from.via.ext.data(), from.via.ext.size});
                return;
            case msgpack::type::ARRAY:
                array(from.via.array);
                return;
            case msgpack::type::MAP:
                map(from.via.map);
                return;
        }
    }

  private:
    template <typename... Arguments>
    void append(fmt::format_string<Arguments...> form, Arguments&&... arguments) {
        fmt::format_to(std::back_inserter(out_), form, std::forward<Arguments>(arguments)...);
    }

    // The shortest digits that read back as the same number; JSON has no word for infinity.
    void number(double value, bool single) {
        if (!std::isfinite(value) && json_) {
            out_ += "null";
            return;
        }
        const std::string digits =
            single ? fmt::format("{}", static_cast<float>(value)) : fmt::format("{}", value);
        out_ += digits;
        if (digits.find_first_not_of("-0123456789") == std::string::npos) out_ += ".0";
    }

    void text(std::string_view value) {
        if (is_utf8(value))
            append_json_string(out_, value);
        else if (json_)
            append(R"({{"text_b64":"{}"}})", to_base64(value));
        else
            append("str({}) {}", value.size(), to_hex(value));
    }

    void bytes(std::string_view value) {
        if (json_)
            append(R"({{"b64":"{}"}})", to_base64(value));
        else
            append("bin({}) {}", value.size(), to_hex(value));
    }

    void extension(std::int8_t type, std::string_view data) {
        const auto time = type == timestamp_type ? timestamp(data) : std::nullopt;
        if (time)
            json_ ? append("\"{}\"", *time) : append("{}", *time);
        else if (json_)
            append(R"({{"ext":{},"b64":"{}"}})", type, to_base64(data));
        else
            append("ext({}, {}) {}", type, data.size(), to_hex(data));
    }

    void array(const msgpack::object_array& from) {
        out_ += '[';
        for (std::uint32_t i = 0; i < from.size; ++i) {
            if (i > 0) out_ += json_ ? "," : ", ";
            value(from.ptr[i]);
        }
        out_ += ']';
    }

    void map(const msgpack::object_map& from) {
        out_ += '{';
        for (std::uint32_t i = 0; i < from.size; ++i) {
            if (i > 0) out_ += json_ ? "," : ", ";
            key(from.ptr[i].key);
            out_ += json_ ? ":" : ": ";
            value(from.ptr[i].val);
        }
        out_ += '}';
    }

    void key(const msgpack::object& from) {
        const bool readable =
            from.type == msgpack::type::STR && is_utf8({from.via.str.ptr, from.via.str.size});
        if (!json_ || readable) return value(from);
        std::string quoted;
        printer{quoted, dialect::json}.value(from);
        append_json_string(out_, quoted);
    }

    std::string& out_;
    bool json_;
};

bool keys_too_deep(const msgpack::object& from, int level = 0) {
    if (level > keys_in_keys_max) return true;
    if (from.type == msgpack::type::ARRAY) {
        const msgpack::object_array& all = from.via.array;
        return std::any_of(all.ptr, all.ptr + all.size,
                           [level](const msgpack::object& each) { return keys_too_deep(each, level); });
    }
    if (from.type != msgpack::type::MAP) return false;
    const msgpack::object_map& all = from.via.map;
    return std::any_of(all.ptr, all.ptr + all.size, [level](const msgpack::object_kv& each) {
        const bool quoted = each.key.type != msgpack::type::STR;
        return keys_too_deep(each.key, level + (quoted ? 1 : 0)) || keys_too_deep(each.val, level);
    });
}

std::optional<std::string> print(std::string_view bytes, dialect how) {
    const std::size_t most = bytes.size();
    try {
        std::size_t offset = 0;
        const auto handle = msgpack::unpack(bytes.data(), bytes.size(), offset, nullptr, nullptr,
                                            msgpack::unpack_limit{most, most, most, most, most, depth_max});
        if (offset != bytes.size() || keys_too_deep(handle.get())) return std::nullopt;
        std::string out;
        printer{out, how}.value(handle.get());
        return out;
    } catch (const msgpack::unpack_error&) {
        return std::nullopt;
    }
}

}  // namespace

std::optional<std::string> msgpack_to_text(std::string_view bytes) {
    return print(bytes, dialect::text);
}

std::optional<std::string> msgpack_to_json(std::string_view bytes) {
    return print(bytes, dialect::json);
}

}  // namespace ferry::cli
