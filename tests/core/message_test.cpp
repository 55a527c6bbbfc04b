#include "ferry/message.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "ferry/pack.hpp"

using namespace ferry;

TEST_CASE("message: a large string is moved in and its bytes are shared by copies") {
    std::string text(1 << 20, 'x');
    const char* bytes = text.data();
    const frame first{std::move(text)};
    CHECK(first.view().data() == bytes);
    const frame second = first;
    CHECK(second.view().data() == bytes);
}

TEST_CASE("message: small frames are values of their own") {
    frame a{"abc"};
    frame b = a;
    b.data()[0] = 'X';
    CHECK(a.view() == "abc");
    CHECK(b.view() == "Xbc");
    a = std::move(b);
    CHECK(a.view() == "Xbc");
}

// Frames are moved by copying the zmq_msg_t in them: what libzmq keeps inside, allocates, shares or was
// given.
TEST_CASE("message: a frame that is moved is the same bytes, let go of once, however libzmq keeps them") {
    zmq::context_t context;
    zmq::socket_t in{context, zmq::socket_type::pull};
    in.bind("tcp://127.0.0.1:*");
    zmq::socket_t out{context, zmq::socket_type::push};
    out.connect(in.get(zmq::sockopt::last_endpoint));
    for (const std::size_t size : {0, 1, 33, 34, 72, 73, 100, 1000, 9000, 100'000}) {
        CAPTURE(size);
        const std::string text(size, 'x');
        int let_go = 0;
        {
            const auto owner =
                std::shared_ptr<const void>{&let_go, [](const int* count) { ++*const_cast<int*>(count); }};
            std::vector<frame> frames;
            frames.emplace_back(std::string_view{text});  // copied
            frames.emplace_back(std::string{text});       // moved in
            frames.emplace_back(owner, text);             // owned by somebody else
            frames.push_back(frames.back());              // shared
            for (std::size_t i = 0; i < 4; ++i) {
                frame native{frames[i]};
                native.native();
                frames.push_back(std::move(native));
            }
            out.send(zmq::message_t{text}, zmq::send_flags::none);  // in libzmq's own buffer
            zmq::message_t received;
            REQUIRE(in.recv(received));
            frame kept;
            kept.receive(received.handle());
            frames.push_back(std::move(kept));
            for (frame& each : frames) {
                frame moved{std::move(each)};
                CHECK(each.empty());  // NOLINT: that is what is asked
                frame assigned{std::string_view{text}};
                assigned = std::move(moved);
                CHECK(moved.empty());  // NOLINT
                moved = frame{"used again"};
                CHECK(moved.view() == "used again");
                each = std::move(assigned);
                CHECK(each.view() == text);
            }
        }
        CHECK(let_go == 1);
    }
}

TEST_CASE("message: an empty topic is a topic") {
    CHECK_FALSE(message{"x"}.has_topic());
    CHECK(message{"", "x"}.has_topic());
}

TEST_CASE("message: copies do not share headers") {
    message a{"t", "x"};
    a.set_header("k", "1");
    message b = a;
    b.set_header("k", "2");
    CHECK(a.header("k") == "1");
    CHECK(b.header("k") == "2");
    CHECK(b.header("none") == std::nullopt);
}

TEST_CASE("pack: typed values go out and come back, other bytes are an error") {
    CHECK(unpack<std::pair<int, std::string>>(pack(std::pair{19, std::string{"x"}})) ==
          std::pair{19, std::string{"x"}});
    CHECK_THROWS_AS(unpack<int>("\xA1x"), error);
    CHECK_THROWS_AS(unpack<int>(""), error);
    CHECK_THROWS_AS(unpack<std::vector<int>>("\xDD\xFF\xFF\xFF\xFF"), error);
}
