#include "core/log/quarantine.hpp"

#include <algorithm>
#include <system_error>

#include "core/log/segment.hpp"

namespace ferry::log {
namespace {

constexpr const char* directory_name = "quarantine";
constexpr std::uint64_t copy_bytes = 1 << 20;

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

}  // namespace

void quarantine_bytes(storage& directory, const file& segment, position base, const damage& what) {
    directory.make_directory(directory_name);
    const auto copy = open_copy(directory, path_of(numbered_name(what.file + ".", what.from, "")));
    const position to = std::min(what.to, base + segment.size());
    std::string bytes;
    for (position at = what.from; at < to; at += bytes.size()) {
        bytes.resize(std::min(copy_bytes, to - at));
        bytes.resize(segment.read(at - base, bytes));
        if (bytes.empty()) break;
        copy->write(at - what.from, bytes);
    }
    copy->sync();
}

void quarantine_file(storage& directory, const std::string& name) {
    directory.make_directory(directory_name);
    const std::size_t folder = name.rfind('/');
    directory.rename(
        name,
        path_of(folder == std::string::npos ? name : name.substr(0, folder) + "-" + name.substr(folder + 1)));
}

}  // namespace ferry::log
