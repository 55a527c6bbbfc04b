// ferry put: stores messages in a stream of a spool, and waits until each is confirmed.
#include <fmt/format.h>

#include <array>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/durable.hpp"
#include "cli/exit_codes.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/put.hpp"
#include "cli/sending.hpp"
#include "cli/units.hpp"

namespace ferry::cli {
namespace {

using namespace std::chrono_literals;

constexpr const char* id_header = "message-id";

constexpr std::uint64_t progress_step = 1000;  // messages; few are not worth a line
constexpr auto handshake = 100ms;              // of --no-wait, with a spool that is there
constexpr std::size_t look_step = 1000;        // messages, from one look at the confirms to the next
constexpr std::size_t message_overhead = 64;   // bytes, roughly, of a message that waits

// Counts the confirms in the order of the messages. Where they are printed a thread waits for each, so that
// it is told while the next message is still being read; where they are not, the caller looks at them in
// passing, for a thread that is woken for every batch costs more than putting it.
class confirms {
  public:
    struct counts {
        std::uint64_t stored = 0;
        std::uint64_t duplicates = 0;
        std::map<std::string, std::uint64_t> refused;  ///< by the protocol's code
        std::uint64_t first_refused = 0;               ///< the how manieth of all
        std::string code, reason;                      ///< of that one
        std::uint64_t unanswered = 0;
        bool prints = true;                  ///< until the reader of stdout is gone
        std::optional<failure> not_printed;  ///< why, if it is not that
    };

    confirms(ferry::context& context, confirm_lines lines) : out_{context, {}}, lines_{lines} {
        if (lines != confirm_lines::none) thread_ = std::thread{[this] { run(); }};
    }
    ~confirms() { end(std::chrono::steady_clock::now()); }

    void add(receipt of) {
        if (!thread_.joinable()) return add_in_passing(std::move(of));
        const std::lock_guard lock{mutex_};
        waiting_.push_back(std::move(of));
        if (std::exchange(idle_, false)) changed_.notify_one();
    }

    /// Nothing more comes; what is not answered by the deadline is counted as unanswered.
    counts end(std::optional<ending::clock::time_point> deadline) {
        {
            const std::lock_guard lock{mutex_};
            ended_ = true;
            deadline_ = deadline;
        }
        changed_.notify_one();
        if (thread_.joinable()) thread_.join();
        for (; !waiting_.empty(); waiting_.pop_front()) take(waiting_.front());
        return counts_;
    }

  private:
    void add_in_passing(receipt of) {
        waiting_.push_back(std::move(of));
        if (++since_look_ < look_step) return;
        since_look_ = 0;
        for (; !waiting_.empty(); waiting_.pop_front()) {
            const auto what = waiting_.front().wait(0ns);
            if (!what) return;
            count(what);
        }
    }

    void run() {
        for (std::deque<receipt> taken; wait_for_more(taken); taken.clear())
            for (const receipt& each : taken) take(each);
    }

    // All that were added since; false at the end.
    bool wait_for_more(std::deque<receipt>& into) {
        std::unique_lock lock{mutex_};
        if (waiting_.empty()) flush();
        idle_ = waiting_.empty();
        changed_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
        into.swap(waiting_);
        return !into.empty();
    }

    void take(const receipt& next) {
        auto what = next.wait(0ns);
        if (!what) flush();
        while (!what) {
            std::unique_lock lock{mutex_};
            const auto deadline = deadline_;
            const bool ended = ended_;
            lock.unlock();
            // While more may come the end is not known yet: look again when it may be.
            const auto limit =
                !ended ? std::optional<duration>{200ms}
                : deadline
                    ? std::optional<duration>{std::max<duration>(*deadline - ending::clock::now(), 0ns)}
                    : std::nullopt;
            what = next.wait(limit);
            if (!what && ended) break;
        }
        count(what);
    }

    void count(const std::optional<confirmation>& what) {
        ++heard_;
        if (!what) {
            ++counts_.unanswered;
        } else if (what->is == put_outcome::stored) {
            ++counts_.stored;
            counts_.duplicates += what->duplicate ? 1 : 0;
            print(*what);
        } else {
            ++counts_.refused[what->code];
            if (counts_.first_refused == 0) {
                counts_.first_refused = heard_;
                counts_.code = what->code;
                counts_.reason = what->reason;
            }
        }
    }

    void print(const confirmation& what) {
        if (lines_ == confirm_lines::none) return;
        write([&] {
            if (lines_ == confirm_lines::json)
                out_.line(fmt::format("{{\"offset\":{},\"duplicate\":{}}}", what.offset, what.duplicate));
            else
                out_.line(fmt::format("{}{}", what.offset, what.duplicate ? " duplicate" : ""));
        });
    }

    void flush() {
        write([this] { out_.flush(); });
    }

    // Messages are stored and counted whether or not anybody is told.
    template <typename Write>
    void write(Write some) try {
        if (counts_.prints) some();
    } catch (const output_closed&) {
        counts_.prints = false;
    } catch (const failure& problem) {
        counts_.prints = false;
        counts_.not_printed = problem;
    }

    output out_;
    const confirm_lines lines_;
    counts counts_;  // of the thread, if there is one; read after it ended
    std::uint64_t heard_ = 0;
    std::size_t since_look_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<receipt> waiting_;
    bool idle_ = false;  // the thread waits, and wants to be told of the next one
    std::optional<ending::clock::time_point> deadline_;
    bool ended_ = false;
    std::thread thread_;
};

struct told {
    std::uint64_t sent = 0;
    std::uint64_t lost = 0;              ///< not put, for nobody was there
    bool late = false;                   ///< the time was over
    exit_code if_all = exit_code::done;  ///< were confirmed
};

int sum_up(const talk& talk, const confirms::counts& counts, const told& of, const std::string& stream,
           std::string_view command) {
    std::string text = fmt::format("sent {}, confirmed {}", of.sent, counts.stored);
    if (counts.duplicates > 0) text += fmt::format(", duplicates {}", counts.duplicates);
    std::uint64_t refused = 0;
    for (const auto& [code, count] : counts.refused) {
        text += fmt::format(", refused {} ({})", count, code);
        refused += count;
    }
    if (counts.unanswered > 0) text += fmt::format(", not confirmed {}", counts.unanswered);
    if (of.lost > 0) text += fmt::format(", lost {}", of.lost);
    if (refused > 0) {
        const std::string which =
            of.sent > 1 && of.lost == 0 ? fmt::format("message {}: ", counts.first_refused) : "";
        talk.complain(command,
                      fmt::format("stream '{}': {}{}: {}", stream, which, counts.code, counts.reason));
    }
    talk.say(text);
    if (refused == 0 && counts.unanswered == 0 && of.lost == 0) return to_int(of.if_all);
    if (counts.stored > 0) return to_int(exit_code::partly_done);
    if (refused > 0) return to_int(code_of_refusal(counts.code));
    return to_int(of.late ? exit_code::timed_out : exit_code::partly_done);
}

// A wish for every message; one that comes with a message of json goes before it.
void declare_wishes(command_line& line, put_flags& flags) {
    const auto time = [&](const char* flag, const char* header, const char* what) {
        line.value(flag, "DUR", what, [&flags, flag, header](const std::string& word) {
            const auto ms = std::chrono::ceil<std::chrono::milliseconds>(parse_duration(flag, word));
            flags.wishes.insert_or_assign(header, std::int64_t{ms.count()});
        });
    };
    time("--delay", "delay", "deliver it so long after it was stored, not before");
    time("--ttl", "ttl", "remove it when nobody took it in that time");
    line.value("--message-id", "ID",
               "store it once, however often it is put within the stream's dedup window",
               [&](const std::string& word) {
                   if (word.empty()) throw usage_error{"--message-id: an id has at least one character"};
                   flags.wishes.insert_or_assign(id_header, word);
               });
    line.value("--priority", "N", "0 to 9; a higher one is delivered first", [&](const std::string& word) {
        if (word.size() != 1 || word[0] < '0' || word[0] > '9')
            throw usage_error{fmt::format("--priority is 0 to 9, not '{}'", word)};
        flags.wishes.insert_or_assign("priority", std::int64_t{word[0] - '0'});
    });
    line.value("--key", "K", "groups that are ordered by key give out messages with this one in order",
               [&](const std::string& word) { flags.wishes.insert_or_assign("key", word); });
}

void declare_put(command_line& line, put_flags& flags) {
    declare(line, flags.shared,
            {shared::endpoints, shared::topic, shared::input, shared::headers, shared::ending, shared::pacing,
             shared::waiting, shared::sockets});
    line.flag("--confirm", "print a line for each confirmed message, in input order",
              [&] { flags.lines = confirm_lines::text; });
    line.flag("--json", "with --confirm: one JSON object a line", flags.json);
    line.flag("--no-create", "fail when the stream is not there", [&] { flags.producer.create = false; });
    line.value("--sync", "GRADE", "how durable before the confirm: synced, written or queued",
               [&](const std::string& word) { flags.producer.grade = parse_grade("--sync", word); });
    declare_wishes(line, flags);
}

// A header that the spool obeys is given by its flag: as -H it would be text, where most of them are numbers.
// An id is text, and means the same both ways.
void settle_headers(put_flags& flags) {
    constexpr std::array numbers{"delay", "ttl", "priority", "deliver-at", "expires-at"};
    for (const auto& [name, value] : flags.shared.headers) {
        if (flags.wishes.contains(name))
            throw usage_error{fmt::format("--{0} and a header '{0}' say the same: give one of them", name)};
        if (std::find(numbers.begin(), numbers.end(), name) == numbers.end()) continue;
        const char* instead = name.ends_with("-at") ? "with --in json, in 'headers'" : "with its flag, --";
        throw usage_error{
            fmt::format("the header '{}' is a number for the spool, and -H gives text: say it {}{}", name,
                        instead, name.ends_with("-at") ? "" : name)};
    }
    const auto id = flags.shared.headers.find(id_header);
    if (id == flags.shared.headers.end()) return;
    if (std::get<std::string>(id->second).empty())
        throw usage_error{"message-id: an id has at least one character"};
    flags.wishes.insert_or_assign(id_header, id->second);
    flags.shared.headers.erase(id);
}

// Sends until the input or the time ends; gives the number of messages put.
class putting {
  public:
    putting(ferry::context& context, input& in, const put_flags& flags, producer& to, confirms& by)
        : context_{context}, in_{in}, flags_{flags}, to_{to}, by_{by}, end_{flags.shared.end} {
        has_topic_ = take_topic(flags.shared, topic_);
        gives_lines_ =
            in.gives_bytes() && !has_topic_ && flags.shared.headers.empty() && flags.wishes.empty();
    }

    /// One id is for one message: more of them are a mistake, found before anything is sent.
    void look_ahead() {
        if (!flags_.wishes.contains(id_header)) return;
        const bool repeated = in_.from_argument() && flags_.shared.end.count.value_or(1) > 1;
        message second;
        if (!repeated && (in_.from_argument() || end_.complete(1) || !read(second))) return;
        if (repeated || ids_given_ > 1)
            throw usage_error{
                "a message-id names one message, and there are more of them: give each its own "
                "with --in json, as headers"};
        ahead_ = std::move(second);
    }

    bool read(message& into) {
        if (ahead_) {
            into = *std::exchange(ahead_, std::nullopt);
            return true;
        }
        const bool argument_sent = in_.from_argument() && sent + lost >= flags_.shared.end.count.value_or(1);
        if (argument_sent || !read_any(into)) return false;
        if (has_topic_) into.set_topic(frame{topic_});
        for (const auto& [name, value] : flags_.shared.headers) into.set_header(name, value);
        for (const auto& [name, value] : flags_.wishes)
            if (!into.headers().contains(name)) {
                into.set_header(name, value);
                ids_given_ += name == id_header ? 1 : 0;
            }
        return true;
    }

    void put_all(message next) {
        auto due = std::chrono::steady_clock::now();
        std::optional<std::string_view> line;  // in place of `next`
        do {
            if (sent > 0 && flags_.shared.pause) {
                due += *flags_.shared.pause;
                const auto until = end_.run_deadline();
                if (!sleep_until(context_, until ? std::min(due, *until) : due)) return;
            }
            late = late || end_.run_over();
            if ((late && (sent + lost > 0 || end_.run_over())) || context_.stopped()) return;
            if (nobody_takes(line ? line->size() : next.body().size())) {
                ++lost;
            } else {
                by_.add(line ? to_.put(*line) : to_.put(next));
                ++sent;
            }
            if ((sent + lost) % progress_step == 0) progress_.show(fmt::format("{} messages put", sent));
            if (gives_lines_) line.emplace();
        } while (line ? read_any(*line) : read(next));
        progress_.clear();
    }

    std::optional<ending::clock::time_point> deadline() const { return end_.run_deadline(); }

    /// Whether a spool was ever there.
    bool heard() { return heard_ = heard_ || to_.connected() || to_.stats().confirmed > 0; }

    told so_far() const {
        return {sent, lost, late || deadline().has_value(), late ? end_.code(sent) : exit_code::done};
    }

    std::uint64_t sent = 0;
    std::uint64_t lost = 0;
    bool late = false;

  private:
    // With --no-wait nobody may be there: more is not kept than goes at once.
    bool nobody_takes(std::size_t bytes) {
        if (!flags_.shared.no_wait || heard()) return false;
        const std::size_t needed = bytes + message_overhead;
        if (kept_bytes_ > 0 && kept_bytes_ + needed > flags_.producer.outbox_bytes / 2) return true;
        kept_bytes_ += needed;
        return false;
    }

    template <typename Into>
    bool read_any(Into& into) {
        if (end_.complete(sent + lost)) return false;
        const input::state state = in_.next(into, end_.deadline());
        late = late || state == input::state::timed_out;
        if (state != input::state::message) return false;
        end_.heard();
        return true;
    }

    ferry::context& context_;
    input& in_;
    const put_flags& flags_;
    producer& to_;
    confirms& by_;
    ending end_;
    progress progress_;
    std::string topic_;
    bool has_topic_ = false;
    bool gives_lines_ = false;  // which are messages as they stand
    std::optional<message> ahead_;
    std::uint64_t ids_given_ = 0;  // messages that the flag's id was given to
    bool heard_ = false;           // the spool was there
    std::size_t kept_bytes_ = 0;   // until then
};

}  // namespace

int put_messages(put_flags flags, const endpoints& where, std::optional<std::string> argument,
                 std::string_view command) {
    flags.producer.socket = flags.shared.socket;
    flags.producer.linger = 0ms;
    const duration linger = flags.shared.socket.linger;

    context context;
    context.stop_on_signals();
    const talk talk = flags.shared.speaker();
    input in{context, flags.shared.in, in_format::line, std::move(argument)};
    auto to = open_quietly(talk, where, [&] { return producer{context, where, flags.producer}; });
    confirms by{context, flags.lines};
    putting run{context, in, flags, to, by};
    message first;
    if (!run.read(first))
        return sum_up(talk, by.end(std::nullopt), run.so_far(), flags.producer.stream, command);
    run.look_ahead();

    const std::string nobody = fmt::format("no spool answers at {}; nothing was stored", where.describe());
    const auto meet = [&](duration wait) {
        const auto left = time_until(run.deadline()).value_or(wait);
        const outcome met = wait_with_hint(talk, nobody_yet(where, "spool"), std::min(wait, left),
                                           [&](duration time) { return to.wait_for_spool(time); });
        if (met == outcome::timed_out)
            throw failure{left < wait ? exit_code::timed_out : exit_code::no_peer, nobody};
        return met == outcome::done;
    };
    const bool waits = !flags.shared.no_wait;
    bool there = true;
    std::string broken;
    if (waits)
        there = meet(flags.shared.wait_or(2s));
    else
        to.wait_for_spool(handshake);
    try {
        if (there) run.put_all(std::move(first));
        if (!waits && !run.heard()) there = to.wait_for_spool(linger) == outcome::done;
        if (there) to.flush(time_until(run.deadline()));
    } catch (const usage_error& problem) {
        broken = problem.what();
    } catch (const failure& problem) {
        broken = problem.what();
    } catch (const error& problem) {
        broken = problem.what();  // the spool refuses everything from here on; the counts say what was stored
    }
    const bool over = context.stopped() || !there;
    const confirms::counts counts = by.end(over ? std::optional{ending::clock::now()} : run.deadline());
    if (!there && broken.empty() && !context.stopped()) broken = nobody;
    if (!broken.empty()) talk.complain(command, broken);
    const int code = sum_up(talk, counts, run.so_far(), flags.producer.stream, command);
    if (context.signal() != 0) return interrupted_by(context.signal());
    if (!there) return to_int(exit_code::no_peer);
    if (!broken.empty() && code == 0) return to_int(exit_code::partly_done);
    if (!counts.not_printed) return code;
    talk.complain(command, counts.not_printed->what());
    return code == 0 ? to_int(counts.not_printed->code()) : code;
}

namespace {

int run_put(command_line& line) {
    put_flags flags;
    declare_put(line, flags);
    std::vector<std::string> words = line.parse();
    check(flags.shared);
    if (flags.json && flags.lines == confirm_lines::none)
        throw usage_error{"--json says how --confirm prints; --confirm is missing"};
    if (flags.json) flags.lines = confirm_lines::json;
    const endpoints where = take_endpoint(words, flags.shared);
    check_connects(where);
    if (words.empty()) throw usage_error{"STREAM is missing"};
    settle_headers(flags);
    check_name("stream", words[0]);
    if (words.size() > 2) throw usage_error{fmt::format("one argument too many: '{}'", words[2])};
    flags.producer.stream = words[0];
    return put_messages(flags, where, words.size() < 2 ? std::nullopt : std::optional{words[1]},
                        line.what().name);
}

constexpr std::array<std::string_view, 5> examples = {
    "ferry put :7000 jobs 'resize 1.png'", "ferry put :7000 jobs 'remind me' --delay 10m --priority 9",
    "ferry put :7000 orders 'pay 17' --message-id order-17 --confirm",
    "ferry put :7000 jobs --confirm < jobs.txt", "ferry put :7000 jobs --in json < jobs.jsonl"};
constexpr std::array<std::string_view, 1> runnable = {
    "ferry spool --dir jobs --listen @./jobs.sock & s=$!; ferry put ./jobs.sock jobs 'resize 1.png' "
    "--confirm --wait "
    "10s; c=$?; kill $s; wait $s; [ $c = 0 ]"};

}  // namespace

const command put_command{"put",
                          "",
                          "put EP STREAM [MESSAGE]",
                          "Stores messages in a spool; each is on disk before it is confirmed.",
                          examples,
                          runnable,
                          run_put};

}  // namespace ferry::cli
