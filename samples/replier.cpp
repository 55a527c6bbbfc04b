// Adds two numbers for whoever asks, with four requests at a time.
//
//     sample_replier tcp://127.0.0.1:5560
//     sample_requester tcp://127.0.0.1:5560 19 23                 (in another terminal)
//
// Ctrl-C ends it. Start two, and give the requester both endpoints: it moves on when one dies.
#include <ferry/context.hpp>
#include <ferry/error.hpp>
#include <ferry/pack.hpp>
#include <ferry/replier.hpp>
#include <iostream>
#include <utility>

int main(int argc, char** argv) try {
    if (argc != 2) {
        std::cerr << "usage: sample_replier ENDPOINT\n";
        return 2;
    }
    ferry::context context;
    context.stop_on_signals();
    ferry::replier sums{context, ferry::bind(argv[1]), {.workers = 4}};
    std::cout << "bound " << sums.endpoints().front() << std::endl;

    sums.serve([](const ferry::message& question) {
        // What is no pair of numbers makes `unpack` throw, and the requester gets that as an error answer.
        const auto [a, b] = ferry::unpack<std::pair<long, long>>(question.body());
        return ferry::pack(a + b);
    });
    const auto counts = sums.stats();
    std::cout << "answered " << counts.requests << ", of these with an error " << counts.failures << '\n';
    return 0;
} catch (const ferry::error& e) {
    std::cerr << "sample_replier: " << e.what() << '\n';
    return 1;
}
