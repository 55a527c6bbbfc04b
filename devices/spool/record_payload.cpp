#include "devices/spool/record_payload.hpp"

namespace ferry::records {

bool split_messages(std::string_view payload, messages_head& head, std::string_view& batch) {
    pack_cursor from{payload};
    read_field(from, head);
    if (!from.good()) return false;
    batch = payload.substr(static_cast<std::size_t>(from.position() - payload.data()));
    return true;
}

}  // namespace ferry::records
