// Producers and consumers whose spool is not what they think: real answers, spoiled.
//
// The first byte says which client. Then each piece is one event: a byte that says what happens, and a frame;
// a body is the next piece.
#include "core/consumer_session.hpp"
#include "core/producer_session.hpp"
#include "tests/fuzz/target.hpp"

using namespace ferry;

namespace {

constexpr int events_max = 200;
constexpr std::size_t output_max = 10'000;

void pass(instant& now, std::string_view event) {
    const std::uint64_t ns = fuzz::take_number(event, 2) * 10'000'000;
    now.monotonic_ns += ns;
    now.wall_ns += ns;
}

void produce(fuzz::pieces input, instant now) {
    producer_session session{{.stream = "s"}};
    std::vector<put_place> places;
    std::size_t output = 0;
    for (int i = 0; i < events_max && input.any(); ++i) {
        std::string_view event = input.next();
        switch (fuzz::take_number(event, 1) % 8) {
            case 0:
                session.reconnected();
                break;
            case 1:
                pass(now, event);
                break;
            case 2:
            case 3:
                places.push_back(session.put(event, now));
                break;
            default:
                session.frame(event, now);
        }
        session.tick(now);
        output += session.take_output().size();
        static_cast<void>(session.next_due_ns());
    }
    fuzz::expect(output < output_max, "a producer does not talk without end");
    const put_counts counts = session.counts();
    fuzz::expect(counts.put == places.size(), "puts are counted");
    std::uint64_t pending = 0;
    for (const put_place& each : places) pending += each.fate->pending(each.index) ? 1 : 0;
    fuzz::expect(counts.confirmed + counts.refused + pending == counts.put, "each message has one fate");
}

void consume(fuzz::pieces input, instant now, std::optional<std::string> group) {
    consumer_session session{{.stream = "s", .group = std::move(group)}};
    std::size_t output = 0;
    for (int i = 0; i < events_max && input.any(); ++i) {
        std::string_view event = input.next();
        switch (fuzz::take_number(event, 1) % 8) {
            case 0:
                session.reconnected();
                break;
            case 1:
                pass(now, event);
                break;
            case 2:
                session.leave(now);
                break;
            case 3:
                for (auto item = session.next(now.monotonic_ns); item;
                     item = session.next(now.monotonic_ns)) {
                    static_cast<void>(to_message(item->item));
                    if (item->offset % 3 == 0)
                        session.nack(item->lease, item->offset, 5, "no");
                    else if (item->offset % 3 == 1)
                        session.ack(item->lease, item->offset);
                }
                break;
            case 4:
            case 5:
                session.frame(event, shared_bytes::of(std::string{input.next()}), now);
                break;
            default:
                session.frame(event, std::nullopt, now);
        }
        session.tick(now);
        output += session.take_output().size();
        static_cast<void>(session.take_settled());
        static_cast<void>(session.next_due_ns());
    }
    fuzz::expect(output < output_max, "a consumer does not talk without end");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view bytes = fuzz::as_text(data, size);
    const instant now{100'000'000'000, 1'700'000'000'000'000'000};
    switch (fuzz::take_number(bytes, 1) % 3) {
        case 0:
            produce(fuzz::pieces{bytes}, now);
            break;
        case 1:
            consume(fuzz::pieces{bytes}, now, "g");
            break;
        default:
            consume(fuzz::pieces{bytes}, now, std::nullopt);
    }
    return 0;
}
