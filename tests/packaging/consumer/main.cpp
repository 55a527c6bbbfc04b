// A program that knows of ferry only what is installed: an embedded spool, a message in and out.
#include <ferry/ferry.hpp>
#include <iostream>

int main(int, char** arguments) {
    ferry::context context;
    ferry::spool outbox{context, {.directory = arguments[1], .listen = {ferry::bind("inproc://outbox")}}};
    ferry::producer jobs{context, ferry::connect("inproc://outbox"), {.stream = "jobs"}};
    ferry::consumer work{context, ferry::connect("inproc://outbox"), {.stream = "jobs"}};
    jobs.put(ferry::pack(42));
    const auto job = work.next();
    std::cout << ferry::unpack<int>(job->body()) << '\n';
}
