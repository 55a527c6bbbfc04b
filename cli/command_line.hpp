// One command's words: declares its flags, takes them out of argv, and knows how to explain itself.
//
// Only the chosen command's flags are ever declared, by the command itself, when it runs: start-up stays
// short, and `--help` shows what is really there. A flag nobody declared is refused with the nearest name.
// After `--` nothing is a flag; `-` alone and negative numbers never are.
//
//     int run_push(command_line& line) {
//         shared_flags flags;
//         declare(line, flags, {shared::endpoints, shared::input});
//         line.value("--key", "K", "what orders messages", [&](const std::string& text) { key = text; });
//         const std::vector<std::string> words = line.parse();     // ["...", ...] without the flags
//
// Failure: `parse` throws usage_error; for --help it prints and throws help_shown.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ferry::cli {

class command_line;

/// One row of the table of commands.
struct command {
    std::string_view name;
    std::string_view alias;                      ///< the long form, or empty
    std::string_view usage;                      ///< behind "ferry ": pub EP [TOPIC [MESSAGE]]
    std::string_view summary;                    ///< one sentence
    std::span<const std::string_view> examples;  ///< at least two; the first two stand under a usage error
    std::span<const std::string_view> runnable;  ///< whole shell lines that end by themselves with status 0
    int (*run)(command_line& line);
};

/// Thrown when --help was answered: the command is done.
struct help_shown {};

class command_line {
  public:
    using reader = std::function<void(const std::string& value)>;

    command_line(const command& what, std::vector<std::string> words);
    ~command_line();
    command_line(const command_line&) = delete;
    command_line& operator=(const command_line&) = delete;

    /// A flag without a value. `names` as in "-q,--quiet".
    void flag(const std::string& names, std::string_view what, bool& on);
    void flag(const std::string& names, std::string_view what, std::function<void()> when_given);
    /// A flag with one value; `read` is called for each time it is given and throws usage_error.
    void value(const std::string& names, std::string_view unit, std::string_view what, reader read);

    /// Takes the first word as the verb of a command that has several (`stream ls`). Call it before
    /// declaring. Empty when help was asked for instead, or the word is missing.
    std::string verb(std::span<const std::string_view> verbs);

    /// The words that are neither flags nor their values, in order.
    std::vector<std::string> parse();

    const command& what() const noexcept { return what_; }

  private:
    struct declared {
        std::string names;
        std::string unit;
        std::string what;
    };
    struct parser;

    void show_help() const;
    [[noreturn]] void refuse_flag(const std::string& word) const;

    const command& what_;
    std::vector<std::string> words_;
    std::vector<declared> declared_;
    bool help_ = false;
    std::unique_ptr<parser> parser_;
};

}  // namespace ferry::cli
