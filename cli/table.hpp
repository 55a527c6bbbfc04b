// Rows of named values, as a spool answers them, for people and for programs.
//
// The columns asked for are printed in their order, each under the name of its value: words to the left,
// numbers to the right. A row without the value has an empty place.
//
//     as_table(rows, {{"name", "messages"}}) == "name    messages\n"
//                                               "orders        12"
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/json_writer.hpp"
#include "ferry/message.hpp"

namespace ferry::cli {

using columns = std::span<const std::string_view>;

/// The header row and one line for each row, without the last line end.
std::string as_table(const std::vector<header_map>& rows, columns shown);

/// The row's values as members of `into`; those it has not are left out.
void append_members(json_object& into, const header_map& row, columns shown);

/// The row as one object on a line of its own, without the line end.
std::string as_json(const header_map& row, columns shown);

/// A number of the row, 0 where it has none of that name.
std::uint64_t number_in(const header_map& row, std::string_view name);

}  // namespace ferry::cli
