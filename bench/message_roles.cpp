// Push/pull, pub/sub and question/answer, by ferry and by plain libzmq sending the same frames.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <optional>
#include <stdexcept>
#include <thread>
#include <zmq.hpp>

#include "bench/flow.hpp"
#include "bench/meter.hpp"
#include "bench/pace.hpp"
#include "bench/roles.hpp"
#include "ferry/publisher.hpp"
#include "ferry/puller.hpp"
#include "ferry/pusher.hpp"
#include "ferry/replier.hpp"
#include "ferry/requester.hpp"
#include "ferry/subscriber.hpp"

namespace ferry::bench {
namespace {

constexpr const char* topic = "eur.usd";
// What the envelope's header frame of a counted message takes.
constexpr std::size_t envelope_bytes = 36;

void say(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

// Of one process; over inproc both sides share them.
struct contexts {
    ferry::context ours;
    zmq::context_t plain;
};

struct shape {
    explicit shape(const std::string& kind)
        : push{kind.starts_with("push")}, counted{kind == "counted"}, batch{kind.ends_with("-batch")} {}
    const bool push, counted, batch;
    bool enveloped() const noexcept { return counted || batch; }
};

// Pushers and pullers feel how full they are: libzmq's own limit does, but for large messages.
socket_options pushing(std::size_t size) {
    return {.high_water_mark = std::min(1000, flow{size}.queue)};
}

struct sending {
    std::string where, credit_at;
    std::size_t size;
    double rate;
};

// An address that ends with * is bound. Only tcp has a port to be found there; else what stands before it is
// bound.
std::string name_of(const std::string& where) {
    return where.starts_with("tcp:") ? where : where.substr(0, where.size() - 1);
}

endpoint parsed(const std::string& where) {
    return where.ends_with('*') ? ferry::bind(name_of(where)) : ferry::connect(where);
}

std::string attach(zmq::socket_t& socket, const std::string& where) {
    if (!where.ends_with('*')) {
        socket.connect(where);
        return {};
    }
    socket.bind(name_of(where));
    return socket.get(zmq::sockopt::last_endpoint);
}

// Credit keeps a flood of topics from being dropped; what is sent at a rate must not wait for it.
class topic_flow {
  public:
    topic_flow(const sending& how, const shape& what) {
        const flow by{how.size};
        if (how.rate == 0)
            credit_.emplace(how.credit_at, by.step, what.batch ? by.start_of_batches(how.size) : by.start());
    }
    void spend() {
        if (credit_) credit_->spend();
    }

  private:
    std::optional<credit_taker> credit_;
};

void send_by_ferry(contexts& in, const shape& what, const sending& how) {
    numbered_body body{how.size};
    pace by{how.rate};
    if (what.push) {
        pusher out{in.ours, parsed(how.where), {.batch = what.batch, .socket = pushing(how.size)}};
        while (true) out.send(body.next(by.next()));
    }
    publisher out{in.ours,
                  parsed(how.where),
                  {.envelope = what.enveloped() ? envelope_mode::full : envelope_mode::none,
                   .overflow = what.batch && how.rate == 0 ? overflow::block : overflow::drop_newest,
                   .batch = what.batch,
                   .socket = {.high_water_mark = flow{how.size}.queue}}};
    out.wait_for_subscribers(1);
    for (topic_flow credit{how, what};;) {
        credit.spend();
        out.publish(frame{std::string_view{topic}}, frame{body.next(by.next())});
    }
}

void send_plain(contexts& in, const shape& what, const sending& how) {
    numbered_body body{how.size};
    pace by{how.rate};
    zmq::socket_t out{in.plain, what.push ? zmq::socket_type::push : zmq::socket_type::xpub};
    out.set(zmq::sockopt::sndhwm, what.push ? pushing(how.size).high_water_mark : flow{how.size}.queue);
    attach(out, how.where);
    if (what.push)
        while (true) out.send(zmq::message_t{body.next(by.next())}, zmq::send_flags::none);
    zmq::message_t subscription;
    if (!out.recv(subscription)) throw std::runtime_error{"interrupted"};
    const std::string header(envelope_bytes, 'h');
    for (topic_flow credit{how, what};;) {
        credit.spend();
        out.send(zmq::message_t{std::string_view{topic}}, zmq::send_flags::sndmore);
        if (what.counted) out.send(zmq::message_t{header}, zmq::send_flags::sndmore);
        out.send(zmq::message_t{body.next(by.next())}, zmq::send_flags::none);
    }
}

struct receiving {
    std::string where;
    std::size_t size;
    double rate;
    std::chrono::milliseconds lasts;
    std::uint64_t step(const shape& what) const { return what.push || rate > 0 ? 0 : flow{size}.step; }
    /// Told where it is bound (nothing when it connects) and where it gives credit.
    std::function<void(const std::string& bound, const std::string& credit_at)> ready;
};

template <typename Receiver>
meter measure(Receiver& in, const shape& what, const receiving& how) {
    credit_giver credit{how.step(what)};
    how.ready(in.endpoints().empty() ? "" : in.endpoints().at(0), credit.endpoint());
    meter meter{how.lasts};
    while (!meter.over()) {
        meter.take(in.receive()->body());
        credit.took();
    }
    return meter;
}

meter receive_by_ferry(contexts& of, const shape& what, const receiving& how) {
    socket_options queue =
        what.push ? pushing(how.size) : socket_options{.high_water_mark = flow{how.size}.queue};
    if (what.batch) queue.high_water_mark = std::min(queue.high_water_mark, 1000);
    if (what.push) {
        puller in{of.ours, parsed(how.where), {.socket = queue}};
        return measure(in, what, how);
    }
    subscriber in{of.ours, parsed(how.where), {.socket = queue}};
    return measure(in, what, how);
}

meter receive_plain(contexts& of, const shape& what, const receiving& how) {
    zmq::socket_t in{of.plain, what.push ? zmq::socket_type::pull : zmq::socket_type::sub};
    in.set(zmq::sockopt::rcvhwm, what.push ? pushing(how.size).high_water_mark : flow{how.size}.queue);
    if (!what.push) in.set(zmq::sockopt::subscribe, "");
    const std::string bound = attach(in, how.where);
    credit_giver credit{how.step(what)};
    how.ready(bound, credit.endpoint());
    meter meter{how.lasts};
    while (!meter.over()) {
        zmq::message_t part;
        do {
            if (!in.recv(part)) throw std::runtime_error{"interrupted"};
        } while (part.more());
        meter.take(part.to_string_view());
        credit.took();
    }
    return meter;
}

/// Told where it is bound.
using bound_listener = std::function<void(const std::string& bound)>;

void answer_by_ferry(contexts& in, const std::string& where, const bound_listener& ready) {
    replier answers{in.ours, parsed(where)};
    ready(answers.endpoints().at(0));
    answers.serve([](const message& question) { return question; });
}

void answer_plain(contexts& in, const std::string& where, const bound_listener& ready) {
    zmq::socket_t answers{in.plain, zmq::socket_type::router};
    ready(attach(answers, where));
    while (true) {
        zmq::message_t part;
        if (!answers.recv(part)) throw std::runtime_error{"interrupted"};
        const bool more = part.more();
        answers.send(part, more ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
}

void ask_by_ferry(contexts& in, const std::string& where, numbered_body body, pace by, meter& meter) {
    requester asks{in.ours, parsed(where)};
    while (!meter.over()) {
        const std::uint64_t due_ns = by.next();
        const auto reply = asks.request(body.next(due_ns != 0 ? due_ns : read_clocks().monotonic_ns));
        if (!reply) throw std::runtime_error{"no reply"};
        meter.take(reply->body());
    }
}

void ask_plain(contexts& in, const std::string& where, numbered_body body, pace by, meter& meter) {
    zmq::socket_t asks{in.plain, zmq::socket_type::dealer};
    attach(asks, where);
    while (!meter.over()) {
        const std::uint64_t due_ns = by.next();
        asks.send(zmq::message_t{}, zmq::send_flags::sndmore);
        asks.send(zmq::message_t{body.next(due_ns != 0 ? due_ns : read_clocks().monotonic_ns)},
                  zmq::send_flags::none);
        zmq::message_t part;
        do {
            if (!asks.recv(part)) throw std::runtime_error{"interrupted"};
        } while (part.more());
        meter.take(part.to_string_view());
    }
}

meter receive(contexts& in, const std::string& who, const shape& what, const receiving& how) {
    return (who == "ferry" ? receive_by_ferry : receive_plain)(in, what, how);
}

void send(contexts& in, const std::string& who, const shape& what, const sending& how) {
    (who == "ferry" ? send_by_ferry : send_plain)(in, what, how);
}

void answer(contexts& in, const std::string& who, const std::string& where, const bound_listener& ready) {
    (who == "ferry" ? answer_by_ferry : answer_plain)(in, where, ready);
}

meter ask(contexts& in, const std::string& who, const sending& how, std::chrono::milliseconds lasts) {
    meter meter{lasts};
    (who == "ferry" ? ask_by_ferry : ask_plain)(in, how.where, numbered_body{how.size}, pace{how.rate},
                                                meter);
    return meter;
}

std::chrono::milliseconds lasting(const words& arguments, std::size_t at) {
    return arguments.size() > at ? std::chrono::milliseconds{std::stoll(arguments[at])} : window;
}

}  // namespace

void send_role(const words& arguments) {
    contexts in;
    const double rate = arguments.size() > 5 ? std::stod(arguments[5]) : 0;
    send(in, arguments.at(0), shape{arguments.at(1)},
         {arguments.at(2), arguments.at(3), std::stoul(arguments.at(4)), rate});
}

void receive_role(const words& arguments) {
    contexts in;
    const auto ready = [](const std::string& bound, const std::string& credit_at) {
        if (!bound.empty()) say(bound);
        say(credit_at);
    };
    const std::size_t size = arguments.size() > 4 ? std::stoul(arguments[4]) : 64;
    const double rate = arguments.size() > 5 ? std::stod(arguments[5]) : 0;
    receive(in, arguments.at(0), shape{arguments.at(1)},
            {arguments.at(2), size, rate, lasting(arguments, 3), ready})
        .report();
}

void answer_role(const words& arguments) {
    contexts in;
    answer(in, arguments.at(0), arguments.at(1), say);
}

void ask_role(const words& arguments) {
    contexts in;
    ask(in, arguments.at(0), {arguments.at(1), "", std::stoul(arguments.at(2)), std::stod(arguments.at(3))},
        lasting(arguments, 4))
        .report();
}

// The other side is a thread, which ends with the process.
void inproc_role(const words& arguments) {
    contexts in;
    const std::string& who = arguments.at(0);
    const std::string& kind = arguments.at(1);
    sending how{"", "", std::stoul(arguments.at(2)), std::stod(arguments.at(3))};
    const std::chrono::milliseconds lasts = lasting(arguments, 4);
    const std::string where = "inproc://bench*";
    if (kind == "req") {
        std::promise<std::string> bound;
        std::thread{[&] {
            answer(in, who, where, [&](const std::string& at) { bound.set_value(at); });
        }}.detach();
        how.where = bound.get_future().get();
        ask(in, who, how, lasts).report();
    } else {
        const auto ready = [&](const std::string& bound, const std::string& credit_at) {
            how.where = bound;
            how.credit_at = credit_at;
            std::thread{[&] { send(in, who, shape{kind}, how); }}.detach();
        };
        receive(in, who, shape{kind}, {where, how.size, how.rate, lasts, ready}).report();
    }
    std::_Exit(0);
}

}  // namespace ferry::bench
