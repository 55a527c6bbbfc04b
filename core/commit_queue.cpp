#include "core/commit_queue.hpp"

#include <algorithm>

#include "core/batch.hpp"
#include "core/log/checksum.hpp"

namespace ferry {
namespace {

using namespace protocol;

constexpr std::uint64_t full_retry_ns = 200'000'000;
constexpr std::uint64_t resend_after_ns = 5'000'000'000;
constexpr std::uint64_t never = ~std::uint64_t{0};

}  // namespace

std::shared_ptr<commit_fate> commit_queue::add(std::uint64_t lease, std::uint64_t offset,
                                               std::vector<commit_output> outputs, std::uint64_t time_ns) {
    waiting& made = waiting_.emplace_back();
    made.number = next_number_++;
    made.lease = lease;
    made.offset = offset;
    made.body = std::make_shared<std::string>();
    made.fate = std::make_shared<commit_fate>();
    for (commit_output& each : outputs) {
        made.outputs.push_back({std::move(each.stream), each.count,
                                static_cast<std::uint64_t>(checksum_kind::crc32c), log::crc32c(each.batch),
                                time_ns, each.batch.size()});
        *made.body += each.batch;
    }
    bytes_ += made.body->size();
    return made.fate;
}

void commit_queue::send(std::uint64_t channel, instant now, std::vector<outgoing_message>& out) {
    for (waiting& each : waiting_) {
        if (each.sent && now.monotonic_ns < each.sent_ns + resend_after_ns) continue;
        if (now.monotonic_ns < each.not_before_ns) continue;
        std::string_view rest = *each.body;
        const std::uint64_t pieces = (rest.size() + batch_bytes_max - 1) / batch_bytes_max;
        for (std::uint64_t piece = 0; piece + 1 < pieces; ++piece) {
            out.push_back({encode(part{channel, piece, pieces - 1}),
                           shared_bytes{each.body, rest.substr(0, batch_bytes_max)}});
            rest.remove_prefix(batch_bytes_max);
        }
        out.push_back(
            {encode(protocol::commit{channel, each.lease, {{each.offset, 1}}, each.number, each.outputs}),
             shared_bytes{each.body, rest}});
        each.sent = true;
        each.sent_ns = now.monotonic_ns;
    }
}

void commit_queue::unsend() {
    for (waiting& each : waiting_) each.sent = false;
}

std::deque<commit_queue::waiting>::iterator commit_queue::settle(std::deque<waiting>::iterator which,
                                                                 commit_fate::state as) {
    which->fate->is = as;
    bytes_ -= which->body->size();
    return waiting_.erase(which);
}

std::vector<run> commit_queue::done(std::uint64_t lease, const std::vector<run>& runs,
                                    commit_fate::state as) {
    std::vector<run> answered;
    for (auto each = waiting_.begin(); each != waiting_.end();) {
        const bool named = each->lease == lease && std::ranges::any_of(runs, [&](const run& which) {
                               return each->offset >= which.first && each->offset < which.end();
                           });
        if (named) answered.push_back({each->offset, 1});
        each = named ? settle(each, as) : std::next(each);
    }
    return answered;
}

std::vector<commit_queue::given_back> commit_queue::refused(const protocol::refused& answer, instant now,
                                                            bool again) {
    const auto which = std::ranges::find(waiting_, answer.first, &waiting::number);
    if (which == waiting_.end()) return {};
    if (answer.code == code::full && again) {
        which->sent = false;
        which->not_before_ns = now.monotonic_ns + full_retry_ns;
        return {};
    }
    which->fate->code = answer.code;
    which->fate->reason = answer.reason;
    std::vector<given_back> back{{which->lease, which->offset, answer.code + ": " + answer.reason}};
    settle(which, commit_fate::state::refused);
    return back;
}

void commit_queue::drop_delayed() {
    for (auto each = waiting_.begin(); each != waiting_.end();) {
        const bool delayed = !each->sent && each->not_before_ns > 0;
        if (delayed) {
            each->fate->code = code::full;
            each->fate->reason = "its stream was full when the consumer left";
        }
        each = delayed ? settle(each, commit_fate::state::refused) : std::next(each);
    }
}

void commit_queue::fail(const std::string& why, const std::string& reason) {
    for (auto each = waiting_.begin(); each != waiting_.end();) {
        each->fate->code = why;
        each->fate->reason = reason;
        each = settle(each, commit_fate::state::refused);
    }
}

run_set commit_queue::under(std::uint64_t lease) const {
    run_set all;
    for (const waiting& each : waiting_)
        if (each.lease == lease) all.add(run{each.offset, 1});
    return all;
}

bool commit_queue::holds(std::uint64_t lease) const {
    return std::ranges::any_of(waiting_, [&](const waiting& each) { return each.lease == lease; });
}

std::uint64_t commit_queue::next_due_ns() const {
    std::uint64_t due = never;
    for (const waiting& each : waiting_)
        due = std::min(due, each.sent ? each.sent_ns + resend_after_ns : each.not_before_ns);
    return due;
}

}  // namespace ferry
