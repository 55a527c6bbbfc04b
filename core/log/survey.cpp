#include "core/log/survey.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/log/error.hpp"
#include "core/log/spares.hpp"

namespace ferry::log {
namespace {

constexpr std::array<std::string_view, 3> known_names{"LOCK", "quarantine", "cold"};

struct candidate {
    std::string name;
    position base = 0;
    std::uint64_t file_bytes = 0;
    std::optional<segment_header> header;
};

candidate look_at(storage& directory, const std::string& name, position base) {
    const auto opened = directory.open(name, open_mode::read);
    std::string block(segment_header_bytes, '\0');
    block.resize(opened->read(0, block));
    candidate found{name, base, opened->size(), decode_segment_header(block)};
    if (found.header && found.header->version != format_version)
        throw format_error(directory.describe(name) + " has format version " +
                           std::to_string(found.header->version) + "; this ferry reads version " +
                           std::to_string(format_version));
    if (found.header && found.header->base != base) found.header.reset();
    return found;
}

void refuse_foreign(const storage& directory, const std::string& name, std::uint64_t id, std::uint64_t ours) {
    if (id == ours) return;
    throw format_error(directory.describe(name) +
                       " belongs to another spool than the files beside it; move it elsewhere");
}

// Cold segments, and what somebody did not finish making of one.
void look_into_cold(storage& directory, survey& found) {
    const std::string prefix = std::string{cold_directory} + "/";
    for (const std::string& name : directory.list(std::string{cold_directory})) {
        if (const auto base = cold_segment_base(name)) {
            const candidate each = look_at(directory, prefix + name, *base);
            if (each.header && found.spool_id != 0)
                refuse_foreign(directory, each.name, each.header->spool_id, found.spool_id);
            found.cold.push_back({*base, each.file_bytes, each.header.has_value()});
        } else if (is_unfinished_name(name)) {
            found.unfinished.push_back(prefix + name);
        } else {
            found.strangers.push_back(prefix + name);
        }
    }
    std::ranges::sort(found.cold, {}, &surveyed_cold::base);
}

bool is_known(const std::string& name) {
    return segment_base(name) || snapshot_position(name) || is_spare_name(name) || is_unfinished_name(name) ||
           std::ranges::find(known_names, name) != known_names.end();
}

// Sorts the directory's names into what they are; returns the segments with what their headers say.
std::vector<candidate> sort_names(storage& directory, survey& found, std::vector<position>& snapshots) {
    std::vector<candidate> segments;
    for (const std::string& name : directory.list()) {
        if (const auto base = segment_base(name))
            segments.push_back(look_at(directory, name, *base));
        else if (const auto at = snapshot_position(name))
            snapshots.push_back(*at);
        else if (is_spare_name(name))
            found.spares.push_back(name);
        else if (is_unfinished_name(name))
            found.unfinished.push_back(name);
        else if (!is_known(name))
            found.strangers.push_back(name);
    }
    std::ranges::sort(segments, {}, &candidate::base);
    std::ranges::sort(snapshots);
    std::ranges::sort(found.spares);
    return segments;
}

// The newest snapshot that verifies; those above it are damage, because a snapshot is synced before it is
// named.
void choose_snapshot(storage& directory, survey& found, std::vector<position> candidates) {
    while (!candidates.empty() && !found.newest) {
        const std::string name = snapshot_name(candidates.back());
        found.newest = read_snapshot(directory, name);
        if (found.newest) break;
        found.bad_snapshots.push_back(name);
        found.damages.push_back(
            {.file = name, .to = candidates.back(), .reason = "snapshot does not verify"});
        candidates.pop_back();
    }
    found.snapshots = std::move(candidates);
    if (!found.newest) return;
    found.spool_id = found.newest->spool_id;
    found.owner_epoch = found.newest->owner_epoch;
    found.used_to = found.newest->at;
}

void settle_identity(const storage& directory, const std::vector<candidate>& segments, survey& found) {
    for (const candidate& segment : segments) {
        if (!segment.header) continue;
        if (found.spool_id == 0) found.spool_id = segment.header->spool_id;
        refuse_foreign(directory, segment.name, segment.header->spool_id, found.spool_id);
        found.owner_epoch = std::max(found.owner_epoch, segment.header->owner_epoch);
    }
}

// A segment whose header rotted is read with what its successor, or the snapshot's list, remembers of it.
std::optional<segment_header> remembered(const candidate& lost, const candidate* next, const survey& found) {
    segment_header header{.spool_id = found.spool_id, .base = lost.base};
    if (next != nullptr && next->header && next->header->previous_end != 0 &&
        next->header->previous_base == lost.base) {
        header.nonce = next->header->previous_nonce;
        return header;
    }
    if (!found.newest) return std::nullopt;
    const auto& list = found.newest->segments;
    const auto listed = std::ranges::find(list, lost.base, &segment_entry::base);
    if (listed == list.end()) return std::nullopt;
    header.nonce = listed->nonce;
    return header;
}

bool listed_in_snapshot(const survey& found, position base) {
    return std::ranges::find(found.newest->segments, base, &segment_entry::base) !=
           found.newest->segments.end();
}

void keep_usable(const std::vector<candidate>& segments, survey& found) {
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const candidate& segment = segments[i];
        found.used_to = std::max(found.used_to, segment.base + segment.file_bytes);
        if (found.newest && segment.base < found.newest->at && !listed_in_snapshot(found, segment.base)) {
            found.released.push_back(segment.name);
            continue;
        }
        const candidate* next = i + 1 < segments.size() ? &segments[i + 1] : nullptr;
        const auto header = segment.header ? segment.header : remembered(segment, next, found);
        if (!segment.header)
            found.damages.push_back(
                {.file = segment.name,
                 .from = segment.base,
                 .to = header ? segment.base + segment_header_bytes : segment.base + segment.file_bytes,
                 .reason = header ? "segment header does not verify"
                                  : "segment header does not verify, nothing in it can be read"});
        if (header)
            found.segments.push_back({segment.name, *header, segment.file_bytes, 0, false});
        else
            found.bad_segments.push_back(segment.name);
    }
}

void report_missing(survey& found, const segment_entry& lost, const std::string& reason) {
    damage missing{.file = segment_name(lost.base),
                   .from = lost.base + segment_header_bytes,
                   .to = lost.end,
                   .reason = reason};
    if (lost.shares.empty()) found.damages.push_back(missing);
    for (const stream_share& share : lost.shares) {
        missing.stream = share.stream;
        missing.first_offset = share.first_offset;
        missing.count = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(share.end_offset - share.first_offset, UINT32_MAX));
        found.damages.push_back(missing);
    }
}

// Whether `base` is there, if not as a usable segment then as one already reported.
bool present(const survey& found, position base) {
    return std::ranges::find(found.segments, segment_name(base), &surveyed_segment::name) !=
               found.segments.end() ||
           std::ranges::find(found.bad_segments, segment_name(base)) != found.bad_segments.end();
}

// What a list names and is not there. After a fallback the newer snapshot may have let it go: it cannot be
// asked any more.
void report_listed(survey& found, const segment_entry& listed) {
    if (found.bad_snapshots.empty())
        report_missing(found, listed, "segment is missing");
    else
        found.notes.push_back(segment_name(listed.base) +
                              " is listed by the older snapshot and not there: removed since, or missing");
}

// Below the snapshot its list says what must be there.
void check_listed(survey& found) {
    if (!found.newest) return;
    for (const segment_entry& listed : found.newest->segments) {
        if (is_cold(listed.base) || present(found, listed.base)) continue;
        report_listed(found, listed);
    }
}

// A segment whose successor was released is not named by any header: the list still knows where it ends.
// The list's last entry was being written then, so its end is not the final one.
void take_listed_ends(survey& found) {
    if (!found.newest || found.newest->segments.empty()) return;
    for (surveyed_segment& segment : found.segments) {
        const auto listed =
            std::ranges::find(found.newest->segments, segment.header.base, &segment_entry::base);
        if (segment.end != 0 || listed == found.newest->segments.end()) continue;
        if (&*listed == &found.newest->segments.back()) continue;
        segment.end = listed->end;
        segment.sealed_late = true;
    }
}

// Above the snapshot each segment names the one before it.
void link_chain(const storage& directory, survey& found) {
    for (std::size_t i = 0; i < found.segments.size(); ++i) {
        surveyed_segment& here = found.segments[i];
        const segment_header& header = here.header;
        if (i > 0 && header.previous_end != 0 && header.previous_base == found.segments[i - 1].header.base) {
            surveyed_segment& before = found.segments[i - 1];
            before.end = header.previous_end;
            before.sealed_late = header.owner_epoch != before.header.owner_epoch;
            continue;
        }
        // A header that was only remembered does not know its predecessor; the snapshot need not reach back.
        if (header.previous_end == 0 || header.previous_end <= found.snapshot_at()) continue;
        if (present(found, header.previous_base)) continue;
        if (i == 0 && !found.newest)
            throw format_error(
                directory.describe(segment_name(header.previous_base)) +
                " is missing and no snapshot reaches behind it: the log no longer begins at its "
                "beginning");
        report_missing(found, {.base = header.previous_base, .end = header.previous_end},
                       "segment is missing");
    }
}

}  // namespace

void refuse_strangers(const storage& directory) {
    const std::vector<std::string> names = directory.list();
    const auto of_a_log = [](const std::string& name) {
        return segment_base(name) || snapshot_position(name);
    };
    const auto stranger = std::ranges::find_if_not(names, is_known);
    if (stranger != names.end() && std::ranges::none_of(names, of_a_log))
        throw format_error(directory.describe("") + " holds other files (" + *stranger +
                           ") and no log; a new log wants an empty directory");
}

survey survey_directory(storage& directory) {
    refuse_strangers(directory);
    survey found;
    std::vector<position> snapshots;
    const std::vector<candidate> segments = sort_names(directory, found, snapshots);
    choose_snapshot(directory, found, std::move(snapshots));
    settle_identity(directory, segments, found);
    look_into_cold(directory, found);
    keep_usable(segments, found);
    check_listed(found);
    link_chain(directory, found);
    take_listed_ends(found);
    return found;
}

std::vector<segment_entry> judge_cold(const std::map<position, segment_entry>& adopted, survey& found) {
    std::vector<segment_entry> readable;
    for (const auto& [base, entry] : adopted) {
        const auto there = std::ranges::find(found.cold, base, &surveyed_cold::base);
        if (there == found.cold.end()) {
            report_listed(found, entry);
            continue;
        }
        if (!there->header_good)
            found.damages.push_back({.file = segment_name(base),
                                     .from = base,
                                     .to = base + segment_header_bytes,
                                     .reason = "segment header does not verify"});
        if (base + there->file_bytes < entry.end)
            found.damages.push_back({.file = segment_name(base),
                                     .from = base + there->file_bytes,
                                     .to = entry.end,
                                     .reason = "the file was cut short"});
        readable.push_back(entry);
    }
    return readable;
}

}  // namespace ferry::log
