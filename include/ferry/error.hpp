// What ferry throws.
//
// A failure throws `ferry::error`, whose text names the endpoint, stream or file. What is expected is not a
// failure but a value: an empty optional for "nothing in that time", small enums for outcomes. Bytes from a
// peer never throw into your code: a bad frame is counted, reported through the event callback and dropped.
//
//     try { ferry::publisher prices{context, ferry::bind("tcp://127.0.0.1:5555")}; }
//     catch (const ferry::error& e) { if (e.kind() == ferry::errc::address_in_use) ... }
#pragma once

#include <string>
#include <system_error>

namespace ferry {

/// What kind of failure it was. The command line maps each to an exit code (docs/cli.md).
enum class errc {
    failed = 1,        ///< anything not named below
    bad_argument,      ///< an option, endpoint or name that cannot be
    not_found,         ///< no such stream, group, file or directory
    no_peer,           ///< nobody at the other end within the time given
    timed_out,         ///< somebody, but no answer in time
    damaged,           ///< bytes on disk or on the wire that cannot be what was written
    full,              ///< a limit of the stream, the spool or the disk
    too_large,         ///< a message above the limit
    address_in_use,    ///< another socket is bound there
    directory_in_use,  ///< another spool holds the lock
    denied,            ///< not permitted to this user
    read_only,         ///< the spool stopped writing after a disk error
    stopped,           ///< the context was asked to stop
};

std::error_code make_error_code(errc code) noexcept;

class error : public std::system_error {
  public:
    /// `text` is the whole sentence a person reads.
    error(errc code, std::string text) : std::system_error{make_error_code(code)}, text_{std::move(text)} {}

    errc kind() const noexcept { return static_cast<errc>(code().value()); }
    const char* what() const noexcept override { return text_.c_str(); }

  private:
    std::string text_;
};

}  // namespace ferry

template <>
struct std::is_error_code_enum<ferry::errc> : std::true_type {};
