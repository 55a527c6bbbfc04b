// Transcripts of the real binary: what it prints, says and returns.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <sstream>

#include "tests/support/process.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry::test;
using namespace std::string_literals;

namespace {

std::vector<std::string> binary_with(std::vector<std::string> words) {
    words.insert(words.begin(), FERRY_BINARY);
    return words;
}

finished run_ferry(std::vector<std::string> words, process_options options = {}) {
    return run(binary_with(std::move(words)), std::move(options));
}

// Where a command that was started says that it is bound.
std::string bound(process& one) {
    return one.wait_for_error("bound ").substr(6);
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

process_options with_input(std::string input) {
    return {.input = std::move(input)};
}

}  // namespace

TEST_CASE("cli: ferry alone prints twenty grouped lines, and only commands that are there") {
    const finished got = run_ferry({});
    CHECK(got.status == 0);
    CHECK(lines_of(got.out).size() == 20);
    CHECK(got.out.find("Messages  pub  sub") != std::string::npos);
    CHECK(got.out.find("doctor") == std::string::npos);
}

TEST_CASE("cli: version in words and as exactly one JSON object") {
    CHECK(run_ferry({"version"}).out.starts_with("ferry "));
    const std::string json = run_ferry({"version", "--json"}).out;
    CHECK(json.starts_with(R"({"v":1,"ferry":")"));
    CHECK(json.find(R"(","libzmq":")") != std::string::npos);
    CHECK(json.ends_with("\"}\n"));
}

TEST_CASE("cli: wrong words get the reason, one usage line, two examples and exit 2") {
    for (const std::vector<std::string>& wrong :
         std::vector<std::vector<std::string>>{{"pubb"},
                                               {"bench"},
                                               {"pu"},
                                               {"--bogus"},
                                               {"pub"},
                                               {"sub", ":1", "--bogus"},
                                               {"pub", "nowhere", "t", "m"},
                                               {"pub", ":1", "t", "m", "extra"},
                                               {"push", ":1", "m", "extra"},
                                               {"pull", ":1", "x"},
                                               {"rep", ":1"},
                                               {"rep", ":1", "text", "--echo"},
                                               {"forwarder", ":1"},
                                               {"sub", ":1", "-n", "0"},
                                               {"sub", ":1", "-t", "soon"},
                                               {"sub", ":1", "--curve-key", "k"},
                                               {"pub", ":1", "t", "m", "--json"},
                                               {"sub", ":1", "--batch"},
                                               {"pub", ":1", "t", "{", "-i", "jsn"},
                                               {"sub", ":1", "-C", "x"},
                                               {"help", "nothing"},
                                               {"version", "x"}}) {
        const finished got = run_ferry(wrong);
        CAPTURE(got.err);
        CHECK(got.status == 2);
        CHECK(got.out.empty());
        const auto said = lines_of(got.err);
        REQUIRE(said.size() == 4);
        CHECK(said[0].starts_with("ferry"));
        CHECK(said[1].starts_with("usage: ferry "));
        CHECK(said[2].starts_with("  "));
        CHECK(said[3].starts_with("  "));
    }
    CHECK(run_ferry({"pubb"}).err.find("did you mean pub?") != std::string::npos);
    CHECK(run_ferry({"sub", ":1", "--tiemout", "1s"}).err.find("did you mean --timeout?") !=
          std::string::npos);
}

TEST_CASE("cli: help of every command names its usage and its flags") {
    for (const char* name : {"pub", "sub", "push", "pull", "req", "rep", "forwarder", "queue", "streamer"}) {
        const finished help = run_ferry({"help", name});
        CHECK(help.status == 0);
        CHECK(help.out.find("usage: ferry "s + name) != std::string::npos);
        CHECK(help.out == run_ferry({name, "--help"}).out);
    }
    CHECK(run_ferry({"help", "publish"}).out == run_ferry({"help", "pub"}).out);
}

TEST_CASE("cli: docs/cli.md names every flag of the commands for streams") {
    std::ifstream in{FERRY_SOURCE_DIR "/docs/cli.md"};
    const std::string page{std::istreambuf_iterator<char>{in}, {}};
    std::size_t flags = 0;
    for (const char* name : {"put", "take", "spool", "stream", "group", "dead"})
        for (const std::string& line : lines_of(run_ferry({"help", name}).out)) {
            const std::size_t begin = line.find("--");
            if (!line.starts_with("  -") || begin == std::string::npos) continue;
            const std::string flag = line.substr(begin, line.find_first_of(" ,", begin) - begin);
            CAPTURE(name);
            CAPTURE(flag);
            // The whole name: --lease is not named by --lease-max.
            const auto named = [&](const char* behind) {
                return page.find(flag + behind) != std::string::npos;
            };
            CHECK((named("`") || named(" ") || named(",") || named("=")));
            ++flags;
        }
    CHECK(flags > 60);
}

TEST_CASE("cli: every example runs as it stands and ends with 0") {
    const std::string binary = FERRY_BINARY;
    const std::string path = binary.substr(0, binary.rfind('/')) + ":/usr/local/bin:/usr/bin:/bin";
    const auto examples = lines_of(run_ferry({"help", "examples"}).out);
    REQUIRE(examples.size() >= 11);
    for (const std::string& each : examples) {
        const temporary_directory room;
        const finished got =
            run({"sh", "-c", each}, {.environment = {{"PATH", path}}, .directory = room.path()});
        CAPTURE(each);
        CAPTURE(got.err);
        CHECK(got.status == 0);
        CHECK(!got.out.empty());
    }
}

TEST_CASE("cli: pub waits for a matching subscriber, sends, and says so") {
    process sub{binary_with({"sub", "@:0", "news", "-n", "1"})};
    const finished pub = run_ferry({"pub", bound(sub), "news.eu", "hello"});
    CHECK(pub.status == 0);
    CHECK(pub.out.empty());
    CHECK(pub.err == "sent 1\n");
    CHECK(sub.wait() == 0);
    CHECK(sub.out() == "hello\n");
}

TEST_CASE("cli: nobody within --wait is exit 4 in one sentence, and -t before that is 5") {
    const finished pub = run_ferry({"pub", "@:0", "news", "hello", "--wait", "50ms", "-q"});
    CHECK(pub.status == 4);
    CHECK(pub.err.find("nobody subscribed to 'news'") != std::string::npos);
    CHECK(run_ferry({"push", "@:0", "job", "--wait", "50ms"}).status == 4);
    CHECK(run_ferry({"req", "@:0", "question", "--wait", "50ms"}).status == 4);
    CHECK(run_ferry({"sub", "@:0", "--wait", "50ms"}).status == 4);
    CHECK(run_ferry({"pull", "@:0", "--wait", "50ms"}).status == 4);
    CHECK(run_ferry({"pub", "@:0", "news", "hello", "-t", "50ms"}).status == 5);
    CHECK(run_ferry({"sub", "@:0", "-t", "50ms"}).status == 5);
    CHECK(run_ferry({"pull", "@:0", "--idle", "50ms"}).status == 0);
    CHECK(run_ferry({"pull", "@:0", "--idle", "50ms", "-n", "1"}).status == 5);
    CHECK(run_ferry({"rep", "@:0", "--echo", "-t", "50ms"}).status == 5);
}

TEST_CASE("cli: --no-wait sends at once and counts what nobody took") {
    const finished pub = run_ferry({"pub", "@:0", "news", "hello", "--no-wait", "-n", "3"});
    CHECK(pub.status == 0);
    CHECK(lines_of(pub.err).back() == "sent 0, lost 3");
    CHECK(lines_of(run_ferry({"push", "@:0", "job", "--no-wait"}).err).back() == "sent 0, lost 1");
}

TEST_CASE("cli: empty input sends nothing, waits for nobody and says sent 0") {
    for (const char* name : {"pub", "push", "req"}) {
        const finished got = run_ferry({name, "@:0"});
        CHECK(got.status == 0);
        CHECK(lines_of(got.err).back() == "sent 0");
    }
}

TEST_CASE("cli: a line ends at LF, the last needs none, an empty one is a message and CR stays") {
    process pull{binary_with({"pull", "@:0", "-n", "4", "--hex"})};
    CHECK(run_ferry({"push", bound(pull)}, with_input("a\r\n\n\xff\nlast")).status == 0);
    CHECK(pull.wait() == 0);
    CHECK(pull.out() == "610d\n\nff\n6c617374\n");
}

TEST_CASE("cli: pub and push --batch arrive line by line, with topic and headers") {
    std::string lines;
    for (int i = 0; i < 20'000; ++i) lines += std::to_string(i) + '\n';
    process pull{binary_with({"pull", "@:0", "-n", "20000"})};
    const finished push = run_ferry({"push", bound(pull), "--batch"}, with_input(lines));
    CHECK(push.status == 0);
    CHECK(push.err == "sent 20000\n");
    CHECK(pull.wait() == 0);
    CHECK(pull.out() == lines);

    process sub{binary_with({"sub", "@:0", "news", "-n", "20000", "-F", "{topic} {payload}\\n"})};
    const finished pub = run_ferry(
        {"pub", bound(sub), "-T", "news", "--batch", "--envelope", "full", "-H", "k=v"}, with_input(lines));
    CHECK(pub.status == 0);
    CHECK(pub.err == "sent 20000\n");
    CHECK(sub.wait() == 0);
    CHECK(lines_of(sub.out()).back() == "news 19999");
    CHECK(sub.err().find("received 20000, lost 0") != std::string::npos);
}

TEST_CASE("cli: an argument leaves stdin alone, and '' is an empty message") {
    process pull{binary_with({"pull", "@:0", "-n", "3", "-0"})};
    const std::string where = bound(pull);
    CHECK(run_ferry({"push", where, ""}, with_input("unread")).err == "sent 1\n");
    CHECK(run_ferry({"push", where, "[1,2]"}).err == "sent 1\n");
    CHECK(run_ferry({"push", where, "-"}, with_input("read")).err == "sent 1\n");
    CHECK(pull.wait() == 0);
    CHECK(pull.out() == "\0[1,2]\0read\0"s);
}

TEST_CASE("cli: raw, nul and len32 carry any bytes, and each file is one message") {
    const temporary_directory room;
    std::ofstream{room / "a"} << "two\nlines\n";
    process pull{binary_with({"pull", "@:0", "-n", "6", "-o", "len32"})};
    const std::string where = bound(pull);
    CHECK(run_ferry({"push", where, "-i", "raw"}, with_input("x\ny\n")).status == 0);
    CHECK(run_ferry({"push", where, "-i", "nul"}, with_input("p\nq\0r"s)).status == 0);
    CHECK(run_ferry({"push", where, "-i", "len32"}, with_input("\0\0\0\0\0\0\0\2\n\0"s)).status == 0);
    CHECK(run_ferry({"push", where, "-f", room / "a"}).status == 0);
    CHECK(pull.wait() == 0);
    CHECK(pull.out() == "\0\0\0\4x\ny\n\0\0\0\3p\nq\0\0\0\1r\0\0\0\0\0\0\0\2\n\0\0\0\0\xAtwo\nlines\n"s);
}

TEST_CASE("cli: a file that is not there is 3, and one that is too large is 8") {
    process pull{binary_with({"pull", "@:0"})};
    const std::string where = bound(pull);
    CHECK(run_ferry({"push", where, "-f", "/no/such/file"}).status == 3);
    CHECK(run_ferry({"pull", "@/no/such/directory/x.sock"}).status == 3);
    const finished large = run_ferry({"push", where, "-i", "len32"}, with_input("\x7f\xff\xff\xff"s));
    CHECK(large.status == 8);
    CHECK(large.err.find("the most a message can have is") != std::string::npos);
}

TEST_CASE("cli: bad input behind good input is named, and the good was sent: 7") {
    process pull{binary_with({"pull", "@:0", "-n", "1"})};
    const finished push =
        run_ferry({"push", bound(pull), "-i", "json"}, with_input("{\"payload\":\"x\"}\n{\n"));
    CHECK(push.status == 7);
    CHECK(push.err.find("line 2: not JSON") != std::string::npos);
    CHECK(lines_of(push.err).back() == "sent 1");
    CHECK(pull.wait() == 0);
    CHECK(pull.out() == "x\n");
    CHECK(run_ferry({"push", "@:0", "-i", "json"}, with_input("{\n")).status == 2);
}

TEST_CASE("cli: sub --json into pub --in json gives back every byte, topic, frame and header") {
    const std::string one =
        R"({"headers":{"a":"x","b":-5,"c":{"b64":"/wA="}},"topic":"t","frames":["AA=="],"payload_b64":"/w=="})";
    const std::string two = R"({"topic_b64":"/3Q=","payload":"\u0000 \" ü"})";
    const std::string three = R"({"payload":"alone"})";
    const auto through = [](const std::string& input) {
        process sub{binary_with({"sub", "@:0", "-n", "3", "--json"})};
        CHECK(run_ferry({"pub", bound(sub), "--in", "json"}, with_input(input)).status == 0);
        CHECK(sub.wait() == 0);
        return sub.out();
    };
    const auto timeless = [](std::string text) {
        for (auto at = text.find("\"ts\":\""); at != std::string::npos; at = text.find("\"ts\":\"", at + 1))
            text.erase(at, 35);
        return text;
    };
    const std::string first = timeless(through(one + '\n' + two + "\n" + three));
    CHECK(
        lines_of(first).at(0) ==
        R"({"v":1,"n":1,"topic":"t","headers":{"a":"x","b":-5,"c":{"b64":"/wA="}},"frames":["AA=="],"size":1,"payload_b64":"/w=="})");
    CHECK(
        lines_of(first).at(1) ==
        "{\"v\":1,\"n\":2,\"topic_b64\":\"/3Q=\",\"headers\":{},\"size\":6,\"payload\":\"\\u0000 \\\" ü\"}");
    CHECK(lines_of(first).at(2) == R"({"v":1,"n":3,"headers":{},"size":5,"payload":"alone"})");
    CHECK(timeless(through(first)) == first);
}

TEST_CASE("cli: a template and --decode show what is in a message") {
    process sub{binary_with({"sub", "@:0", "-n", "1", "-F", "{n} {topic} {h.who} {payload}\\n"})};
    CHECK(run_ferry({"pub", bound(sub), "-T", "t", "-H", "who=me", "hi"}).status == 0);
    CHECK(sub.wait() == 0);
    CHECK(sub.out() == "1 t me hi\n");
    process json{binary_with({"pull", "@:0", "-n", "1", "--json", "--decode", "json"})};
    CHECK(run_ferry({"push", bound(json), "[1,\n2]"}).status == 0);
    CHECK(json.wait() == 0);
    CHECK(json.out().ends_with(",\"payload\":\"[1,\\n2]\",\"data\":[1, 2]}\n"));
}

TEST_CASE("cli: an enveloped feed ends with received and lost") {
    process sub{binary_with({"sub", "@:0", "-n", "2", "--fail-on-gap"})};
    CHECK(run_ferry({"pub", bound(sub), "-T", "t", "--envelope", "full"}, with_input("a\nb\n")).status == 0);
    CHECK(sub.wait() == 0);
    CHECK(sub.out() == "a\nb\n");
    CHECK(lines_of(sub.err()).back() == "received 2, lost 0");
}

TEST_CASE("cli: rep answers with a text, an echo or a command, and a failing command is an error") {
    process text{binary_with({"rep", "@:0", "pong", "-n", "1"})};
    const finished got = run_ferry({"req", bound(text), "ping", "-v"});
    CHECK(got.out == "pong\n");
    CHECK(got.err.starts_with("rtt "));
    CHECK(text.wait() == 0);
    process echo{binary_with({"rep", "@:0", "--echo"})};
    CHECK(run_ferry({"req", bound(echo), "-T", "topic", "--raw"}, with_input("all\nof it")).out ==
          "all\nof it");
    process fail{binary_with({"rep", "@:0", "--exec", "sh -c 'cat; exit 3'"})};
    const std::string where = bound(fail);
    const finished failed = run_ferry({"req", where, "x", "--envelope", "full"});
    CHECK(failed.status == 1);
    CHECK(failed.err.find("status 3") != std::string::npos);
    CHECK(run_ferry({"rep", "@:0", "--exec", "no-such-command"}).status == 2);
}

TEST_CASE("cli: a command of rep dies with it, also when it is killed") {
    process rep{binary_with({"rep", "@:0", "--exec", "sh -c 'echo started $$ >&2; exec sleep 1000'"})};
    process req{binary_with({"req", bound(rep), "x"})};
    rep.wait_for_error("started ");
    rep.kill(SIGKILL);
    CHECK(rep.wait() == 128 + SIGKILL);
    // It held our stderr open: the end of that pipe is its end.
    CHECK_THROWS_AS(rep.wait_for_error("never said"), not_in_time);
}

TEST_CASE("cli: a peer that takes the request and does not answer is 5") {
    process silent{binary_with({"rep", "@:0", "--exec", "sleep 1000"})};
    const finished req = run_ferry({"req", bound(silent), "x", "-t", "300ms"});
    CHECK(req.status == 5);
}

TEST_CASE("cli: an address in use is 9, with the process that has it") {
    process first{binary_with({"pull", "@:0"})};
    const std::string where = bound(first);
    const finished second = run_ferry({"pull", "-b", where});
    CHECK(second.status == 9);
    CHECK(second.err.find("by process " + std::to_string(first.pid())) != std::string::npos);
    const temporary_directory room;
    process file{binary_with({"pull", "@./x.sock"}), {.directory = room.path()}};
    bound(file);
    CHECK(run_ferry({"pull", "@./x.sock"}, {.directory = room.path()}).status == 9);
}

TEST_CASE("cli: a signal ends a command after its summary, with 130 or 143") {
    for (const auto& [signal, status] : {std::pair{SIGINT, 130}, std::pair{SIGTERM, 143}}) {
        process sub{binary_with({"sub", "@:0"})};
        const std::string where = bound(sub);
        CHECK(run_ferry({"pub", where, "t", "m"}).status == 0);
        sub.wait_for_lines(1);
        sub.kill(signal);
        CHECK(sub.wait() == status);
        CHECK(lines_of(sub.err()).back() == "received 1");
    }
    process push{binary_with({"push", "@:0", "x", "--wait", "1h"})};
    bound(push);
    push.kill(SIGINT);
    CHECK(push.wait() == 130);
    process reading{binary_with({"push", "@:0"}), {.keep_stdin_open = true}};
    bound(reading);
    reading.kill(SIGINT);
    CHECK(reading.wait() == 130);
}

TEST_CASE("cli: a reader of stdout that went away ends a command quietly with 0") {
    process pull{binary_with({"pull", "@:0", "-q"})};
    const std::string where = bound(pull);
    pull.close_stdout();
    CHECK(run_ferry({"push", where, "x"}).status == 0);
    CHECK(pull.wait() == 0);
    CHECK(lines_of(pull.err()).size() == 1);
}

TEST_CASE("cli: a full disk under stdout is 1 with the reason") {
    process pull{binary_with({"pull", "@:0", "-n", "1"}), {.stdout_to = "/dev/full"}};
    CHECK(run_ferry({"push", bound(pull), "x"}).status == 0);
    CHECK(pull.wait() == 1);
    CHECK(pull.err().find("cannot write stdout") != std::string::npos);
}

TEST_CASE("cli: FERRY_ENDPOINT stands in for an endpoint, and a word that is one overrules it") {
    process pull{binary_with({"pull", "@:0", "-n", "2"})};
    const std::string where = bound(pull);
    CHECK(run_ferry({"push", "word"}, {.environment = {{"FERRY_ENDPOINT", where}}}).status == 0);
    CHECK(run_ferry({"push", where, "other"}, {.environment = {{"FERRY_ENDPOINT", "tcp://127.0.0.1:1"}}})
              .status == 0);
    CHECK(pull.wait() == 0);
    CHECK(pull.out() == "word\nother\n");
}

TEST_CASE("cli: a bind beyond loopback is warned of once, and -q leaves only the bound line") {
    const finished loud = run_ferry({"pull", "@any:0", "--idle", "1ms"});
    CHECK(loud.err.find("can be reached from other machines") != std::string::npos);
    const finished quiet = run_ferry({"pull", "@any:0", "--idle", "1ms", "-q"});
    CHECK(lines_of(quiet.err).size() == 1);
    CHECK(quiet.err.starts_with("bound tcp://0.0.0.0:"));
}

TEST_CASE("cli: nobody there after a second is one line that says which end binds") {
    process sub{binary_with({"sub", "@:0"})};
    CHECK(sub.wait_for_error("nobody at ").find("the publisher must connect") != std::string::npos);
}

TEST_CASE("cli: sockets are read before the silence is measured, and ten thousand lines arrive in order") {
    std::string input;
    for (int i = 0; i < 10'000; ++i) input += std::to_string(i) + '\n';
    process sub{binary_with({"sub", "@:0", "-n", "10000"})};
    CHECK(run_ferry({"pub", bound(sub), "-T", "t"}, with_input(input)).err == "sent 10000\n");
    CHECK(sub.wait() == 0);
    CHECK(sub.out() == input);
}

TEST_CASE("cli: a device says ready with its real endpoints, counts on SIGUSR1 and ends with 0") {
    for (const char* kind : {"forwarder", "queue", "streamer"}) {
        process device{binary_with({kind, "@:0", "@:0", "--capture", "@:0"})};
        const std::string ready = device.wait_for_error("ready ");
        CHECK(ready.starts_with("ready "s + kind + " tcp://127.0.0.1:"));
        CHECK(std::count(ready.begin(), ready.end(), ' ') == 4);
        device.kill(SIGUSR1);
        CHECK(device.wait_for_error(kind).find(": down 0 messages 0 bytes") != std::string::npos);
        device.kill(SIGTERM);
        CHECK(device.wait(std::chrono::seconds{2}) == 0);
    }
}

TEST_CASE("cli: messages pass through each device") {
    const auto ends = [](process& device) {
        std::istringstream words{device.wait_for_error("ready ")};
        std::string ready, kind, front, back;
        words >> ready >> kind >> front >> back;
        return std::pair{front, back};
    };
    process forwarder{binary_with({"forwarder", "@:0", "@:0"})};
    const auto [publishers, subscribers] = ends(forwarder);
    process sub{binary_with({"sub", subscribers, "t", "-n", "1"})};
    CHECK(run_ferry({"pub", publishers, "t", "m", "--wait", "10s"}).status == 0);
    CHECK(sub.wait() == 0);
    CHECK(sub.out() == "m\n");
    process streamer{binary_with({"streamer", "@:0", "@:0"})};
    const auto [pushers, pullers] = ends(streamer);
    process pull{binary_with({"pull", pullers, "-n", "1"})};
    CHECK(run_ferry({"push", pushers, "job"}).status == 0);
    CHECK(pull.wait() == 0);
    process queue{binary_with({"queue", "@:0", "@:0"})};
    const auto [requesters, repliers] = ends(queue);
    CHECK(run_ferry({"req", requesters, "x", "--envelope", "full"}).status == 4);
    process rep{binary_with({"rep", repliers, "--echo"})};
    CHECK(run_ferry({"req", requesters, "ping"}).out == "ping\n");
}
