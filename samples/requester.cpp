// Asks samples/replier.cpp for a sum, and gives up after three attempts in two seconds.
//
//     sample_requester tcp://127.0.0.1:5560 19 23
//     sample_requester tcp://127.0.0.1:5560 19 23 tcp://127.0.0.1:5561     (with somewhere else to turn to)
#include <ferry/context.hpp>
#include <ferry/error.hpp>
#include <ferry/pack.hpp>
#include <ferry/requester.hpp>
#include <iostream>
#include <string>
#include <utility>

int main(int argc, char** argv) try {
    using namespace std::chrono_literals;
    if (argc < 4) {
        std::cerr << "usage: sample_requester ENDPOINT NUMBER NUMBER [ENDPOINT...]\n";
        return 2;
    }
    std::vector<ferry::endpoint> where{ferry::connect(argv[1])};
    for (int i = 4; i < argc; ++i) where.push_back(ferry::connect(argv[i]));

    ferry::context context;
    context.stop_on_signals();
    ferry::requester calc{context, where, {.timeout = 2s, .attempts = 3}};
    const ferry::answer sum = calc.ask(ferry::pack(std::pair{std::stol(argv[2]), std::stol(argv[3])}));
    switch (sum.kind) {
        case ferry::answer_kind::answered:
            std::cout << ferry::unpack<long>(sum.content.body()) << '\n';
            return 0;
        case ferry::answer_kind::refused:
            std::cerr << "refused: " << sum.reason << '\n';
            return 1;
        case ferry::answer_kind::no_peer:
            std::cerr << "nobody is there\n";
            return 4;
        case ferry::answer_kind::timed_out:
            std::cerr << "no answer\n";
            return 5;
        case ferry::answer_kind::stopped:
            return 130;
    }
    return 1;
} catch (const ferry::error& e) {
    std::cerr << "sample_requester: " << e.what() << '\n';
    return 1;
}
