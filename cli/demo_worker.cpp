// A worker of `ferry demo`: one line for each delivery, written before the ack.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "cli/demo_ledger.hpp"
#include "cli/demo_parts.hpp"
#include "cli/exit_codes.hpp"
#include "ferry/consumer.hpp"

namespace ferry::cli {
namespace {

using namespace std::chrono_literals;

// Whole or not at all, even if we are killed: the kernel writes this little to a pipe in one piece.
void write_ledger_line(const std::string& line) {
    while (::write(STDOUT_FILENO, line.data(), line.size()) < 0)
        if (errno != EINTR) throw std::system_error{errno, std::generic_category(), "cannot write"};
}

}  // namespace

int run_demo_worker(const std::string& where, const std::string& stream) {
    context context;
    context.stop_on_signals();
    consumer work{
        context, connect(where), {.stream = stream, .group = "workers", .lease = 2s, .credit = 1000}};
    if (work.wait_for_spool(10s) == outcome::timed_out)
        throw failure{exit_code::no_peer, "no spool at " + where};
    talk{}.announce("ready worker");
    while (auto delivery = work.next()) {
        const demo_event event = read_demo_event(std::string{delivery->body()}, delivery->offset());
        write_ledger_line(ledger_line(delivery->offset(), delivery->attempt(), event));
        delivery->ack();
    }
    return to_int(work.leave(2s) == outcome::done ? exit_code::done : exit_code::timed_out);
}

}  // namespace ferry::cli
