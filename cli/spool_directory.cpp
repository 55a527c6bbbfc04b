#include "cli/spool_directory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "cli/exit_codes.hpp"
#include "core/clock.hpp"
#include "core/log/error.hpp"
#include "core/log/segment.hpp"
#include "core/log/snapshot.hpp"
#include "core/log/survey.hpp"
#include "devices/spool/record_payload.hpp"
#include "devices/spool/state.hpp"

namespace ferry::cli {
namespace {

// What the disk threw, in the exit codes' terms.
[[noreturn]] void explain(const std::system_error& problem) {
    exit_code code = exit_code::failed;
    if (problem.code() == std::errc::no_such_file_or_directory ||
        problem.code() == std::errc::not_a_directory)
        code = exit_code::not_found;
    if (problem.code() == std::errc::permission_denied) code = exit_code::denied;
    throw failure{code, problem.what()};
}

log::posix_storage open(const std::string& path) {
    try {
        return log::posix_storage{path, log::posix_storage::purpose::look};
    } catch (const std::system_error& problem) {
        explain(problem);
    }
}

bool is_of_a_spool(const std::string& name) {
    return log::segment_base(name) || name.starts_with("snapshot-") || name.starts_with("spare-");
}

template <typename Payload>
std::uint32_t stream_in(std::string_view payload) {
    Payload content;
    return unpack_struct(payload, content) ? static_cast<std::uint32_t>(content.stream) : 0;
}

}  // namespace

spool_directory::spool_directory(std::string path) : path_{std::move(path)}, disk_{open(path_)} {
    refuse_running();
    const std::vector<std::string> files = disk_.list();
    if (std::none_of(files.begin(), files.end(), is_of_a_spool))
        throw failure{exit_code::not_found, fmt::format("{} holds no spool", path_)};
    read_names();
}

void spool_directory::refuse_running() const {
    try {
        const auto holder = log::directory_holder(path_);
        if (!holder) return;
        const std::string who = *holder != 0 ? fmt::format("process {}", *holder) : "a process";
        throw failure{exit_code::in_use,
                      fmt::format("{} is in use: {} runs a spool in it; stop that first", path_, who)};
    } catch (const std::system_error& problem) {
        explain(problem);
    }
}

void spool_directory::read_names() {
    try {
        const log::survey seen = log::survey_directory(disk_);
        spool_state state;
        if (!seen.newest || !state.load(seen.newest->state, read_clocks())) return;
        for (const auto& [number, each] : state.streams()) names_.emplace(number, each.name);
    } catch (const log::format_error& problem) {
        throw failure{exit_code::damaged, problem.what()};
    } catch (const std::system_error& problem) {
        explain(problem);
    }
}

void spool_directory::note_name(const log::stored_record& record) {
    if (record.header.type != log::record_type::stream_settings) return;
    records::stream_change change;
    if (unpack_struct(record.payload, change))
        names_.insert_or_assign(static_cast<std::uint32_t>(change.number), change.name);
}

log::inspection spool_directory::walk(const log::record_visitor& visit) {
    try {
        log::inspection found = log::inspect(disk_, [&](const std::string& segment, const auto& record) {
            note_name(record);
            visit(segment, record);
        });
        // What a spool that started meanwhile writes would look like damage.
        refuse_running();
        return found;
    } catch (const log::format_error& problem) {
        throw failure{exit_code::damaged, problem.what()};
    } catch (const std::system_error& problem) {
        refuse_running();
        explain(problem);
    }
}

std::string spool_directory::stream_name(std::uint32_t number) const {
    const auto found = names_.find(number);
    return found == names_.end() ? std::string{} : found->second;
}

std::uint32_t spool_directory::stream_of(const log::stored_record& record) {
    using log::record_type;
    if (record.header.stream != 0) return record.header.stream;
    switch (record.header.type) {
        case record_type::attempt:
            return stream_in<records::attempt>(record.payload);
        case record_type::dead:
            return stream_in<records::dead>(record.payload);
        case record_type::redrive:
            return stream_in<records::redrive>(record.payload);
        case record_type::mark:
            return stream_in<records::mark>(record.payload);
        case record_type::group_settings:
            return stream_in<records::group_change>(record.payload);
        case record_type::producer:
            return stream_in<records::producer_change>(record.payload);
        case record_type::removed:
            return stream_in<records::removed>(record.payload);
        case record_type::appointments:
            return stream_in<records::appointments>(record.payload);
        case record_type::stream_settings: {
            records::stream_change change;
            return unpack_struct(record.payload, change) ? static_cast<std::uint32_t>(change.number) : 0;
        }
        case record_type::messages:
        case record_type::acks:
        case record_type::commit:
        case record_type::watermark:
        case record_type::adoption:
        case record_type::footer:
            break;
    }
    return 0;
}

}  // namespace ferry::cli
