#include "cli/demo_events.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/exit_codes.hpp"

namespace ferry::cli {
namespace {

constexpr std::string_view no_magnitude = "-";
constexpr std::string_view no_network = "unknown";
constexpr std::size_t word_characters_max = 64;
constexpr std::string_view everything = "quake.";

std::string word_of(const nlohmann::json& event, const char* member) {
    const auto found = event.find(member);
    if (found == event.end() || found->is_null()) return {};
    std::string word = found->is_string() ? found->get<std::string>() : found->dump();
    word.resize(std::min(word.size(), word_characters_max));
    for (char& each : word)
        if (std::isalnum(static_cast<unsigned char>(each)) == 0 && each != '_' && each != '-') each = '_';
    return word;
}

std::string magnitude_in(const nlohmann::json& event) {
    const auto found = event.find("mag");
    if (found == event.end() || !found->is_number()) return std::string{no_magnitude};
    return fmt::format("{}", found->get<double>());
}

// The networks by how many events they have, the most first; those with as many by name.
std::vector<std::string> busiest(const network_totals& totals) {
    std::vector<std::string> networks;
    for (const auto& [network, total] : totals) networks.push_back(network);
    std::stable_sort(networks.begin(), networks.end(), [&](const std::string& a, const std::string& b) {
        return totals.find(a)->second.events > totals.find(b)->second.events;
    });
    return networks;
}

}  // namespace

demo_event read_demo_event(std::string line, std::size_t line_number) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object())
        throw failure{exit_code::usage, fmt::format("line {} is not a JSON object", line_number)};
    demo_event event;
    event.id = word_of(json, "id");
    if (event.id.empty()) event.id = fmt::format("line{}", line_number);
    event.network = word_of(json, "net");
    if (event.network.empty()) event.network = no_network;
    event.magnitude = magnitude_in(json);
    event.topic = fmt::format("{}{}.{}", everything, event.network, event.id);
    event.line = std::move(line);
    return event;
}

void network_total::add(std::string_view magnitude) {
    ++events;
    double value = 0;
    const auto [end, problem] = std::from_chars(magnitude.data(), magnitude.data() + magnitude.size(), value);
    if (problem == std::errc{} && end == magnitude.data() + magnitude.size())
        largest = std::max(largest.value_or(value), value);
}

demo_events::demo_events(const std::string& path) : path_{path} {
    std::ifstream in{path, std::ios::binary};
    if (!in || std::filesystem::is_directory(path))
        throw failure{exit_code::not_found,
                      fmt::format("cannot read {}: {}", path, std::strerror(in ? EISDIR : errno))};
    std::size_t number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        try {
            all_.push_back(read_demo_event(std::move(line), number));
        } catch (const failure& problem) {
            throw failure{problem.code(), fmt::format("{}: {}", path, problem.what())};
        }
    }
    if (in.bad()) throw failure{exit_code::failed, fmt::format("cannot read {}", path)};
    if (all_.empty()) throw failure{exit_code::usage, fmt::format("{}: there is no event in it", path)};
    for (std::size_t i = 0; i < all_.size(); ++i) by_id_.emplace(all_[i].id, i);
}

std::optional<std::string_view> demo_events::magnitude_of(std::string_view id) const {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return std::nullopt;
    return all_[found->second].magnitude;
}

std::vector<std::string> demo_events::prefixes() const {
    const std::vector<std::string> networks = busiest(totals(size()));
    const std::string first = fmt::format("{}{}.", everything, networks[0]);
    const std::string second =
        networks.size() > 1 ? fmt::format("{}{}.", everything, networks[1]) : all_.back().topic;
    return {second, first, std::string{everything}};
}

network_totals demo_events::totals(std::size_t messages) const {
    network_totals totals;
    for (std::size_t i = 0; i < messages; ++i) {
        const demo_event& event = all_[i % all_.size()];
        totals[event.network].add(event.magnitude);
    }
    return totals;
}

std::string find_demo_data() {
    namespace fs = std::filesystem;
    const fs::path beside = fs::read_symlink("/proc/self/exe").parent_path();
    const fs::path name = "share/ferry/earthquakes.jsonl";
    const fs::path installed = (beside / ".." / name).lexically_normal();
    for (const fs::path& each : {installed, beside / name})
        if (fs::exists(each)) return each.string();
    throw failure{exit_code::not_found,
                  fmt::format("the events are neither at {} nor at {}; name a file with --data",
                              installed.string(), (beside / name).string())};
}

}  // namespace ferry::cli
