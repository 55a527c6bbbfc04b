// A spool in a process of its own, on a directory of its own, gone with it.
#pragma once

#include <signal.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "bench/cases.hpp"
#include "bench/child.hpp"
#include "ferry/administrator.hpp"

namespace ferry::bench {

/// What a role printed: "COUNT SECONDS LOST", and how long messages took where it knows.
inline sample rate_of(const std::string& result) {
    unsigned long long count = 0;
    unsigned long long lost = 0;
    double seconds = 0, p50 = 0, p99 = 0;
    if (std::sscanf(result.c_str(), "%llu %lf %llu %lf %lf", &count, &seconds, &lost, &p50, &p99) < 3 ||
        seconds <= 0)
        throw std::runtime_error{"not a result: " + result};
    return {static_cast<double>(count) / seconds, lost, p50, p99};
}

/// What a process's status says of its memory: VmRSS, what it has; VmHWM, the most it ever had.
inline double megabytes_of(pid_t process, const std::string& what) {
    std::ifstream status{"/proc/" + std::to_string(process) + "/status"};
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(what + ":")) return std::stod(line.substr(what.size() + 1)) / 1024;
    throw std::runtime_error{"no " + what};
}
inline double peak_megabytes_of(pid_t process) {
    return megabytes_of(process, "VmHWM");
}

class fresh_spool {
  public:
    explicit fresh_spool(const std::string& parent) : directory_{parent + "/spool"} { start(); }
    ~fresh_spool() {
        stop(SIGKILL);
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }
    fresh_spool(const fresh_spool&) = delete;
    fresh_spool& operator=(const fresh_spool&) = delete;

    const std::string& endpoint() const { return endpoint_; }
    pid_t pid() const { return process_->pid(); }

    /// Stopped by this signal and started again: the milliseconds until it was bound.
    double restart(int signal = SIGKILL) {
        stop(signal);
        const auto from = std::chrono::steady_clock::now();
        start();
        return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - from).count();
    }

    void fill(std::size_t size, std::uint64_t count) const {
        child producer{{"fill", endpoint_, std::to_string(size), std::to_string(count)}};
        if (rate_of(producer.line()).lost != 0)
            throw std::runtime_error{"not all of the backlog was confirmed"};
    }

    double peak_megabytes() const { return peak_megabytes_of(process_->pid()); }
    double megabytes_now() const { return megabytes_of(process_->pid(), "VmRSS"); }
    double open_files() const {
        const std::filesystem::directory_iterator all{"/proc/" + std::to_string(process_->pid()) + "/fd"};
        return static_cast<double>(std::distance(begin(all), end(all)));
    }
    /// What `spool.stats` says.
    header_map counters() const {
        context context;
        administrator asked{context, ferry::connect(endpoint_)};
        return asked.call("spool.stats").at(0);
    }
    double counter(const std::string& name) const {
        return static_cast<double>(std::get<std::int64_t>(counters().at(name)));
    }
    double snapshot_megabytes() const {
        std::uintmax_t largest = 0;
        for (const auto& each : std::filesystem::directory_iterator{directory_})
            if (each.path().filename().string().starts_with("snapshot-"))
                largest = std::max(largest, each.file_size());
        return static_cast<double>(largest) / (1 << 20);
    }

    /// Of the log, but for the segment that is open and the spares.
    double sealed_bytes() const {
        std::map<std::string, std::uintmax_t> segments;
        for (const auto& each : std::filesystem::directory_iterator{directory_})
            if (each.path().extension() == ".log") segments[each.path().filename()] = each.file_size();
        double bytes = 0;
        for (auto each = segments.begin(); each != std::prev(segments.end()); ++each)
            bytes += static_cast<double>(each->second);
        return bytes;
    }

  private:
    void start() {
        process_ = std::make_unique<child>(std::vector<std::string>{"spool", directory_});
        endpoint_ = process_->line();
    }
    void stop(int signal) const {
        ::kill(process_->pid(), signal);
        process_->wait();
    }

    std::string directory_;
    std::unique_ptr<child> process_;
    std::string endpoint_;
};

}  // namespace ferry::bench
