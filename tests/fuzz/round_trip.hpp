// Structs that are msgpack arrays: what was decoded is encoded, decoded again and encoded alike.
#pragma once

#include "core/pack_fields.hpp"
#include "core/protocol.hpp"
#include "tests/fuzz/target.hpp"

namespace ferry::fuzz {

/// A message of the spool protocol, whatever kind the frame says it is.
template <typename Message>
void message_comes_back(std::string_view frame) {
    Message first;
    if (!protocol::decode(frame, first)) return;
    const std::string bytes = protocol::encode(first);
    Message second;
    expect(protocol::decode(bytes, second), "an encoded message is one");
    expect(protocol::encode(second) == bytes, "a message comes back");
    expect(protocol::kind_of(bytes) == Message::id, "a message is of its kind");
}

template <typename... Messages>
void messages_come_back(std::string_view frame) {
    (message_comes_back<Messages>(frame), ...);
}

/// A struct in a record or a snapshot.
template <typename Struct>
void struct_comes_back(std::string_view bytes) {
    Struct first;
    if (!unpack_struct(bytes, first)) return;
    const std::string again = pack_struct(first);
    Struct second;
    expect(unpack_struct(again, second), "a packed struct is one");
    expect(pack_struct(second) == again, "a struct comes back");
}

}  // namespace ferry::fuzz
