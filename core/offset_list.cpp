#include "core/offset_list.hpp"

#include <algorithm>
#include <charconv>

namespace ferry {
namespace {

using protocol::run;

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, problem] = std::from_chars(text.data(), end, value);
    if (text.empty() || problem != std::errc{} || stop != end) return std::nullopt;
    return value;
}

}  // namespace

std::optional<std::vector<run>> read_offsets(std::string_view text) {
    std::vector<run> runs;
    while (true) {
        const std::string_view each = text.substr(0, text.find(','));
        const auto dots = each.find("..");
        const auto first = number(each.substr(0, dots));
        const auto last = dots == std::string_view::npos ? first : number(each.substr(dots + 2));
        if (!first || !last || *last < *first || *last == ~std::uint64_t{0}) return std::nullopt;
        runs.push_back({*first, *last - *first + 1});
        if (each.size() == text.size()) return runs;
        text.remove_prefix(each.size() + 1);
    }
}

std::string write_offsets(const std::vector<run>& runs) {
    std::string text;
    for (const run& each : runs) {
        if (!text.empty()) text += ',';
        text += std::to_string(each.first);
        if (each.count > 1) text += ".." + std::to_string(each.end() - 1);
    }
    return text;
}

}  // namespace ferry
