// The processes of one part of the demo: this binary again, with other words, watched while they run.
//
// They are killed when the crew goes, and by the kernel when we die, however we die. What they print is read
// all the time while the crew waits; one that ends without having been told to is a failure, in its own
// words. The terminal's SIGINT reaches us only, who then end them.
//
// Threads: one, the main one (the kernel's death signal follows the thread that forked).
// Failure: `until` throws failure when its deadline passes or a process ended by itself, and demo_stopped
// when the context was asked to stop.
//
//     demo_crew crew{context};
//     demo_process& device = crew.start({"forwarder", "@:0", "@:0"});
//     crew.until("the forwarder is ready", [&] { return device.announced("ready ").has_value(); });
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event_fd.hpp"
#include "ferry/context.hpp"

struct pollfd;

namespace ferry::cli {

/// Thrown when the demo was interrupted.
struct demo_stopped {};

class demo_process {
  public:
    using line_reader = std::function<void(std::string_view line)>;

    /// `words` as behind "ferry". `read` gets each whole line of its stdout.
    demo_process(std::vector<std::string> words, line_reader read);
    ~demo_process();
    demo_process(const demo_process&) = delete;
    demo_process& operator=(const demo_process&) = delete;

    /// The first line of its stderr that begins so.
    std::optional<std::string> announced(std::string_view beginning) const;
    /// Sends a signal after which it may end.
    void tell(int signal);
    bool ended() const noexcept { return ended_; }
    bool told() const noexcept { return told_; }
    /// Once ended: its exit status, or 128 and the signal.
    int status() const noexcept { return status_; }
    /// For sentences: what it is and what it said last.
    std::string describe() const;

  private:
    friend class demo_crew;
    struct stream {
        int fd = -1;
        std::string text{};  // not a whole line yet
    };

    void start(std::vector<std::string>& words);
    void watch(std::vector<pollfd>& all) const;
    void pump();
    static void read_lines(stream& from, const line_reader& take);

    std::string name_;
    line_reader read_;
    pid_t pid_ = -1;
    int pid_fd_ = -1;
    stream out_;
    stream err_;
    std::vector<std::string> said_;  // on stderr
    bool told_ = false;
    bool ended_ = false;
    int status_ = -1;
};

struct demo_wait {
    std::chrono::milliseconds limit{30'000};
    std::chrono::milliseconds ask_every{30'000};  ///< even when nothing happened here
};

class demo_crew {
  public:
    explicit demo_crew(ferry::context& context) : context_{context} {}

    demo_process& start(std::vector<std::string> words, demo_process::line_reader read = {});

    /// Reads what all of them print until `done`, which is asked after each thing that happened.
    void until(std::string_view what, const std::function<bool()>& done, demo_wait wait = {});
    /// Lets `until` ask again. From any thread.
    void wake() noexcept { woken_.set(); }

    /// Starts a device or spool, waits for its `ready` line and returns the words behind `ready`.
    std::vector<std::string> ready_words(demo_process& one);
    /// Tells it, and waits for its end.
    void end(demo_process& one, int signal);

  private:
    void look_after() const;

    ferry::context& context_;
    event_fd woken_;
    std::vector<std::unique_ptr<demo_process>> all_;
};

}  // namespace ferry::cli
