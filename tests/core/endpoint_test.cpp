#include "ferry/endpoint.hpp"

#include <doctest/doctest.h>

#include <string>

#include "ferry/error.hpp"

using namespace ferry;

TEST_CASE("endpoint: the short forms of the command line mean what its page says") {
    struct row {
        const char* text;
        side at;
        const char* address;
    };
    const row table[] = {
        {":5555", side::connect, "tcp://127.0.0.1:5555"},
        {"host:5555", side::connect, "tcp://host:5555"},
        {"@:5555", side::bind, "tcp://127.0.0.1:5555"},
        {"@any:5555", side::bind, "tcp://*:5555"},
        {"@*:5555", side::bind, "tcp://*:5555"},
        {"@:0", side::bind, "tcp://127.0.0.1:*"},
        {"tcp://*:5555", side::bind, "tcp://*:5555"},
        {"tcp://10.0.0.1:1", side::connect, "tcp://10.0.0.1:1"},
        {"@tcp://10.0.0.1:1", side::bind, "tcp://10.0.0.1:1"},
        {"./x.sock", side::connect, "ipc://./x.sock"},
        {"/run/x.sock", side::connect, "ipc:///run/x.sock"},
        {"@/run/x.sock", side::bind, "ipc:///run/x.sock"},
        {"inproc://a", side::connect, "inproc://a"},
        {"@tcp://127.0.0.1:*", side::bind, "tcp://127.0.0.1:*"},
    };
    for (const row& each : table) {
        CAPTURE(each.text);
        const endpoint parsed = parse_endpoint(each.text);
        CHECK(parsed.at == each.at);
        CHECK(parsed.address == each.address);
    }
}

TEST_CASE("endpoint: what cannot be is refused with the text that was typed") {
    for (const char* text :
         {"", "@", "host", "host:", "host:99999", "host:x", "http://a:1", "tcp://", "*:5555", ":0"}) {
        CAPTURE(text);
        try {
            parse_endpoint(text);
            FAIL("accepted");
        } catch (const error& e) {
            CHECK(e.kind() == errc::bad_argument);
            CHECK(std::string{e.what()}.find("'" + std::string{text} + "'") != std::string::npos);
        }
    }
}

TEST_CASE("endpoint: only addresses other machines can reach count as beyond loopback") {
    CHECK(bind("@any:1").beyond_loopback());
    CHECK(bind("tcp://192.0.2.7:1").beyond_loopback());
    CHECK(bind("tcp://eth0:1").beyond_loopback());
    CHECK_FALSE(bind("@:1").beyond_loopback());
    CHECK_FALSE(bind("tcp://localhost:1").beyond_loopback());
    CHECK_FALSE(bind("ipc:///run/x").beyond_loopback());
    CHECK_FALSE(bind("inproc://x").beyond_loopback());
}
