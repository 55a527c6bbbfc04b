// Who has an address that we wanted: looks through /proc, as far as we may.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ferry::cli {

/// " by process 123 (name)" for a tcp or ipc address, or nothing when it cannot be found out.
std::string describe_owner(std::string_view address);

/// The path of an ipc address; nothing for other transports and for abstract names.
std::optional<std::string> socket_path(std::string_view address);

/// True when somebody accepts connections on that socket file.
bool is_listened_on(const std::string& path);

}  // namespace ferry::cli
