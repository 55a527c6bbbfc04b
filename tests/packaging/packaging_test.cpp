// The installed tree is enough: a program outside finds ferry by CMake and by pkg-config, links it and runs.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/support/process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace {

using ferry::test::finished;
using ferry::test::process;
using ferry::test::process_options;
using ferry::test::temporary_directory;

// A compiler on a busy machine takes longer than what the other tests wait for.
constexpr std::chrono::minutes compiler_patience{3};

finished run_tool(std::vector<std::string> command, process_options options = {}) {
    process tool{std::move(command), std::move(options)};
    const int status = tool.wait(compiler_patience);
    return {status, tool.out(), tool.err()};
}

// Installs this build once; every test below looks at the same tree.
const std::string& installed() {
    static const temporary_directory tree;
    static const finished installation =
        run_tool({FERRY_CMAKE, "--install", FERRY_BUILD_DIR, "--prefix", tree.path()});
    INFO(installation.out << installation.err);
    REQUIRE(installation.status == 0);
    return tree.path();
}

std::string find_file(const std::string& name) {
    for (const auto& each : std::filesystem::recursive_directory_iterator{installed()})
        if (each.path().filename() == name) return each.path().string();
    return {};
}

// The one block of C++ in the README.
std::string readme_program() {
    std::ifstream in{FERRY_SOURCE_DIR "/README.md"};
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    const std::string opening = "```cpp\n";
    const std::size_t begin = text.find(opening);
    REQUIRE(begin != std::string::npos);
    const std::size_t end = text.find("```", begin + opening.size());
    REQUIRE(end != std::string::npos);
    return text.substr(begin + opening.size(), end - begin - opening.size());
}

}  // namespace

TEST_CASE("install: the library, its headers, the binary, the licence and both descriptions are there") {
    for (const char* name :
         {"libferry.a", "ferry.hpp", "earthquakes.jsonl", "producer.hpp", "spool.hpp", "ferry", "LICENSE",
          "ferry.pc", "ferry-config.cmake", "ferry-config-version.cmake"}) {
        CAPTURE(name);
        CHECK_FALSE(find_file(name).empty());
    }
}

TEST_CASE("install: a program finds ferry with find_package, links it and runs") {
    const temporary_directory build;
    const finished configured =
        run_tool({FERRY_CMAKE, "-S", FERRY_CONSUMER_DIR, "-B", build.path(), "-G", "Ninja",
                  "-DCMAKE_PREFIX_PATH=" + installed(), std::string{"-DCMAKE_CXX_COMPILER="} + FERRY_CXX,
                  std::string{"-DCMAKE_CXX_COMPILER_LAUNCHER="} + FERRY_CXX_LAUNCHER,
                  std::string{"-DCMAKE_CXX_FLAGS="} + FERRY_USER_FLAGS});
    INFO(configured.out << configured.err);
    REQUIRE(configured.status == 0);
    const finished built = run_tool({FERRY_CMAKE, "--build", build.path()});
    INFO(built.out << built.err);
    REQUIRE(built.status == 0);
    const finished ran = run_tool({build / "consumer", build / "outbox"});
    INFO(ran.err);
    CHECK(ran.status == 0);
    CHECK(ran.out == "42\n");
}

TEST_CASE(
    "install: the README's program finds ferry with pkg-config, also when the tree was moved, and does what "
    "it says") {
    const temporary_directory build;
    const std::string moved = build / "moved";
    std::filesystem::copy(installed(), moved, std::filesystem::copy_options::recursive);
    std::ofstream{build / "readme.cpp"} << readme_program();
    const std::string described =
        std::filesystem::relative(find_file("ferry.pc"), installed()).parent_path().string();
    const std::string command = std::string{FERRY_CXX_LAUNCHER} + " " + FERRY_CXX + " -std=c++20 " +
                                FERRY_USER_FLAGS +
                                " -o readme readme.cpp $(pkg-config --cflags --libs ferry)";
    const finished built =
        run_tool({"sh", "-c", command},
                 {.environment = {{"PKG_CONFIG_PATH", moved + "/" + described}}, .directory = build.path()});
    INFO(command << '\n' << built.err);
    REQUIRE(built.status == 0);
    const finished ran = run_tool({build / "readme"}, {.directory = build.path()});
    INFO(ran.err);
    CHECK(ran.status == 0);
    CHECK(ran.out == "on disk at 0\ncat.jpg, attempt 1\n");
}
