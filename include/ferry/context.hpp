// The context: owns the ZeroMQ context and the stop signal.
//
// Build one in `main`, before everything else, and let it outlive everything: components are told the
// context they belong to and there are no globals. Every blocking call of every component waits on
// {its socket, the stop signal, its deadline}: after `request_stop()` they all return at once.
//
// Threads: `request_stop()` and `stopped()` from any thread and from a signal handler. Destroy the context
// last, from the thread that made it.
//
//     int main() {
//         ferry::context context;
//         context.stop_on_signals();                       // SIGINT and SIGTERM; before other threads start
//         ferry::puller jobs{context, ferry::bind("tcp://127.0.0.1:5556")};
//         while (auto m = jobs.receive()) work(*m);        // empty when asked to stop
//     }
#pragma once

#include <memory>

namespace ferry {

class context {
  public:
    context();
    ~context();
    context(const context&) = delete;
    context& operator=(const context&) = delete;

    /// Asks everything to stop. It cannot be taken back.
    void request_stop() noexcept;
    bool stopped() const noexcept;

    /// Lets SIGINT and SIGTERM call `request_stop()`. Call it once, from the main thread, before threads
    /// start: it blocks the two signals in the calling thread, and threads inherit that.
    void stop_on_signals();

    /// The signal that stopped us, 0 if none did.
    int signal() const noexcept;

    struct parts;
    parts& internals() noexcept { return *parts_; }

  private:
    std::unique_ptr<parts> parts_;
};

}  // namespace ferry
