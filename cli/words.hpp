// Names people type: the splitter for `--exec` commands and "did you mean".
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ferry::cli {

/// Splits as a POSIX shell quotes - '', "", \ - and expands nothing: `sh -c 'echo "a b"'` is three words.
/// In "" a backslash escapes only $ ` " \ and a line end. Throws usage_error for a quote left open.
std::vector<std::string> split_words(std::string_view text);

/// The one of `known` that `word` may have been meant as; empty when none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);

/// "; did you mean X?" or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);

}  // namespace ferry::cli
