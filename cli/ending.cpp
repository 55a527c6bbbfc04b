#include "cli/ending.hpp"

#include <algorithm>

namespace ferry::cli {

using std::chrono::nanoseconds;

std::optional<ending::clock::time_point> ending::run_deadline() const {
    if (!options_.timeout) return std::nullopt;
    return begun_ + *options_.timeout;
}

std::optional<ending::clock::time_point> ending::deadline() const {
    const auto run = run_deadline();
    if (!options_.idle) return run;
    const auto silence = heard_ + *options_.idle;
    return run ? std::min(*run, silence) : silence;
}

bool ending::run_over() const {
    const auto at = run_deadline();
    return at && clock::now() >= *at;
}

bool ending::over() const {
    const auto at = deadline();
    return at && clock::now() >= *at;
}

std::optional<nanoseconds> ending::wait() const {
    const auto at = deadline();
    if (!at) return std::nullopt;
    return std::max<nanoseconds>(*at - clock::now(), nanoseconds{0});
}

nanoseconds ending::wait(nanoseconds most) const {
    const auto until = wait();
    return until ? std::min(*until, most) : most;
}

exit_code ending::code(std::uint64_t done) const {
    if (options_.count) return done >= *options_.count ? exit_code::done : exit_code::timed_out;
    return done == 0 && run_over() ? exit_code::timed_out : exit_code::done;
}

}  // namespace ferry::cli
