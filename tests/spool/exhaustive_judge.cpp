#include "tests/spool/exhaustive_judge.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/log/adoption.hpp"
#include "core/log/error.hpp"
#include "core/log/inspection.hpp"
#include "core/log/segment.hpp"
#include "core/log/snapshot.hpp"
#include "core/pack_fields.hpp"
#include "devices/spool/record_payload.hpp"
#include "tests/spool/table.hpp"

namespace ferry::test {
namespace {

using log::position;
using log::record_type;

constexpr std::uint64_t items_max = 1000;  // that one consumer can be given

void add_runs(std::set<message_place>& to, std::uint64_t stream, const std::vector<protocol::run>& runs) {
    for (const protocol::run& each : runs)
        for (std::uint64_t i = 0; i < each.count; ++i)
            to.emplace(static_cast<std::uint32_t>(stream), each.first + i);
}

std::set<message_place> settled_by(record_type type, std::string_view payload) {
    std::set<message_place> all;
    if (type == record_type::acks) {
        records::acks said;
        REQUIRE(unpack_struct(payload, said));
        for (const auto& each : said.groups) add_runs(all, each.stream, each.runs);
    } else if (type == record_type::commit) {
        records::commit said;
        REQUIRE(unpack_struct(payload, said));
        for (const auto& each : said.settled) add_runs(all, each.stream, each.runs);
    } else if (type == record_type::dead) {
        records::dead said;
        REQUIRE(unpack_struct(payload, said));
        for (const auto& each : said.runs) add_runs(all, said.stream, {{each.offset, each.count}});
    }
    return all;
}

std::set<message_place> held_by(const log::stored_record& found) {
    std::set<message_place> all;
    if (found.header.type == record_type::messages)
        add_runs(all, found.header.stream, {{found.header.first_offset, found.header.count}});
    if (found.header.type != record_type::commit) return all;
    records::commit said;
    REQUIRE(unpack_struct(found.payload, said));
    for (const auto& each : said.outputs) add_runs(all, each.stream, {{each.first_offset, each.count}});
    return all;
}

// What is left of the history on a damaged disk, as far as bytes tell.
class remains {
  public:
    remains(const short_history& whole, const std::vector<written_record>& records,
            const directory_files& files)
        : whole_{whole}, files_{files} {
        find_snapshot();
        for (const written_record& each : records)
            if (!spoiled(each)) proven_ = std::max(proven_, each.header.durable);
        for (const auto& [name, bytes] : whole.files) {
            const auto base = log::segment_base(name);
            if (!base || !same(name, 0, log::segment_header_bytes)) continue;
            const auto header = log::decode_segment_header(bytes.substr(0, log::segment_header_bytes));
            REQUIRE(header);
            proven_ = std::max({proven_, header->durable, header->previous_end});
        }
        // What was never proven to be on the disk ends where the first of it is spoiled.
        position torn_from = ~position{0};
        for (const written_record& each : records)
            if (!each.cold && each.at >= proven_ && spoiled(each)) torn_from = std::min(torn_from, each.at);
        for (const written_record& each : records) {
            const bool unproven = !each.cold && each.at >= torn_from;
            if (!unproven && !spoiled(each)) continue;
            judge_spoiled(each, unproven);
        }
        for (const auto& [number, put] : whole.put)
            for (const auto& [offset, text] : put)
                if (!never_proven.contains({number, offset})) next[number] = offset + 1;
    }

    std::set<message_place> harmed, unsettled, never_proven;
    bool has_snapshot() const noexcept { return snapshot_at_ > 0; }
    bool purge_lost = false, settings_lost = false, marks_lost = false;
    std::map<std::uint32_t, std::uint64_t> next;  // what is put from now on stands there or above

  private:
    bool same(const std::string& name, std::uint64_t from, std::uint64_t to) const {
        const auto now = files_.find(name);
        if (now == files_.end() || now->second.size() < to) return false;
        return now->second.compare(from, to - from, whole_.files.at(name), from, to - from) == 0;
    }

    void find_snapshot() {
        for (const auto& [name, bytes] : whole_.files)
            if (const auto at = log::snapshot_position(name);
                at && same(name, 0, bytes.size()) && files_.at(name).size() == bytes.size())
                snapshot_at_ = std::max(snapshot_at_, *at);
        for (const auto& [name, bytes] : whole_.files)
            if (const auto at = log::snapshot_position(name)) newest_snapshot_ = *at == snapshot_at_;
    }

    // Whether anybody knows how to read a segment: itself, the one behind it, or the snapshot that lists it.
    bool readable(const written_record& record) const {
        if (same(record.file, 0, log::segment_header_bytes)) return true;
        if (record.cold) return true;
        const position base = *log::segment_base(record.file);
        if (base < snapshot_at_ && files_.contains(record.file)) return true;
        const auto behind = std::next(whole_.files.find(record.file));
        return behind != whole_.files.end() && log::segment_base(behind->first) &&
               same(behind->first, 0, log::segment_header_bytes);
    }

    bool spoiled(const written_record& each) const {
        return !same(each.file, each.from, each.to) || !readable(each);
    }

    void judge_spoiled(const written_record& each, bool unproven) {
        harmed.insert(each.holds.begin(), each.holds.end());
        if (unproven) never_proven.insert(each.holds.begin(), each.holds.end());
        if (each.at < snapshot_at_ || each.cold) return;
        // What moved is where it was as long as no snapshot has followed; the newest one followed, if it is
        // lost.
        if (!newest_snapshot_) harmed.insert(each.adopts.begin(), each.adopts.end());
        unsettled.insert(each.settles.begin(), each.settles.end());
        purge_lost |= each.header.type == record_type::removed;
        settings_lost |= each.header.type == record_type::stream_settings ||
                         each.header.type == record_type::group_settings;
        marks_lost |= each.header.type != record_type::messages;
    }

    const short_history& whole_;
    const directory_files& files_;
    position snapshot_at_ = 0;  // of the newest that is sound
    bool newest_snapshot_ = false;
    position proven_ = 0;
};

// One damaged directory: opened, everybody served, something put, everybody served again.
class hearing {
  public:
    hearing(const short_history& whole, const remains& left, verdict& said)
        : whole_{whole}, left_{left}, said_{said} {}

    void run(const directory_files& files) {
        try {
            t_.begin_with(files);
        } catch (const log::format_error& refusal) {
            said_.refused = true;
            if (left_.has_snapshot()) complain("refused: {}", refusal.what());
            for (const std::string& name : t_.disk().names_with(""))
                if (!files.contains(name) || t_.disk().contents(name) != files.at(name))
                    complain("refused, and {} was changed", name);
            return;
        }
        find_streams();
        gather_damages();
        serve(1);
        for (const auto& [place, given] : given_) compare(place, given);
        put_more();
        serve(2);
        for (const auto& [place, given] : given_)
            for (const auto& [offset, text] : more_[place.first])
                if (!given.contains(offset)) complain("{} was put and not given to {}", offset, show(place));
        redrive();
        const auto before = given_;
        t_.restart(false);
        given_.clear();
        serve(3);
        for (const auto& [place, given] : before) {
            if (place.second.empty()) continue;  // what all are through with may be gone at any time
            std::set<std::uint64_t> then, now;
            for (const auto& [offset, attempt] : given) then.insert(offset);
            for (const auto& [offset, attempt] : given_[place]) now.insert(offset);
            if (then != now)
                complain("{} was given {} messages, and after another opening {}", show(place), then.size(),
                         now.size());
        }
        if (t_.read_only()) complain("the spool is read-only");
    }

  private:
    template <typename... Parts>
    void complain(fmt::format_string<Parts...> text, Parts&&... parts) {
        said_.complaints.push_back(fmt::format(text, std::forward<Parts>(parts)...));
    }
    static std::string show(const group_place& place) {
        return fmt::format("{}/{}", place.first, place.second.empty() ? "(reader)" : place.second);
    }

    // A stream whose settings are lost has another name.
    void find_streams() {
        for (const auto& [number, name] : whole_.names) {
            const std::string other = fmt::format("recovered.{}", number);
            if (const stream* of = t_.find(name); of != nullptr && of->number == number)
                names_[number] = name;
            else if (t_.find(other) != nullptr)
                names_[number] = other;
            if (names_[number] != name && !left_.settings_lost) complain("stream {} is not there", name);
            if (!names_[number].empty()) continue;
            for (const auto& [offset, text] : whole_.put.at(number))
                if (!left_.harmed.contains({number, offset}))
                    complain("stream {} is not there, and its message {} is sound", name, offset);
        }
        for (const auto& [place, open] : whole_.open) {
            if (const stream* of = t_.find(names_[place.first]);
                of != nullptr && const_cast<stream*>(of)->find_group(place.second) != nullptr)
                groups_.insert(place);
            else if (!left_.settings_lost)
                complain("group {} is not there", show(place));
        }
    }

    void gather_damages() {
        damages_ = t_.log().opened().damages;
        for (const auto& [number, name] : whole_.names) {
            std::uint64_t offset = 0;
            for (std::uint64_t reads = 0; reads < items_max; ++reads) {
                const log::read_result got = t_.log().read(number, offset, 1 << 20);
                damages_.insert(damages_.end(), got.damages.begin(), got.damages.end());
                if (got.records.empty() || got.at_end) break;
                offset = got.records.back().header.first_offset + got.records.back().header.count;
            }
        }
        said_.reported = damages_.size();
    }

    void serve(int round) {
        const auto named = [&](const group_place& place) { return fmt::format("{} {}", show(place), round); };
        std::set<group_place> all = groups_;
        for (const auto& [number, name] : names_)
            if (!name.empty()) all.insert({number, ""});
        for (const group_place& place : all) {
            consumer_session_options of{
                .stream = names_[place.first], .create = false, .credit_messages = 200};
            if (!place.second.empty()) of.group = place.second;
            if (round == 2 && of.group) continue;  // it is still there
            t_.consumer(named(place), of);
        }
        t_.settle();
        t_.leap(3 * second_ns);  // for those who held messages before the restart
        for (const group_place& place : all)
            take(t_.session(
                     fmt::format("{} {}", show(place), round == 2 && !place.second.empty() ? 1 : round)),
                 place);
        if (round == 1)
            for (const group_place& place : all)
                if (place.second.empty()) t_.cut_off(named(place));
    }

    void take(consumer_session& who, const group_place& place) {
        std::map<std::uint64_t, std::uint64_t>& given = given_[place];
        if (place.second.empty()) given.clear();
        for (std::uint64_t i = 0; i < items_max; ++i) {
            auto item = who.next(t_.now().monotonic_ns);
            if (!item) {
                t_.settle();
                item = who.next(t_.now().monotonic_ns);
            }
            if (!item) return;
            check_payload(place, *item);
            if (!given.emplace(item->offset, item->attempt).second)
                complain("{} was given {} twice", show(place), item->offset);
        }
        complain("{} is given messages without end", show(place));
    }

    void check_payload(const group_place& place, const delivered_item& item) {
        const auto& put = whole_.put.at(place.first);
        const auto& more = more_[place.first];
        const auto known = more.contains(item.offset) ? more.find(item.offset) : put.find(item.offset);
        if (known == put.end() || known->second != item.item.payload)
            complain("WRONG: {} was given '{}' at {}", show(place), item.item.payload, item.offset);
    }

    void compare(const group_place& place, const std::map<std::uint64_t, std::uint64_t>& given) {
        std::set<std::uint64_t> open;
        const bool reader = place.second.empty();
        for (const auto& [of, offsets] : whole_.open)
            if (of == place || (reader && of.first == place.first))
                open.insert(offsets.begin(), offsets.end());
        for (const std::uint64_t offset : open) {
            if (!reader && place.first == 1 && whole_.early.contains(offset)) {
                if (given.contains(offset)) complain("{} was given {} before its time", show(place), offset);
            } else if (!given.contains(offset)) {
                missing(place, offset);
            }
        }
        if (reader) return;
        const auto known = whole_.given.find(place);
        for (const auto& [offset, attempt] : given) {
            if (!open.contains(offset)) ++said_.back;
            if (attempt > 1) continue;
            const message_place message{place.first, offset};
            if (!open.contains(offset)) {
                if (!left_.unsettled.contains(message) && !left_.purge_lost && !left_.settings_lost)
                    complain("{} was given {} again, unflagged, and the record that settled it is sound",
                             show(place), offset);
            } else if (known != whole_.given.end() && known->second.contains(offset) && !left_.marks_lost) {
                complain("{} was given {} again, and was not told so", show(place), offset);
            }
        }
    }

    void redrive() {
        for (const group_place& place : groups_)
            t_.tell("dead.redrive", {{"stream", names_[place.first]}, {"group", place.second}});
        t_.settle();
        for (const group_place& place : groups_) {
            take(t_.session(fmt::format("{} 1", show(place))), place);
            const auto dead = whole_.dead.find(place);
            if (dead == whole_.dead.end()) continue;
            for (const std::uint64_t offset : dead->second)
                if (!given_[place].contains(offset)) missing(place, offset);
        }
    }

    void missing(const group_place& place, std::uint64_t offset) {
        const message_place message{place.first, offset};
        ++said_.lost;
        if (!left_.harmed.contains(message))
            complain("{} was not given {}, which is sound", show(place), offset);
        if (left_.never_proven.contains(message)) return;
        const auto names_it = [&](const log::damage& d) {
            return d.stream == place.first && d.first_offset <= offset && offset < d.first_offset + d.count;
        };
        if (std::ranges::any_of(damages_, names_it)) return;
        ++said_.nameless;
        if (std::ranges::none_of(damages_,
                                 [](const log::damage& d) { return d.stream == 0 && !d.torn_tail; }))
            complain("{} was not given {}, and nobody said so", show(place), offset);
    }

    void put_more() {
        std::set<std::string> into;
        for (const auto& [number, name] : whole_.names) into.insert(name);
        for (const auto& [number, name] : names_)
            if (!name.empty()) into.insert(name);
        for (const std::string& name : into) {
            producer_session& by = t_.producer(name, {.stream = name, .batch_bytes_max = 400});
            std::vector<put_place> places;
            for (const char* text : {"new 1", "new 2"}) places.push_back(by.put(message{text}, t_.now()));
            by.flush();
            t_.settle();
            for (std::size_t i = 0; i < places.size(); ++i) {
                const message_fate fate = places[i].now();
                if (fate.is != message_fate::state::stored) {
                    complain("nothing can be put to {}", name);
                    continue;
                }
                const std::uint32_t number = t_.find(name)->number;
                const auto used = left_.next.find(number);
                const bool all_lost = names_.contains(number) && names_.at(number).empty();
                if (used != left_.next.end() && fate.offset < used->second && !all_lost)
                    complain("offset {} of {} is used again (all below {} were)", fate.offset, name,
                             used->second);
                more_[number][fate.offset] = fmt::format("new {}", i + 1);
            }
        }
    }

    const short_history& whole_;
    const remains& left_;
    verdict& said_;
    table t_{tiny_segments()};
    std::map<std::uint32_t, std::string> names_;
    std::set<group_place> groups_;
    std::vector<log::damage> damages_;
    std::map<group_place, std::map<std::uint64_t, std::uint64_t>> given_;  // offset -> attempt
    std::map<std::uint32_t, std::map<std::uint64_t, std::string>> more_;
};

}  // namespace

judge::judge(const short_history& of) : history_{of} {
    fault_disk disk;
    for (const auto& [name, bytes] : of.files) disk.put_file(name, bytes);
    std::vector<std::pair<std::size_t, log::adoption>> adoptions;
    log::inspect(disk, [&](const std::string& segment, const log::stored_record& found) {
        const bool cold = segment.starts_with("cold/");
        const position base = cold ? *log::cold_segment_base(segment.substr(5)) : *log::segment_base(segment);
        const std::uint64_t from = found.at - base;
        records_.push_back({segment,
                            from,
                            from + log::record_bytes(found.header.length),
                            cold,
                            found.at,
                            found.header,
                            held_by(found),
                            settled_by(found.header.type, found.payload),
                            {}});
        if (found.header.type == record_type::adoption)
            adoptions.emplace_back(records_.size() - 1, *log::decode_adoption(found.payload));
    });
    for (const auto& [index, said] : adoptions)
        for (const log::segment_entry& cold : said.cold)
            for (const written_record& each : records_)
                if (each.file == log::segment_name(cold.base))
                    records_[index].adopts.insert(each.holds.begin(), each.holds.end());
}

verdict judge::look(const directory_files& files) const {
    verdict said;
    const remains left{history_, records_, files};
    try {
        hearing{history_, left, said}.run(files);
    } catch (const std::exception& problem) {
        said.complaints.push_back(fmt::format("threw: {}", problem.what()));
    } catch (...) {
        said.complaints.push_back("a record or snapshot that verifies could not be read");
    }
    return said;
}

}  // namespace ferry::test
