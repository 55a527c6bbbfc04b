#include "devices/spool/record_payload.hpp"

#include "core/log/bytes.hpp"

namespace ferry::records {
namespace {

constexpr std::size_t id_bytes = 16;

}  // namespace

void append_id(std::string& ids, std::uint32_t index, const id_hash& id) {
    log::put(ids, index);
    log::put(ids, id.high);
    log::put(ids, id.low);
}

bool each_id(std::string_view ids, const std::function<void(std::uint32_t, const id_hash&)>& take) {
    if (ids.size() % id_bytes != 0) return false;
    for (; !ids.empty(); ids.remove_prefix(id_bytes))
        take(log::get<std::uint32_t>(ids.data()),
             {log::get<std::uint64_t>(ids.data() + 4), log::get<std::uint32_t>(ids.data() + 12)});
    return true;
}

bool split_messages(std::string_view payload, messages_head& head, std::string_view& batch) {
    pack_cursor from{payload};
    read_field(from, head);
    if (!from.good()) return false;
    batch = payload.substr(static_cast<std::size_t>(from.position() - payload.data()));
    return true;
}

}  // namespace ferry::records
