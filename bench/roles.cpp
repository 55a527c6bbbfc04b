#include "bench/roles.hpp"

#include <sys/prctl.h>

#include <chrono>
#include <csignal>
#include <stdexcept>

#include "ferry/consumer.hpp"

namespace ferry::bench {
namespace {

const role_table& common() {
    static const role_table all = {
        {"send", send_role},         {"receive", receive_role},   {"answer", answer_role},
        {"ask", ask_role},           {"inproc", inproc_role},     {"spool", spool_role},
        {"fill", fill_role},         {"put", put_role},           {"put-paced", put_paced_role},
        {"take", take_role},         {"take-on", take_on_role},   {"take-timed", take_timed_role},
        {"bare-hop", bare_hop_role}, {"bare-put", bare_put_role}, {"bare-take", bare_take_role},
    };
    return all;
}

}  // namespace

bool plays(const words& arguments, const role_table& more) {
    if (arguments.size() < 2 || arguments[0] != role_flag) return false;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // roles do not outlive who started them
    const auto found = more.find(arguments[1]);
    if (found == more.end() && !common().contains(arguments[1]))
        throw std::runtime_error{"no such role: " + arguments[1]};
    const auto role = found != more.end() ? found->second : common().at(arguments[1]);
    role({arguments.begin() + 2, arguments.end()});
    return true;
}

void take_one(consumer& work) {
    auto given = work.next(std::chrono::seconds{20});
    if (!given) throw std::runtime_error{"no message to take"};
    given->ack();
}

}  // namespace ferry::bench
