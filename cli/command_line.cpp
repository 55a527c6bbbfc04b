#include "cli/command_line.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>

#include "cli/exit_codes.hpp"
#include "cli/words.hpp"

namespace ferry::cli {

// CLI11 sees flags only. It would split a positional `[1,2]` into two and abbreviate nothing we print, so
// the other words are read from what it leaves over.
struct command_line::parser {
    CLI::App app;
};

namespace {

bool looks_like_flag(std::string_view word) {
    if (word.size() < 2 || word[0] != '-') return false;
    const bool number = std::isdigit(static_cast<unsigned char>(word[1])) != 0 || word[1] == '.';
    return !number;
}

// "-n,--count" -> {"-n", "--count"}
std::vector<std::string_view> split_names(std::string_view names) {
    std::vector<std::string_view> all;
    while (!names.empty()) {
        const auto comma = std::min(names.find(','), names.size());
        all.push_back(names.substr(0, comma));
        names.remove_prefix(std::min(comma + 1, names.size()));
    }
    return all;
}

}  // namespace

command_line::command_line(const command& what, std::vector<std::string> words)
    : what_{what}, words_{std::move(words)}, parser_{std::make_unique<parser>()} {
    parser_->app.set_help_flag("");
    parser_->app.allow_extras();
}

command_line::~command_line() = default;

void command_line::flag(const std::string& names, std::string_view what, bool& on) {
    flag(names, what, [&on] { on = true; });
}

void command_line::flag(const std::string& names, std::string_view what, std::function<void()> when_given) {
    parser_->app.add_flag_callback(names, std::move(when_given));
    declared_.push_back({names, "", std::string{what}});
}

void command_line::value(const std::string& names, std::string_view unit, std::string_view what,
                         reader read) {
    parser_->app.add_option_function<std::string>(names, std::move(read))
        ->expected(1)
        ->trigger_on_parse()
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    declared_.push_back({names, std::string{unit}, std::string{what}});
}

std::string command_line::verb(std::span<const std::string_view> verbs) {
    if (words_.empty()) throw usage_error{"a verb is missing"};
    if (words_[0] == "--help" || words_[0] == "-h") return "";
    const std::string first = words_[0];
    if (std::find(verbs.begin(), verbs.end(), first) == verbs.end())
        throw usage_error{fmt::format("unknown verb '{}'{}", first, did_you_mean(first, verbs))};
    words_.erase(words_.begin());
    return first;
}

std::vector<std::string> command_line::parse() {
    flag("-h,--help", "show this", help_);
    const auto end_of_flags = std::find(words_.begin(), words_.end(), "--");
    // CLI11 takes its words from the back.
    std::vector<std::string> flags{std::make_reverse_iterator(end_of_flags), words_.rend()};
    try {
        parser_->app.parse(std::move(flags));
    } catch (const CLI::ArgumentMismatch& problem) {
        const std::string_view text = problem.what();
        throw usage_error{fmt::format("{} needs a value", text.substr(0, text.find(':')))};
    } catch (const CLI::ParseError& problem) {
        throw usage_error{problem.what()};
    } catch (const error& problem) {  // an endpoint that is none
        throw usage_error{problem.what()};
    }
    if (help_) {
        show_help();
        throw help_shown{};
    }
    std::vector<std::string> rest = parser_->app.remaining();
    for (const std::string& word : rest)
        if (looks_like_flag(word)) refuse_flag(word);
    if (end_of_flags != words_.end()) rest.insert(rest.end(), end_of_flags + 1, words_.end());
    return rest;
}

void command_line::refuse_flag(const std::string& word) const {
    std::vector<std::string_view> known;
    for (const declared& each : declared_)
        for (const std::string_view name : split_names(each.names)) known.push_back(name);
    const std::string name = word.substr(0, word.find('='));
    // Any two letters are near each other: a hint would be a guess.
    const bool letter = !name.starts_with("--");
    throw usage_error{fmt::format("unknown flag '{}'{}", name, letter ? "" : did_you_mean(name, known))};
}

void command_line::show_help() const {
    std::string text = fmt::format("{}\n\nusage: ferry {}\n", what_.summary, what_.usage);
    if (!what_.alias.empty()) text += fmt::format("       `ferry {}` is the same command\n", what_.alias);
    text += "\nflags:\n";
    for (const declared& each : declared_) {
        std::string left;
        for (const std::string_view name : split_names(each.names))
            left += (left.empty() ? "" : ", ") + std::string{name};
        if (!each.unit.empty()) left += ' ' + each.unit;
        text += fmt::format("  {:<26} {}\n", left, each.what);
    }
    text += "\nexamples:\n";
    for (const std::string_view each : what_.examples) text += fmt::format("  {}\n", each);
    std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace ferry::cli
