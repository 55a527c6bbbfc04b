#include "ferry/spool.hpp"

#include <poll.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <random>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/clock.hpp"
#include "core/context_parts.hpp"
#include "core/log/error.hpp"
#include "core/log/storage_posix.hpp"
#include "core/log/survey.hpp"
#include "core/shared_frame.hpp"
#include "core/socket.hpp"
#include "core/thread_name.hpp"
#include "core/uninterrupted.hpp"
#include "devices/spool/brain.hpp"
#include "devices/spool/log_writer.hpp"
#include "devices/spool/raw_ports.hpp"
#include "devices/spool/slack.hpp"
#include "ferry/error.hpp"

namespace ferry {
namespace {

constexpr std::size_t frame_bytes_max = 512 << 10;     // twice what the protocol allows
constexpr std::size_t unwritten_bytes_max = 16 << 20;  // above it, nothing more is read from peers
constexpr int frames_per_turn = 256;
constexpr int router_high_water_mark = 8192;
constexpr std::uint64_t snapshot_every_opens = 16;
constexpr std::uint64_t ports_leave_ns = 800'000'000;  // of the 2 s a spool has to stop

std::uint64_t random_seed() {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
}

void check_reach(const endpoint& where, const spool_options& options) {
    if (where.at == side::bind && where.beyond_loopback() && !options.insecure)
        throw error{errc::denied, "refusing to bind " + where.address +
                                      " beyond loopback: other machines could read and write every "
                                      "stream (--insecure allows it)"};
}

void check(const spool_options& options) {
    if (options.directory.empty()) throw error{errc::bad_argument, "a spool needs a directory"};
    if (options.listen.empty()) throw error{errc::bad_argument, "a spool needs an endpoint to listen on"};
    if (options.segment_bytes < (1U << 20) || options.segment_bytes > (1U << 30))
        throw error{errc::bad_argument,
                    "a segment is 1 MiB to 1 GiB, not " + std::to_string(options.segment_bytes) + " bytes"};
    if (options.claim_wait < std::chrono::milliseconds{0} || options.claim_wait > std::chrono::hours{1})
        throw error{errc::bad_argument, "the wait for claims is 0 to 1 h"};
    for (const endpoint& each : options.listen) {
        if (each.at != side::bind)
            throw error{errc::bad_argument, "a spool binds; '" + each.address + "' connects"};
        check_reach(each, options);
    }
    for (const raw_port& each : options.ports) {
        if (!protocol::good_name(each.stream))
            throw error{errc::bad_argument, "bad stream name '" + each.stream + "' of a port"};
        check_reach(each.where, options);
    }
}

// libzmq reads into buffers of 18 KiB and lends pieces of them to the messages, so that each small frame that
// waits may hold a whole one: a thousand busy producers cost hundreds of megabytes. The messages of this
// socket have memory of their own. (zmq.h names the option among the drafts, the library has it in every
// build; one that did not would refuse it, and only the memory would be missed.)
zmq::socket_t with_own_memory(zmq::context_t& in) {
    constexpr int zero_copy_receive = 10;
    const int before = zmq_ctx_get(in.handle(), zero_copy_receive);
    zmq_ctx_set(in.handle(), zero_copy_receive, 0);
    zmq::socket_t made{in, zmq::socket_type::router};  // takes what is set now
    if (before > 0) zmq_ctx_set(in.handle(), zero_copy_receive, before);
    return made;
}

// Where others keep their files not even the lock is left behind.
void look_first(const std::string& directory) {
    std::error_code unseen;
    if (std::filesystem::is_directory(directory, unseen))
        log::refuse_strangers(log::posix_storage{directory, log::posix_storage::purpose::look});
}

log::posix_storage open_directory(const std::string& directory) {
    try {
        look_first(directory);
        return log::posix_storage{directory};
    } catch (const log::format_error& e) {
        throw error{errc::damaged, "cannot open the spool in " + directory + ": " + e.what()};
    } catch (const log::directory_in_use& e) {
        throw error{errc::directory_in_use, "cannot open the spool in " + directory + ": " + e.what()};
    } catch (const std::system_error& e) {
        const bool missing = e.code() == std::errc::no_such_file_or_directory;
        const bool denied =
            e.code() == std::errc::permission_denied || e.code() == std::errc::read_only_file_system;
        throw error{missing  ? errc::not_found
                    : denied ? errc::denied
                             : errc::failed,
                    "cannot open the spool in " + directory + ": " + e.what()};
    }
}

}  // namespace

// The log with the state it was replayed into: everything recovery makes before the first socket is opened.
struct recovered {
    recovered(log::storage& disk, const spool_options& options, instant now)
        : log{disk,
              {.segment_bytes = options.segment_bytes, .random = random_seed()},
              [this, now](const log::stored_record& each) {
                  if (!state.apply(each.header, each.payload, now))
                      throw log::format_error{"a record of type " +
                                              std::to_string(static_cast<int>(each.header.type)) +
                                              " that this version cannot read"};
              },
              [this, now](std::string_view saved) {
                  if (!state.load(saved, now))
                      throw log::format_error{"a snapshot that this version cannot read"};
              }} {}
    spool_state state;
    log::segmented_log log;
};

struct spool::parts {
    parts(ferry::context& owner, spool_options given);
    ~parts();

    void run();
    void receive_frames();
    bool obey(actions what, bool idle);
    void send(send_action&& what);
    void take_report();
    void turn();
    void wait_for_event(bool more);
    void note(const std::string& text) const {
        if (options.on_event) options.on_event(text);
    }
    void say_what_was_found() const;
    void publish_stats();

    ferry::context& context;
    spool_options options;
    log::posix_storage disk;
    std::unique_ptr<recovered> found;
    event_fd writer_done;
    event_fd stop_wanted;
    zmq::socket_t router;
    std::vector<std::string> bound;
    std::unique_ptr<brain> thinking;
    std::unique_ptr<log_writer> writer;
    std::unique_ptr<raw_ports> ports;
    std::vector<pollfd> watched;
    std::unordered_map<std::string, std::uint64_t> session_of;  // routing id -> session
    std::unordered_map<std::uint64_t, std::string> route_of;
    std::uint64_t next_session = 1;  // above those of the ports
    slack left_behind;
    bool drained = false;
    std::unordered_set<std::uint64_t> full;  // sessions whose socket took no more in this turn
    bool was_full = false;
    bool stopping = false;

    mutable std::mutex mutex;  // guards what follows
    std::condition_variable changed;
    spool_stats stats;
    bool ended = false;
    std::thread thread;
};

spool::parts::parts(ferry::context& owner, spool_options given)
    : context{owner},
      options{(check(given), std::move(given))},
      disk{open_directory(options.directory)},
      router{with_own_memory(owner.internals().zmq)} {
    const instant now = read_clocks();
    try {
        found = std::make_unique<recovered>(disk, options, now);
    } catch (const log::format_error& e) {
        throw error{errc::damaged, "cannot open the spool in " + options.directory + ": " + e.what()};
    } catch (const std::system_error& e) {
        const bool full_disk = e.code() == std::errc::no_space_on_device;
        throw error{full_disk ? errc::full : errc::failed,
                    "cannot open the spool in " + options.directory + ": " + e.what()};
    }
    say_what_was_found();
    brain_options of;
    of.incarnation = found->log.opened().owner_epoch;
    of.damages = found->log.opened().damages;
    of.spool_id = found->log.opened().spool_id;
    of.seed = random_seed();
    of.record_bytes_max = found->log.record_bytes_max();
    of.segment_bytes = options.segment_bytes;
    of.message_bytes_max = std::min<std::uint64_t>(of.message_bytes_max, options.segment_bytes / 4);
    of.default_grade = options.default_grade;
    of.claim_wait_ns = static_cast<std::uint64_t>(options.claim_wait.count()) * 1'000'000;
    of.add_stats = [this](std::vector<header_map>& rows) {
        const log_writer::counters written = writer->counted();
        rows.front().emplace("syncs", static_cast<std::int64_t>(written.syncs));
        rows.front().emplace("bytes_written", static_cast<std::int64_t>(written.bytes_written));
        for (const raw_port_stats& each : ports->stats()) rows.push_back(as_row(each));
    };
    thinking = std::make_unique<brain>(of, std::move(found->state), now);
    if (of.incarnation % snapshot_every_opens == 0) thinking->want_snapshot();
    thinking->space(found->log.space_now().left);

    socket_options with;
    with.high_water_mark = router_high_water_mark;
    with.message_bytes_max = frame_bytes_max;
    with.linger = std::chrono::milliseconds{500};
    apply(router, with);
    router.set(zmq::sockopt::router_mandatory, 1);
    bound = attach(router, ferry::endpoints{options.listen});
    ports =
        std::make_unique<raw_ports>(owner, options.ports, [this](const std::string& text) { note(text); });
    next_session = ports->next_session();
    writer = std::make_unique<log_writer>(found->log, writer_done);
    publish_stats();
    thread = std::thread{[this] { run(); }};
    name_thread(thread, "ferry spool");
}

spool::parts::~parts() {
    stop_wanted.set();
    if (thread.joinable()) thread.join();
    // Whoever made us may open the next spool at once, at the same address.
    detach(context.internals().zmq, router, bound);
}

void spool::parts::say_what_was_found() const {
    const log::opening& opened = found->log.opened();
    for (const std::string& each : opened.notes) note(each);
    for (const log::damage& each : opened.damages) {
        std::string text =
            (each.torn_tail ? "a torn tail was cut from " : "damage in ") + each.file + ": " + each.reason;
        if (each.count > 0)
            text += ", offsets " + std::to_string(each.first_offset) + ".." +
                    std::to_string(each.first_offset + each.count - 1) + " of stream " +
                    std::to_string(each.stream);
        note(text + " (kept in quarantine/)");
    }
}

void spool::parts::receive_frames() {
    drained = false;
    for (int taken = 0; taken < frames_per_turn; ++taken) {
        if (thinking->bytes_unwritten() > unwritten_bytes_max) return;
        std::array<frame, 3> frames;
        std::size_t count = 0;
        bool more = true;
        while (more) {
            frame surplus;
            frame& into = count < frames.size() ? frames.at(count) : surplus;
            auto* message = static_cast<zmq_msg_t*>(into.native());
            if (zmq_msg_recv(message, router.handle(), ZMQ_DONTWAIT) < 0) {
                if (zmq_errno() == EINTR) continue;
                drained = true;
                return;
            }
            more = zmq_msg_more(message) != 0;
            ++count;
        }
        if (count < 2) continue;
        const std::string route = frames[0].str();
        auto [at, fresh] = session_of.try_emplace(route, next_session);
        if (fresh) route_of.emplace(next_session++, route);
        std::optional<shared_bytes> body;
        if (count == 3) body = bytes_of(std::move(frames[2]));
        // A message of more frames than the protocol has is no protocol: the empty head says so.
        const std::string_view head = count <= 3 ? frames[1].view() : std::string_view{};
        thinking->frame(at->second, "anonymous", head, std::move(body), read_clocks());
    }
}

void spool::parts::send(send_action&& what) {
    if (ports->take(what, read_clocks())) return;
    if (full.contains(what.session)) return thinking->unsent(std::move(what));
    const auto route = route_of.find(what.session);
    if (route == route_of.end()) return;
    frame id{route->second};
    auto* first = static_cast<zmq_msg_t*>(id.native());
    if (zmq_msg_send(first, router.handle(), ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) {
        if (zmq_errno() == EAGAIN) {
            full.insert(what.session);
            return thinking->unsent(std::move(what));
        }
        return thinking->unreachable(what, read_clocks());
    }
    // Once the route is taken, the rest of the message is.
    frame head{std::string_view{what.head}};
    zmq_msg_send(static_cast<zmq_msg_t*>(head.native()), router.handle(), what.body ? ZMQ_SNDMORE : 0);
    if (!what.body) return;
    frame body = frame_of(std::move(*what.body));
    zmq_msg_send(static_cast<zmq_msg_t*>(body.native()), router.handle(), 0);
}

// True when something was written, and synced, right here.
bool spool::parts::obey(actions what, bool idle) {
    full.clear();
    bool written = false;
    for (send_action& each : what.sends) send(std::move(each));
    for (append_action& each : what.appends) written = writer->submit(std::move(each), idle) || written;
    for (const release_action& each : what.releases) writer->release(each.stream, each.offset);
    for (move_action& each : what.moves) writer->move(std::move(each));
    if (what.look) thinking->held(found->log.held(), read_clocks());
    for (const read_action& each : what.reads) try {
            log::read_result result = found->log.read(each.stream, each.offset, each.bytes_max);
            const std::vector<log::damage> damages = result.damages;
            const bool final = thinking->read_done(each.cookie, std::move(result), read_clocks());
            for (const log::damage& bad : damages)
                note(final ? "damage in " + bad.file + ": " + bad.reason
                           : "cannot read " + bad.file + ", it is tried again: " + bad.reason);
        } catch (const std::exception& e) {
            const bool was_read_only = thinking->read_only();
            if (!thinking->read_failed(each.cookie, e.what(), read_clocks()))
                note(std::string{"cannot read, it is tried again: "} + e.what());
            else if (!was_read_only)
                note(std::string{"read-only from now on: "} + e.what());
        }
    if (!what.closed.empty()) left_behind.left(what.closed.size(), read_clocks());
    for (const std::uint64_t closed : what.closed) {
        const auto route = route_of.find(closed);
        if (route == route_of.end()) continue;
        session_of.erase(route->second);
        route_of.erase(route);
    }
    return written;
}

void spool::parts::take_report() {
    writer_done.clear();
    const log_writer::report report = writer->take_report();
    const instant now = read_clocks();
    if (report.appended) thinking->appended(*report.appended, now);
    if (report.durable) thinking->durable(*report.durable, now);
    if (report.bytes_left) {
        thinking->space(*report.bytes_left);
        if (thinking->disk_full() != was_full)
            note(was_full ? "there is room on the disk again"
                          : "the disk is full but for the reserve: put is refused, acks go on");
        was_full = thinking->disk_full();
    }
    if (report.snapshot_refused) {
        note("no room for a snapshot; it is tried again");
        thinking->snapshot_refused(now);
    }
    if (report.moved) {
        if (!report.moved->empty()) note("messages cannot be moved to a cold segment now: " + *report.moved);
        thinking->moved(*report.moved, now);
    }
    if (!report.failure.empty() && !thinking->read_only()) {
        note("read-only from now on: " + report.failure);
        thinking->failed(report.failure, now);
    }
}

void spool::parts::wait_for_event(bool more) {
    const std::uint64_t now = read_clocks().monotonic_ns;
    const std::uint64_t due =
        std::min({thinking->next_due_ns(), ports->next_due_ns(), left_behind.next_due_ns()});
    const std::uint64_t left = more || due <= now ? 0 : std::min<std::uint64_t>(due - now, 60'000'000'000);
    const bool reading = thinking->bytes_unwritten() <= unwritten_bytes_max;
    // The ZeroMQ descriptor is edge-triggered; events that are there already must not be slept over.
    const bool there = reading && (events_of(router) & ZMQ_POLLIN) != 0;
    const timespec limit{static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
    const timespec at_once{0, 0};
    // Told to stop once, it is not told again.
    watched.assign({{writer_done.fd(), POLLIN, 0},
                    {stopping ? -1 : stop_wanted.fd(), POLLIN, 0},
                    {stopping ? -1 : context.internals().stop.fd(), POLLIN, 0},
                    {reading ? router.get(zmq::sockopt::fd) : -1, POLLIN, 0}});
    if (reading) ports->watch(watched);
    ::ppoll(watched.data(), watched.size(), there ? &at_once : &limit, nullptr);
    if (watched[1].revents != 0 || watched[2].revents != 0) stopping = true;
}

void spool::parts::publish_stats() {
    spool_stats now = thinking->stats();
    const log_writer::counters written = writer->counted();
    now.syncs = written.syncs;
    now.bytes_written = written.bytes_written;
    now.ports = ports->stats();
    const std::lock_guard lock{mutex};
    stats = std::move(now);
}

void spool::parts::turn() {
    receive_frames();
    take_report();
    thinking->tick(read_clocks());
    left_behind.tick(read_clocks());
    const port_turn now{read_clocks(), thinking->bytes_unwritten() <= unwritten_bytes_max,
                        !thinking->awaits_claims()};
    if (ports->step(*thinking, now)) drained = false;
    actions next = thinking->take_actions(read_clocks());
    const bool nothing = next.empty();
    if (obey(std::move(next), drained)) {
        take_report();
        obey(thinking->take_actions(read_clocks()), false);  // whoever waited for the disk is told at once
    }
    publish_stats();
    wait_for_event(!nothing || !drained);
}

void spool::parts::run() {
    while (!stopping) turn();
    const instant told = read_clocks();
    ports->leave(told);
    while (!ports->left() && read_clocks().monotonic_ns < told.monotonic_ns + ports_leave_ns) turn();
    ports->give_up();
    publish_stats();
    // In order: what was decided is written, the clean snapshot follows, and only then the lock goes.
    obey(thinking->take_actions(read_clocks()), false);
    if (auto last = thinking->stop(read_clocks())) writer->submit(std::move(*last), false);
    writer->finish();
    take_report();
    obey(thinking->take_farewell(), false);
    const std::lock_guard lock{mutex};
    ended = true;
    changed.notify_all();
}

spool::spool(ferry::context& context, spool_options options)
    : parts_{std::make_unique<parts>(context, std::move(options))} {}
spool::~spool() = default;
spool::spool(spool&&) noexcept = default;
spool& spool::operator=(spool&&) noexcept = default;

outcome spool::wait(std::optional<duration> limit) {
    std::unique_lock lock{parts_->mutex};
    const auto over = [this] { return parts_->ended; };
    if (!limit)
        parts_->changed.wait(lock, over);
    else if (!parts_->changed.wait_for(lock, *limit, over))
        return outcome::timed_out;
    return outcome::stopped;
}

void spool::stop() noexcept {
    parts_->stop_wanted.set();
}

const std::vector<std::string>& spool::endpoints() const noexcept {
    return parts_->bound;
}

spool_stats spool::stats() const {
    const std::lock_guard lock{parts_->mutex};
    return parts_->stats;
}

}  // namespace ferry
