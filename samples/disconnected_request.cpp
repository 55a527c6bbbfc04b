// Request and reply whose parties need never meet: questions and answers wait in streams of a spool.
//
//     ferry spool --dir questions --listen @:7000
//     sample_disconnected_request ask tcp://127.0.0.1:7000 anna q-17 "how long is this"     (and ends)
//     sample_disconnected_request serve tcp://127.0.0.1:7000 1             (tells how long one is; or all)
//     sample_disconnected_request collect tcp://127.0.0.1:7000 anna        (her next answer, within 10 s)
#include <ferry/ferry.hpp>
#include <iostream>
using namespace std::chrono_literals;

static bool put(ferry::context& context, const char* where, const std::string& stream, const std::string& id,
                ferry::message text) {
    text.set_header("correlation-id", id);
    text.set_header("message-id", id);  // put again, by somebody who died or is not sure, it is stored once
    const auto confirmed =
        ferry::producer{context, ferry::connect(where), {.stream = stream}}.put(text).wait(10s);
    return confirmed && confirmed->is == ferry::put_outcome::stored;
}

static void answer(ferry::context& context, const char* where, ferry::delivery& question) try {
    const ferry::message asked = question.content();
    const std::string id{asked.header("correlation-id").value_or("")};
    const std::string reply_to{asked.header("reply-to").value_or("")};
    const bool stored = put(context, where, reply_to, id, std::to_string(asked.body().size()));
    stored ? question.ack() : question.nack();  // what cannot be answered is a dead letter at last
} catch (const ferry::error& e) {
    question.nack(std::nullopt, e.what());
}

int main(int argc, char** argv) try {
    const std::string role = argc > 2 ? argv[1] : "";
    const std::string own = std::string{"answers."} + (argc > 3 ? argv[3] : "");  // a stream of each asker's
    ferry::context context;
    context.stop_on_signals();
    if (role == "ask" && argc == 6) {
        ferry::message question{argv[5]};
        question.set_header("reply-to", own);
        return put(context, argv[2], "questions", argv[4], std::move(question)) ? 0 : 1;
    }
    if (role == "serve" && argc <= 4) {
        ferry::consumer questions{context, ferry::connect(argv[2]), {.stream = "questions", .credit = 1}};
        for (auto left = argc == 4 ? std::stoul(argv[3]) : ~0UL; left > 0 && !context.stopped(); --left)
            if (auto question = questions.next()) answer(context, argv[2], *question);
        return questions.leave(10s) == ferry::outcome::timed_out ? 1 : 0;
    }
    if (role == "collect" && argc == 4) {
        ferry::consumer answers{context, ferry::connect(argv[2]), {.stream = own}};
        auto found = answers.next(10s);
        if (!found) return 1;  // not yet: come back later
        std::cout << found->content().header("correlation-id").value_or("?") << ": " << found->body() << '\n';
        found->ack();
        return answers.flush(10s) == ferry::outcome::done ? 0 : 1;
    }
    std::cerr << "usage: sample_disconnected_request ask EP WHO ID TEXT | serve EP [N] | collect EP WHO\n";
    return 2;
} catch (const ferry::error& e) {
    std::cerr << "sample_disconnected_request: " << e.what() << '\n';
    return 1;
}
