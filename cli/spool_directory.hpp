// A spool's directory that nobody runs, as `verify` and `dump` read it: its records and its streams' names.
//
// Changes nothing. Streams stand in records by number; their names are in the snapshot and in the records
// that made them, so `stream_name` knows a stream once `walk` has passed the record that made it.
//
// Failure: throws failure - not found, in use (with the pid), denied, damaged (files of another program or of
// a newer ferry) - both when it is made and when a spool starts there meanwhile.
//
//     spool_directory directory{"outbox"};
//     const log::inspection found = directory.walk([&](const std::string& segment, const auto& record) { ...
//     });
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/log/inspection.hpp"
#include "core/log/record.hpp"
#include "core/log/storage_posix.hpp"

namespace ferry::cli {

class spool_directory {
  public:
    explicit spool_directory(std::string path);

    /// Every record that verifies, in order, and all that is wrong.
    log::inspection walk(const log::record_visitor& visit);

    /// The name, or nothing when it is not known (yet).
    std::string stream_name(std::uint32_t number) const;

    /// The stream a record is about, also where only its payload says so; 0 for none or several.
    static std::uint32_t stream_of(const log::stored_record& record);

  private:
    void refuse_running() const;
    void read_names();
    void note_name(const log::stored_record& record);

    std::string path_;
    log::posix_storage disk_;
    std::map<std::uint32_t, std::string> names_;
};

}  // namespace ferry::cli
