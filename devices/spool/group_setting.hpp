// What a group can be told when it is made, as a table: a row says how a setting is called in JOIN, in
// group.create and in the group's row, and how it is read and shown. Where it starts is not among them: that
// is a place (start_place.hpp).
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "devices/spool/group.hpp"
#include "ferry/message.hpp"

namespace ferry {

struct group_setting {
    std::string_view name;     ///< in JOIN and group.create
    std::string_view shown;    ///< in the group's row
    std::string_view expects;  ///< in words, for who gave something else
    bool (*read)(const header_value& from, group_settings& into);
    header_value (*show)(const group_settings& from);
};

std::span<const group_setting> group_setting_table();

/// Their names, and those given.
std::vector<std::string_view> setting_names_and(std::initializer_list<std::string_view> more);

/// Changes what the options name and leaves the rest. False with the problem in words for a value that
/// cannot be.
bool read_settings(const header_map& options, group_settings& into, std::string& problem);

/// In words, what is otherwise in `asked` than in `has`.
std::string show_differences(const group_settings& has, const group_settings& asked);

/// Adds all settings to the group's row.
void show_settings(const group_settings& from, header_map& row);

}  // namespace ferry
