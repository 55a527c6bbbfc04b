// What a consumer allows to be sent.
#include "core/credit_account.hpp"

#include <doctest/doctest.h>

using namespace ferry;

namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t kib = 1 << 10;

}  // namespace

TEST_CASE("credit: bytes begin with little, and double as often as as much came quickly") {
    credit_account credit{1000, 4096 * kib};
    credit.joined(0);
    std::uint64_t most = 64 * kib, read = 0, now = 1;
    CHECK(credit.worth_telling(false)->bytes == most);
    while (most < 4096 * kib) {
        for (std::uint64_t came = 0; came < most; came += 16 * kib, read += 16 * kib) {
            credit.received(16 * kib, now += ms / 10);
            credit.read(16 * kib);
        }
        most *= 2;
        CHECK(credit.worth_telling(false)->bytes == read + most);
    }
    credit.received(64 * kib * kib, now);
    CHECK(!credit.worth_telling(false));
}

TEST_CASE("credit: what comes slowly leaves it as it is") {
    credit_account credit{1000, 4096 * kib};
    credit.joined(0);
    credit.worth_telling(false);
    std::uint64_t now = 1;
    for (std::uint64_t i = 1; i <= 100; ++i) {
        credit.received(32 * kib, now += 1000 * ms);
        credit.read(32 * kib);
        CHECK(credit.worth_telling(false)->bytes == 64 * kib + i * 32 * kib);
    }
}

TEST_CASE(
    "credit: messages held when the channel was made count, and an idle consumer tells of each it has room "
    "for") {
    credit_account credit{8, 4096 * kib};
    credit.joined(3);
    CHECK(credit.worth_telling(false)->messages == 5);
    credit.settled(1);
    CHECK(!credit.worth_telling(false));
    CHECK(credit.worth_telling(true)->messages == 6);
    credit.settled(2);
    CHECK(credit.worth_telling(false)->messages == 8);
    for (int i = 0; i < 8; ++i) credit.read(1);
    CHECK(credit.worth_telling(false)->frames == 8);
}
