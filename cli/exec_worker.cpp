#include "cli/exec_worker.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <string_view>

#include "cli/durable.hpp"
#include "cli/exit_codes.hpp"
#include "cli/splitter.hpp"
#include "core/context_parts.hpp"

extern char** environ;

namespace ferry::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, 4> told = {
    "FERRY_TOPIC=", "FERRY_OFFSET=", "FERRY_ATTEMPT=", "FERRY_HEADER_"};

// Linux takes 128 KiB for one variable, and as a rule 2 MiB for all of them with the arguments.
constexpr std::size_t variable_bytes_max = (128 << 10) - 1;
constexpr std::size_t variables_bytes_max = 1 << 20;

constexpr std::size_t commit_bytes_max = 1 << 20;    // printed and not stored yet, of more than one
constexpr std::size_t printed_bytes_max = 16 << 20;  // of one: the most that a commit stores in a stream
constexpr auto slow_commit = 2s;

std::string variable_name(std::string_view header) {
    std::string name = "FERRY_HEADER_";
    for (const char c : header) {
        const bool small = c >= 'a' && c <= 'z';
        const bool plain = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        name += small ? static_cast<char>(c - 'a' + 'A') : plain ? c : '_';
    }
    return name;
}

std::string text_of(const header_value& value) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    return std::get<binary>(value).bytes;
}

bool fits(const std::vector<std::pair<std::string, std::string>>& variables) {
    std::size_t all = 0;
    for (const auto& [name, value] : variables) {
        const std::size_t size = name.size() + 1 + value.size();
        if (size >= variable_bytes_max) return false;
        all += size;
    }
    return all < variables_bytes_max;
}

std::string place(const delivery& what) {
    return fmt::format("offset {}, attempt {}", what.offset(), what.attempt());
}

}  // namespace

std::vector<std::pair<std::string, std::string>> variables_of(const delivery& what) {
    std::map<std::string, std::string> by_name;
    const message content = what.content();
    for (const auto& [name, value] : content.headers())
        by_name.insert_or_assign(variable_name(name), text_of(value));
    by_name.insert_or_assign("FERRY_TOPIC", std::string{what.topic()});
    by_name.insert_or_assign("FERRY_OFFSET", std::to_string(what.offset()));
    by_name.insert_or_assign("FERRY_ATTEMPT", std::to_string(what.attempt()));
    std::erase_if(by_name, [](const auto& each) { return each.second.find('\0') != std::string::npos; });
    return {by_name.begin(), by_name.end()};
}

void forget_outer_message() {
    std::vector<std::string> names;
    for (char** each = environ; *each != nullptr; ++each) {
        const std::string_view entry = *each;
        if (std::any_of(told.begin(), told.end(), [&](auto name) { return entry.starts_with(name); }))
            names.emplace_back(entry.substr(0, entry.find('=')));
    }
    for (const std::string& name : names) ::unsetenv(name.c_str());
}

exec_worker::exec_worker(ferry::context& context, consumer& from, event_fd& changed, exec_options options)
    : context_{context}, from_{from}, changed_{changed}, options_{std::move(options)}, end_{options_.end} {}

exit_code exec_worker::go() {
    end_.heard();
    wait_for_claims();
    try {
        while (step()) wait();
        end_commands();
    } catch (const failure&) {  // a command that cannot start
        end_commands();
        stop_commands();
        from_.leave(2s);
        throw;
    }
    stop_commands();
    leave_answered(context_, from_, end_);
    end_commits();
    return end_.code(from_.stats().acked);
}

// False when there is nothing more to do. What has ended is settled before anything else is looked at.
bool exec_worker::step() {
    end_commands();
    end_commits();
    if (context_.stopped() || end_.run_over() || complete()) return false;
    start_commands();
    return !running_.empty() || !commits_.empty() || !end_.over() || wait_for_claims();
}

// After its restart a spool keeps messages back for a moment; the silence begins after it.
bool exec_worker::wait_for_claims() {
    const duration left = from_.claim_wait_left();
    if (left > 0s) end_.heard_after(left);
    return left > 0s && !end_.run_over();
}

void exec_worker::wait() {
    std::vector<pollfd> watched{{changed_.fd(), POLLIN, 0}, {context_.internals().stop.fd(), POLLIN, 0}};
    for (const running& each : running_)
        for (const pollfd& fd : each.command->watched()) watched.push_back(fd);
    // Silence is not counted while a command runs, or what it printed is not stored yet.
    const bool busy = !running_.empty() || !commits_.empty();
    auto until = busy ? end_.run_deadline() : end_.deadline();
    for (const committing& each : commits_)
        if (!each.told) until = std::min(until.value_or(each.since + slow_commit), each.since + slow_commit);
    const auto left =
        until ? std::chrono::ceil<std::chrono::milliseconds>(*until - ending::clock::now()).count() : -1;
    ::poll(watched.data(), watched.size(),
           until ? static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000'000)) : -1);
    changed_.clear();
}

// What was settled too late does not count, so its message may be taken again, and what was given up does not
// either. Which of the two a late answer was about shows when all are there.
std::uint64_t exec_worker::done_or_running() const {
    const consumer_stats answers = from_.stats();
    const std::uint64_t settled = succeeded_ + dead_;
    return settled - std::min(settled, answers.stale + answers.gone + answers.dead) + running_.size();
}

bool exec_worker::complete() {
    if (!running_.empty() || !commits_.empty() || !end_.complete(done_or_running())) return false;
    from_.flush(end_.wait());
    return end_.complete(from_.stats().acked);
}

void exec_worker::start_commands() {
    while (running_.size() + commits_.size() < options_.at_once && !end_.complete(done_or_running())) {
        auto next = from_.next(0ns);
        if (!next) return;
        ++received_;
        start(*std::move(next));
    }
}

void exec_worker::start(delivery next) {
    child_options how{.command = options_.command,
                      .input = std::string{next.body()},
                      .environment = variables_of(next),
                      .capture = options_.into.has_value(),
                      .output_bytes_max = printed_bytes_max};
    if (!fits(how.environment)) return fail(next, "its topic and headers are too large for an environment");
    try {
        auto command = std::make_unique<child>(std::move(how));
        running_.push_back({std::move(next), std::move(command)});
    } catch (const failure&) {
        next.release();  // the command's fault, and the message was shown to nobody
        throw;
    }
}

void exec_worker::end_commands() {
    for (auto each = running_.begin(); each != running_.end();) {
        if (!done_with(*each)) {
            ++each;
            continue;
        }
        each = running_.erase(each);
        end_.heard();
    }
}

bool exec_worker::done_with(running& which) {
    if (which.command->step()) return settle(which);
    if (!which.what.lease_over()) return false;
    which.command.reset();
    fail(which.what, "its lease is over; the command was stopped");
    return true;
}

// False when it must wait for its turn to be stored.
bool exec_worker::settle(running& ended) {
    const int status = ended.command->status();
    if (ended.command->output_too_large()) {
        fail(ended.what, "the command printed too much");
    } else if (status != 0) {
        fail(ended.what, fmt::format("the command ended with status {}", status), status);
    } else if (options_.into && !ended.command->output().empty()) {
        return commit(ended);
    } else {
        ended.what.ack();
        ++succeeded_;
    }
    return true;
}

// What cannot be read as messages is the command's failure.
bool exec_worker::commit(running& ended) {
    const std::string& text = ended.command->output();
    std::size_t under_way = text.size();
    for (const committing& each : commits_) under_way += each.bytes;
    if (!commits_.empty() && under_way > commit_bytes_max) return false;

    splitter printed{options_.printed};
    std::vector<output> outputs;
    try {
        printed.add(text);
        printed.end();
        for (message next; printed.next(next);) outputs.push_back({*options_.into, std::move(next)});
    } catch (const std::exception& problem) {  // usage_error, or failure
        fail(ended.what, fmt::format("what the command printed is no message: {}", problem.what()));
        return true;
    }
    const std::uint64_t offset = ended.what.offset();
    const std::uint64_t attempt = ended.what.attempt();
    auto answer = from_.commit(std::move(ended.what), std::move(outputs));
    commits_.push_back(
        {.offset = offset, .attempt = attempt, .answer = std::move(answer), .bytes = text.size()});
    ++succeeded_;
    return true;
}

// A commit that came too late is told and counted as an ack is; what was refused went back.
void exec_worker::end_commits() {
    for (auto each = commits_.begin(); each != commits_.end();) {
        const auto answer = each->answer.wait(0ns);
        if (!answer) {
            tell_if_slow(*each);
            ++each;
            continue;
        }
        if (answer->is == commit_outcome::refused) {
            --succeeded_;
            ++failed_;
            options_.speaker.say(fmt::format("offset {}, attempt {}: not stored in '{}': {}: {}",
                                             each->offset, each->attempt, *options_.into, answer->code,
                                             answer->reason));
        }
        each = commits_.erase(each);
        end_.heard();
    }
}

void exec_worker::tell_if_slow(committing& which) {
    if (which.told || ending::clock::now() < which.since + slow_commit) return;
    which.told = true;
    options_.speaker.say(fmt::format(
        "offset {}, attempt {}: not stored in '{}' yet: the stream is full, or the spool does not answer",
        which.offset, which.attempt, *options_.into));
}

void exec_worker::fail(delivery& what, const std::string& reason, int status) {
    options_.speaker.say(fmt::format("{}: {}", place(what), reason));
    const failure_rules& rules = options_.failures;
    if (rules.dead.contains(status)) {
        ++dead_;
        return what.dead_letter(reason);
    }
    ++failed_;
    const auto own = rules.delay.find(status);
    what.nack(own != rules.delay.end() ? own->second : rules.other_delay, reason);
}

void exec_worker::stop_commands() {
    for (running& each : running_) {
        each.command.reset();
        each.what.nack(0ms, "the command was stopped with its worker");
        ++stopped_;
    }
    running_.clear();
}

std::string exec_worker::summary() const {
    std::string text = fmt::format("received {}, done {}", received_, from_.stats().acked);
    if (failed_ > 0) text += fmt::format(", failed {}", failed_);
    if (dead_ > 0) text += fmt::format(", dead {}", dead_);
    if (stopped_ > 0) text += fmt::format(", stopped {}", stopped_);
    return text;
}

}  // namespace ferry::cli
