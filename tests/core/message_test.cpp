#include "ferry/message.hpp"

#include <doctest/doctest.h>

#include <string>

#include "ferry/pack.hpp"

using namespace ferry;

TEST_CASE("message: a large string is moved in and its bytes are shared by copies") {
    std::string text(1 << 20, 'x');
    const char* bytes = text.data();
    const frame first{std::move(text)};
    CHECK(first.view().data() == bytes);
    const frame second = first;
    CHECK(second.view().data() == bytes);
}

TEST_CASE("message: small frames are values of their own") {
    frame a{"abc"};
    frame b = a;
    b.data()[0] = 'X';
    CHECK(a.view() == "abc");
    CHECK(b.view() == "Xbc");
    a = std::move(b);
    CHECK(a.view() == "Xbc");
}

TEST_CASE("message: an empty topic is a topic") {
    CHECK_FALSE(message{"x"}.has_topic());
    CHECK(message{"", "x"}.has_topic());
}

TEST_CASE("message: copies do not share headers") {
    message a{"t", "x"};
    a.set_header("k", "1");
    message b = a;
    b.set_header("k", "2");
    CHECK(a.header("k") == "1");
    CHECK(b.header("k") == "2");
    CHECK(b.header("none") == std::nullopt);
}

TEST_CASE("pack: typed values go out and come back, other bytes are an error") {
    CHECK(unpack<std::pair<int, std::string>>(pack(std::pair{19, std::string{"x"}})) ==
          std::pair{19, std::string{"x"}});
    CHECK_THROWS_AS(unpack<int>("\xA1x"), error);
    CHECK_THROWS_AS(unpack<int>(""), error);
    CHECK_THROWS_AS(unpack<std::vector<int>>("\xDD\xFF\xFF\xFF\xFF"), error);
}
