#include "cli/words.hpp"

#include <algorithm>
#include <numeric>

#include "cli/exit_codes.hpp"

namespace ferry::cli {
namespace {

// Edits between two words: insert, delete, replace, and swap of neighbours (the commonest slip).
std::size_t edits(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> above(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(above.begin(), above.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            row[j] =
                std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
        }
        before = above;
        above = row;
    }
    return above[b.size()];
}

// Reads one quoted run starting behind the quote; `at` ends on the closing one.
void read_quoted(std::string_view text, std::size_t& at, std::string& word) {
    const char quote = text[at++];
    for (; at < text.size() && text[at] != quote; ++at) {
        const bool escape = quote == '"' && text[at] == '\\' && at + 1 < text.size() &&
                            std::string_view{"$`\"\\\n"}.find(text[at + 1]) != std::string_view::npos;
        if (escape) ++at;
        if (!(escape && text[at] == '\n')) word += text[at];
    }
    if (at == text.size()) throw usage_error{std::string{"the command has an open "} + quote};
}

}  // namespace

std::vector<std::string> split_words(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    bool begun = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (c == ' ' || c == '\t' || c == '\n') {
            if (begun) words.push_back(std::move(word));
            word.clear();
            begun = false;
            continue;
        }
        if (c == '\\' && at + 1 < text.size() && text[at + 1] == '\n') {
            ++at;  // a continued line
            continue;
        }
        begun = true;
        if (c == '\'' || c == '"') {
            read_quoted(text, at, word);
        } else if (c == '\\') {
            if (++at == text.size()) throw usage_error{"the command ends with a backslash"};
            word += text[at];
        } else {
            word += c;
        }
    }
    if (begun) words.push_back(std::move(word));
    return words;
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> known) {
    std::string_view best;
    std::size_t least = std::max<std::size_t>(1, std::min<std::size_t>(2, word.size() / 3)) + 1;
    for (const std::string_view each : known) {
        const std::size_t distance = edits(word, each);
        if (distance < least && distance < each.size()) {
            least = distance;
            best = each;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known) {
    const std::string_view meant = nearest(word, known);
    return meant.empty() ? "" : "; did you mean " + std::string{meant} + "?";
}

}  // namespace ferry::cli
