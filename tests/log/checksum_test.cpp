#include "core/log/checksum.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>

using ferry::log::crc32c;
using ferry::log::crc32c_portable;

TEST_CASE("checksum: the published check value comes out") {
    CHECK(crc32c("123456789") == 0xe3069283);
    CHECK(crc32c_portable("123456789") == 0xe3069283);
    CHECK(crc32c("") == 0);
}

TEST_CASE("checksum: the portable and the fast one agree at every length, alignment and seed") {
    std::mt19937_64 random{42};
    std::string bytes(4096, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    for (std::size_t length = 0; length < 300; ++length) {
        const std::string_view slice = std::string_view{bytes}.substr(length % 17, length);
        const auto seed = static_cast<std::uint32_t>(random());
        REQUIRE(crc32c(slice, seed) == crc32c_portable(slice, seed));
    }
    CHECK(crc32c(bytes) == crc32c_portable(bytes));
}

TEST_CASE("checksum: taken in pieces it equals the whole") {
    const std::string whole = "a ferry carries what a bridge cannot";
    for (std::size_t cut = 0; cut <= whole.size(); ++cut)
        REQUIRE(crc32c(whole.substr(cut), crc32c(whole.substr(0, cut))) == crc32c(whole));
}
