// What a spool makes of a damaged directory, compared with all that was ever put and settled there.
//
//     const judge of{history};
//     const verdict said = of.look(files);   // said.complaints: what it promised and did not keep
//
// A judge knows where each record stood and what it said, and so which of them the damage touched: only what
// those held may be missing, and only what those settled may come back.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/log/log.hpp"
#include "tests/spool/exhaustive_history.hpp"

namespace ferry::test {

using message_place = std::pair<std::uint32_t, std::uint64_t>;  // stream, offset

struct written_record {
    std::string file;
    std::uint64_t from = 0, to = 0;  // in the file
    bool cold = false;
    log::position at = 0;
    log::record_header header;
    std::set<message_place> holds;    // messages
    std::set<message_place> settles;  // acks and dead letters
    std::set<message_place> adopts;   // messages that moved into a cold segment
};

struct verdict {
    bool refused = false;
    std::uint64_t lost = 0;  ///< messages that some group should have been given, and was not: all reported
    std::uint64_t nameless = 0;  ///< of these, by damage that names no stream
    std::uint64_t back = 0;  ///< settled messages that came again, because the record that said so is lost
    std::uint64_t reported = 0;  ///< damages
    std::vector<std::string> complaints;
};

class judge {
  public:
    explicit judge(const short_history& of);
    verdict look(const directory_files& files) const;

    const std::vector<written_record>& records() const { return records_; }
    const short_history& history() const { return history_; }

  private:
    const short_history& history_;
    std::vector<written_record> records_;
};

}  // namespace ferry::test
