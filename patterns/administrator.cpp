#include "ferry/administrator.hpp"

#include <mutex>

#include "core/clock.hpp"
#include "core/protocol.hpp"
#include "core/socket.hpp"
#include "ferry/error.hpp"
#include "patterns/spool_connection.hpp"

namespace ferry {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr duration ask_again_after = 500ms;

}  // namespace

struct administrator::parts {
    parts(context& owner, const ferry::endpoints& to)
        : where{to},
          socket{owner, zmq::socket_type::dealer, to, {.linger = std::chrono::milliseconds{200}}} {}

    bool greet(steady_time deadline);
    std::optional<protocol::result> ask(const protocol::admin& request, steady_time deadline);
    /// The next frame, or empty when the deadline or `ask_again_after` came first.
    std::optional<std::string> receive(steady_time deadline);
    bool send(std::string frame, steady_time deadline);

    std::mutex mutex;
    endpoints where;
    ferry::socket socket;
    bool greeted = false;
    std::uint64_t request = 0;
};

bool administrator::parts::send(std::string text, steady_time deadline) {
    std::vector<frame> frames;
    frames.emplace_back(std::move(text));
    return socket.send(frames, std::max<duration>(deadline - steady_clock::now(), 0ns)) == outcome::done;
}

std::optional<std::string> administrator::parts::receive(steady_time deadline) {
    std::vector<frame> frames;
    const duration left =
        std::min<duration>(ask_again_after, std::max<duration>(deadline - steady_clock::now(), 0ns));
    if (socket.receive(frames, left) != outcome::done) return std::nullopt;
    return frames.front().str();
}

bool administrator::parts::greet(steady_time deadline) {
    while (!greeted) {
        if (!send(protocol::encode(protocol::hello{.client = "administrator"}), deadline)) return false;
        while (const auto answer = receive(deadline)) {
            protocol::welcome message;
            if (!protocol::decode(*answer, message)) continue;
            greeted = true;
            return true;
        }
        if (steady_clock::now() >= deadline || socket.owner().stopped()) return false;
    }
    return true;
}

std::optional<protocol::result> administrator::parts::ask(const protocol::admin& question,
                                                          steady_time deadline) {
    while (greet(deadline)) {
        if (!send(protocol::encode(question), deadline)) return std::nullopt;
        // Sent once: a command that makes or removes is not repeated because its answer is late.
        while (steady_clock::now() < deadline && !socket.owner().stopped()) {
            const auto answer = receive(deadline);
            if (!answer) continue;
            protocol::result message;
            if (protocol::decode(*answer, message) && message.request == question.request) return message;
            protocol::error refused;
            if (protocol::decode(*answer, refused) && refused.code == protocol::code::no_session) {
                greeted = false;
                break;
            }
        }
        if (greeted) return std::nullopt;
    }
    return std::nullopt;
}

administrator::administrator(ferry::context& context, const ferry::endpoints& where)
    : parts_{(check_one(where), std::make_unique<parts>(context, where))} {}
administrator::~administrator() = default;
administrator::administrator(administrator&&) noexcept = default;
administrator& administrator::operator=(administrator&&) noexcept = default;

bool administrator::wait_for_spool(duration limit) {
    const std::lock_guard lock{parts_->mutex};
    return parts_->greet(steady_clock::now() + limit);
}

std::vector<header_map> administrator::call(const std::string& command, const header_map& arguments,
                                            duration limit) {
    const std::lock_guard lock{parts_->mutex};
    const auto deadline = steady_clock::now() + limit;
    const protocol::admin question{++parts_->request, command, arguments};
    auto answer = parts_->ask(question, deadline);
    if (!answer) {
        if (!parts_->greeted) throw error{errc::no_peer, "no spool answers at " + parts_->where.describe()};
        throw error{errc::timed_out,
                    "the spool at " + parts_->where.describe() + " did not answer " + command};
    }
    if (!answer->code.empty()) throw error{errc_of(answer->code), answer->text + " (" + answer->code + ")"};
    return std::move(answer->rows);
}

}  // namespace ferry
