#include "cli/socket_owner.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace ferry::cli {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> columns(const std::string& line) {
    std::istringstream words{line};
    return {std::istream_iterator<std::string>{words}, {}};
}

// The inode of the listening socket on this port (proc(5): state 0A is LISTEN; the local port is in hex).
std::string inode_of_port(unsigned port) {
    for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
        std::ifstream lines{table};
        for (std::string line; std::getline(lines, line);) {
            const auto column = columns(line);
            if (column.size() > 9 && column[3] == "0A" && column[1].ends_with(fmt::format(":{:04X}", port)))
                return column[9];
        }
    }
    return "";
}

// proc(5): num refcount protocol flags type state inode path.
std::string inode_of_path(const std::string& path) {
    std::ifstream lines{"/proc/net/unix"};
    for (std::string line; std::getline(lines, line);) {
        const auto column = columns(line);
        const bool listens = column.size() > 7 && column[3] == "00010000";
        if (listens && column[7] == path) return column[6];
    }
    return "";
}

bool holds(const fs::path& process, const std::string& link) {
    std::error_code ignored;
    for (fs::directory_iterator each{process / "fd", ignored}, end; !ignored && each != end;
         each.increment(ignored)) {
        std::error_code unreadable;
        if (fs::read_symlink(each->path(), unreadable) == link) return true;
    }
    return false;
}

std::string process_with(const std::string& inode) {
    std::error_code ignored;
    for (fs::directory_iterator each{"/proc", ignored}, end; !ignored && each != end;
         each.increment(ignored)) {
        const std::string pid = each->path().filename();
        if (pid.find_first_not_of("0123456789") != std::string::npos ||
            !holds(each->path(), "socket:[" + inode + "]"))
            continue;
        std::string name;
        std::getline(std::ifstream{each->path() / "comm"}, name);
        return fmt::format(" by process {} ({})", pid, name);
    }
    return "";
}

}  // namespace

std::optional<std::string> socket_path(std::string_view address) {
    if (!address.starts_with("ipc://") || address.starts_with("ipc://@") || address == "ipc://*")
        return std::nullopt;
    return std::string{address.substr(6)};
}

bool is_listened_on(const std::string& path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.size() >= sizeof name.sun_path) return false;
    std::memcpy(name.sun_path, path.data(), path.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    const bool accepted =
        ::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 || errno == EAGAIN;
    ::close(fd);
    return accepted;
}

std::string describe_owner(std::string_view address) {
    if (const auto path = socket_path(address)) {
        const std::string inode = inode_of_path(*path);
        return inode.empty() ? "" : process_with(inode);
    }
    unsigned port = 0;
    const std::string_view digits = address.substr(address.rfind(':') + 1);
    std::from_chars(digits.data(), digits.data() + digits.size(), port);
    const std::string inode = port == 0 ? "" : inode_of_port(port);
    return inode.empty() ? "" : process_with(inode);
}

}  // namespace ferry::cli
