#include "patterns/gathering.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "core/batch.hpp"

using namespace ferry;

namespace {

using cause = gathering::cause;

// Fills a batch of the topic as far as it has room; gives the bytes of its items.
std::size_t fill(gathering& some, std::string_view topic) {
    gathering::batch* into = some.find(topic);
    if (into == nullptr) into = &some.begin(topic, 0);
    const message each{std::string(1000, 'x')};
    while (some.has_room(*into, each)) some.add(*into, each, false);
    return into->items->size();
}

}  // namespace

TEST_CASE(
    "gathering: a batch is full at 64 KiB, grows to 256 KiB while the wire is busy, and shrinks again") {
    gathering some;
    std::vector<std::size_t> sizes;
    for (const cause why : {cause::full, cause::full, cause::full, cause::full_while_free, cause::wire_free,
                            cause::full_while_free}) {
        sizes.push_back(fill(some, "a") >> 10);
        some.left(*some.find("a"), why);
    }
    const std::vector<std::size_t> about{63, 127, 255, 255, 127, 63};
    REQUIRE(sizes.size() == about.size());
    for (std::size_t i = 0; i < sizes.size(); ++i) CHECK(sizes[i] - about[i] <= 1);
    CHECK(some.empty());
}

TEST_CASE("gathering: where much comes a free wire waits for more, until a batch has waited too long") {
    gathering some;
    const auto gather = [&](std::uint64_t messages) -> gathering::batch& {
        gathering::batch* into = some.find("a");
        if (into == nullptr) into = &some.begin("a", 0);
        for (std::uint64_t i = 0; i < messages; ++i) some.add(*into, message{"x"}, false);
        return *into;
    };
    CHECK(some.enough(gather(1)));
    some.left(gather(9), cause::wire_free);
    CHECK(some.enough(gather(1)));
    some.left(gather(99), cause::wire_free);
    CHECK_FALSE(some.enough(gather(199)));
    CHECK(some.enough(gather(1)));
    some.left(*some.find("a"), cause::wire_free);
    CHECK_FALSE(some.enough(gather(399)));
    some.left(*some.find("a"), cause::time_over);
    CHECK(some.enough(gather(1)));
}

TEST_CASE("gathering: buffers are used again when nobody holds them") {
    const auto pool = std::make_shared<buffer_pool>();
    std::shared_ptr<std::string> first = pool->take();
    const std::string* const where = first.get();
    first->assign(1000, 'x');
    CHECK(pool->take().get() != where);
    std::shared_ptr<std::string> shared = first;
    first.reset();
    CHECK(pool->take().get() != where);
    shared.reset();
    const auto again = pool->take();
    CHECK(again.get() == where);
    CHECK(again->empty());
    CHECK(again->capacity() >= 1000);
}

TEST_CASE("gathering: topics gather apart, the oldest is due first, and one that left is forgotten") {
    gathering some;
    CHECK(some.due_ns() == std::numeric_limits<std::uint64_t>::max());
    some.add(some.begin("a", 100), message{"topic", "1"}, false);
    some.add(some.begin("b", 200), message{"topic", "2"}, true);
    some.add(*some.find("a"), message{"topic", "3"}, false);
    CHECK(some.find("c") == nullptr);
    CHECK(some.find("a")->messages == 2);
    CHECK(some.find("a")->body_bytes == 2);
    CHECK(*some.find("a")->items == std::string{"\x91\xC4\x01"
                                                "1\x91\xC4\x01"
                                                "3"});
    CHECK(some.oldest().topic == "a");
    CHECK(some.due_ns() == 100 + gathering::linger_ns);
    some.left(some.oldest(), cause::wire_free);
    CHECK(some.find("a") == nullptr);
    CHECK(some.due_ns() == 200 + gathering::linger_ns);
    batch_cursor items{*some.find("b")->items};
    CHECK(items.next()->topic == "topic");
}

TEST_CASE("gathering: too many topics, or bytes, are a crowd") {
    gathering many;
    for (std::size_t i = 0; i < gathering::topics_max; ++i) {
        CHECK_FALSE(many.crowded());
        many.add(many.begin(std::to_string(i), i), message{"x"}, false);
    }
    CHECK(many.crowded());
    many.left(many.oldest(), cause::wire_free);
    CHECK_FALSE(many.crowded());

    gathering large;
    std::size_t bytes = 0;
    for (int i = 0; !large.crowded(); ++i) bytes += fill(large, std::to_string(i));
    CHECK(bytes >= gathering::bytes_max);
    CHECK(bytes <= gathering::bytes_max + batch_bytes_start);
}
