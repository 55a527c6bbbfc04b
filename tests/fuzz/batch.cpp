// Batches: the walk over their items, and each item as a message and back.
#include "core/batch.hpp"

#include "tests/fuzz/target.hpp"

using namespace ferry;

namespace {

void item_comes_back(const message& first) {
    std::string again;
    append_item(again, first);
    fuzz::expect(again.size() <= item_bytes_max(first), "an item is no larger than was said");
    batch_cursor cursor{again};
    const auto item = cursor.next();
    fuzz::expect(item.has_value() && !cursor.next() && cursor.good(), "one item was written");
    const auto second = to_message(*item);
    fuzz::expect(second && second->body() == first.body() && second->has_topic() == first.has_topic() &&
                     second->topic() == first.topic() && second->headers() == first.headers() &&
                     std::ranges::equal(second->frames(), first.frames(), {}, &frame::view, &frame::view),
                 "an item comes back");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view batch = fuzz::as_text(data, size);
    batch_cursor cursor{batch};
    std::string joined;
    while (const auto item = cursor.next()) {
        joined += item->all;
        if (const auto first = to_message(*item)) item_comes_back(*first);
    }
    fuzz::expect(batch.starts_with(joined), "items stand behind each other");
    fuzz::expect(!cursor.good() || joined == batch, "a good batch is its items and nothing else");
    return 0;
}
