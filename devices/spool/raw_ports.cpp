#include "devices/spool/raw_ports.hpp"

#include <algorithm>

namespace ferry {
namespace {

// Whom the brain's `allow` is asked about.
constexpr std::string_view port_user = "port";

}  // namespace

raw_ports::raw_ports(context& owner, const std::vector<raw_port>& wanted, const listener& note) {
    for (const raw_port& each : wanted) {
        const bool in = each.kind == raw_port_kind::in_pull || each.kind == raw_port_kind::in_sub;
        if (in)
            ports_.emplace_back(std::in_place_type<in_port>, owner, each, note);
        else
            ports_.emplace_back(std::in_place_type<out_port>, owner, each, note);
    }
}

bool raw_ports::step(brain& of, const port_turn& turn) {
    bool more = false;
    for (std::size_t i = 0; i < ports_.size(); ++i)
        std::visit(
            [&](auto& port) {
                if (port.step(turn)) more = true;
                for (outgoing_message& each : port.take_output())
                    of.frame(i + 1, port_user, each.head, std::move(each.body), turn.now);
            },
            ports_[i]);
    return more;
}

bool raw_ports::take(const send_action& what, instant now) {
    if (what.session == 0 || what.session > ports_.size()) return false;
    std::visit([&](auto& port) { port.frame(what.head, what.body, now); }, ports_[what.session - 1]);
    return true;
}

void raw_ports::leave(instant now) {
    for (auto& each : ports_) std::visit([&](auto& port) { port.leave(now); }, each);
}

bool raw_ports::left() const {
    return std::all_of(ports_.begin(), ports_.end(), [](const auto& each) {
        return std::visit([](const auto& port) { return port.left(); }, each);
    });
}

void raw_ports::give_up() {
    for (auto& each : ports_) std::visit([](auto& port) { port.give_up(); }, each);
}

std::uint64_t raw_ports::next_due_ns() const {
    std::uint64_t due = ~std::uint64_t{0};
    for (const auto& each : ports_)
        due = std::min(due, std::visit([](const auto& port) { return port.next_due_ns(); }, each));
    return due;
}

void raw_ports::watch(std::vector<pollfd>& into) {
    for (auto& each : ports_)
        into.push_back({std::visit([](auto& port) { return port.descriptor(); }, each), POLLIN, 0});
}

std::vector<raw_port_stats> raw_ports::stats() const {
    std::vector<raw_port_stats> all;
    for (const auto& each : ports_)
        all.push_back(std::visit([](const auto& port) { return port.stats(); }, each));
    return all;
}

header_map as_row(const raw_port_stats& port) {
    const auto number = [](std::uint64_t count) { return static_cast<std::int64_t>(count); };
    return {{"port", std::string{name_of(port.kind)}},
            {"stream", port.stream},
            {"endpoint", port.endpoint},
            {"received", number(port.received)},
            {"stored", number(port.stored)},
            {"sent", number(port.sent)},
            {"lost", number(port.lost)},
            {"waits_for", port.waits_for}};
}

}  // namespace ferry
