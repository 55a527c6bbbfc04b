// The real binary, and a spool of it in a directory of its own, for transcripts.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace ferry::test {

inline std::vector<std::string> binary_with(std::vector<std::string> words) {
    words.insert(words.begin(), FERRY_BINARY);
    return words;
}

inline finished run_ferry(std::vector<std::string> words, process_options options = {}) {
    return run(binary_with(std::move(words)), std::move(options));
}

struct spool_process {
    explicit spool_process(const std::string& listen = "@:0", std::vector<std::string> more = {})
        : words{"spool", "--dir", directory / "spool", "--listen", listen} {
        words.insert(words.end(), more.begin(), more.end());
        start();
    }
    void start() {
        running = std::make_unique<process>(binary_with(words));
        at = running->wait_for_error("ready ").substr(6);
        words[4] = "@" + at;  // a restart comes back to the same port
    }
    temporary_directory directory;
    std::vector<std::string> words;
    std::unique_ptr<process> running;
    std::string at;
};

}  // namespace ferry::test
