#include "cli/output.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "cli/encoding.hpp"
#include "cli/exit_codes.hpp"
#include "cli/json_input.hpp"
#include "cli/json_writer.hpp"
#include "cli/msgpack_text.hpp"
#include "cli/units.hpp"
#include "core/clock.hpp"
#include "core/context_parts.hpp"

namespace ferry::cli {
namespace {

constexpr std::size_t pending_bytes_max = 64 << 10;
constexpr int grace_after_stop_ms = 500;

bool is_regular_file(int fd) {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

out_format format_for(const output_options& options) {
    const out_format asked = options.format.value_or(out_format::automatic);
    if (asked != out_format::automatic) return asked;
    return ::isatty(STDOUT_FILENO) == 1 ? out_format::automatic : out_format::line;
}

// The payload as one JSON value on one line; nothing when it is none.
std::optional<std::string> decoded(std::string_view payload, decoding how) {
    if (how == decoding::msgpack) return msgpack_to_json(payload);
    if (!is_json(payload)) return std::nullopt;
    // A line end within JSON can only stand between tokens.
    std::string line{payload};
    std::replace_if(
        line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    return line;
}

// A message that was read without a group was not delivered to anybody: it has no attempt. A dead letter has
// one, 0 when it expired before anybody was given it.
void append_place(json_object& into, const delivered_as& delivered) {
    into.text("stream", delivered.stream);
    if (delivered.of_group()) into.text("group", delivered.group);
    into.number("offset", delivered.offset);
    if (delivered.of_group()) into.number("attempt", delivered.attempt);
}

}  // namespace

output::output(ferry::context& context, const output_options& options, bool durable)
    : context_{context},
      format_{format_for(options)},
      decode_{options.decode},
      pipe_{!is_regular_file(STDOUT_FILENO)} {
    if (options.form && options.format)
        throw usage_error{"give --format or a format such as --json, not both"};
    if (options.form) form_.emplace(*options.form, durable);
    if (decode_ != decoding::none && (options.form || format_ != out_format::json))
        throw usage_error{"--decode adds to --json output; give --json as well"};
}

void output::print(const message& content, const delivered_as* delivered) {
    const std::uint64_t stored = delivered != nullptr ? delivered->time_ns : 0;
    const std::uint64_t stamped = content.sent_by() ? content.sent_by()->time_ns : 0;
    const bool timed = form_ || format_ == out_format::json;
    const std::uint64_t time = stored != 0    ? stored
                               : stamped != 0 ? stamped
                               : timed        ? read_clocks().wall_ns
                                              : 0;
    const printed_message from{content, delivered, ++printed_, time};
    const std::string_view payload = content.body();
    starts_.push_back(pending_.size());
    if (form_) {
        form_->fill(pending_, from);
    } else {
        switch (format_) {
            case out_format::automatic:
                add_for_terminal(content);
                break;
            case out_format::line:
                pending_.append(payload).append(1, '\n');
                break;
            case out_format::raw:
                pending_ += payload;
                break;
            case out_format::nul:
                pending_.append(payload).append(1, '\0');
                break;
            case out_format::json:
                add_json(from);
                break;
            case out_format::hex:
                pending_ += to_hex(payload) + '\n';
                break;
            case out_format::msgpack:
                pending_ += msgpack_to_text(payload).value_or("not msgpack: " + for_terminal(payload)) + '\n';
                break;
            case out_format::len32:
                add_len32(payload);
                break;
        }
    }
    if (pending_.size() >= pending_bytes_max) flush();
}

void output::line(std::string_view text) {
    pending_.append(text).append(1, '\n');
    if (pending_.size() >= pending_bytes_max) flush();
}

void output::add_for_terminal(const message& content) {
    if (content.has_topic()) pending_ += for_terminal(content.topic()) + "  ";
    pending_ += for_terminal(content.body()) + '\n';
}

void output::add_len32(std::string_view bytes) {
    for (const int shift : {24, 16, 8, 0}) pending_ += static_cast<char>(bytes.size() >> shift & 0xFF);
    pending_ += bytes;
}

void output::add_json(const printed_message& from) {
    const message& m = from.content;
    {
        json_object object{pending_};
        object.number("v", 1).number("n", from.number).text("ts", format_time(from.time_ns));
        if (from.delivered != nullptr) append_place(object, *from.delivered);
        if (from.delivered != nullptr && !from.delivered->reason.empty())
            object.text("reason", from.delivered->reason);
        if (m.has_topic()) object.text("topic", m.topic());
        append_json_headers(object, m.headers());
        if (!m.frames().empty()) {
            std::string frames;
            for (const frame& each : m.frames())
                frames += (frames.empty() ? "[\"" : ",\"") + to_base64(each.view()) + '"';
            object.raw("frames", frames + ']');
        }
        object.number("size", m.body().size()).text("payload", m.body());
        const auto data = decode_ == decoding::none ? std::nullopt : decoded(m.body(), decode_);
        if (data) object.raw("data", *data);
    }
    pending_ += '\n';
}

// A pipe's reader may be asleep: wait for it and for the stop signal. False when it is time to give up.
bool output::wait_until_writable() {
    if (!pipe_) return true;
    std::array<pollfd, 2> watched{{{STDOUT_FILENO, POLLOUT, 0}, {context_.internals().stop.fd(), POLLIN, 0}}};
    const bool stopped = context_.stopped();
    ::poll(watched.data(), stopped ? 1 : 2, stopped ? grace_after_stop_ms : -1);
    return watched[0].revents != 0 || !stopped;
}

void output::flush() {
    std::string_view left = pending_;
    while (!left.empty()) {
        if (!wait_until_writable()) break;
        pollfd ready{STDOUT_FILENO, POLLOUT, 0};
        if (pipe_ && ::poll(&ready, 1, 0) == 0) continue;
        // A pipe that is writable takes PIPE_BUF bytes without blocking.
        const ssize_t written = ::write(STDOUT_FILENO, left.data(),
                                        pipe_ ? std::min<std::size_t>(left.size(), PIPE_BUF) : left.size());
        if (written >= 0) {
            left.remove_prefix(static_cast<std::size_t>(written));
            continue;
        }
        if (errno == EINTR || errno == EAGAIN) continue;
        const int problem = errno;
        end_of_flush(left.size());
        if (problem == EPIPE) throw output_closed{};
        throw failure{exit_code::failed, fmt::format("cannot write stdout: {}", std::strerror(problem))};
    }
    end_of_flush(left.size());
}

void output::end_of_flush(std::size_t bytes_left) {
    const std::size_t bytes = pending_.size() - bytes_left;
    std::uint64_t begun = starts_.size();
    std::uint64_t written = starts_.size();
    if (bytes_left > 0 && !starts_.empty()) {
        begun = static_cast<std::uint64_t>(std::ranges::lower_bound(starts_, bytes) - starts_.begin());
        written = static_cast<std::uint64_t>(std::ranges::upper_bound(starts_, bytes) - starts_.begin()) - 1;
    }
    begun_ += begun;
    written_ += written;
    starts_.clear();
    pending_.clear();
}

}  // namespace ferry::cli
