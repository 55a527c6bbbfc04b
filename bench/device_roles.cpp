// What may stand in between: ferry's devices, and zmq_proxy with the same sockets.
#include <cstdio>
#include <zmq.hpp>

#include "bench/flow.hpp"
#include "bench/roles.hpp"
#include "ferry/forwarder.hpp"
#include "ferry/queue.hpp"
#include "ferry/streamer.hpp"

namespace ferry::bench {
namespace {

constexpr const char* any_port = "tcp://127.0.0.1:*";

void say(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
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
        each->bind(any_port);
        say(each->get(zmq::sockopt::last_endpoint));
    }
    zmq::proxy(front, back);
}

}  // namespace

void device_role(const words& arguments) {
    struct device {
        void (*ours)();
        zmq::socket_type front, back;
    };
    using enum zmq::socket_type;
    static const std::map<std::string, device> all = {{"streamer", {run_device<streamer>, pull, push}},
                                                      {"forwarder", {run_device<forwarder>, xsub, xpub}},
                                                      {"queue", {run_device<ferry::queue>, router, dealer}}};
    const device& wanted = all.at(arguments.at(1));
    arguments.at(0) == "ferry" ? wanted.ours() : run_proxy(wanted.front, wanted.back);
}

}  // namespace ferry::bench
