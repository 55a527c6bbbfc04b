// Hands out work, one job a message, to as many pullers as there are.
//
//     sample_pusher tcp://127.0.0.1:5556 100
//     sample_puller tcp://127.0.0.1:5556 50                       (twice, in other terminals)
#include <ferry/context.hpp>
#include <ferry/error.hpp>
#include <ferry/pusher.hpp>
#include <iostream>
#include <string>

int main(int argc, char** argv) try {
    if (argc != 3) {
        std::cerr << "usage: sample_pusher ENDPOINT COUNT\n";
        return 2;
    }
    ferry::context context;
    context.stop_on_signals();
    ferry::pusher jobs{context, ferry::bind(argv[1])};
    std::cout << "bound " << jobs.endpoints().front() << std::endl;

    const unsigned long count = std::stoul(argv[2]);
    for (unsigned long job = 1; job <= count; ++job) {
        // With nobody there it waits; a job is never queued to an address where nobody is.
        if (jobs.send("job " + std::to_string(job), std::chrono::seconds{30}) == ferry::outcome::done)
            continue;
        std::cerr << "nobody takes jobs\n";
        return 4;
    }
    const auto left = jobs.close();
    std::cout << "sent " << jobs.stats().sent << ", not sent " << left << '\n';
    return left == 0 ? 0 : 7;
} catch (const ferry::error& e) {
    std::cerr << "sample_pusher: " << e.what() << '\n';
    return 1;
}
