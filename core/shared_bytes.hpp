// Bytes together with whoever keeps them alive: a received frame, a block read from the log, a string.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace ferry {

struct shared_bytes {
    std::shared_ptr<const void> owner;
    std::string_view view;

    static shared_bytes of(std::string text) {
        auto kept = std::make_shared<const std::string>(std::move(text));
        return {kept, *kept};
    }
};

/// A message of the spool protocol on its way out: the frame that says what it is, and its payload frame.
struct outgoing_message {
    std::string head;
    std::optional<shared_bytes> body;
};

}  // namespace ferry
