#include "devices/spool/admission.hpp"

#include <algorithm>

#include "core/log/checksum.hpp"

namespace ferry {
namespace {

using namespace protocol;

constexpr std::uint64_t near_when_many_ms = 120'000;
constexpr std::uint64_t items_max = 1U << 24;
constexpr std::uint64_t ms_per_s = 1000;

void add_known(std::vector<records::known_items>& known, std::uint64_t index, std::uint64_t offset) {
    if (!known.empty() && known.back().index + known.back().count == index &&
        known.back().offset + known.back().count == offset)
        ++known.back().count;
    else
        known.push_back({index, 1, offset});
}

void add_wishes(std::vector<wishes>& all, wishes asked, std::uint64_t index) {
    if (!asked.any()) return;
    asked.index = index;
    if (!all.empty() && all.back().index + all.back().count == index && all.back().same_as(asked))
        ++all.back().count;
    else
        all.push_back(asked);
}

std::string bytes_text(std::uint64_t bytes) {
    return std::to_string(bytes) + " bytes";
}

}  // namespace

verdict admission::judge_item(const stream& into, const item_view& item, std::uint64_t index,
                              std::uint64_t first, bool dedup, item_notes& notes, own_ids& seen) const {
    const std::uint64_t most =
        into.settings.message_bytes_max == 0
            ? parts_.options.message_bytes_max
            : std::min(into.settings.message_bytes_max, parts_.options.message_bytes_max);
    if (item.payload.size() > most)
        return {code::too_large,
                "a message of " + bytes_text(item.payload.size()) + ", the limit is " + std::to_string(most),
                0, index};
    const std::uint64_t now_ms = parts_.steady_wall_ms();
    asked found;
    if (!item.headers.empty()) {
        notes.headers = true;
        std::string problem;
        auto read = read_wishes(item.headers, now_ms, problem);
        if (!read) return {code::unsupported, std::move(problem), 0, index};
        found = std::move(*read);
    }
    if (found.wishes.expires_ms == 0 && into.settings.ttl_ms > 0)
        found.wishes.expires_ms = now_ms + into.settings.ttl_ms;
    if (!found.id.empty() && into.settings.dedup_ms > 0) {
        const id_hash id = id_hash::of(parts_.options.spool_id, into.number, found.id);
        const std::uint64_t since_ms = now_ms - std::min(now_ms, into.settings.dedup_ms);
        auto before = parts_.state.ids().find(id, since_ms / ms_per_s);
        const auto own = seen.find({id.high, id.low});
        if (own != seen.end()) before = own->second;
        if (before && dedup) {
            add_known(notes.known, index, *before);
            return {};
        }
        if (!before) {
            seen.emplace(std::pair{id.high, id.low}, first + index);
            records::append_id(notes.ids, static_cast<std::uint32_t>(index), id);
        }
    }
    ++notes.fresh;
    add_wishes(notes.wishes, found.wishes, index);
    return {};
}

verdict admission::judge(const stream& into, std::uint64_t first, const offer& what,
                         item_notes& notes) const {
    if (what.checksum_kind > 1) return {code::bad_frame, "unknown kind of checksum"};
    if (what.checksum_kind == 1 && log::crc32c(what.batch) != what.checksum)
        return {code::bad_frame, "the batch does not match its checksum"};
    std::uint64_t items = 0;
    own_ids seen;
    batch_cursor cursor{what.batch};
    while (const auto item = cursor.next()) {
        verdict wrong = judge_item(into, *item, items++, first, what.dedup, notes, seen);
        if (!wrong.code.empty()) return wrong;
    }
    if (!cursor.good() || items != what.count || items == 0 || items > items_max)
        return {code::bad_frame, "the batch does not hold the messages it claims"};
    // What is on its way to the disk was not counted when it last told.
    if (parts_.journal.bytes_ahead() + what.batch.size() > parts_.disk_bytes_left) parts_.disk_full = true;
    if (parts_.disk_full) return {code::full, "the disk is full but for the reserve"};
    if (notes.wishes.empty()) return {};
    if (parts_.kept.bytes > parts_.options.time_bytes_max)
        return {code::full, "the spool keeps too many messages with a delay, an expiry or a priority"};
    notes.near_ms = near_until();
    return {};
}

// Many appointments wait in buckets of a minute each, for as long as they can.
std::uint64_t admission::near_until() const {
    const bool few = parts_.kept.appointments <= parts_.options.appointments_near;
    return parts_.steady_wall_ms() +
           (few ? parts_.options.near_ms : std::min(parts_.options.near_ms, near_when_many_ms));
}

// How many of the batch's first items have at most so many bytes.
std::uint64_t admission::items_within(std::string_view batch, std::uint64_t bytes) {
    std::uint64_t items = 0;
    batch_cursor cursor{batch};
    for (auto item = cursor.next(); item && item->all.size() <= bytes; item = cursor.next()) {
        bytes -= item->all.size();
        ++items;
    }
    return items;
}

verdict admission::room(const stream& into, const offer& what, std::uint64_t fresh) const {
    const std::uint64_t messages_max = into.settings.messages_max == 0 ? ~0ULL : into.settings.messages_max;
    const std::uint64_t bytes_max = into.settings.bytes_max == 0 ? ~0ULL : into.settings.bytes_max;
    if (fresh == 0 || (messages_max == ~0ULL && bytes_max == ~0ULL)) return {};
    // What is larger than the limit itself never fits in one piece.
    if (what.count > messages_max || what.batch.size() > bytes_max) {
        const std::uint64_t fits = std::min(messages_max, items_within(what.batch, bytes_max));
        return {code::too_large, "the stream holds " + limits_of(into) + " at most", 0, fits};
    }
    const auto how = static_cast<records::when_full>(into.settings.when_full);
    if (how == records::when_full::drop_oldest) return {};
    if (into.messages_most() + fresh <= messages_max && into.bytes_most() + what.batch.size() <= bytes_max)
        return {};
    const std::uint64_t messages_left = messages_max - std::min(messages_max, into.messages());
    const std::uint64_t bytes_left = bytes_max - std::min(bytes_max, into.bytes());
    if (fresh <= messages_left && what.batch.size() <= bytes_left) return {};
    const std::uint64_t fits =
        std::min({what.count - 1, messages_left, items_within(what.batch, bytes_left)});
    if (how == records::when_full::block) return {.fits = fits, .waits = true};
    return {code::full, "the stream holds " + limits_of(into) + ", its limit", 0, fits};
}

std::string admission::limits_of(const stream& of) {
    std::string text;
    if (of.settings.messages_max > 0) text = std::to_string(of.settings.messages_max) + " messages";
    if (of.settings.bytes_max > 0) text += (text.empty() ? "" : " or ") + bytes_text(of.settings.bytes_max);
    return text;
}

}  // namespace ferry
