// A forwarder, a queue and a streamer in one process, each on a thread of its own.
//
//     sample_devices
//     sample_requester tcp://127.0.0.1:PORT 19 23      (the queue's first port; a replier connects to its
//     second)
//
// Its output names all ports. Ctrl-C ends it.
#include <ferry/context.hpp>
#include <ferry/error.hpp>
#include <ferry/forwarder.hpp>
#include <ferry/queue.hpp>
#include <ferry/streamer.hpp>
#include <iostream>
#include <thread>

namespace {

template <typename Device>
void show(const char* kind, const Device& device) {
    std::cout << kind << " front " << device.endpoints()[0] << " back " << device.endpoints()[1] << std::endl;
}

template <typename Device>
void count(const char* kind, const Device& device) {
    const ferry::device_stats counts = device.stats();
    std::cout << kind << " passed " << counts.messages_down << " down, " << counts.messages_up << " up\n";
}

}  // namespace

int main() try {
    ferry::context context;
    context.stop_on_signals();  // before threads start: they inherit what it sets
    const ferry::endpoint anywhere = ferry::bind("tcp://127.0.0.1:*");
    ferry::forwarder topics{context, anywhere, anywhere};
    ferry::queue requests{context, anywhere, anywhere};
    ferry::streamer jobs{context, anywhere, anywhere};
    {
        const std::jthread first{[&] { topics.run(); }};
        const std::jthread second{[&] { requests.run(); }};
        show("forwarder", topics);
        show("queue", requests);
        show("streamer", jobs);
        jobs.run();  // each returns when the context is asked to stop
    }
    count("forwarder", topics);
    count("queue", requests);
    count("streamer", jobs);
    return 0;
} catch (const ferry::error& e) {
    std::cerr << "sample_devices: " << e.what() << '\n';
    return 1;
}
