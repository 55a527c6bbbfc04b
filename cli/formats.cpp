#include "cli/formats.hpp"

#include <fmt/format.h>

#include <array>

#include "cli/exit_codes.hpp"
#include "cli/words.hpp"

namespace ferry::cli {
namespace {

template <typename Value>
struct named {
    std::string_view name;
    Value value;
};

template <typename Value, std::size_t N>
Value find(std::string_view name, const std::array<named<Value>, N>& table, std::string_view flag) {
    std::array<std::string_view, N> names;
    for (std::size_t i = 0; i < N; ++i) {
        if (table[i].name == name) return table[i].value;
        names[i] = table[i].name;
    }
    throw usage_error{fmt::format("{}: unknown format '{}'{}", flag, name, did_you_mean(name, names))};
}

constexpr std::array<named<in_format>, 7> in_formats{{{"line", in_format::line},
                                                      {"lines", in_format::line},
                                                      {"raw", in_format::raw},
                                                      {"whole", in_format::raw},
                                                      {"nul", in_format::nul},
                                                      {"json", in_format::json},
                                                      {"len32", in_format::len32}}};

constexpr std::array<named<out_format>, 8> out_formats{{{"auto", out_format::automatic},
                                                        {"line", out_format::line},
                                                        {"raw", out_format::raw},
                                                        {"nul", out_format::nul},
                                                        {"json", out_format::json},
                                                        {"hex", out_format::hex},
                                                        {"msgpack", out_format::msgpack},
                                                        {"len32", out_format::len32}}};

constexpr std::array<named<decoding>, 2> decodings{
    {{"json", decoding::json}, {"msgpack", decoding::msgpack}}};

}  // namespace

in_format parse_in_format(std::string_view name) {
    return find(name, in_formats, "--in");
}
out_format parse_out_format(std::string_view name) {
    return find(name, out_formats, "--out");
}
decoding parse_decoding(std::string_view name) {
    return find(name, decodings, "--decode");
}

}  // namespace ferry::cli
