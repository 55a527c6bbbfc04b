#include "core/log/inspection.hpp"

#include <algorithm>
#include <map>
#include <span>

#include "core/log/adoption.hpp"
#include "core/log/bytes.hpp"
#include "core/log/losses.hpp"
#include "core/log/scan.hpp"
#include "core/log/seal.hpp"
#include "core/log/survey.hpp"
#include "core/log/table.hpp"
#include "core/log/tail.hpp"

namespace ferry::log {
namespace {

class inspector {
  public:
    inspector(storage& directory, const record_visitor& visit) : directory_(directory), visit_(visit) {}

    inspection run() {
        survey seen = survey_directory(directory_);
        adopted_ = adopted_segments{seen.newest};
        snapshot_at_ = seen.snapshot_at();
        result_.segments = seen.segments.size() + seen.bad_segments.size();
        result_.damages = seen.damages;
        result_.notes = seen.notes;
        check_snapshots(seen);
        try {
            look_at_segments(seen);
        } catch (const seen_enough&) {}
        return std::move(result_);
    }

  private:
    void look_at_segments(survey& seen) {
        for (std::size_t i = 0; i < seen.segments.size(); ++i) {
            const auto opened = directory_.open(seen.segments[i].name, open_mode::read);
            const std::size_t behind = seen.segments.size() - 1 - i;
            const bool last = behind == 0 && !last_is_sealed(seen);
            last ? look_at_last(*opened, seen.segments[i], seen.snapshot_at())
                 : look_at_sealed(*opened, seen.segments[i], behind == 1);
        }
        look_at_cold(seen);
    }

    void check_snapshots(survey& seen) {
        if (!seen.newest) return;
        result_.snapshot = std::move(seen.newest->state);
        result_.snapshot_at = seen.newest->at;
        result_.snapshots = 1;
        for (const position at : seen.snapshots) {
            if (at == result_.snapshot_at) continue;
            const std::string name = snapshot_name(at);
            if (read_snapshot(directory_, name))
                ++result_.snapshots;
            else
                result_.damages.push_back({.file = name, .to = at, .reason = "snapshot does not verify"});
        }
    }

    void walk(const file& opened, const surveyed_segment& segment, position to, const footer& seal) {
        const std::vector<stream_share> shares = shares_of(seal.extents);
        losses lost{segment.name, shares, true};
        std::vector<damage> met;
        const segment_header& header = segment.header;
        record_scan scan{
            opened, header.nonce, header.base, header.records_from(), to, unreadable_blocks::step_over};
        position end = header.records_from();
        while (const auto found = scan.next()) {
            end = found->to;
            lost.met(*found);
            try {
                if (found->record) count(segment.name, header.base, *found->record);
            } catch (const seen_enough&) {
                result_.damages.insert(result_.damages.end(), met.begin(), met.end());
                throw;
            }
            // What is lost at a place that does not verify shows at the segment's end; that it does not,
            // here.
            if (!found->record)
                met.push_back({.file = segment.name,
                               .from = found->from,
                               .to = found->to,
                               .reason = "does not verify"});
        }
        for (damage& d : lost.finish()) result_.damages.push_back(std::move(d));
        if (end < to)
            result_.damages.push_back(
                {.file = segment.name, .from = end, .to = to, .reason = "the file was cut short"});
    }

    void count(const std::string& name, position base, const stored_record& found) {
        if (found.header.type == record_type::footer) return;
        ++result_.records;
        if (found.header.type == record_type::messages || found.header.type == record_type::commit)
            messages_[base] += found.header.count;
        if (found.header.type == record_type::adoption && found.at >= snapshot_at_ && !is_cold(base))
            adopted_.take(found.payload);
        if (visit_) visit_(name, found);
    }

    // Messages that moved count where they stand now.
    void look_at_cold(survey& seen) {
        const std::size_t damages_before = seen.damages.size();
        for (const segment_entry& each : judge_cold(adopted_.cold(), seen)) {
            ++result_.segments;
            surveyed_segment segment{.name = segment_name(each.base), .header = {}, .end = each.end};
            segment.header.base = each.base;
            segment.header.nonce = each.nonce;
            const auto opened = directory_.open(segment.name, open_mode::read);
            segment.file_bytes = opened->size();
            look_at_sealed(*opened, segment, false);
        }
        result_.damages.insert(result_.damages.end(),
                               seen.damages.begin() + static_cast<std::ptrdiff_t>(damages_before),
                               seen.damages.end());
        for (const surveyed_cold& each : seen.cold)
            if (!adopted_.cold().contains(each.base))
                result_.notes.push_back(segment_name(each.base) + " is not adopted");
        for (const auto& [base, messages] : messages_)
            if (!adopted_.emptied().contains(base)) result_.messages += messages;
    }

    void look_at_sealed(const file& opened, surveyed_segment& segment, bool before_last) {
        const segment_header& header = segment.header;
        if (segment.end == 0) segment.end = sealed_end(opened, header).value_or(0);
        std::optional<footer> seal;
        if (segment.end != 0) seal = read_footer(opened, header, segment.end);
        const bool unsealed = segment.sealed_late && (before_last || !points_to(opened, header, segment.end));
        if (!seal && unsealed)
            result_.notes.push_back(segment.name + " has no footer: an opening did not come to sealing it");
        walk(opened, segment, segment.end != 0 ? segment.end : header.base + segment.file_bytes,
             seal.value_or(footer{}));
        if (!seal && !unsealed)
            result_.damages.push_back({.file = segment.name,
                                       .from = segment.end,
                                       .to = header.base + segment.file_bytes,
                                       .reason = "footer does not verify"});
    }

    void look_at_last(const file& opened, const surveyed_segment& segment, position snapshot_at) {
        const position known = snapshot_at > segment.header.base ? snapshot_at : 0;
        const tail verdict = examine_tail(opened, segment.header, known);
        walk(opened, segment, verdict.whole_end, {});
        if (verdict.torn_end > verdict.whole_end)
            result_.damages.push_back({.file = segment.name,
                                       .from = verdict.whole_end,
                                       .to = verdict.torn_end,
                                       .torn_tail = true,
                                       .reason = "torn tail: never confirmed as synced"});
    }

    static bool last_is_sealed(const survey& seen) {
        const position last = seen.segments.back().header.base;
        return std::ranges::any_of(seen.bad_segments, [&](const std::string& name) {
            return segment_base(name).value_or(0) > last;
        });
    }

    // Whether the file's last 8 bytes name `end`: then it was sealed there once.
    static bool points_to(const file& opened, const segment_header& header, position end) {
        char pointer[8];
        const std::uint64_t file_bytes = opened.size();
        return file_bytes >= sizeof pointer &&
               opened.read(file_bytes - sizeof pointer, pointer) == sizeof pointer &&
               header.base + get<std::uint64_t>(pointer) == end;
    }

    storage& directory_;
    const record_visitor& visit_;
    adopted_segments adopted_;
    position snapshot_at_ = 0;
    std::map<position, std::uint64_t> messages_;  // by segment
    inspection result_;
};

}  // namespace

std::uint64_t inspection::bad() const {
    return static_cast<std::uint64_t>(
        std::ranges::count_if(damages, [](const damage& d) { return !d.torn_tail; }));
}

inspection inspect(storage& directory, const record_visitor& visit) {
    return inspector{directory, visit}.run();
}

}  // namespace ferry::log
