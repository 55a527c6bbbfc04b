#include "cli/splitter.hpp"

#include <fmt/format.h>

#include "cli/exit_codes.hpp"
#include "cli/json_input.hpp"

namespace ferry::cli {
namespace {

constexpr std::size_t length_bytes = 4;

}  // namespace

void splitter::add(std::string_view bytes) {
    add([&](std::string& buffer) { buffer += bytes; });
}

void splitter::add(function_ref<void(std::string&)> append) {
    buffer_.erase(0, taken_);
    taken_ = 0;
    append(buffer_);
    if (format_ == in_format::raw && buffer_.size() > message_bytes_max) refuse_size(buffer_.size());
}

bool splitter::next(message& into) {
    for (std::string_view bytes; next(bytes);) {
        if (format_ != in_format::json) {
            into = message{frame{bytes}};
            return true;
        }
        if (bytes.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        try {
            into = message_from_json(bytes);
        } catch (const usage_error& problem) {
            throw usage_error{fmt::format("line {}: {}", messages_ - 1, problem.what())};
        }
        return true;
    }
    return false;
}

bool splitter::next(std::string_view& into) {
    if (!next_bytes(into)) return false;
    if (into.size() > message_bytes_max) refuse_size(into.size());
    ++messages_;
    return true;
}

// The next whole message in the buffer, which is given out with it.
bool splitter::next_bytes(std::string_view& into) {
    switch (format_) {
        case in_format::line:
        case in_format::json:
            return take_until('\n', into);
        case in_format::nul:
            return take_until('\0', into);
        case in_format::len32:
            return take_len32(into);
        case in_format::raw:
            break;
    }
    return at_end_ && take_rest(into);
}

bool splitter::take_until(char end, std::string_view& into) {
    const auto found = buffer_.find(end, taken_ + searched_);
    if (found == std::string::npos) {
        searched_ = buffer_.size() - taken_;
        if (searched_ > message_bytes_max) refuse_size(searched_);
        return at_end_ && take_rest(into);
    }
    into = std::string_view{buffer_}.substr(taken_, found - taken_);
    taken_ = found + 1;
    searched_ = 0;
    return true;
}

bool splitter::take_len32(std::string_view& into) {
    const std::size_t there = buffer_.size() - taken_;
    std::uint64_t length = 0;
    for (std::size_t i = 0; i < length_bytes && i < there; ++i)
        length = length << 8 | static_cast<std::uint8_t>(buffer_[taken_ + i]);
    if (there >= length_bytes && length > message_bytes_max) refuse_size(length);
    if (there >= length_bytes && there - length_bytes >= length) {
        into = std::string_view{buffer_}.substr(taken_ + length_bytes, length);
        taken_ += length_bytes + length;
        return true;
    }
    if (at_end_ && there > 0)
        throw usage_error{fmt::format("message {}: the input ends in the middle of it", messages_)};
    return false;
}

bool splitter::take_rest(std::string_view& into) {
    if (taken_ == buffer_.size()) return false;
    into = std::string_view{buffer_}.substr(taken_);
    taken_ = buffer_.size();
    searched_ = 0;
    return true;
}

void splitter::refuse_size(std::uint64_t bytes) const {
    throw failure{exit_code::full,
                  fmt::format("message {} has {} bytes or more; the most a message can have is {}", messages_,
                              bytes, message_bytes_max)};
}

}  // namespace ferry::cli
