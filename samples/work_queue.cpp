// A work queue on disk: jobs are given and done while nobody, one or many are there, and survive them all.
//
//     ferry spool --dir queue --listen @:7000
//     sample_work_queue give tcp://127.0.0.1:7000 100
//     sample_work_queue work tcp://127.0.0.1:7000               (as many of these as wanted; until stopped)
//     sample_work_queue work tcp://127.0.0.1:7000 10            (ten jobs)
#include <ferry/consumer.hpp>
#include <ferry/context.hpp>
#include <ferry/error.hpp>
#include <ferry/producer.hpp>
#include <iostream>
#include <string>

namespace {

int give(ferry::context& context, const char* where, unsigned long count) {
    ferry::producer jobs{context, ferry::connect(where), {.stream = "jobs"}};
    for (unsigned long i = 1; i <= count; ++i) jobs.put("job " + std::to_string(i));
    jobs.flush();  // each is on disk, synced, when this returns
    const ferry::producer_stats counts = jobs.stats();
    std::cout << "stored " << counts.confirmed << ", not stored " << counts.refused + counts.unconfirmed
              << '\n';
    return counts.confirmed == count ? 0 : 1;
}

int work(ferry::context& context, const char* where, unsigned long wanted) {
    // A small credit leaves jobs for other workers; what is held when a worker dies comes to another one.
    ferry::consumer jobs{context, ferry::connect(where), {.stream = "jobs", .group = "workers", .credit = 8}};
    unsigned long done = 0;
    while (wanted == 0 || done < wanted) {
        auto job = jobs.next();
        if (!job) break;  // asked to stop
        std::cout << "did " << job->body() << (job->attempt() > 1 ? " again" : "") << std::endl;
        job->ack();
        ++done;
    }
    jobs.leave();  // gives back what it did not start, and waits until its acks are durable
    std::cout << "done " << jobs.stats().acked << '\n';
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    const std::string role = argc > 1 ? argv[1] : "";
    if ((role != "give" || argc != 4) && (role != "work" || argc < 3 || argc > 4)) {
        std::cerr << "usage: sample_work_queue give ENDPOINT COUNT | work ENDPOINT [COUNT]\n";
        return 2;
    }
    ferry::context context;
    context.stop_on_signals();
    const unsigned long count = argc == 4 ? std::stoul(argv[3]) : 0;
    return role == "give" ? give(context, argv[2], count) : work(context, argv[2], count);
} catch (const ferry::error& e) {
    std::cerr << "sample_work_queue: " << e.what() << '\n';
    return 1;
}
