// What the disk itself can do, and what the log and a single confirmed message make of it.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <zmq.hpp>

#include "bench/meter.hpp"
#include "bench/roles.hpp"
#include "bench/window.hpp"
#include "core/log/log.hpp"
#include "core/log/storage_posix.hpp"
#include "ferry/producer.hpp"

namespace ferry::bench {
namespace {

constexpr std::size_t block_bytes = 256 << 10;
constexpr std::uint64_t file_bytes = 64 << 20;
constexpr std::uint32_t some_stream = 1;

// A file of zeros that is written again from its beginning when it is full.
class plain_file {
  public:
    explicit plain_file(const std::string& path)
        : fd_{::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644)} {
        const std::string zeros(1 << 20, '\0');
        for (std::uint64_t at = 0; at < file_bytes; at += zeros.size()) write(zeros);
        sync();
        at_ = 0;
    }
    ~plain_file() { ::close(fd_); }
    plain_file(const plain_file&) = delete;
    plain_file& operator=(const plain_file&) = delete;

    void write(std::string_view bytes) {
        if (at_ + bytes.size() > file_bytes) at_ = 0;
        if (::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at_)) !=
            static_cast<ssize_t>(bytes.size()))
            throw std::runtime_error{"cannot write"};
        at_ += bytes.size();
    }
    void sync() const {
        if (::fdatasync(fd_) != 0) throw std::runtime_error{"cannot sync"};
    }

  private:
    int fd_;
    std::uint64_t at_ = 0;
};

void append_to_log(const std::string& directory) {
    std::filesystem::create_directory(directory);
    log::posix_storage disk{directory};
    log::segmented_log kept{disk, {.segment_bytes = file_bytes}, [](const log::stored_record&) {}};
    const std::string body(block_bytes, 'x');
    std::uint64_t count = 0;
    const auto step = [&] {
        const log::record next{.type = log::record_type::messages,
                               .stream = some_stream,
                               .first_offset = count,
                               .count = 1,
                               .wall_ns = count,
                               .body = body};
        log::position at = 0;
        kept.append({&next, 1}, {&at, 1});
        kept.sync();
        // Segments that nobody needs go. A spool makes others ready while it waits; here nobody waits.
        if (++count % 128 != 0) return;
        kept.release(some_stream, count);
        kept.save_snapshot("");
    };
    measure(
        step, [&] { return count; }, hop_window, 1);
}

void write_plain(const std::string& path) {
    plain_file file{path};
    const std::string body(block_bytes, 'x');
    std::uint64_t count = 0;
    const auto step = [&] {
        file.write(body);
        file.sync();
        ++count;
    };
    measure(
        step, [&] { return count; }, hop_window, 1);
}

}  // namespace

void append_role(const words& arguments) {
    (arguments.at(0) == "ferry" ? append_to_log : write_plain)(arguments.at(1));
}

void confirm_role(const words& arguments) {
    context context;
    producer jobs{context, ferry::connect(arguments.at(0)), {.stream = bench_stream}};
    const std::string body(100, 'x');
    jobs.wait_for_spool();
    meter meter{hop_window};
    for (numbered_body bodies{100}; !meter.over();) {
        const std::uint64_t from_ns = read_clocks().monotonic_ns;
        jobs.put(body).wait();
        meter.take(bodies.next(from_ns));
    }
    meter.report();
}

// One round trip between two processes, with a write and a sync at its far end.
void sync_echo_role(const words& arguments) {
    plain_file file{arguments.at(0)};
    zmq::context_t context;
    zmq::socket_t socket{context, zmq::socket_type::router};
    socket.bind("tcp://127.0.0.1:*");
    std::printf("%s\n", socket.get(zmq::sockopt::last_endpoint).c_str());
    std::fflush(stdout);
    const std::string block(4096, 'x');
    while (true) {
        zmq::message_t who, asked;
        if (!socket.recv(who) || !socket.recv(asked)) throw std::runtime_error{"interrupted"};
        file.write(block);
        file.sync();
        socket.send(who, zmq::send_flags::sndmore);
        socket.send(asked, zmq::send_flags::none);
    }
}

void sync_ask_role(const words& arguments) {
    zmq::context_t context;
    zmq::socket_t socket{context, zmq::socket_type::dealer};
    socket.connect(arguments.at(0));
    meter meter{hop_window};
    for (numbered_body body{100}; !meter.over();) {
        socket.send(zmq::message_t{body.next(read_clocks().monotonic_ns)}, zmq::send_flags::none);
        zmq::message_t answer;
        if (!socket.recv(answer)) throw std::runtime_error{"interrupted"};
        meter.take(answer.to_string_view());
    }
    meter.report();
}

}  // namespace ferry::bench
