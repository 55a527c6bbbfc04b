// Prints the messages of the topics it asks for, and says what it missed.
//
//     sample_subscriber tcp://127.0.0.1:5555 quake.us 10          (ten messages; 0 = until stopped)
//
// Start it before or after samples/publisher.cpp: it connects when somebody is there.
#include <ferry/context.hpp>
#include <ferry/error.hpp>
#include <ferry/subscriber.hpp>
#include <iostream>
#include <string>

int main(int argc, char** argv) try {
    if (argc != 4) {
        std::cerr << "usage: sample_subscriber ENDPOINT TOPIC COUNT\n";
        return 2;
    }
    ferry::context context;
    context.stop_on_signals();
    ferry::subscriber quakes{
        context, ferry::connect(argv[1]), {.topics = {argv[2]}, .on_event = [](const ferry::event& e) {
                                               if (e.kind == ferry::event_kind::gap)
                                                   std::cerr << "missed " << e.topic << ' ' << e.from
                                                             << " to " << e.to << '\n';
                                           }}};

    const unsigned long wanted = std::stoul(argv[3]);
    while (wanted == 0 || quakes.stats().received < wanted) {
        const auto m = quakes.receive();
        if (!m) break;  // asked to stop
        std::cout << m->topic() << ' ' << m->body() << std::endl;
    }
    const auto counts = quakes.stats();
    std::cout << "received " << counts.received << ", lost " << counts.lost << '\n';
    return counts.lost == 0 ? 0 : 6;
} catch (const ferry::error& e) {
    std::cerr << "sample_subscriber: " << e.what() << '\n';
    return 1;
}
