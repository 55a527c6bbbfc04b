// Raw ports with plain python3-zmq programs on their outer ends, and a spool that is killed in between.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <sstream>

#include "ferry/administrator.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> peer(std::vector<std::string> words) {
    words.insert(words.begin(), {"/usr/bin/python3", FERRY_SOURCE_DIR "/tests/interop/port_peer.py"});
    return words;
}

std::int64_t number(const header_map& row, const char* name) {
    return std::get<std::int64_t>(row.at(name));
}

// A spool process with ports. A restart comes back to the same addresses. They are of TCP: of a local socket
// libzmq does not read to its end what a peer that has gone had sent.
class port_scene {
  public:
    explicit port_scene(const std::vector<std::string>& ports)
        : words_{FERRY_BINARY,          "spool",        "--dir", directory_ / "spool", "--listen",
                 directory_ / "listen", "--claim-wait", "50ms"} {
        words_.insert(words_.end(), ports.begin(), ports.end());
        start();
    }

    void start() {
        spool_ = std::make_unique<process>(words_);
        for (std::size_t i = first_port; i < words_.size(); i += 2) {
            const std::string line = spool_->wait_for_error("port ");
            const std::string address = line.substr(line.rfind(' ') + 1);
            addresses_[words_[i]] = address;
            if (const auto at = words_[i + 1].find("@:0"); at != std::string::npos)
                words_[i + 1].replace(at, 3, "@" + address);
        }
        spool_->wait_for_error("ready ");
    }
    /// Of the port with this flag.
    const std::string& at(const std::string& flag) const { return addresses_.at(flag); }
    std::string listen() const { return directory_ / "listen"; }
    void kill() {
        spool_->kill(SIGKILL);
        CHECK(spool_->wait() == 128 + SIGKILL);
    }
    process& spool() { return *spool_; }

    /// Until the condition holds of the command's rows.
    template <typename Condition>
    void wait_until(const char* command, const header_map& arguments, Condition holds) {
        context context;
        administrator admin{context, ferry::connect(listen())};
        const auto deadline = std::chrono::steady_clock::now() + patience;
        while (!holds(admin.call(command, arguments))) REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
    /// By the in ports of this run, and confirmed.
    void wait_for_stored(std::int64_t messages) {
        wait_until("spool.stats", {}, [&](const auto& rows) {
            std::int64_t stored = 0;
            for (const header_map& row : rows)
                if (row.contains("port")) stored += number(row, "stored");
            return stored >= messages;
        });
    }
    void wait_for_acked(const std::string& stream, std::int64_t messages) {
        wait_until("stream.info", {{"stream", stream}}, [&](const auto& rows) {
            return rows.size() > 1 && number(rows.at(1), "acked_floor") >= messages;
        });
    }

  private:
    temporary_directory directory_;
    static constexpr std::size_t first_port = 8;  // of words_
    std::vector<std::string> words_;
    std::map<std::string, std::string> addresses_;
    std::unique_ptr<process> spool_;
};

// A program that has ended well.
void push_all(const std::string& endpoint, int first, int count) {
    const finished one = run(peer({"push", endpoint, std::to_string(first), std::to_string(count)}));
    INFO(one.err);
    REQUIRE(one.status == 0);
}

std::string numbers(int first, int end, const std::string& before = "") {
    std::string text;
    for (int i = first; i < end; ++i) text += before + std::to_string(i) + "\n";
    return text;
}

// What came, beside what should have come once and in order.
struct arrival {
    int missing = 0;
    int again = 0;
    int steps_back = 0;
    int holes = 0;
    int largest_hole = 0;
};

arrival judge(const std::string& lines, int count) {
    arrival found;
    std::vector<bool> seen(static_cast<std::size_t>(count));
    std::istringstream in{lines};
    int before = -1;
    for (int each = 0; in >> each; before = each) {
        REQUIRE(each >= 0);
        REQUIRE(each < count);
        if (seen[static_cast<std::size_t>(each)]) ++found.again;
        seen[static_cast<std::size_t>(each)] = true;
        if (each <= before) ++found.steps_back;
        if (each <= before + 1) continue;
        ++found.holes;
        found.largest_hole = std::max(found.largest_hole, each - before - 1);
    }
    for (const bool each : seen) found.missing += each ? 0 : 1;
    return found;
}

}  // namespace

TEST_CASE("ports: PUSH to spool to PULL keeps all that was stored through a SIGKILL, in order") {
    port_scene scene{{"--in-pull", "@:0=jobs", "--out-push", "jobs=@:0"}};
    push_all(scene.at("--in-pull"), 0, 3000);
    scene.wait_for_stored(3000);
    scene.kill();
    scene.start();
    process pull{peer({"pull", scene.at("--out-push"), "5999"})};
    push_all(scene.at("--in-pull"), 3000, 3000);
    CHECK(pull.wait() == 0);
    CHECK(pull.out() == numbers(0, 6000));
    scene.wait_for_acked("jobs", 6000);
    scene.spool().kill(SIGTERM);
    CHECK(scene.spool().wait(2s) == 0);
    CHECK(scene.spool().err().find("received 3000, stored 3000, sent 0, lost 0\n") != std::string::npos);
    CHECK(scene.spool().err().find("received 0, stored 0, sent 6000, lost 0\n") != std::string::npos);
}

TEST_CASE("ports: PUB to spool to SUB keeps topics and all that was stored through a SIGKILL, in order") {
    process pub{peer({"pub", "@tcp://127.0.0.1:*", "0", "1000", "news.eu"}), {.keep_stdin_open = true}};
    port_scene scene{{"--in-sub", pub.next_line() + "=feed", "--out-pub", "feed=@:0"}};
    scene.wait_for_stored(500);
    scene.kill();
    scene.start();
    process sub{peer({"sub", scene.at("--out-pub"), "999"})};
    pub.write("go on\n");
    CHECK(pub.wait() == 0);
    CHECK(sub.wait() == 0);
    CHECK(sub.out() == numbers(0, 1000, "news.eu "));
}

TEST_CASE("ports: what a puller gets when the spool is killed under way is in order, with bounded damage") {
    constexpr int count = 20000;
    port_scene scene{{"--in-pull", "@:0=jobs", "--out-push", "jobs=@:0"}};
    push_all(scene.at("--in-pull"), 0, count);
    scene.wait_for_stored(count);
    process pull{peer({"pull", scene.at("--out-push"), std::to_string(count - 1)})};
    pull.wait_for_lines(2000);
    scene.kill();
    scene.start();
    CHECK(pull.wait() == 0);
    const arrival found = judge(pull.out(), count);
    std::printf("ports: a spool killed while it pushed: %d came again, %d are missing of %d\n", found.again,
                found.missing, count);
    // It goes back to what was not acked, or on behind what stood in its queue and was acked: 100 messages
    // in the queue, 8 KiB in libzmq's encoder.
    CHECK(found.steps_back + found.holes <= 1);
    CHECK(found.missing <= 100 + 8192 / 100 + 2);
    CHECK(found.again <= 8192);
}

TEST_CASE("ports: a pusher's messages that no port had read are lost with the spool, and only these") {
    port_scene scene{{"--in-pull", "@:0=jobs", "--out-push", "jobs=@:0"}};
    process push{peer({"push", scene.at("--in-pull"), "0", "50"}), {.keep_stdin_open = true}};
    scene.wait_for_stored(1);
    scene.spool().suspend();
    push.write("go on\n");
    CHECK(push.wait() == 0);  // all handed over: the pusher is content
    scene.kill();
    scene.start();
    push_all(scene.at("--in-pull"), 50, 10);
    const finished pull = run(peer({"pull", scene.at("--out-push"), "59"}));
    CHECK(pull.status == 0);
    CHECK(pull.out == numbers(0, 1) + numbers(50, 60));
}

TEST_CASE("ports: a pusher that goes on while the spool is killed finds one hole in order, and no doubles") {
    constexpr int count = 60000;
    port_scene scene{{"--in-pull", "@:0=jobs"}};
    process push{peer({"push", scene.at("--in-pull"), "0", std::to_string(count)}),
                 {.keep_stdin_open = true}};
    push.write("go on\n");
    scene.wait_for_stored(2000);
    scene.kill();
    scene.start();
    CHECK(push.wait() == 0);
    // The last one must have come: it was sent to the second run.
    const finished take = run({FERRY_BINARY, "take", scene.listen(), "jobs", "--idle", "1s"});
    const arrival found = judge(take.out, count);
    std::printf("ports: a spool killed while it pulled: %d are missing of %d\n", found.missing, count);
    CHECK(take.out.ends_with("\n" + std::to_string(count - 1) + std::string(95, ' ') + "\n"));
    CHECK(found.again == 0);
    CHECK(found.steps_back == 0);
    CHECK(found.holes <= 1);
    CHECK(found.missing == found.largest_hole);
}

TEST_CASE("ports: what a puller took and died with is lost, what it did not take goes to the next one") {
    port_scene scene{{"--in-pull", "@:0=jobs", "--out-push", "jobs=@:0"}};
    process pull{peer({"pull", scene.at("--out-push"), "never"})};
    push_all(scene.at("--in-pull"), 0, 1);
    pull.wait_for_lines(1);
    pull.suspend();
    push_all(scene.at("--in-pull"), 1, 20);
    scene.wait_for_acked("jobs", 21);
    pull.kill(SIGKILL);
    pull.wait();
    push_all(scene.at("--in-pull"), 21, 10);
    const finished next = run(peer({"pull", scene.at("--out-push"), "30"}));
    CHECK(next.status == 0);
    CHECK(next.out == numbers(21, 31));
}

TEST_CASE("ports: a spool ends within two seconds, with unreachable peers and one that does not read") {
    port_scene scene{{"--out-push", "s=tcp://127.0.0.1:1", "--in-sub", "tcp://127.0.0.1:1=s", "--out-pub",
                      "s=tcp://127.0.0.1:1", "--in-pull", "@:0=jobs", "--out-push", "jobs=@:0"}};
    process pull{peer({"pull", scene.at("--out-push"), "never"})};
    push_all(scene.at("--in-pull"), 0, 1);
    pull.wait_for_lines(1);
    pull.suspend();
    push_all(scene.at("--in-pull"), 1, 5000);
    scene.wait_for_stored(5001);
    scene.spool().kill(SIGTERM);
    CHECK(scene.spool().wait(2s) == 0);
    CHECK(scene.spool().err().find("received 5001, stored 5001, sent 0, lost 0\n") != std::string::npos);
}
