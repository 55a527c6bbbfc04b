// Does the work samples/pusher.cpp hands out.
//
//     sample_puller tcp://127.0.0.1:5556 50                       (fifty jobs; 0 = until stopped)
#include <ferry/context.hpp>
#include <ferry/error.hpp>
#include <ferry/puller.hpp>
#include <iostream>
#include <string>

int main(int argc, char** argv) try {
    if (argc != 3) {
        std::cerr << "usage: sample_puller ENDPOINT COUNT\n";
        return 2;
    }
    ferry::context context;
    context.stop_on_signals();
    ferry::puller jobs{context, ferry::connect(argv[1])};

    const unsigned long wanted = std::stoul(argv[2]);
    unsigned long done = 0;
    while (wanted == 0 || done < wanted) {
        const auto job = jobs.receive();
        if (!job) break;  // asked to stop
        std::cout << "did " << job->body() << std::endl;
        ++done;
    }
    std::cout << "received " << done << '\n';
    return 0;
} catch (const ferry::error& e) {
    std::cerr << "sample_puller: " << e.what() << '\n';
    return 1;
}
