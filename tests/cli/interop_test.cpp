// The command line against plain python3-zmq peers, each verb with its counterpart.
#include <doctest/doctest.h>

#include "tests/support/process.hpp"

using namespace ferry::test;

namespace {

std::vector<std::string> binary_with(std::vector<std::string> words) {
    words.insert(words.begin(), FERRY_BINARY);
    return words;
}

std::vector<std::string> python(std::vector<std::string> words) {
    words.insert(words.begin(), {"/usr/bin/python3", FERRY_SOURCE_DIR "/tests/interop/verb_peer.py"});
    return words;
}

std::string bound(process& one) {
    return one.wait_for_error("bound ").substr(6);
}

}  // namespace

TEST_CASE("interop: a plain subscriber gets topic and payload from pub, and one frame without a topic") {
    process pub{binary_with({"pub", "@:0", "news", "hello", "--wait", "20s"})};
    const finished with_topic = run(python({"sub", bound(pub), "news"}));
    CHECK(with_topic.status == 0);
    CHECK(with_topic.out == "6e657773 68656c6c6f\n");
    CHECK(pub.wait() == 0);
    process alone{binary_with({"pub", "@:0", "--wait", "20s"}), {.input = "hello\n"}};
    CHECK(run(python({"sub", bound(alone), "hel"})).out == "68656c6c6f\n");
    CHECK(alone.wait() == 0);
}

TEST_CASE("interop: sub prints what a plain publisher sends, with its frames between") {
    process sub{binary_with({"sub", "@:0", "news", "-n", "1", "--json"})};
    CHECK(run(python({"pub", bound(sub), "news", "between", "hello"})).status == 0);
    CHECK(sub.wait() == 0);
    CHECK(sub.out().find(
              R"("topic":"news","headers":{},"frames":["YmV0d2Vlbg=="],"size":5,"payload":"hello"})") !=
          std::string::npos);
}

TEST_CASE("interop: push and pull meet their plain counterparts") {
    process push{binary_with({"push", "@:0", "job", "--wait", "20s"})};
    CHECK(run(python({"pull", bound(push)})).out == "6a6f62\n");
    CHECK(push.wait() == 0);
    process pull{binary_with({"pull", "@:0", "-n", "1"})};
    CHECK(run(python({"push", bound(pull), "job"})).status == 0);
    CHECK(pull.wait() == 0);
    CHECK(pull.out() == "job\n");
}

TEST_CASE("interop: req is answered by a plain REP, and rep answers a plain REQ") {
    process req{binary_with({"req", "@:0", "question", "--wait", "20s"})};
    CHECK(run(python({"rep", bound(req), "answer"})).out == "7175657374696f6e\n");
    CHECK(req.wait() == 0);
    CHECK(req.out() == "answer\n");
    process rep{binary_with({"rep", "@:0", "--exec", "tr a-z A-Z", "-n", "1"})};
    CHECK(run(python({"req", bound(rep), "question"})).out == "5155455354494f4e\n");
    CHECK(rep.wait() == 0);
}

TEST_CASE("interop: a plain REQ gets an empty reply when the command of rep fails") {
    process rep{binary_with({"rep", "@:0", "--exec", "false", "-n", "1"})};
    const finished got = run(python({"req", bound(rep), "question"}));
    CHECK(got.status == 0);
    CHECK(got.out == "-\n");
    CHECK(rep.wait() == 0);
}
