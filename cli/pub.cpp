// ferry pub: publishes messages once somebody wants them.
#include <fmt/format.h>

#include <array>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/exit_codes.hpp"
#include "cli/sending.hpp"
#include "ferry/publisher.hpp"

namespace ferry::cli {
namespace {

struct pub_words {
    std::string topic;
    bool has_topic = false;
    std::optional<std::string> message;
};

// [TOPIC [MESSAGE]], or [MESSAGE] when the topic comes otherwise. `-` alone is stdin, not a topic.
pub_words read_words(std::vector<std::string> words, const shared_flags& flags) {
    pub_words read;
    read.has_topic = take_topic(flags, read.topic);
    const bool topic_elsewhere = read.has_topic || flags.in.format == in_format::json;
    const bool stdin_alone = words.size() == 1 && words[0] == "-";
    if (!topic_elsewhere && !stdin_alone && !words.empty()) {
        read.topic = words.front();
        read.has_topic = true;
        words.erase(words.begin());
    }
    if (words.size() > 1) throw usage_error{fmt::format("one argument too many: '{}'", words[1])};
    if (!words.empty()) read.message = words[0];
    return read;
}

// What a subscriber's prefix is matched with: the topic, which is the payload where there is none.
std::string_view matched(const message& m, const shared_flags& flags) {
    const bool one_frame = !m.has_topic() && m.headers().empty() && flags.envelope != envelope_mode::full;
    return one_frame ? m.body() : m.topic();
}

int run_pub(command_line& line) {
    const sender_line told = read_sender_line(line);
    const shared_flags& flags = told.flags;
    const pub_words read = read_words(told.words, flags);
    const bool filtered_by_bytes =
        !read.has_topic && flags.in.format != in_format::json && flags.envelope != envelope_mode::full;
    if (flags.batch && filtered_by_bytes)
        throw usage_error{"--batch needs a topic: messages without one are picked by their own bytes"};

    context context;
    context.stop_on_signals();
    input in{context, flags.in, in_format::line, read.message};
    // What a script pipes in shall arrive: a slow subscriber holds us back instead of losing messages.
    auto pub = open(flags.speaker(), told.where, [&] {
        return publisher{context,
                         told.where,
                         {.envelope = flags.envelope,
                          .overflow = overflow::block,
                          .batch = flags.batch,
                          .socket = flags.socket}};
    });
    std::string wanted = read.topic;
    sending by;
    by.command = line.what().name;
    by.hint = nobody_yet(told.where, "subscriber");
    by.nobody = fmt::format("nobody subscribed{} at {} in time; nothing was sent",
                            read.has_topic ? " to '" + read.topic + "'" : "", told.where.describe());
    by.topic = read.topic;
    by.has_topic = read.has_topic;
    by.wait_for_taker = [&](const message& first, std::chrono::nanoseconds wait) {
        return pub.wait_for_subscriber_of(matched(first, flags), wait);
    };
    by.send = [&](message&& m, std::optional<ending::clock::time_point> deadline) {
        switch (pub.publish(std::move(m), flags.no_wait ? duration{0} : time_until(deadline))) {
            case published::sent:
                return fate::taken;
            case published::unheard:
                return fate::lost;
            case published::full:
                return flags.no_wait ? fate::lost : fate::late;
            case published::stopped:
                break;
        }
        return fate::stopped;
    };
    by.close = [&] { return pub.close(); };
    return send_all(context, in, flags, by);
}

constexpr std::array<std::string_view, 4> examples = {
    "ferry pub :5555 news hello", "ferry pub @:5555 -T news < lines.txt",
    "ferry sub :5555 --json | ferry pub @:5556 --in json", "ferry pub @:5555 cpu 97 -n 60 --interval 1s"};
constexpr std::array<std::string_view, 2> runnable = {
    "ferry sub ./news.sock news -n 1 -t 10s & ferry pub @./news.sock news hello && wait $!",
    "ferry sub ./lines.sock -n 2 -t 10s --json & printf 'one\\ntwo\\n' | ferry pub @./lines.sock -T news && "
    "wait $!"};

}  // namespace

const command pub_command{"pub",
                          "publish",
                          "pub EP [TOPIC [MESSAGE]]   (with -T or --in json: pub EP [MESSAGE])",
                          "Publishes messages: waits for a matching subscriber, sends, and ends.",
                          examples,
                          runnable,
                          run_pub};

}  // namespace ferry::cli
