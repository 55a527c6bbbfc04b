// Received frames whose bytes are kept: what they cost.
#include "core/shared_frame.hpp"

#include <doctest/doctest.h>
#include <malloc.h>

#include <functional>
#include <string>
#include <vector>
#include <zmq.hpp>

using namespace ferry;

namespace {

constexpr std::size_t messages = 1000;

// Bytes in use by the end, for each of so many messages of 100 bytes that came one at a time over tcp.
std::size_t cost_of_each(const std::function<void(frame&&)>& keep) {
    zmq::context_t context;
    zmq::socket_t into{context, zmq::socket_type::pair};
    into.set(zmq::sockopt::rcvtimeo, 10000);
    into.bind("tcp://127.0.0.1:*");
    zmq::socket_t from{context, zmq::socket_type::pair};
    from.connect(into.get(zmq::sockopt::last_endpoint));
    const auto one = [&] {
        const std::string text(100, 'x');
        REQUIRE(zmq_send(from.handle(), text.data(), text.size(), 0) == 100);
        frame received;
        REQUIRE(zmq_msg_recv(static_cast<zmq_msg_t*>(received.native()), into.handle(), 0) == 100);
        return received;
    };
    one();
    const std::size_t before = ::mallinfo2().uordblks;
    for (std::size_t i = 0; i < messages; ++i) keep(one());
    return (::mallinfo2().uordblks - before) / messages;
}

}  // namespace

TEST_CASE("shared frame: small bodies that are kept do not keep the buffers they came in") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    MESSAGE("SKIPPED: a sanitizer's allocator keeps no account");
    return;
#endif
    std::vector<shared_bytes> kept;
    kept.reserve(messages);
    CHECK(cost_of_each([&](frame&& each) { kept.push_back(bytes_of(std::move(each))); }) < 512);
    CHECK(kept.back().view == std::string(100, 'x'));
    // What it is there for.
    std::vector<frame> frames;
    frames.reserve(messages);
    CHECK(cost_of_each([&](frame&& each) { frames.push_back(std::move(each)); }) > 4096);
}

TEST_CASE("shared frame: a large body is kept as it came") {
    frame large{std::string(100'000, 'x')};
    const char* const bytes = large.view().data();
    CHECK(bytes_of(std::move(large)).view.data() == bytes);
    CHECK(bytes_of(frame{""}).view.empty());
}
