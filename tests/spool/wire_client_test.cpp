// docs/wire.md is enough: a client written from it, with nothing of ferry in it, talks to a spool.
#include <doctest/doctest.h>

#include "ferry/spool.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry;

TEST_CASE("wire page: a client written from it puts, takes, settles and administers") {
    const test::temporary_directory directory;
    context context;
    spool served{context, {.directory = directory / "spool", .listen = {bind("tcp://127.0.0.1:*")}}};
    const test::finished client = test::run(
        {"/usr/bin/python3", FERRY_SOURCE_DIR "/tests/spool/wire_client.py", served.endpoints().front()});
    INFO(client.err);
    CHECK(client.status == 0);
    CHECK(client.out == "all as the page says\n");
    CHECK(served.stats().messages_stored == 5);
}
