// The ceiling: a durable hop that knows nothing of its messages but their bytes.
//
// A producer sends batches, the hop takes what waits, checks and appends it, syncs once, confirms, and hands
// the batches on. No acks, no index, no groups, no recovery: what ferry's spool does besides is the
// difference. The batch is 64 KiB of [length: 4 bytes][body], one ZeroMQ message; up to 8 MiB share a sync.
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "bench/meter.hpp"
#include "bench/roles.hpp"
#include "bench/window.hpp"
#include "core/log/checksum.hpp"

namespace ferry::bench {
namespace {

constexpr std::size_t batch_bytes = 64 << 10;
constexpr std::size_t turn_bytes = 8 << 20;
constexpr off_t segment_bytes = 64 << 20;
constexpr std::uint64_t under_way_most = 64;  // batches

struct record_head {
    std::uint32_t length = 0;
    std::uint32_t checksum = 0;
};

void check(bool good, const char* what) {
    if (!good) throw std::system_error{errno, std::generic_category(), what};
}

// Appends to one file whose room is reserved a segment at a time.
class bare_log {
  public:
    explicit bare_log(const std::string& path)
        : file_{::open(path.c_str(), O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0644)} {
        check(file_ >= 0, "open");
    }
    ~bare_log() { ::close(file_); }
    bare_log(const bare_log&) = delete;
    bare_log& operator=(const bare_log&) = delete;

    void append(std::vector<zmq::message_t>& batches) {
        heads_.clear();
        pieces_.clear();
        std::size_t bytes = 0;
        for (zmq::message_t& each : batches)
            heads_.push_back({static_cast<std::uint32_t>(each.size()), log::crc32c(each.to_string_view())});
        for (std::size_t i = 0; i < batches.size(); ++i) {
            pieces_.push_back({&heads_[i], sizeof(record_head)});
            pieces_.push_back({batches[i].data(), batches[i].size()});
            bytes += sizeof(record_head) + batches[i].size();
        }
        while (end_ + static_cast<off_t>(bytes) > reserved_) {
            errno = ::posix_fallocate(file_, reserved_, segment_bytes);
            check(errno == 0, "fallocate");
            reserved_ += segment_bytes;
        }
        for (std::size_t at = 0; at < pieces_.size(); at += pieces_most) {
            const auto count = std::min<std::size_t>(pieces_most, pieces_.size() - at);
            const ssize_t written = ::pwritev(file_, pieces_.data() + at, static_cast<int>(count), end_);
            check(written >= 0, "write");
            end_ += written;
        }
        check(::fdatasync(file_) == 0, "sync");
    }

  private:
    static constexpr std::size_t pieces_most = 1024;
    int file_;
    off_t end_ = 0;
    off_t reserved_ = 0;
    std::vector<record_head> heads_;
    std::vector<iovec> pieces_;
};

std::string bound(zmq::socket_t& socket) {
    socket.bind("tcp://127.0.0.1:*");
    return socket.get(zmq::sockopt::last_endpoint);
}

void recv(zmq::socket_t& from, zmq::message_t& into) {
    if (!from.recv(into)) throw std::runtime_error{"interrupted"};
}

}  // namespace

void bare_hop_role(const words& arguments) {
    zmq::context_t context;
    zmq::socket_t in{context, zmq::socket_type::pair};
    zmq::socket_t out{context, zmq::socket_type::push};
    out.set(zmq::sockopt::sndhwm, static_cast<int>(under_way_most));
    std::printf("%s\n", bound(in).c_str());
    std::printf("%s\n", bound(out).c_str());
    std::fflush(stdout);
    const bool delivers = arguments.at(1) == "deliver";
    bare_log log{arguments.at(0)};
    while (true) {
        std::vector<zmq::message_t> batches(1);
        recv(in, batches.front());
        std::size_t bytes = batches.front().size();
        for (zmq::message_t next; bytes < turn_bytes && in.recv(next, zmq::recv_flags::dontwait);) {
            bytes += next.size();
            batches.push_back(std::move(next));
        }
        log.append(batches);
        const auto count = static_cast<std::uint64_t>(batches.size());
        in.send(zmq::const_buffer{&count, sizeof count}, zmq::send_flags::none);
        if (!delivers) continue;
        for (zmq::message_t& each : batches) out.send(std::move(each), zmq::send_flags::none);
    }
}

void bare_put_role(const words& arguments) {
    zmq::context_t context;
    zmq::socket_t out{context, zmq::socket_type::pair};
    out.connect(arguments.at(0));
    numbered_body body{std::stoul(arguments.at(1))};
    const auto length = static_cast<std::uint32_t>(std::stoul(arguments.at(1)));
    const std::uint64_t each_has = std::max<std::uint64_t>(1, batch_bytes / (length + sizeof length));
    std::uint64_t gathered = 0, under_way = 0, confirmed = 0;
    zmq::message_t batch{each_has * (length + sizeof length)};
    const auto hear = [&] {
        zmq::message_t said;
        recv(out, said);
        std::uint64_t count = 0;
        std::memcpy(&count, said.data(), sizeof count);
        under_way -= count;
        confirmed += count;
    };
    const auto step = [&] {
        char* at = static_cast<char*>(batch.data()) + gathered * (length + sizeof length);
        std::memcpy(at, &length, sizeof length);
        std::memcpy(at + sizeof length, body.next().data(), length);
        if (++gathered < each_has) return;
        out.send(std::exchange(batch, zmq::message_t{each_has * (length + sizeof length)}),
                 zmq::send_flags::none);
        gathered = 0;
        for (++under_way; under_way >= under_way_most;) hear();
    };
    measure_and_go_on(
        step, [&] { return confirmed * each_has; }, hop_window_of(arguments, 2));
}

void bare_take_role(const words& arguments) {
    zmq::context_t context;
    zmq::socket_t in{context, zmq::socket_type::pull};
    in.connect(arguments.at(0));
    zmq::message_t batch;
    std::size_t at = 0;
    std::uint64_t taken = 0;
    const auto step = [&] {
        if (at >= batch.size()) {
            recv(in, batch);
            at = 0;
        }
        std::uint32_t length = 0;
        std::memcpy(&length, batch.data<char>() + at, sizeof length);
        at += sizeof length + length;
        ++taken;
    };
    measure_and_go_on(
        step, [&] { return taken; }, hop_window_of(arguments, 1));
}

}  // namespace ferry::bench
