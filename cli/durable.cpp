#include "cli/durable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "cli/units.hpp"
#include "core/clock.hpp"
#include "core/protocol.hpp"
#include "patterns/spool_connection.hpp"

namespace ferry::cli {
namespace {

struct flag_name {
    std::string_view setting, flag;
};

// docs/wire.md has the settings.
constexpr std::array<flag_name, 9> flag_names{{{"group_lease_ms", "--lease"},
                                               {"lease_ms", "--lease"},
                                               {"lease_max_ms", "--lease-max"},
                                               {"max_attempts", "--max-attempts"},
                                               {"backoff_ms", "--backoff"},
                                               {"max_in_flight", "--max-in-flight"},
                                               {"filter_prefix", "--topic"},
                                               {"single_active", "--single-active"},
                                               {"max_message_bytes", "--max-message"}}};
constexpr std::string_view word_letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

bool is_letter(char c) {
    return word_letters.find(c) != std::string_view::npos;
}

}  // namespace

grade parse_grade(std::string_view flag, std::string_view text) {
    if (text == "synced") return grade::synced;
    if (text == "written") return grade::written;
    if (text == "queued") return grade::queued;
    throw usage_error{fmt::format("{} is synced, written or queued, not '{}'", flag, text)};
}

void check_name(std::string_view what, const std::string& name) {
    if (protocol::good_name(name)) return;
    throw usage_error{fmt::format("bad {} name '{}': letters, digits, '.', '_' and '-', 1 to {} of them",
                                  what, name, protocol::name_bytes_max)};
}

exit_code code_of_refusal(std::string_view code) {
    if (code == protocol::code::unsupported) return exit_code::usage;
    return code_of(errc_of(code));
}

std::chrono::milliseconds parse_lease(std::string_view flag, const std::string& text) {
    const auto lease = std::chrono::ceil<std::chrono::milliseconds>(parse_duration(flag, text));
    if (lease < std::chrono::milliseconds{1} || lease > std::chrono::hours{12})
        throw usage_error{fmt::format("{}: 1ms to 12h, not '{}'", flag, text)};
    return lease;
}

std::string parse_from(std::string_view flag, const std::string& text) {
    const start_point at = parse_start(flag, text, read_clocks().wall_ns);
    if (at.at != start_point::kind::time) return text;
    if (!text.starts_with('-')) return fmt::format("@{}", at.value);
    // An age stays one: the spool counts back from its own clock, and the same words mean the same group.
    const auto age = std::chrono::ceil<std::chrono::milliseconds>(parse_duration(flag, text.substr(1)));
    return fmt::format("-{}ms", age.count());
}

void check_connects(const endpoints& where) {
    if (where.size() != 1) throw usage_error{"one spool at a time"};
    for (const endpoint& each : where)
        if (each.at == side::bind)
            throw usage_error{
                fmt::format("a spool binds, so this end connects: no @ for {}", where.describe())};
}

std::string with_flags_named(std::string_view refusal) {
    std::string text;
    bool quoted = false;  // what somebody chose stays as it is
    for (std::size_t at = 0; at < refusal.size();) {
        const std::size_t end = std::min(refusal.find_first_not_of(word_letters, at), refusal.size());
        const std::string_view word = refusal.substr(at, end - at);
        const auto* const found = std::ranges::find(flag_names, word, &flag_name::setting);
        text += quoted || found == flag_names.end() ? word : found->flag;
        at = end;
        if (at == refusal.size()) break;
        const bool in_word =
            at > 0 && at + 1 < refusal.size() && is_letter(refusal[at - 1]) && is_letter(refusal[at + 1]);
        quoted = quoted != (refusal[at] == '\'' && !in_word);
        text += refusal[at++];
    }
    return text;
}

void leave_answered(ferry::context& context, consumer& from, const ending& end) {
    using namespace std::chrono_literals;
    const auto deadline = end.run_deadline();
    if (!context.stopped())
        from.flush(deadline
                       ? std::optional<duration>{std::max<duration>(*deadline - ending::clock::now(), 2s)}
                       : forever);
    from.leave(2s);
}

}  // namespace ferry::cli
