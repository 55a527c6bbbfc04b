// ferry's spool beside what else keeps messages: the bare hop, and the queue servers that are installed.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>

#include "bench/cases.hpp"
#include "bench/child.hpp"
#include "bench/fresh_spool.hpp"

namespace ferry::bench {
namespace {

namespace fs = std::filesystem;

// The slower of both sides, as for ferry: the rate at which messages go through.
sample slower(child& producer, child& consumer) {
    const sample in = rate_of(producer.line());
    const sample out = rate_of(consumer.line());
    return {std::min(in.value, out.value), in.lost + out.lost};
}

// A directory that goes with the run.
class scratch {
  public:
    explicit scratch(const std::string& parent) : path{parent + "/rival"} { fs::create_directory(path); }
    ~scratch() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    const std::string path;
};

sample bare(const std::string& directory, std::size_t size, bool both) {
    const scratch room{directory};
    child hop{{"bare-hop", room.path + "/log", both ? "deliver" : "keep"}};
    const std::string in = hop.line();
    const std::string out = hop.line();
    child producer{{"bare-put", in, std::to_string(size)}};
    if (!both) return rate_of(producer.line());
    child consumer{{"bare-take", out}};
    return slower(producer, consumer);
}

std::string free_port() {
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof at;
    const bool found = probe >= 0 && ::bind(probe, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0 &&
                       ::getsockname(probe, reinterpret_cast<sockaddr*>(&at), &length) == 0;
    ::close(probe);
    if (!found) throw std::runtime_error{"no free port"};
    return std::to_string(ntohs(at.sin_port));
}

std::string installed(const std::string& program) {
    // RabbitMQ's script in /usr/sbin becomes another user, who may not write where the run keeps its files.
    for (const char* const where : {"/usr/lib/rabbitmq/bin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/"})
        if (fs::exists(where + program)) return where + program;
    return {};
}

// A server of its own for each run, on a directory that goes with it.
struct redis {
    explicit redis(const std::string& program, const std::string& directory)
        : server{program,
                 {"--port", port, "--bind", "127.0.0.1", "--dir", directory, "--appendonly", "yes",
                  "--appendfsync", "always", "--save", ""}} {
        while (server.line().find("Ready to accept connections") == std::string::npos) {}
    }
    std::string port = free_port();
    child server;
};

struct nats {
    explicit nats(const std::string& program, const std::string& directory)
        : server{program,
                 {"-js", "-sd", directory, "-a", "127.0.0.1", "-p", port, "-l", directory + "/log"}} {
        child maker{{"nats-make", port}};
        rate_of(maker.line());
    }
    std::string port = free_port();
    child server;
};

// A node that listens on loopback alone, and keeps what it writes in the directory.
class rabbit {
  public:
    rabbit(const std::string& program, const std::string& directory, const std::string& queue_type)
        : environment_{"HOME=" + directory,  // Erlang's cookie
                       "ERL_EPMD_ADDRESS=127.0.0.1", "ERL_EPMD_PORT=" + free_port(),
                       "ERL_FLAGS=-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
                       "RABBITMQ_NODENAME=bench@localhost", "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
                       "RABBITMQ_NODE_PORT=" + port, "RABBITMQ_DIST_PORT=" + free_port(),
                       "RABBITMQ_MNESIA_BASE=" + directory, "RABBITMQ_LOG_BASE=" + directory,
                       // What the machine's own server is told does not count: there are no such files.
                       "RABBITMQ_CONF_ENV_FILE=" + directory + "/none",
                       "RABBITMQ_CONFIG_FILE=" + directory + "/none",
                       "RABBITMQ_ADVANCED_CONFIG_FILE=" + directory + "/none",
                       "RABBITMQ_ENABLED_PLUGINS_FILE=" + directory + "/none",
                       // The script becomes the server, so that the child is the server.
                       "RABBITMQ_ALLOW_INPUT=1"},
          server_{setpriv, told({program, "-noinput"})} {
        while (server_.line().find("completed with") == std::string::npos) {}
        child maker{{"rabbit-make", port, queue_type}};
        rate_of(maker.line());
    }
    const std::string port = free_port();

  private:
    static constexpr const char* setpriv = "/usr/bin/setpriv";

    // In that environment, and not outliving a benchmark that is killed.
    std::vector<std::string> told(const std::vector<std::string>& command) const {
        std::vector<std::string> all{"--pdeathsig", "KILL", "/usr/bin/env"};
        all.insert(all.end(), environment_.begin(), environment_.end());
        all.insert(all.end(), command.begin(), command.end());
        return all;
    }

    const std::vector<std::string> environment_;
    // Erlang's register of node names: one that the server started itself would stay behind.
    child epmd_{setpriv, told({installed("epmd")})};
    child server_;
};

template <typename Server, typename... Options>
sample rival(const std::string& program, const std::string& directory, const std::string& prefix,
             std::size_t size, bool both, const Options&... options) {
    const scratch room{directory};
    Server at{program, room.path, options...};
    child producer{{prefix + "-put", at.port, std::to_string(size)}};
    if (!both) return rate_of(producer.line());
    child consumer{{prefix + "-take", at.port}};
    return slower(producer, consumer);
}

template <typename Server>
sample one_by_one(const std::string& program, const std::string& directory, const std::string& prefix,
                  std::size_t size) {
    const scratch room{directory};
    Server at{program, room.path};
    child producer{{prefix + "-confirm", at.port, std::to_string(size)}};
    return {rate_of(producer.line()).p50_us, 0};
}

}  // namespace

void add_rival_cases(std::vector<bench_case>& all, const std::string& directory, const durable_hop& ferry) {
    using side = std::function<sample(std::size_t size, bool both)>;
    const auto add = [&](const std::string& against, const side& theirs) {
        for (const bool both : {false, true})
            for (const std::size_t size : {100, 1024})
                all.push_back({both ? "put and take at once" : "put, synced", size, "msg/s", against,
                               [=] { return both ? ferry.put_and_take(size, 1) : ferry.put(size); },
                               [=] { return theirs(size, both); }});
    };
    add("bare hop", [=](std::size_t size, bool both) { return bare(directory, size, both); });
#ifdef FERRY_BENCH_REDIS
    if (const std::string program = installed("redis-server"); !program.empty()) {
        const std::string name = "Redis Streams, appendfsync always";
        add(name, [=](std::size_t size, bool both) {
            return rival<redis>(program, directory, "redis", size, both);
        });
        all.push_back({"one put, confirmed, p50", 100, "us", name, ferry.confirm,
                       [=] { return one_by_one<redis>(program, directory, "redis", 100); }, 5});
    }
#endif
#ifdef FERRY_BENCH_NATS
    if (const std::string program = installed("nats-server"); !program.empty())
        add("NATS JetStream, file, no sync",
            [=](std::size_t size, bool both) { return rival<nats>(program, directory, "nats", size, both); });
#endif
#ifdef FERRY_BENCH_RABBITMQ
    if (const std::string program = installed("rabbitmq-server"); !program.empty())
        for (const std::string type : {"quorum", "classic"})
            add("RabbitMQ, " + type + " queue", [=](std::size_t size, bool both) {
                return rival<rabbit>(program, directory, "rabbit", size, both, type);
            });
#endif
}

}  // namespace ferry::bench
