// A program run by a test: its stdin, what it prints, how it ends. Waits are for events, with a deadline.
//
// A wait that ends without its event throws `not_in_time` with all the program has said, so that the test
// fails with the reason in its text. Destroying a running process kills it; it dies with the test as well.
//
//     process sub{{FERRY_BINARY, "sub", "@:0", "-n", "1"}};
//     const std::string where = sub.wait_for_error("bound ").substr(6);
//     process pub{{FERRY_BINARY, "pub", where, "news", "hello"}};
//     CHECK(pub.wait() == 0);
//     CHECK(sub.wait() == 0);
//     CHECK(sub.out() == "hello\n");
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ferry::test {

/// Long enough for a loaded machine; a wait takes this long only when the test fails.
inline constexpr std::chrono::seconds patience{20};

struct not_in_time : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct process_options {
    std::string input{};           ///< written to its stdin, which is then closed
    bool keep_stdin_open = false;  ///< for `write` and `close_stdin`; else an empty input is /dev/null
    std::vector<std::pair<std::string, std::string>> environment{};  ///< added to ours
    std::string directory{};                                         ///< to run in; ours when empty
    std::string stdout_to{};  ///< a path to open as its stdout instead of a pipe to us
};

class process {
  public:
    explicit process(std::vector<std::string> command, process_options options = {});
    ~process();
    process(const process&) = delete;
    process& operator=(const process&) = delete;

    void write(std::string_view bytes);
    void close_stdin();
    /// Nobody reads its stdout from now on.
    void close_stdout();

    /// The next line of its stderr that begins so, without its line end. Lines before it are passed over.
    std::string wait_for_error(std::string_view beginning, std::chrono::milliseconds within = patience);
    /// The next line of its stdout, without its line end.
    std::string next_line(std::chrono::milliseconds within = patience);
    /// Until its stdout holds at least this many lines.
    void wait_for_lines(std::size_t lines, std::chrono::milliseconds within = patience);

    /// Until it has ended: its status, or 128 + the signal that killed it.
    int wait(std::chrono::milliseconds within = patience);
    bool running();

    void kill(int signal);
    /// Stops it as SIGSTOP does; returns when all of its threads stand still.
    void suspend();
    pid_t pid() const noexcept { return pid_; }
    const std::string& out() const noexcept { return out_; }
    const std::string& err() const noexcept { return err_; }

  private:
    void wait_until(const std::function<bool()>& there, std::chrono::milliseconds within,
                    std::string_view what);
    void pump(int wait_ms);
    void reap();
    void read_into(int& fd, std::string& text);

    std::string name_;
    std::string input_;
    std::size_t written_ = 0;
    bool close_when_written_ = true;
    pid_t pid_ = -1;
    int pid_fd_ = -1;
    int stdin_ = -1;
    int stdout_ = -1;
    int stderr_ = -1;
    std::string out_;
    std::string err_;
    std::size_t out_seen_ = 0;
    std::size_t err_seen_ = 0;
    bool ended_ = false;
    int status_ = -1;
};

/// Runs it to its end.
struct finished {
    int status;
    std::string out;
    std::string err;
};
finished run(std::vector<std::string> command, process_options options = {});

}  // namespace ferry::test
