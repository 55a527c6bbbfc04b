// What is kept: how soon a spool with a backlog is ready again, and what many streams and groups cost it.
#include <memory>
#include <stdexcept>

#include "bench/cases.hpp"
#include "bench/child.hpp"
#include "bench/fresh_spool.hpp"

namespace ferry::bench {
namespace {

constexpr std::uint64_t million = 1'000'000;
constexpr int restarts = 5;

// Cases that follow one another look at the same spool; the last of them lets it go.
struct shared_spool {
    std::unique_ptr<fresh_spool> spool{};
    std::unique_ptr<child> crowd{};
};

using figure = std::function<double(fresh_spool&)>;

// `begin` makes the spool when its first case runs; after the last sample of the last case it is gone.
class story {
  public:
    story(std::vector<bench_case>& all, std::string directory, std::function<void(shared_spool&)> begin)
        : all_{all}, directory_{std::move(directory)}, begin_{std::move(begin)} {}

    void add(std::string name, std::size_t size, std::string unit, figure of, int repeats = 1,
             bool last = false) {
        all_.push_back({std::move(name),
                        size,
                        std::move(unit),
                        "",
                        [=, *this, left = std::make_shared<int>(repeats)]() -> sample {
                            if (!kept_->spool) {
                                kept_->spool = std::make_unique<fresh_spool>(directory_);
                                begin_(*kept_);
                            }
                            const double value = of(*kept_->spool);
                            if (--*left == 0 && last) *kept_ = {};
                            return {value, 0};
                        },
                        {},
                        repeats});
    }

  private:
    std::vector<bench_case>& all_;
    std::string directory_;
    std::function<void(shared_spool&)> begin_;
    std::shared_ptr<shared_spool> kept_ = std::make_shared<shared_spool>();
};

void add_restart(std::vector<bench_case>& all, const std::string& directory, std::uint64_t millions) {
    story of{all, directory, [=](shared_spool& kept) {
                 for (std::uint64_t i = 0; i < millions; ++i) kept.spool->fill(1024, million);
             }};
    const std::string what = std::to_string(millions) + " M x 1 KiB";
    of.add(
        "restart, " + what, 1024, "ms", [](fresh_spool& on) { return on.restart(SIGTERM); }, restarts);
    of.add(
        "  after SIGKILL", 1024, "ms", [](fresh_spool& on) { return on.restart(SIGKILL); }, restarts);
    of.add(
        "  memory then", 1024, "MB", [](fresh_spool& on) { return on.peak_megabytes(); }, 1, true);
}

void add_crowd(std::vector<bench_case>& all, const std::string& directory, const std::string& of_what) {
    story of{all, directory, [=](shared_spool& kept) {
                 kept.crowd = std::make_unique<child>(
                     std::vector<std::string>{"crowd", kept.spool->endpoint(), of_what, "1000"});
                 if (kept.crowd->line() != "ready") throw std::runtime_error{"no crowd"};
             }};
    of.add("1,000 " + of_what + ", memory", 0, "MB", [](fresh_spool& on) { return on.peak_megabytes(); });
    of.add("  open files", 0, "", [](fresh_spool& on) { return on.open_files(); });
    of.add(
        "  restart after SIGKILL", 0, "ms", [](fresh_spool& on) { return on.restart(SIGKILL); }, restarts);
    of.add(
        "  memory then", 0, "MB", [](fresh_spool& on) { return on.peak_megabytes(); }, 1, true);
}

// What a message needs while a consumer holds it: all of them, or every other one, so that nothing of it can
// be told as one run. Half of them at another spool tell what is needed for any.
sample bytes_in_flight(const std::string& directory, const std::string& which, std::uint64_t many) {
    const auto held = [&](std::uint64_t so_many) {
        const fresh_spool spool{directory};
        spool.fill(100, 2 * many);
        child holder{{"hold", spool.endpoint(), which, std::to_string(so_many)}};
        if (holder.line(std::chrono::minutes{2}) != "ready") throw std::runtime_error{"not held"};
        return spool.megabytes_now();
    };
    const double before = held(many / 2);
    return {(held(many) - before) * (1 << 20) / static_cast<double>(many - many / 2)};
}

// Bytes of the log, everything that stands around messages included, of those of the payload.
sample disk_overhead(const std::string& directory, std::size_t size) {
    fresh_spool spool{directory};
    spool.fill(size, million);
    spool.restart(SIGTERM);
    return {100 * spool.sealed_bytes() / static_cast<double>(size * million)};
}

// Each message goes to another of so many streams.
sample scatter(const std::string& directory, const std::string& streams) {
    const fresh_spool spool{directory};
    child producer{{"scatter", spool.endpoint(), "100", streams}};
    return rate_of(producer.line());
}

// What the spool says of itself afterwards.
sample after_scatter(const std::string& directory, const std::function<double(const fresh_spool&)>& says) {
    const fresh_spool spool{directory};
    child producer{{"scatter", spool.endpoint(), "100", "1000"}};
    static_cast<void>(producer.line());
    return {says(spool), 0};
}

double messages_a_sync(const fresh_spool& spool) {
    return spool.counter("messages_stored") / spool.counter("syncs");
}

}  // namespace

void add_backlog_cases(std::vector<bench_case>& all, const std::string& directory) {
    add_restart(all, directory, 1);
    add_restart(all, directory, 10);
    add_crowd(all, directory, "streams");
    add_crowd(all, directory, "groups");
    const auto add_flight = [&](const std::string& which, std::uint64_t many) {
        all.push_back({"memory of a message in flight, " + which,
                       100,
                       "B",
                       "",
                       [=] { return bytes_in_flight(directory, which, many); },
                       {}});
    };
    add_flight("all", million);
    add_flight("every other", 150'000);
    for (const std::size_t size : {100, 1024})
        all.push_back(
            {"disk for the payload", size, "%", "", [=] { return disk_overhead(directory, size); }, {}, 1});
    all.push_back({"put to 1,000 streams", 100, "msg/s", "one stream, same way",
                   [=] { return scatter(directory, "1000"); }, [=] { return scatter(directory, "1"); }});
    all.push_back(
        {"  messages a sync", 100, "", "", [=] { return after_scatter(directory, messages_a_sync); }, {}});
    all.push_back(
        {"  memory",
         100,
         "MB",
         "",
         [=] { return after_scatter(directory, [](const auto& on) { return on.peak_megabytes(); }); },
         {}});
}

}  // namespace ferry::bench
