// RabbitMQ by librabbitmq: persistent messages to a durable queue, each confirmed.
//
// When a message is confirmed depends on the queue. A quorum queue has synced its log, a classic queue, of
// the version 1 that is 3.10's default, its journal; both do it once for all messages that came meanwhile.
// Seen as well: with syncs held back by half a second neither confirmed more than a window of messages
// between two. Acks of a consumer are answered by nobody and count when they were sent.
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <sys/time.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>

#include "bench/meter.hpp"
#include "bench/roles.hpp"
#include "bench/window.hpp"

namespace ferry::bench {
namespace {

constexpr std::uint64_t under_way_most = 10'000;  // with 4,000 up to a tenth slower, with 30,000 no faster
constexpr std::uint16_t prefetched = 1000;
constexpr std::uint64_t acked_together = 250;
constexpr amqp_channel_t channel = 1;
constexpr timeval patience{20, 0};

amqp_bytes_t bytes(std::string_view of) {
    return {of.size(), const_cast<char*>(of.data())};
}

// What a server says when it closes the channel or the connection; the name of any other method.
std::string reason(const amqp_method_t& method) {
    amqp_bytes_t text = amqp_cstring_bytes(amqp_method_name(method.id));
    if (method.id == AMQP_CHANNEL_CLOSE_METHOD)
        text = static_cast<amqp_channel_close_t*>(method.decoded)->reply_text;
    if (method.id == AMQP_CONNECTION_CLOSE_METHOD)
        text = static_cast<amqp_connection_close_t*>(method.decoded)->reply_text;
    return {static_cast<const char*>(text.bytes), text.len};
}

void check(int status, const std::string& what) {
    if (status != AMQP_STATUS_OK) throw std::runtime_error{what + ": " + amqp_error_string2(status)};
}

void check(const amqp_rpc_reply_t& reply, const std::string& what) {
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) check(reply.library_error, what);
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION)
        throw std::runtime_error{what + ": " + reason(reply.reply)};
}

// A connection with one channel.
struct session {
    explicit session(const std::string& port) {
        check(amqp_socket_open(amqp_tcp_socket_new(connection), "127.0.0.1", std::stoi(port)), "connect");
        check(amqp_login(connection, AMQP_DEFAULT_VHOST, 0, AMQP_DEFAULT_FRAME_SIZE, 0,
                         AMQP_SASL_METHOD_PLAIN, "guest", "guest"),
              "login");
        amqp_channel_open(connection, channel);
        answered("channel");
    }
    ~session() { amqp_destroy_connection(connection); }
    session(const session&) = delete;
    session& operator=(const session&) = delete;

    /// What was asked last was done.
    void answered(const char* what) const { check(amqp_get_rpc_reply(connection), what); }

    amqp_connection_state_t connection = amqp_new_connection();
};

// Which messages are confirmed: each by itself, in any order, or all up to one.
class confirms {
  public:
    void take(const amqp_basic_ack_t& ack) {
        if (ack.multiple != 0)
            through_ = std::max(through_, ack.delivery_tag);
        else
            beyond_.insert(ack.delivery_tag);
        while (!beyond_.empty() && *beyond_.begin() <= through_ + 1)
            through_ = std::max(through_, beyond_.extract(beyond_.begin()).value());
    }
    std::uint64_t count() const { return through_ + beyond_.size(); }

  private:
    std::uint64_t through_ = 0;
    std::set<std::uint64_t> beyond_;
};

// False when nothing is heard in that time.
bool hear(const session& from, confirms& into, const timeval& within) {
    amqp_frame_t frame;
    const int status = amqp_simple_wait_frame_noblock(from.connection, &frame, &within);
    if (status == AMQP_STATUS_TIMEOUT) return false;
    check(status, "confirm");
    if (frame.frame_type != AMQP_FRAME_METHOD) throw std::runtime_error{"no confirm but a message"};
    const amqp_method_t& method = frame.payload.method;
    if (method.id != AMQP_BASIC_ACK_METHOD) throw std::runtime_error{"not confirmed: " + reason(method)};
    into.take(*static_cast<amqp_basic_ack_t*>(method.decoded));
    amqp_maybe_release_buffers(from.connection);
    return true;
}

}  // namespace

void rabbit_make_role(const words& arguments) {
    const session on{arguments.at(0)};
    amqp_table_entry_t type{};
    type.key = amqp_cstring_bytes("x-queue-type");
    type.value.kind = AMQP_FIELD_KIND_UTF8;
    type.value.value.bytes = bytes(arguments.at(1));
    constexpr amqp_boolean_t passive = 0, durable = 1, exclusive = 0, auto_delete = 0;
    amqp_queue_declare(on.connection, channel, bytes(bench_stream), passive, durable, exclusive, auto_delete,
                       {1, &type});
    on.answered("declare");
    report(1, std::chrono::seconds{1}, 0);
}

void rabbit_put_role(const words& arguments) {
    const session on{arguments.at(0)};
    amqp_confirm_select(on.connection, channel);
    on.answered("confirms");
    amqp_basic_properties_t persistent{};
    persistent._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    persistent.delivery_mode = AMQP_DELIVERY_PERSISTENT;
    numbered_body body{std::stoul(arguments.at(1))};
    std::uint64_t put = 0;
    confirms confirmed;
    const auto step = [&] {
        check(amqp_basic_publish(on.connection, channel, amqp_empty_bytes, bytes(bench_stream), 0, 0,
                                 &persistent, bytes(body.next())),
              "publish");
        if (++put - confirmed.count() < under_way_most) return;
        while (put - confirmed.count() > under_way_most / 2)
            if (!hear(on, confirmed, patience)) throw std::runtime_error{"no confirm"};
    };
    measure_and_go_on(step, [&] {
        while (hear(on, confirmed, {})) {}
        return confirmed.count();
    });
}

void rabbit_take_role(const words& arguments) {
    const session on{arguments.at(0)};
    amqp_basic_qos(on.connection, channel, 0, prefetched, 0);
    on.answered("prefetch");
    amqp_basic_consume(on.connection, channel, bytes(bench_stream), amqp_empty_bytes, 0, 0, 0,
                       amqp_empty_table);
    on.answered("consume");
    std::uint64_t taken = 0, acked = 0;
    const auto step = [&] {
        amqp_envelope_t got;
        amqp_maybe_release_buffers(on.connection);
        check(amqp_consume_message(on.connection, &got, &patience, 0), "take");
        amqp_destroy_envelope(&got);
        if (++taken - acked < acked_together) return;
        check(amqp_basic_ack(on.connection, channel, taken, 1), "ack");
        acked = taken;
    };
    measure(step, [&] { return acked; });
}

}  // namespace ferry::bench
