// Push/pull and pub/sub, by ferry and by plain libzmq sending the same frames, and what may stand in between.
#include <cstdio>
#include <stdexcept>
#include <zmq.hpp>

#include "bench/flow.hpp"
#include "bench/meter.hpp"
#include "bench/roles.hpp"
#include "ferry/forwarder.hpp"
#include "ferry/publisher.hpp"
#include "ferry/puller.hpp"
#include "ferry/pusher.hpp"
#include "ferry/streamer.hpp"
#include "ferry/subscriber.hpp"

namespace ferry::bench {
namespace {

constexpr const char* any_port = "tcp://127.0.0.1:*";
constexpr const char* topic = "eur.usd";
// What the envelope's header frame of a counted message takes.
constexpr std::size_t envelope_bytes = 36;

void say(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

endpoint parsed(const std::string& where) {
    return where.ends_with('*') ? ferry::bind(where) : ferry::connect(where);
}

void attach(zmq::socket_t& socket, const std::string& where) {
    if (!where.ends_with('*')) return socket.connect(where);
    socket.bind(where);
    say(socket.get(zmq::sockopt::last_endpoint));
}

void push_by_ferry(const std::string& where, numbered_body body) {
    context context;
    pusher out{context, parsed(where)};
    while (true) out.send(body.next());
}

void publish_by_ferry(envelope_mode envelope, const std::string& where, credit_taker credit,
                      numbered_body body) {
    context context;
    publisher out{
        context, parsed(where), {.envelope = envelope, .socket = {.high_water_mark = high_water_mark}}};
    out.wait_for_subscribers(1);
    while (true) {
        credit.spend();
        out.publish(frame{std::string_view{topic}}, frame{body.next()});
    }
}

void push_plain(const std::string& where, numbered_body body) {
    zmq::context_t context;
    zmq::socket_t out{context, zmq::socket_type::push};
    attach(out, where);
    while (true) out.send(zmq::message_t{body.next()}, zmq::send_flags::none);
}

void publish_plain(bool counted, const std::string& where, credit_taker credit, numbered_body body) {
    zmq::context_t context;
    zmq::socket_t out{context, zmq::socket_type::xpub};
    out.set(zmq::sockopt::sndhwm, high_water_mark);
    attach(out, where);
    zmq::message_t subscription;
    if (!out.recv(subscription)) throw std::runtime_error{"interrupted"};
    const std::string header(envelope_bytes, 'h');
    while (true) {
        credit.spend();
        out.send(zmq::message_t{std::string_view{topic}}, zmq::send_flags::sndmore);
        if (counted) out.send(zmq::message_t{header}, zmq::send_flags::sndmore);
        out.send(zmq::message_t{body.next()}, zmq::send_flags::none);
    }
}

template <typename Receiver>
void measure(Receiver& in) {
    if (!in.endpoints().empty()) say(in.endpoints().at(0));
    credit_giver credit;
    say(credit.endpoint());
    meter meter;
    while (!meter.over()) {
        meter.take(in.receive()->body());
        credit.took();
    }
    meter.report();
}

void receive_plain(const std::string& kind, const std::string& where) {
    zmq::context_t context;
    zmq::socket_t in{context, kind == "push" ? zmq::socket_type::pull : zmq::socket_type::sub};
    if (kind != "push") {
        in.set(zmq::sockopt::rcvhwm, high_water_mark);
        in.set(zmq::sockopt::subscribe, "");
    }
    attach(in, where);
    credit_giver credit;
    say(credit.endpoint());
    meter meter;
    while (!meter.over()) {
        zmq::message_t part;
        do {
            if (!in.recv(part)) throw std::runtime_error{"interrupted"};
        } while (part.more());
        meter.take(part.to_string_view());
        credit.took();
    }
    meter.report();
}

template <typename Device>
void run_device() {
    context context;
    Device device{context,
                  ferry::bind(any_port),
                  ferry::bind(any_port),
                  {.socket = {.high_water_mark = high_water_mark}}};
    for (const std::string& each : device.endpoints()) say(each);
    device.run();
}

void run_proxy(zmq::socket_type front_type, zmq::socket_type back_type) {
    zmq::context_t context;
    zmq::socket_t front{context, front_type};
    zmq::socket_t back{context, back_type};
    for (zmq::socket_t* each : {&front, &back}) {
        each->set(zmq::sockopt::sndhwm, high_water_mark);
        each->set(zmq::sockopt::rcvhwm, high_water_mark);
    }
    attach(front, any_port);
    attach(back, any_port);
    zmq::proxy(front, back);
}

}  // namespace

void send_role(const words& arguments) {
    const bool is_ferry = arguments.at(0) == "ferry";
    const std::string& kind = arguments.at(1);
    const std::string& where = arguments.at(2);
    numbered_body body{std::stoul(arguments.at(4))};
    if (kind == "push") return is_ferry ? push_by_ferry(where, body) : push_plain(where, body);
    credit_taker credit{arguments.at(3)};
    const bool counted = kind == "counted";
    if (is_ferry)
        publish_by_ferry(counted ? envelope_mode::full : envelope_mode::none, where, std::move(credit), body);
    else
        publish_plain(counted, where, std::move(credit), body);
}

void receive_role(const words& arguments) {
    const std::string& kind = arguments.at(1);
    if (arguments.at(0) == "plain") return receive_plain(kind, arguments.at(2));
    context context;
    if (kind == "push") {
        puller in{context, parsed(arguments.at(2))};
        measure(in);
    } else {
        subscriber in{context, parsed(arguments.at(2)), {.socket = {.high_water_mark = high_water_mark}}};
        measure(in);
    }
}

void device_role(const words& arguments) {
    const bool is_streamer = arguments.at(1) == "streamer";
    if (arguments.at(0) == "ferry") return is_streamer ? run_device<streamer>() : run_device<forwarder>();
    is_streamer ? run_proxy(zmq::socket_type::pull, zmq::socket_type::push)
                : run_proxy(zmq::socket_type::xsub, zmq::socket_type::xpub);
}

}  // namespace ferry::bench
