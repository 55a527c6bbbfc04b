// The two failures of the log that are not the operating system's. All others are std::system_error.
#pragma once

#include <stdexcept>
#include <string>
#include <system_error>

namespace ferry::log {

/// The directory holds what this log cannot be: another program's files, another spool's segment, a newer
/// format, or too little to start from. Nothing was changed; the text names the file and what to do.
class format_error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Another process holds the directory.
class directory_in_use : public std::system_error {
  public:
    directory_in_use(const std::string& directory, int holder)
        : std::system_error(std::make_error_code(std::errc::device_or_resource_busy),
                            directory + " is held by process " + std::to_string(holder)),
          pid(holder) {}

    const int pid;  ///< of the holder; 0 when it could not be read
};

}  // namespace ferry::log
