#include "core/log/quarantine.hpp"

#include <algorithm>
#include <system_error>

#include "core/log/segment.hpp"

namespace ferry::log {
namespace {

constexpr const char* directory_name = "quarantine";
constexpr std::uint64_t step_bytes = 1 << 20;

std::string path_of(const std::string& name) {
    return std::string{directory_name} + "/" + name;
}

// A copy that is there already was perhaps cut short by a crash, so it is written again.
std::unique_ptr<file> open_copy(storage& directory, const std::string& name) {
    try {
        return directory.open(name, open_mode::create_new);
    } catch (const std::system_error& failure) {
        if (failure.code() != std::errc::file_exists) throw;
    }
    auto copy = directory.open(name, open_mode::write);
    copy->truncate(0);
    return copy;
}

void copy_bytes(file& copy, const file& segment, position base, const damage& what) {
    const position to = std::min(what.to, base + segment.size());
    std::string bytes;
    for (position at = what.from; at < to; at += bytes.size()) {
        bytes.resize(std::min(step_bytes, to - at));
        bytes.resize(segment.read(at - base, bytes));
        if (bytes.empty()) break;
        copy.write(at - what.from, bytes);
    }
    copy.sync();
}

// False when there was none.
template <typename Step>
bool where_there_is_room(Step step) try {
    step();
    return true;
} catch (const std::system_error& failure) {
    if (failure.code() != std::errc::no_space_on_device) throw;
    return false;
}

}  // namespace

bool quarantine_bytes(storage& directory, const file& segment, position base, const damage& what) {
    const std::string name = path_of(numbered_name(what.file + ".", what.from, ""));
    const bool made = where_there_is_room([&] {
        directory.make_directory(directory_name);
        copy_bytes(*open_copy(directory, name), segment, base, what);
    });
    if (made) return true;
    try {
        directory.remove(name);
    } catch (const std::system_error& failure) {
        if (failure.code() != std::errc::no_such_file_or_directory) throw;
    }
    return false;
}

bool quarantine_file(storage& directory, const std::string& name) {
    const std::size_t folder = name.rfind('/');
    const std::string as =
        folder == std::string::npos ? name : name.substr(0, folder) + "-" + name.substr(folder + 1);
    return where_there_is_room([&] {
        directory.make_directory(directory_name);
        directory.rename(name, path_of(as));
    });
}

}  // namespace ferry::log
