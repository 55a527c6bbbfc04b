#include "cli/remote_spool.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/connection.hpp"
#include "cli/durable.hpp"
#include "cli/units.hpp"
#include "core/protocol.hpp"
#include "ferry/error.hpp"

namespace ferry::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds wait_by_default = 2s;
constexpr std::chrono::nanoseconds hint_after = 1s;
constexpr std::chrono::nanoseconds answer_within = 10s;

}  // namespace

remote_spool::remote_spool(ferry::context& context, const endpoints& where, const shared_flags& flags)
    : context_{context}, end_{flags.end}, admin_{context, where} {
    wait_for_it(where, flags);
}

void remote_spool::wait_for_it(const endpoints& where, const shared_flags& flags) {
    const auto wait = flags.wait_or(wait_by_default);
    if (admin_.wait_for_spool(end_.wait(std::min(wait, hint_after)))) return;
    if (wait > hint_after && !end_.run_over() && !context_.stopped()) {
        flags.speaker().say(nobody_yet(where, "spool"));
        if (admin_.wait_for_spool(end_.wait(wait - hint_after))) return;
    }
    const std::string who = fmt::format("no spool answered at {} in time", where.describe());
    throw failure{end_.run_over() ? exit_code::timed_out : exit_code::no_peer, who};
}

std::vector<header_map> remote_spool::call(const std::string& command, const header_map& arguments) {
    return admin_.call(command, arguments, end_.wait(answer_within));
}

void declare_spool(command_line& line, shared_flags& flags, std::initializer_list<shared> families) {
    line.value("-c,--connect", "EP", "the spool's endpoint, in place of the first word",
               [&flags](const std::string& ep) { flags.where.push_back(ferry::connect(ep)); });
    declare(line, flags, families);
    line.value("--wait", "DUR", "how long to wait for the spool (2s)",
               [&flags](const std::string& value) { flags.wait = parse_duration("--wait", value); });
}

endpoints take_spool(std::vector<std::string>& words, const shared_flags& flags) {
    const endpoints where = take_endpoint(words, flags);
    check_connects(where);
    return where;
}

std::string take_name(std::vector<std::string>& words, std::string_view what) {
    if (words.empty()) throw usage_error{fmt::format("the {} is missing", what)};
    std::string name = std::move(words.front());
    words.erase(words.begin());
    if (!protocol::good_name(name))
        throw usage_error{fmt::format("bad {} name '{}': letters, digits, '.', '_' and '-', 1 to 128 of them",
                                      what, name.substr(0, 128))};
    return name;
}

void refuse_more(const std::vector<std::string>& words) {
    if (!words.empty()) throw usage_error{fmt::format("one argument too many: '{}'", words.front())};
}

int with_spool(const shared_flags& flags, const endpoints& where,
               const std::function<exit_code(remote_spool&, output&)>& work) {
    context context;
    context.stop_on_signals();
    output out{context, {}};
    const auto interrupted = [&] { return context.signal() != 0; };
    try {
        remote_spool spool{context, where, flags};
        const exit_code code = work(spool, out);
        out.flush();
        return interrupted() ? interrupted_by(context.signal()) : to_int(code);
    } catch (const failure&) {
        if (!interrupted()) throw;
    } catch (const error&) {
        if (!interrupted()) throw;
    }
    return interrupted_by(context.signal());
}

}  // namespace ferry::cli
