#include <doctest/doctest.h>

#include <array>
#include <msgpack.hpp>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/encoding.hpp"
#include "cli/exit_codes.hpp"
#include "cli/formats.hpp"
#include "cli/msgpack_text.hpp"
#include "cli/option_names.hpp"
#include "cli/template.hpp"
#include "cli/words.hpp"

using namespace ferry;
using namespace ferry::cli;
using namespace std::string_literals;

using words = std::vector<std::string>;

TEST_CASE("words: a command is split as a shell quotes, and nothing is expanded") {
    CHECK(split_words("wc -c") == words{"wc", "-c"});
    CHECK(split_words("  a\tb\n c ") == words{"a", "b", "c"});
    CHECK(split_words(R"(sh -c 'echo "a b"')") == words{"sh", "-c", R"(echo "a b")"});
    CHECK(split_words(R"("a b"c'd e')") == words{"a bcd e"});
    CHECK(split_words(R"('' "")") == words{"", ""});
    CHECK(split_words(R"(a\ b \'\" \\)") == words{"a b", "'\"", "\\"});
    CHECK(split_words(R"("\a \" \\ \$ \`")") == words{R"(\a " \ $ `)"});
    CHECK(split_words(R"('\n')") == words{R"(\n)"});
    CHECK(split_words("a\\\nb \"c\\\nd\"") == words{"ab", "cd"});
    CHECK(split_words("$HOME *.txt ~ `ls` a|b >c") == words{"$HOME", "*.txt", "~", "`ls`", "a|b", ">c"});
    CHECK(split_words("").empty());
    for (const char* open : {"'a", "\"a", "a\\", "\"a\\\""}) CHECK_THROWS_AS(split_words(open), usage_error);
}

TEST_CASE("words: a slip of a letter or two is recognised, another word is not") {
    constexpr std::array<std::string_view, 5> known = {"pub", "sub", "push", "pull", "forwarder"};
    CHECK(nearest("pubb", known) == "pub");
    CHECK(nearest("psuh", known) == "push");
    CHECK(nearest("forwader", known) == "forwarder");
    CHECK(nearest("bench", known).empty());
    CHECK(nearest("x", known).empty());
    CHECK(did_you_mean("pubb", known) == "; did you mean pub?");
    CHECK(did_you_mean("bench", known).empty());
}

TEST_CASE("encoding: UTF-8 is the shortest form of what Unicode has, and nothing else") {
    for (const char* good : {"", "hello", "\x7f", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEF\xBF\xBF",
                             "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
        CHECK(is_utf8(good));
    for (const char* bad :
         {"\x80", "\xC0\xAF", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE2\x82", "a\xE2\x28\xA1"})
        CHECK_FALSE(is_utf8(bad));
}

TEST_CASE("encoding: base64 follows the examples of RFC 4648 both ways") {
    for (const auto& [bytes, text] :
         std::array<std::pair<const char*, const char*>, 7>{{{"", ""},
                                                             {"f", "Zg=="},
                                                             {"fo", "Zm8="},
                                                             {"foo", "Zm9v"},
                                                             {"foob", "Zm9vYg=="},
                                                             {"fooba", "Zm9vYmE="},
                                                             {"foobar", "Zm9vYmFy"}}}) {
        CHECK(to_base64(bytes) == text);
        CHECK(from_base64(text) == std::string{bytes});
    }
    for (const char* wrong : {"Zg=", "Zg", "Z", "Zh==", "Zm9=", "====", "Zg==Zg==", "Zm 8", "Zm8-"})
        CHECK_FALSE(from_base64(wrong).has_value());
}

TEST_CASE("encoding: a terminal is shown nothing it would obey") {
    CHECK(for_terminal("plain \xC3\xA4") == "plain \xC3\xA4");
    CHECK(for_terminal("a\nb\t\x1b[31m\\") == R"(a\nb\t\x1b[31m\\)");
    CHECK(for_terminal("\xC2\x9B"
                       "31m") == R"(\u009b31m)");
    CHECK(for_terminal("\xff\x00\x01"s) == "<3 bytes ff 00 01>");
    CHECK(for_terminal("\xff") == "<1 byte ff>");
}

TEST_CASE("formats: lines and whole are other names of line and raw") {
    CHECK(parse_in_format("lines") == in_format::line);
    CHECK(parse_in_format("whole") == in_format::raw);
    CHECK(parse_out_format("msgpack") == out_format::msgpack);
    CHECK_THROWS_WITH_AS(parse_out_format("jsno"), "--out: unknown format 'jsno'; did you mean json?",
                         usage_error);
    CHECK_THROWS_AS(parse_in_format("hex"), usage_error);
}

TEST_CASE("template: fields, escapes and doubled braces are filled in") {
    message m{frame{"news"}, frame{"\xff!"}};
    m.set_header("who", std::string{"me"});
    m.set_header("count", std::int64_t{-7});
    const delivered_as delivered{"jobs", "default", 41, 2, 0};
    const auto filled = [&](const char* text) {
        std::string out;
        output_template{text, true}.fill(out, {m, &delivered, 3, 1'790'000'000'000'000'000});
        return out;
    };
    CHECK(filled(R"({n} {topic} {payload:hex} {payload:b64} {size}\n)") == "3 news ff21 /yE= 2\n");
    CHECK(filled("{payload}{{x}}") == "\xff!{x}");
    CHECK(filled("{h.who}|{h.count}|{h.absent}|") == "me|-7||");
    CHECK(filled("{stream}/{group} {offset} {attempt} {ts}") ==
          "jobs/default 41 2 2026-09-21T14:13:20.000000Z");
    CHECK(filled(R"(\t\r\0\\\x41)") == "\t\r\0\\A"s);
}

TEST_CASE("template: an unknown field is refused before anything is printed") {
    CHECK_THROWS_WITH_AS((output_template{"{topci}", false}),
                         "--format: unknown field {topci}; did you mean topic?", usage_error);
    for (const char* wrong : {"{", "{}", "{offset}", "\\q", "\\x4", "a\\", "{h.}"})
        CHECK_THROWS_AS((output_template{wrong, false}), usage_error);
}

TEST_CASE("msgpack text: bytes, extensions, timestamps and integer keys are shown as what they are") {
    msgpack::sbuffer buffer;
    msgpack::packer<msgpack::sbuffer> pack{buffer};
    pack.pack_map(5);
    pack.pack("s").pack("a\"b");
    pack.pack(7).pack_bin(3).pack_bin_body("\xff\x00\x01", 3);
    pack.pack(-1).pack_array(3).pack_nil().pack(1.5).pack(true);
    pack.pack("e").pack_ext(2, 5).pack_ext_body("\x0a\x0b", 2);
    pack.pack("t").pack_ext(4, -1).pack_ext_body("\x00\x01\x51\x80", 4);
    const std::string_view bytes{buffer.data(), buffer.size()};
    CHECK(
        msgpack_to_text(bytes).value_or("none") ==
        R"({"s": "a\"b", 7: bin(3) ff0001, -1: [null, 1.5, true], "e": ext(5, 2) 0a0b, "t": 1970-01-02T00:00:00.000000Z})");
    CHECK(
        msgpack_to_json(bytes).value_or("none") ==
        R"({"s":"a\"b","7":{"b64":"/wAB"},"-1":[null,1.5,true],"e":{"ext":5,"b64":"Cgs="},"t":"1970-01-02T00:00:00.000000Z"})");
    CHECK(msgpack_to_text("\xcb\x3f\xf0\0\0\0\0\0\0"s).value_or("none") == "1.0");
    CHECK(msgpack_to_text("\xcb\x80\0\0\0\0\0\0\0"s).value_or("none") == "-0.0");
    for (const std::string& wrong :
         {""s, "\xc1"s, "\x01\x02"s, "\x93\x01"s, "\xdd\xff\xff\xff\xff"s, std::string(200, '\x91')})
        CHECK_FALSE(msgpack_to_text(wrong).has_value());
}

TEST_CASE("socket options: a name is taken in any case, with or without ZMQ_") {
    CHECK(std::get<int>(parse_socket_option("ZMQ_SNDBUF=65536").value) == 65536);
    CHECK(std::get<std::int64_t>(parse_socket_option("maxmsgsize=-1").value) == -1);
    CHECK(std::get<std::string>(parse_socket_option("bindtodevice=lo").value) == "lo");
    CHECK_THROWS_WITH_AS(parse_socket_option("SNDBUFF=1"),
                         "--opt: unknown socket option 'SNDBUFF'; did you mean SNDBUF?", usage_error);
    for (const char* wrong : {"SNDBUF", "SNDBUF=", "SNDBUF=x", "SNDBUF=99999999999", "=1"})
        CHECK_THROWS_AS(parse_socket_option(wrong), usage_error);
}

TEST_CASE("endpoints: a word counts as one only when it can be nothing else") {
    for (const char* endpoint :
         {"tcp://a:1", "@:0", "@any:5", ":5555", "/run/x.sock", "./x", "host:5555", "[::1]:80"})
        CHECK(looks_like_endpoint(endpoint));
    for (const char* word : {"news", "", "host:", "host:http", "a b:1", "news.eur", "5555"})
        CHECK_FALSE(looks_like_endpoint(word));
}

TEST_CASE("text: maps within keys are shown while that is readable, and refused before it explodes") {
    // {{{... 1: 1}: 1}: 1}, so many maps within keys.
    const auto nested = [](int levels) {
        std::string bytes(static_cast<std::size_t>(levels), '\x81');
        return bytes + std::string(static_cast<std::size_t>(levels) + 1, '\x01');
    };
    CHECK(msgpack_to_json(nested(1)) == R"({"1":1})");
    CHECK(msgpack_to_json(nested(2)) == R"({"{\"1\":1}":1})");
    CHECK(msgpack_to_json(nested(3)).value().size() < 100);
    for (const int levels : {4, 20, 60}) {
        CHECK_FALSE(msgpack_to_json(nested(levels)));
        CHECK_FALSE(msgpack_to_text(nested(levels)));
    }
}
