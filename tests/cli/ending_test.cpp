// How commands end: the rarer exit codes against real peers, and every device told to stop.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <thread>
#include <unordered_map>

#include "core/socket.hpp"
#include "devices/spool/brain.hpp"
#include "ferry/context.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

const ferry::endpoint anywhere = ferry::bind("tcp://127.0.0.1:*");
constexpr const char* nobody = "tcp://127.0.0.1:1";

std::vector<std::string> binary_with(std::vector<std::string> words) {
    words.insert(words.begin(), FERRY_BINARY);
    return words;
}

finished run_ferry(std::vector<std::string> words, process_options options = {}) {
    return run(binary_with(std::move(words)), std::move(options));
}

// A spool that permits what `allow` does: its brain at a socket, with a disk that is always done.
class guarded_spool {
  public:
    explicit guarded_spool(decltype(ferry::brain_options::allow) allow)
        : brain_{{.allow = std::move(allow)}, {}, ferry::read_clocks()},
          router_{context_, zmq::socket_type::router, anywhere, {}},
          thread_{[this] { serve(); }} {}
    ~guarded_spool() {
        router_.stop();
        thread_.join();
    }
    std::string at() const { return router_.bound().front(); }

  private:
    void serve() {
        std::vector<ferry::frame> frames;
        while (router_.receive(frames, ferry::forever) == ferry::outcome::done) {
            const auto [known, fresh] = sessions_.try_emplace(frames.at(0).str(), routes_.size());
            if (fresh) routes_.push_back(known->first);
            brain_.frame(known->second, "anonymous", frames.at(1).view(), std::nullopt, ferry::read_clocks());
            for (ferry::actions asked; !(asked = brain_.take_actions(ferry::read_clocks())).empty();)
                obey(asked);
        }
    }
    void obey(const ferry::actions& asked) {
        for (const ferry::append_action& each : asked.appends) {
            brain_.appended(each.ticket, ferry::read_clocks());
            brain_.durable(each.ticket, ferry::read_clocks());
        }
        for (const ferry::send_action& each : asked.sends) {
            std::vector<ferry::frame> frames;
            frames.emplace_back(routes_.at(each.session));
            frames.emplace_back(each.head);
            router_.send(frames);
        }
    }

    ferry::context context_;
    ferry::brain brain_;
    ferry::socket router_;
    std::unordered_map<std::string, std::uint64_t> sessions_;
    std::vector<std::string> routes_;
    std::thread thread_;
};

// Stands between a publisher and a subscriber, and loses the n-th message.
class lossy_forwarder {
  public:
    explicit lossy_forwarder(unsigned lost)
        : front_{context_, zmq::socket_type::xsub, anywhere, {}},
          back_{context_, zmq::socket_type::xpub, anywhere, {}},
          down_{[this, lost] {
              std::vector<ferry::frame> frames;
              for (unsigned n = 1; front_.receive(frames, ferry::forever) == ferry::outcome::done; ++n)
                  if (n != lost) back_.send(frames);
          }},
          up_{[this] {
              std::vector<ferry::frame> frames;
              while (back_.receive(frames, ferry::forever) == ferry::outcome::done) front_.send(frames);
          }} {}
    ~lossy_forwarder() {
        front_.stop();
        back_.stop();
        down_.join();
        up_.join();
    }
    std::string front() const { return front_.bound().front(); }
    std::string back() const { return back_.bound().front(); }

  private:
    ferry::context context_;
    ferry::socket front_;
    ferry::socket back_;
    std::thread down_;
    std::thread up_;
};

}  // namespace

TEST_CASE("cli: what a spool does not permit is 10, and the reason names it") {
    const guarded_spool closed{[](auto, ferry::verb, auto) { return false; }};
    for (const std::vector<std::string>& command : {std::vector<std::string>{"put", closed.at(), "jobs", "x"},
                                                    {"take", closed.at(), "jobs", "-n", "1"},
                                                    {"stream", "create", closed.at(), "jobs"}}) {
        const finished got = run_ferry(command);
        CAPTURE(command.front());
        CHECK(got.status == 10);
        CHECK(got.out.empty());
        CHECK(
            (got.err.find("denied") != std::string::npos || got.err.find("permitted") != std::string::npos));
    }
    const guarded_spool read_only{[](auto, ferry::verb what, auto) { return what != ferry::verb::publish; }};
    CHECK(run_ferry({"stream", "create", read_only.at(), "jobs"}).status == 0);
    CHECK(run_ferry({"put", read_only.at(), "jobs", "x"}).status == 10);
}

TEST_CASE("cli: sub --fail-on-gap is 6 after a loss on the way, and names what is missing") {
    const lossy_forwarder between{2};
    process sub{binary_with({"sub", between.back(), "t", "-n", "2", "--fail-on-gap"})};
    CHECK(run_ferry({"pub", between.front(), "-T", "t", "--envelope", "full", "--wait", "20s"},
                    {.input = "a\nb\nc\n"})
              .status == 0);
    CHECK(sub.wait() == 6);
    CHECK(sub.out() == "a\nc\n");
    CHECK(sub.err().find("gap t 2..2") != std::string::npos);
    CHECK(sub.err().find("received 2, lost 1") != std::string::npos);
}

TEST_CASE(
    "cli: every device ends with 0 within two seconds, on SIGINT and SIGTERM, with unreachable peers too") {
    const temporary_directory room;
    const std::string directory = room / "spool";
    const std::vector<std::vector<std::string>> devices = {{"forwarder", "@:0", "@:0"},
                                                           {"forwarder", nobody, nobody},
                                                           {"queue", "@:0", "@:0"},
                                                           {"queue", nobody, nobody},
                                                           {"queue", "@:0", nobody},
                                                           {"streamer", "@:0", "@:0"},
                                                           {"streamer", nobody, nobody},
                                                           {"streamer", "@:0", nobody},
                                                           {"spool", "--dir", directory, "--listen", "@:0"}};
    for (const auto& words : devices)
        for (const int signal : {SIGINT, SIGTERM}) {
            process device{binary_with(words)};
            device.wait_for_error("ready ");
            device.kill(signal);
            CAPTURE(words[0]);
            CAPTURE(words[1]);
            CHECK(device.wait(2s) == 0);
        }
}

TEST_CASE(
    "cli: a queue that holds a request for which no worker comes ends within two seconds all the same") {
    process queue{binary_with({"queue", "@:0", nobody})};
    std::string front = queue.wait_for_error("ready queue ").substr(12);
    front.resize(front.find(' '));
    process req{binary_with({"req", front, "held", "-t", "20s"})};
    CHECK(run_ferry({"req", front, "refused", "--envelope", "full"}).status == 4);
    queue.kill(SIGTERM);
    CHECK(queue.wait(2s) == 0);
}

TEST_CASE("cli: a queue without workers holds a plain request, and refuses an enveloped one at once with 4") {
    process queue{binary_with({"queue", "@:0", "@:0"})};
    std::string front = queue.wait_for_error("ready queue ").substr(12);
    const std::string back = front.substr(front.find(' ') + 1);
    front.resize(front.find(' '));
    process plain{binary_with({"req", front, "held", "-t", "20s"})};
    const finished refused = run_ferry({"req", front, "x", "--envelope", "full", "-t", "20s"});
    CHECK(refused.status == 4);
    CHECK(refused.out.empty());
    CHECK(refused.err.find("no replier took the request") != std::string::npos);
    CHECK(plain.running());
    process rep{binary_with({"rep", back, "--echo"})};
    CHECK(plain.wait() == 0);
    CHECK(plain.out() == "held\n");
}

TEST_CASE("cli: behind a queue a busy rep gets nothing while another is free") {
    process queue{binary_with({"queue", "@:0", "@:0"})};
    std::string front = queue.wait_for_error("ready queue ").substr(12);
    const std::string back = front.substr(front.find(' ') + 1);
    front.resize(front.find(' '));
    process slow{binary_with({"rep", back, "--exec", "sh -c 'echo begun >&2; exec sleep 1000'"})};
    process asking{binary_with({"req", front, "long", "-t", "100s"})};
    slow.wait_for_error("begun");
    process fast{binary_with({"rep", back, "quick"})};
    std::string questions;
    for (int i = 0; i < 50; ++i) questions += "q\n";
    const finished answers = run_ferry({"req", front, "-i", "line", "-t", "20s"}, {.input = questions});
    CHECK(answers.status == 0);
    CHECK(std::count(answers.out.begin(), answers.out.end(), '\n') == 50);
}

TEST_CASE("cli: --hwm 0 is no limit, and messages pass") {
    process pull{binary_with({"pull", "@:0", "-n", "3", "--hwm", "0"})};
    const std::string where = pull.wait_for_error("bound ").substr(6);
    CHECK(run_ferry({"push", where, "--hwm", "0"}, {.input = "a\nb\nc\n"}).status == 0);
    CHECK(pull.wait() == 0);
    CHECK(pull.out() == "a\nb\nc\n");
    CHECK(run_ferry({"push", where, "x", "--hwm", "-1"}).status == 2);
}
