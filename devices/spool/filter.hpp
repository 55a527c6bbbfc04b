// A filter: which messages of a stream a group wants, told when the group is made and never changed.
//
// A message is wanted when its topic fits any of the patterns or begins with any of the prefixes (of which
// there may be none: then any topic does) and when it has all of the headers. A message without a topic has
// the empty one; a header that is an int is compared as its digits.
//
//     filter wants{.patterns = {"orders.*.paid", "refunds.>"}, .prefixes = {}, .where = {"region=eu"}};
//     if (wants.takes(item)) ...
#pragma once

#include <cstddef>
#include <string>
#include <tuple>
#include <vector>

#include "core/batch.hpp"

namespace ferry {

struct filter {
    static constexpr std::size_t lines_max = 32;  ///< patterns, prefixes, headers: of each
    static constexpr std::size_t line_bytes_max = 256;

    std::vector<std::string> patterns;  ///< `*` is one token between dots, a last `>` one or more
    std::vector<std::string> prefixes;
    std::vector<std::string> where;  ///< NAME=VALUE, the name up to the first `=`

    bool everything() const noexcept { return patterns.empty() && prefixes.empty() && where.empty(); }
    bool takes(const item_view& item) const;

    static auto fields(auto& m) { return std::tie(m.patterns, m.prefixes, m.where); }
    friend bool operator==(const filter&, const filter&) = default;
};

}  // namespace ferry
