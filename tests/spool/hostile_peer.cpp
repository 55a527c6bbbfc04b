#include "tests/spool/hostile_peer.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

#include "core/batch.hpp"
#include "core/log/checksum.hpp"

namespace ferry::test {
namespace {

using namespace protocol;

constexpr int send_timeout_ms = 5000;
constexpr std::uint64_t listen_every = 8;
constexpr std::chrono::milliseconds listen_for{2};

// Numbers that stand at the edges of what the fields can hold, as msgpack writes them, and claims of arrays,
// maps and texts far larger than the frame.
constexpr std::array<std::string_view, 9> edges = {
    std::string_view{"\x00", 1},
    "\x7F",
    "\xFF",
    "\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
    std::string_view{"\xCF\x80\x00\x00\x00\x00\x00\x00\x00", 9},
    std::string_view{"\xD3\x80\x00\x00\x00\x00\x00\x00\x00", 9},
    "\xDD\xFF\xFF\xFF\xFF",
    "\xDF\xFF\xFF\xFF\xFF",
    "\xC6\xFF\xFF\xFF\xFF"};

}  // namespace

hostile_peer::hostile_peer(zmq::context_t& context, const std::string& address, std::uint64_t seed)
    : socket_{context, zmq::socket_type::dealer}, random_{seed} {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::sndtimeo, send_timeout_ms);
    socket_.connect(address);
}

std::uint64_t hostile_peer::number() {
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    switch (pick(4)) {
        case 0:
            return most - pick(3);
        case 1:
            return std::uint64_t{1} << pick(64);
        default:
            return pick(100);
    }
}

// What was delivered, the same twice, overlapping, or far away.
std::vector<run> hostile_peer::runs() {
    std::vector<run> some = delivered_;
    for (auto more = pick(4); more > 0; --more) {
        const std::uint64_t first = pick(3) == 0 ? number() : pick(2000);
        const std::uint64_t room = std::numeric_limits<std::uint64_t>::max() - first;
        some.push_back({first, std::min(pick(5) == 0 ? number() : pick(50), room)});
    }
    if (!some.empty() && pick(4) == 0) some.push_back(some[pick(some.size())]);
    std::shuffle(some.begin(), some.end(), random_);
    return some;
}

hostile_peer::frames hostile_peer::an_open() {
    open request{channel(), stream(), std::nullopt, std::nullopt, pick(3), {}};
    if (pick(2) == 0) request.producer_name = "p" + std::to_string(pick(3));
    if (pick(3) == 0) request.producer_id = std::string(pick(3) == 0 ? pick(20) : 8, 'i');
    if (pick(3) == 0) request.options.emplace("grade", static_cast<std::int64_t>(pick(4)));
    if (pick(8) == 0) request.options.emplace("create", std::int64_t{0});
    return {encode(request)};
}

hostile_peer::frames hostile_peer::a_put() {
    if (pieces_left_ == 0 && pick(6) == 0) {
        pieces_left_ = 1 + pick(3);
        return {encode(part{channel(), 0, pieces_left_}), std::string(pick(3000), 'p')};
    }
    if (pieces_left_ > 0) --pieces_left_;
    std::string batch;
    const std::uint64_t count = 1 + pick(20);
    for (std::uint64_t i = 0; i < count; ++i)
        if (pick(5) == 0) {
            message full{"topic", std::string(pick(100), 'x')};
            full.set_header(pick(20) == 0 ? "priority" : "n", std::int64_t{1});
            append_item(batch, full);
        } else {
            append_payload(batch, std::string(pick(200), 'y'));
        }
    const std::uint64_t on = channel();
    std::uint64_t& last = last_sequence_[on];
    const put request{on, last, last + 1, count, pick(3) == 0, log::crc32c(batch), 1};
    last += count;
    return {encode(request), batch};
}

hostile_peer::frames hostile_peer::a_join() {
    join request{channel(), stream(), group(), {}, {}};
    if (pick(4) == 0) request.group.reset();
    if (pick(2) == 0) request.options.emplace("lease_ms", static_cast<std::int64_t>(1 + pick(50)));
    if (pick(8) == 0) request.options.emplace("max_attempts", static_cast<std::int64_t>(pick(4)));
    if (pick(8) == 0) request.options.emplace("from", pick(2) == 0 ? "new" : std::to_string(number()));
    for (auto held = pick(3); held > 0; --held)
        request.leases.push_back({pick(2) == 0 ? lease_ : number(), runs()});
    frames_read_ = 0;
    return {encode(request)};
}

hostile_peer::frames hostile_peer::a_settlement() {
    const std::uint64_t lease = pick(5) == 0 ? number() : lease_;
    const std::uint64_t on = pick(10) == 0 ? channel() : lease_channel_;
    switch (pick(8)) {
        case 0:
            return {encode(nack{on, lease, runs(), pick(2) == 0 ? std::optional{number()} : std::nullopt,
                                std::string(pick(3) == 0 ? 5000 : 3, 'r')})};
        case 1:
            return {encode(release{on, lease, runs()})};
        case 2:
            return {encode(extend{on, {lease, number()}})};
        case 3:
            return {encode(dead{on, lease, runs(), std::string(pick(3) == 0 ? 5000 : 3, 'd')})};
        default:
            return {encode(ack{on, lease, runs()})};
    }
}

hostile_peer::frames hostile_peer::an_administration() {
    static constexpr std::array commands = {"stream.list", "stream.info",  "stream.create", "group.list",
                                            "group.info",  "group.create", "spool.stats",   "no.such"};
    admin request{number(), commands.at(pick(commands.size())), {{"stream", stream()}, {"group", group()}}};
    if (pick(4) == 0) request.arguments.insert_or_assign("stream", static_cast<std::int64_t>(pick(9)));
    if (pick(4) == 0) request.arguments.emplace("sync", pick(2) == 0 ? "queued" : "never");
    if (pick(4) == 0) request.arguments.emplace("from", std::to_string(number()));
    return {encode(request)};
}

hostile_peer::frames hostile_peer::next_message() {
    // What tears everything down is said seldom, or there would be nothing to tear.
    switch (pick(400)) {
        case 0:
            return {encode(hello{1 + pick(2), "hostile", number()})};
        case 1:
            return {encode(admin{1, "stream.remove", {{"stream", stream()}}})};
        case 2:
            return {encode(admin{1, "group.remove", {{"stream", stream()}, {"group", group()}}})};
        case 3:
            return {encode(leave{channel(), pick(3) == 0 ? number() : frames_read_})};
        default:
            break;
    }
    switch (pick(20)) {
        case 0:
            return an_open();
        case 1:
            return a_join();
        case 2:
        case 3:
        case 4:
            frames_read_ += pick(10);
            return {encode(credit{channel(), number(), number(), pick(6) == 0 ? number() : frames_read_})};
        case 5:
            return {encode(ping{number()})};
        case 6:
            return an_administration();
        case 7:
        case 8:
        case 9:
        case 10:
            return a_settlement();
        case 11: {
            std::string random(pick(80), '\0');
            for (char& each : random) each = static_cast<char>(pick(256));
            return {random};
        }
        default:
            return a_put();
    }
}

void hostile_peer::spoil_bytes(std::string& bytes) {
    const std::size_t at = bytes.empty() ? 0 : pick(bytes.size());
    switch (pick(6)) {
        case 0:
            if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << pick(8)));
            break;
        case 1:
            bytes.resize(at);
            break;
        case 2:
            bytes += std::string(pick(20), static_cast<char>(pick(256)));
            break;
        case 3: {
            const std::string_view edge = edges.at(pick(edges.size()));
            bytes.replace(at, std::min<std::size_t>(1 + pick(9), bytes.size() - at), edge);
            break;
        }
        case 4:
            if (!last_.empty()) bytes = bytes.substr(0, at) + last_.front().substr(last_.front().size() / 2);
            break;
        default:
            for (auto some = pick(8); some > 0 && !bytes.empty(); --some)
                bytes[pick(bytes.size())] = static_cast<char>(pick(256));
    }
}

void hostile_peer::spoil(frames& message) {
    ++spoiled_;
    switch (pick(10)) {
        case 0:
            message.insert(message.begin() + static_cast<std::ptrdiff_t>(pick(message.size() + 1)), "");
            break;
        case 1:
            if (message.size() > 1) message.pop_back();
            break;
        case 2:
            message.insert(message.end(), last_.begin(), last_.end());
            break;
        case 3:
            message.assign(1 + pick(6), std::string(pick(4), '\x93'));
            break;
        default:
            spoil_bytes(message[pick(message.size())]);
    }
}

bool hostile_peer::speak() {
    frames next = sent_ == 0 ? frames{encode(hello{})} : next_message();
    const frames whole = next;
    if (sent_ > 0 && pick(2) == 0) spoil(next);
    last_ = whole;
    for (std::size_t i = 0; i < next.size(); ++i) {
        const bool more = i + 1 < next.size();
        if (!socket_.send(zmq::buffer(next[i]), more ? zmq::send_flags::sndmore : zmq::send_flags::none))
            return false;
    }
    ++sent_;
    listen();
    return true;
}

// Takes in what came; now and then waits for it, or most would be said before the first answer is there.
void hostile_peer::listen() {
    zmq::pollitem_t readable{socket_.handle(), 0, ZMQ_POLLIN, 0};
    if (sent_ % listen_every == 0) zmq::poll(&readable, 1, listen_for);
    zmq::message_t frame;
    while (socket_.recv(frame, zmq::recv_flags::dontwait)) {
        ++heard_;
        hear(frame.to_string_view());
        if (frame.more()) static_cast<void>(socket_.recv(frame));
    }
}

// A lease that was really given is worth more to it than one made up, and so is a sequence that is expected.
void hostile_peer::hear(std::string_view head) {
    if (deliver given; decode(head, given) && given.lease != 0) {
        lease_ = given.lease;
        lease_channel_ = given.channel;
        delivered_.clear();
        for (const delivered_run& each : given.runs) delivered_.push_back({each.offset, each.count});
    } else if (opened now; decode(head, now)) {
        last_sequence_[now.channel] = now.last_sequence;
    } else if (refused no; decode(head, no) && no.expected > 0) {
        last_sequence_[no.channel] = no.expected - 1;
    }
}

}  // namespace ferry::test
