// A whole spool that is told things: sessions of real clients, spoiled.
//
// Each piece is one event: a first byte that says what happens and to which of three sessions, then a frame.
// With a body, that is the next piece. All sessions have said HELLO.
#include "core/protocol.hpp"
#include "tests/fuzz/small_spool.hpp"

using namespace ferry;

namespace {

constexpr std::uint64_t events_max = 200;

void happen(fuzz::small_spool& spool, fuzz::pieces& input) {
    std::string_view event = input.next();
    const std::uint64_t what = fuzz::take_number(event, 1);
    const std::uint64_t session = 1 + what % 3;
    switch (what / 3 % 8) {
        case 0:
            return spool.detach(session);
        case 1:
            return spool.pass(fuzz::take_number(event, 2) * 10'000'000);
        case 2:
        case 3:
        case 4:
            return spool.say(session, event, std::string{input.next()});
        default:
            spool.say(session, event, std::nullopt);
    }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::small_spool spool;
    const std::string hello = protocol::encode(protocol::hello{});
    for (std::uint64_t session = 1; session <= 3; ++session) spool.say(session, hello, std::nullopt);
    fuzz::pieces input{fuzz::as_text(data, size)};
    std::uint64_t answers = 0, events = 0;
    for (; input.any() && events < events_max; ++events) {
        happen(spool, input);
        answers += spool.turn().size();
    }
    // A peer that asks much must not be answered without end.
    fuzz::expect(answers < 10'000 + 100 * events, "answers are bounded");
    spool.check();
    return 0;
}
