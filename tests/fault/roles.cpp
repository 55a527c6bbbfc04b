#include "tests/fault/roles.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <initializer_list>
#include <stdexcept>
#include <vector>

#include "ferry/consumer.hpp"
#include "ferry/producer.hpp"
#include "ferry/spool.hpp"

namespace ferry::test {
namespace {

using namespace std::chrono_literals;

// Acks are waited for after so many messages.
constexpr unsigned acks_per_answer = 300;
// Messages a producer has on the way at most, before it waits for their confirms.
constexpr std::uint64_t round_max = 64;

void log_lines(const std::string& lines) {
    std::string_view left = lines;
    while (!left.empty()) {
        const ssize_t written = ::write(STDOUT_FILENO, left.data(), left.size());
        if (written <= 0) throw std::runtime_error{"cannot write the log"};
        left.remove_prefix(static_cast<std::size_t>(written));
    }
}

std::string line(std::string_view word, std::initializer_list<std::uint64_t> numbers) {
    std::string text{word};
    for (const std::uint64_t each : numbers) text += ' ' + std::to_string(each);
    return text += '\n';
}

std::uint64_t now_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::nanoseconds{std::chrono::steady_clock::now().time_since_epoch()}.count());
}

grade grade_named(std::string_view name) {
    return name == "queued" ? grade::queued : name == "written" ? grade::written : grade::synced;
}

int play_spool(const std::vector<std::string>& words) {
    context context;
    context.stop_on_signals();
    // Segments of the smallest size: a run passes through many.
    spool spool{
        context,
        {.directory = words.at(0),
         .listen = {ferry::bind(words.at(1))},
         .default_grade = grade_named(words.at(2)),
         .segment_bytes = 1 << 20,
         .on_event = [](const std::string& text) { std::fprintf(stderr, "event %s\n", text.c_str()); }}};
    std::fprintf(stderr, "ready %s\n", spool.endpoints().at(0).c_str());
    spool.wait();
    return 0;
}

// How far a producer came in its earlier lives: what it put, and what of that was confirmed.
struct earlier_lives {
    explicit earlier_lives(const std::vector<std::string>& logs) {
        history all;
        for (const std::string& log : logs) all.read_producer(log);
        for (const confirmed& each : all.confirms)
            confirmed_end = std::max(confirmed_end, each.name.number + 1);
        for (const put_run& each : all.puts) put_end = std::max(put_end, each.first.number + each.count);
    }
    std::uint64_t confirmed_end = 0;  // confirms are logged in order
    std::uint64_t put_end = 0;
};

int play_producer(const std::vector<std::string>& words) {
    context context;
    context.stop_on_signals();
    const auto number = static_cast<unsigned>(std::stoul(words.at(1)));
    const std::uint64_t count = std::stoull(words.at(2));
    const bool lasting = words.size() > 3 && words[3] == "lasting";
    const std::string name = "producer-" + words.at(1);
    producer_options options{.stream = kill_stream};
    if (lasting) options.name = name;
    producer jobs{context, ferry::connect(words.at(0)), options};
    const auto put = [&](std::uint64_t which) {
        message made{body_of({number, which})};
        if (lasting) made.set_header("message-id", name + "-" + std::to_string(which));
        return jobs.put(made);
    };
    const earlier_lives before{{words.begin() + (lasting ? 4 : 3), words.end()}};
    for (std::uint64_t next = before.confirmed_end; next < count && !context.stopped();) {
        const bool again = next < before.put_end;
        const std::uint64_t round =
            again ? before.put_end - next : std::min(1 + (next * 7919) % round_max, count - next);
        if (!again) log_lines(line("put", {number, next, round}));
        std::vector<receipt> receipts;
        for (std::uint64_t i = 0; i < round; ++i) receipts.push_back(put(next + i));
        std::string lines;
        for (const receipt& each : receipts) {
            const auto confirm = each.wait();
            if (!confirm) break;  // told to stop
            if (confirm->is != put_outcome::stored) throw std::runtime_error{"refused: " + confirm->reason};
            lines += line("confirm", {number, next++, confirm->offset});
        }
        log_lines(lines);
    }
    return 0;
}

int play_consumer(const std::vector<std::string>& words) {
    context context;
    context.stop_on_signals();
    const auto stale = [](std::uint64_t first, std::uint64_t last) {
        log_lines(line("stale", {first, last}));
    };
    consumer work{
        context,
        ferry::connect(words.at(0)),
        {.stream = kill_stream, .group = kill_group, .lease = 2000ms, .credit = 500, .on_stale = stale}};
    std::fprintf(stderr, "ready\n");
    unsigned unanswered = 0;
    while (auto d = work.next()) {
        const auto name = name_in(d->body());
        const bool intact = name && d->body() == body_of(*name);
        const message_name known = name.value_or(message_name{});
        log_lines(line("show", {d->offset(), d->attempt(), now_ns(), known.producer, known.number, intact}));
        d->ack();
        log_lines(line("ack", {d->offset()}));
        if (++unanswered < acks_per_answer) continue;
        if (work.flush() == outcome::done) log_lines(line("answered", {now_ns()}));
        unanswered = 0;
    }
    return 0;
}

// Consume, process, produce: what it makes of a message is the message, in another stream.
int play_worker(const std::vector<std::string>& words) {
    context context;
    context.stop_on_signals();
    consumer work{context,
                  ferry::connect(words.at(0)),
                  {.stream = kill_stream, .group = kill_group, .lease = 1s, .credit = 200}};
    std::fputs("ready\n", stderr);
    while (auto job = work.next()) {
        message made{job->body()};
        work.commit(std::move(*job), {{kill_result, std::move(made)}});
    }
    return 0;
}

// The verdict of logs that others kept, on one line.
int play_judge(const std::vector<std::string>& words) {
    history all;
    for (const std::string& word : words) {
        const std::size_t at = word.find('=');
        const std::string file = word.substr(std::min(at, word.size() - 1) + 1);
        if (word.starts_with("producer="))
            all.read_producer(file);
        else if (word.starts_with("consumer="))
            all.read_consumer(file);
        else
            throw std::invalid_argument{"producer=FILE or consumer=FILE, not " + word};
    }
    const verdict found = judge(all);
    std::printf("acks answered %zu, %s\n", all.acks.size(), found.text().c_str());
    return found.faultless() ? 0 : 1;
}

}  // namespace

std::string body_of(message_name name) {
    std::string text = std::to_string(name.producer) + ' ' + std::to_string(name.number) + ' ';
    // Most are small, one in sixteen is large.
    const std::uint64_t mixed = (name.number + name.producer) * 2654435761 % 4096;
    const std::size_t size = 24 + (name.number % 16 == 0 ? mixed * 2 : mixed % 300);
    for (std::size_t i = text.size(); i < size; ++i) text += static_cast<char>('a' + (name.number + i) % 26);
    return text;
}

std::optional<message_name> name_in(std::string_view body) {
    message_name name;
    const auto first = std::from_chars(body.data(), body.data() + body.size(), name.producer);
    if (first.ec != std::errc{} || first.ptr == body.data() + body.size()) return std::nullopt;
    const auto second = std::from_chars(first.ptr + 1, body.data() + body.size(), name.number);
    if (second.ec != std::errc{}) return std::nullopt;
    return name;
}

std::optional<int> play(int argc, char** argv) {
    if (argc < 3 || std::string_view{argv[1]} != "--play") return std::nullopt;
    const std::string_view part{argv[2]};
    const std::vector<std::string> words(argv + 3, argv + argc);
    try {
        if (part == "spool") return play_spool(words);
        if (part == "producer") return play_producer(words);
        if (part == "consumer") return play_consumer(words);
        if (part == "worker") return play_worker(words);
        if (part == "judge") return play_judge(words);
        throw std::invalid_argument{"no such part"};
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "%s: %s\n", argv[2], failure.what());
        return 1;
    }
}

}  // namespace ferry::test
