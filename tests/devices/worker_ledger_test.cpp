// What a queue concludes from what its workers say, and from what comes too late to count.
#include "devices/worker_ledger.hpp"

#include <doctest/doctest.h>

using namespace ferry;

TEST_CASE(
    "worker ledger: a queue is saturated when all its peers gave back, and offers no more than has room") {
    worker_ledger ledger;
    CHECK(ledger.hand_out(2) == ticket_kind::request);
    ledger.given_back("a", ticket_kind::request, ledger.era());
    CHECK(ledger.may_hand_out(2));
    ledger.given_back("b", ticket_kind::request, ledger.era());
    CHECK_FALSE(ledger.may_hand_out(2));
    ledger.is_free("b", 1, 2);
    CHECK(ledger.hand_out(2) == ticket_kind::offer);
    CHECK(ledger.offers() == 1);
    CHECK_FALSE(ledger.may_hand_out(2));
    ledger.given_back("b", ticket_kind::offer, ledger.era());
    CHECK(ledger.offers() == 0);
}

TEST_CASE("worker ledger: what a worker that is gone said before does not make the others full") {
    worker_ledger ledger;
    const char before = ledger.era();
    ledger.given_back("gone", ticket_kind::request, before);
    ledger.forget();
    ledger.given_back("gone", ticket_kind::request, before);
    ledger.is_free("gone", 0, 1);
    CHECK_FALSE(ledger.saturated(1));
    CHECK(ledger.may_hand_out(1));
    ledger.given_back("living", ticket_kind::request, ledger.era());
    CHECK(ledger.saturated(1));
}

TEST_CASE("worker ledger: an answer to an offer of an earlier time ends no offer of this one") {
    worker_ledger ledger;
    const char before = ledger.era();
    ledger.forget();
    ledger.given_back("a", ticket_kind::request, ledger.era());
    ledger.is_free("a", 1, 1);
    REQUIRE(ledger.hand_out(1) == ticket_kind::offer);
    ledger.answered(ticket_kind::offer, before);
    CHECK(ledger.offers() == 1);
    CHECK_FALSE(ledger.may_hand_out(1));
}
