// NATS JetStream by its C client, streams kept in files. The server syncs every two minutes, not before it
// confirms: that is its default and what its figures are known by.
#include <nats/nats.h>

#include <stdexcept>
#include <string>

#include "bench/meter.hpp"
#include "bench/roles.hpp"
#include "bench/window.hpp"

namespace ferry::bench {
namespace {

constexpr int under_way_most = 4000;
constexpr int fetched = 1000;

void check(natsStatus status, const char* what) {
    if (status != NATS_OK) throw std::runtime_error{std::string{what} + ": " + natsStatus_GetText(status)};
}

// A connection and its JetStream; the first waits until the server is there.
struct session {
    explicit session(const std::string& port) {
        natsOptions* options = nullptr;
        check(natsOptions_Create(&options), "options");
        check(natsOptions_SetURL(options, ("nats://127.0.0.1:" + port).c_str()), "url");
        check(natsOptions_SetRetryOnFailedConnect(options, true, nullptr, nullptr), "retry");
        check(natsOptions_SetMaxReconnect(options, 100), "retries");
        check(natsOptions_SetReconnectWait(options, 50), "wait");
        check(natsConnection_Connect(&connection, options), "connect");
        natsOptions_Destroy(options);
        check(natsConnection_FlushTimeout(connection, 10'000), "flush");
        jsOptions with;
        check(jsOptions_Init(&with), "jetstream options");
        with.PublishAsync.MaxPending = under_way_most;
        check(natsConnection_JetStream(&stream, connection, &with), "jetstream");
    }
    ~session() {
        jsCtx_Destroy(stream);
        natsConnection_Destroy(connection);
    }
    session(const session&) = delete;
    session& operator=(const session&) = delete;

    natsConnection* connection = nullptr;
    jsCtx* stream = nullptr;
};

}  // namespace

void nats_make_role(const words& arguments) {
    session on{arguments.at(0)};
    jsStreamConfig how;
    check(jsStreamConfig_Init(&how), "stream options");
    const char* subjects[] = {"bench"};
    how.Name = "BENCH";
    how.Subjects = subjects;
    how.SubjectsLen = 1;
    how.Storage = js_FileStorage;
    jsErrCode error{};
    check(js_AddStream(nullptr, on.stream, &how, nullptr, &error), "add stream");
    report(1, std::chrono::seconds{1}, 0);
}

void nats_put_role(const words& arguments) {
    session on{arguments.at(0)};
    numbered_body body{std::stoul(arguments.at(1))};
    std::uint64_t put = 0;
    const auto step = [&] {
        const std::string_view payload = body.next();
        check(js_PublishAsync(on.stream, "bench", payload.data(), static_cast<int>(payload.size()), nullptr),
              "publish");
        ++put;
    };
    const auto confirmed = [&] {
        jsPubOptions wait;
        jsPubOptions_Init(&wait);
        wait.MaxWait = 20'000;
        check(js_PublishAsyncComplete(on.stream, &wait), "confirm");
        return put;
    };
    measure_and_go_on(step, confirmed);
}

void nats_take_role(const words& arguments) {
    session on{arguments.at(0)};
    natsSubscription* from = nullptr;
    jsErrCode error{};
    check(js_PullSubscribe(&from, on.stream, "bench", "g", nullptr, nullptr, &error), "subscribe");
    std::uint64_t acked = 0, ready = 0;
    const auto step = [&] {
        if (ready > 0) {
            --ready;
            return;
        }
        natsMsgList got{};
        check(natsSubscription_Fetch(&got, from, fetched, 20'000, &error), "fetch");
        for (int i = 0; i < got.Count; ++i) check(natsMsg_Ack(got.Msgs[i], nullptr), "ack");
        check(natsConnection_FlushTimeout(on.connection, 10'000), "flush");
        acked += static_cast<std::uint64_t>(got.Count);
        ready = static_cast<std::uint64_t>(got.Count - 1);
        natsMsgList_Destroy(&got);
    };
    measure(step, [&] { return acked; });
    natsSubscription_Destroy(from);
}

}  // namespace ferry::bench
