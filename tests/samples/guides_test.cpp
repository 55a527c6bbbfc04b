// The pages under docs/guides keep their word: every block of shell lines runs, one page after the other in a
// directory and with a spool of its own, and prints what the page shows behind it. What C++ they show stands
// in a sample, which is built and run.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tests/cli/spool_process.hpp"

namespace {

namespace fs = std::filesystem;
using ferry::test::finished;

struct block {
    std::string kind;  // sh, text, cpp, or nothing
    std::string text;
};

std::string content(const fs::path& file) {
    std::ifstream in{file, std::ios::binary};
    REQUIRE(in.good());
    return {std::istreambuf_iterator<char>{in}, {}};
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

// What stands between lines of three backquotes; the first of these names its kind.
std::vector<block> blocks_of(const std::string& page) {
    std::vector<block> all;
    bool inside = false;
    for (const std::string& line : lines_of(page)) {
        if (line.starts_with("```")) {
            inside = !inside;
            if (inside) all.push_back({line.substr(3), {}});
        } else if (inside) {
            all.back().text += line + '\n';
        }
    }
    REQUIRE_FALSE(inside);
    return all;
}

std::vector<fs::path> pages() {
    std::vector<fs::path> all;
    for (const auto& each : fs::directory_iterator{FERRY_SOURCE_DIR "/docs/guides"})
        all.push_back(each.path());
    std::sort(all.begin(), all.end());
    return all;
}

void replace_all(std::string& text, const std::string& what, const std::string& by) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
        text.replace(at, what.size(), by);
}

// The lines without what indents them, for code that is shown outside of its function.
std::string flush_left(const std::string& text) {
    std::string lines;
    for (const std::string& line : lines_of(text))
        lines += line.substr(std::min(line.find_first_not_of(' '), line.size())) + '\n';
    return lines;
}

// Shell lines of a page, with the spool that listens at `port` in the place of the page's.
finished run_lines(std::string lines, const std::string& port, const std::string& directory) {
    const std::string binary = FERRY_BINARY;
    const std::string path =
        binary.substr(0, binary.rfind('/')) + ":" FERRY_SAMPLES_BINARIES ":/usr/local/bin:/usr/bin:/bin";
    replace_all(lines, ":7000", port);
    // What a failing block has left running ends with it.
    const std::string ending =
        "trap 'jobs -p > .jobs; kill $(cat .jobs) 2> /dev/null || :' EXIT; exec 2>&1\n";
    finished got = ferry::test::run({"sh", "-e", "-c", ending + lines},
                                    {.environment = {{"PATH", path}}, .directory = directory});
    replace_all(got.out, port, ":7000");
    return got;
}

}  // namespace

TEST_CASE("guides: every block of shell lines runs as it stands and prints what the page shows") {
    std::size_t shown = 0;
    for (const fs::path& page : pages()) {
        CAPTURE(page.filename().string());
        const std::vector<block> blocks = blocks_of(content(page));
        if (std::none_of(blocks.begin(), blocks.end(), [](const block& b) { return b.kind == "sh"; }))
            continue;
        const ferry::test::temporary_directory room;
        const ferry::test::spool_process spool;
        const std::string port = spool.at.substr(spool.at.rfind(':'));
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            if (blocks[i].kind != "sh") continue;
            CAPTURE(blocks[i].text);
            const finished got = run_lines(blocks[i].text, port, room.path());
            INFO(got.out);
            INFO(got.err);
            REQUIRE(got.status == 0);
            if (i + 1 == blocks.size() || blocks[i + 1].kind != "text") continue;
            CHECK(got.out == blocks[i + 1].text);
            ++shown;
        }
    }
    CHECK(shown >= 20);
}

TEST_CASE("guides: a line that fails, and what is printed, are both noticed") {
    const auto blocks =
        blocks_of("text\n```sh\necho put :7000\nfalse\necho not reached\n```\n\n```text\n```\n");
    REQUIRE(blocks.size() == 2);
    const ferry::test::temporary_directory room;
    const finished got = run_lines(blocks[0].text, ":1234", room.path());
    CHECK(got.status == 1);
    CHECK(got.out == "put :7000\n");
    CHECK(blocks[1].kind == "text");
    CHECK(blocks[1].text.empty());
}

TEST_CASE("guides: what C++ they show stands in a sample") {
    std::string samples;
    for (const auto& each : fs::directory_iterator{FERRY_SAMPLES_SOURCES})
        if (each.path().extension() == ".cpp") samples += flush_left(content(each.path()));
    std::size_t shown = 0;
    for (const fs::path& page : pages())
        for (const block& each : blocks_of(content(page))) {
            if (each.kind != "cpp") continue;
            CAPTURE(page.filename().string());
            CAPTURE(each.text);
            CHECK(samples.find(flush_left(each.text)) != std::string::npos);
            ++shown;
        }
    CHECK(shown >= 2);
}

TEST_CASE("guides: every page is in their table, and every page and file they link to is there") {
    const std::string table = content(FERRY_SOURCE_DIR "/docs/guides/README.md");
    for (const fs::path& page : pages()) {
        const std::string name = page.filename().string();
        CAPTURE(name);
        if (name != "README.md") CHECK(table.find("](" + name + ")") != std::string::npos);
        const std::string text = content(page);
        for (std::size_t at = 0; (at = text.find("](", at)) != std::string::npos; ++at) {
            const std::string to = text.substr(at + 2, text.find(')', at) - at - 2);
            CAPTURE(to);
            CHECK(fs::exists(page.parent_path() / to.substr(0, to.find('#'))));
        }
    }
}
