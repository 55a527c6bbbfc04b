// Store and forward with no process in the middle: readings are kept in a directory of this program's own,
// and passed on whenever the other side is there.
//
//     sample_embedded_spool outbox tcp://127.0.0.1:5560 10      (nobody there: ten are kept)
//     ferry rep @:5560 --echo                                   (the other side; any replier will do)
//     sample_embedded_spool outbox tcp://127.0.0.1:5560 5       (fifteen go)
#include <ferry/consumer.hpp>
#include <ferry/context.hpp>
#include <ferry/error.hpp>
#include <ferry/producer.hpp>
#include <ferry/requester.hpp>
#include <ferry/spool.hpp>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

int main(int argc, char** argv) try {
    if (argc != 4) {
        std::cerr << "usage: sample_embedded_spool DIRECTORY ENDPOINT COUNT\n";
        return 2;
    }
    ferry::context context;
    context.stop_on_signals();
    const ferry::spool outbox{context, {.directory = argv[1], .listen = {ferry::bind("inproc://outbox")}}};
    const ferry::endpoint inside = ferry::connect("inproc://outbox");

    ferry::producer readings{context, inside, {.stream = "readings"}};
    for (unsigned long i = 1; i <= std::stoul(argv[3]); ++i) readings.put("reading " + std::to_string(i));
    readings.flush();
    std::cout << "stored " << readings.stats().confirmed << std::endl;

    ferry::requester other_side{context, ferry::connect(argv[2]), {.timeout = 2s}};
    ferry::consumer waiting{context, inside, {.stream = "readings", .group = "forwarding"}};
    // Nothing is taken for nobody: a reading's attempts are not used up by an outage.
    if (other_side.wait_for_peer(500ms) == ferry::outcome::done) {
        while (auto reading = waiting.next(500ms)) {
            const auto answer = other_side.request(reading->content());
            if (!answer) break;  // not acked, so it stays
            reading->ack();
        }
    }
    waiting.leave();
    std::cout << "forwarded " << waiting.stats().acked << '\n';
    return 0;
} catch (const ferry::error& e) {
    std::cerr << "sample_embedded_spool: " << e.what() << '\n';
    return 1;
}
