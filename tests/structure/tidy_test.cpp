// The rules of the house that a program can check: who includes whom, how large files are, what they are
// called. Every rule is first shown to find what it is there for.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct source {
    std::string path;  // from the top of the tree
    std::string text;

    bool under(std::string_view folder) const { return path.starts_with(folder); }
    std::vector<std::string> lines() const {
        std::vector<std::string> all;
        std::istringstream in{text};
        for (std::string line; std::getline(in, line);) all.push_back(line);
        return all;
    }
    /// What stands between the brackets or quotes of each #include.
    std::vector<std::string> includes() const {
        static const std::regex directive{R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])"};
        std::vector<std::string> all;
        std::smatch found;
        for (const std::string& line : lines())
            if (std::regex_search(line, found, directive)) all.push_back(found[1]);
        return all;
    }
    std::string stem() const { return fs::path{path}.stem().string(); }
};

using findings = std::vector<std::string>;

constexpr std::array product_folders = {"include", "core", "patterns", "devices", "cli"};
constexpr std::array source_folders = {"include", "core",    "patterns", "devices",
                                       "cli",     "samples", "bench",    "tests"};

bool is_source(const fs::path& path) {
    static const std::set<std::string> kinds = {".hpp", ".cpp", ".py", ".sh", ".cmake"};
    return kinds.contains(path.extension().string()) || path.filename() == "CMakeLists.txt";
}

std::string read_file(const fs::path& path) {
    std::ifstream in{path, std::ios::binary};
    REQUIRE(in.good());
    return {std::istreambuf_iterator<char>{in}, {}};
}

const std::vector<source>& tree() {
    static const std::vector<source> all = [] {
        std::vector<source> found;
        for (const std::string_view folder : source_folders) {
            const fs::path top = fs::path{FERRY_SOURCE_DIR} / folder;
            if (!fs::exists(top)) continue;
            for (const auto& each : fs::recursive_directory_iterator{top})
                if (each.is_regular_file() && is_source(each.path()))
                    found.push_back(
                        {fs::relative(each.path(), FERRY_SOURCE_DIR).string(), read_file(each.path())});
        }
        return found;
    }();
    return all;
}

bool is_product(const source& file) {
    return std::any_of(product_folders.begin(), product_folders.end(),
                       [&](const char* folder) { return file.under(std::string{folder} + '/'); });
}

// --- the arrows
// -------------------------------------------------------------------------------------------------

struct arrow {
    std::string_view from;                    // files under here
    std::vector<std::string_view> forbidden;  // may not include what begins so
    std::string_view except = "";             // but for this one
};

const std::vector<arrow>& arrows() {
    static const std::vector<arrow> all = {
        {"core/log/",
         {"zmq", "msgpack", "thread", "chrono", "condition_variable", "future", "sys/socket", "fmt/",
          "spdlog/", "ferry/", "patterns/", "devices/", "cli/"}},
        {"core/log/", {"core/"}, "core/log/"},
        {"core/", {"patterns/", "devices/", "cli/"}},
        {"patterns/", {"devices/", "cli/"}},
        {"devices/", {"patterns/", "cli/"}},
        {"include/", {"zmq", "core/", "patterns/", "devices/", "cli/", "fmt/", "spdlog/"}},
    };
    return all;
}

// A library that only some folders may include.
struct reserved {
    std::string_view library;
    std::vector<std::string_view> folders;
};

const std::vector<reserved>& reservations() {
    static const std::vector<reserved> all = {
        {"CLI/", {"cli/"}},
        {"doctest", {"tests/"}},
        {"nlohmann/", {"cli/", "bench/", "tests/"}},
        {"msgpack", {"include/ferry/pack.hpp", "cli/", "tests/"}},
    };
    return all;
}

findings forbidden_includes(const source& file) {
    findings wrong;
    for (const std::string& included : file.includes()) {
        for (const arrow& each : arrows()) {
            if (!file.under(each.from) || (!each.except.empty() && included.starts_with(each.except)))
                continue;
            for (const std::string_view forbidden : each.forbidden)
                if (included.starts_with(forbidden)) wrong.push_back(file.path + " includes " + included);
        }
        for (const reserved& each : reservations()) {
            const bool allowed = std::any_of(each.folders.begin(), each.folders.end(),
                                             [&](std::string_view folder) { return file.under(folder); });
            if (included.starts_with(each.library) && !allowed)
                wrong.push_back(file.path + " includes " + included);
        }
    }
    return wrong;
}

// --- size, names, words
// -------------------------------------------------------------------------------------------

constexpr std::size_t product_lines_max = 500;

findings too_long(const source& file) {
    const std::size_t lines = file.lines().size();
    if (!is_product(file) || lines <= product_lines_max) return {};
    return {file.path + " has " + std::to_string(lines) + " lines"};
}

// The words that say nothing are put together from halves, so that this file does not hold them itself.
findings empty_names(const source& file) {
    static const std::regex words{
        "(^|_)(mana"
        "ger|hel"
        "per|ut"
        "il|im"
        "pl|ba"
        "se)s?(_|$)"};
    static const std::regex classes{
        "\\b(class|struct)\\s+\\w*(mana"
        "ger|hel"
        "per|ut"
        "il|im"
        "pl|ba"
        "se)s?\\b"};
    findings wrong;
    if (std::regex_search(file.stem(), words)) wrong.push_back(file.path + " is named after nothing");
    std::smatch found;
    if (std::regex_search(file.text, found, classes)) wrong.push_back(file.path + " has a " + found.str());
    return wrong;
}

findings unfinished(const source& file) {
    static const std::regex marks{
        "\\b(TO"
        "DO|FIX"
        "ME|X"
        "XX)\\b"};
    findings wrong;
    std::smatch found;
    if (std::regex_search(file.text, found, marks)) wrong.push_back(file.path + " says " + found.str());
    return wrong;
}

findings sleeps(const source& file) {
    static const std::regex naps{
        "\\b(sleep"
        "_for|sleep"
        "_until|us"
        "leep|nano"
        "sleep)\\s*\\(|\\btime\\.sl"
        "eep\\s*\\(|^\\s*sl"
        "eep\\s+[0-9]"};
    findings wrong;
    if (!file.under("tests/")) return wrong;
    std::size_t number = 0;
    for (const std::string& line : file.lines()) {
        ++number;
        if (std::regex_search(line, naps))
            wrong.push_back(file.path + ":" + std::to_string(number) + " sleeps");
    }
    return wrong;
}

template <typename Rule>
findings all_findings(Rule rule) {
    findings all;
    for (const source& file : tree())
        for (std::string& each : rule(file)) all.push_back(std::move(each));
    return all;
}

std::string listed(const findings& all) {
    std::string text;
    for (const std::string& each : all) text += each + '\n';
    return text;
}

}  // namespace

TEST_CASE("tidy: the tree is there and has its folders") {
    for (const char* folder : product_folders) {
        CAPTURE(folder);
        CHECK(std::any_of(tree().begin(), tree().end(),
                          [&](const source& file) { return file.under(folder); }));
    }
    CHECK(tree().size() > 100);
}

TEST_CASE("tidy: folders depend downwards only, and libraries stay in their rooms") {
    CHECK(forbidden_includes({"core/log/x.cpp", "#include <zmq.hpp>\n"}).size() == 1);
    CHECK(forbidden_includes({"core/log/x.cpp", "#include <chrono>\n"}).size() == 1);
    CHECK(forbidden_includes({"core/log/x.cpp", "#include \"core/batch.hpp\"\n"}).size() == 1);
    CHECK(forbidden_includes({"core/log/x.cpp", "#include \"core/log/record.hpp\"\n#include <mutex>\n"})
              .empty());
    CHECK(forbidden_includes({"core/x.hpp", "#include \"devices/proxy.hpp\"\n"}).size() == 1);
    CHECK(forbidden_includes({"patterns/x.cpp", "  #include \"devices/spool/brain.hpp\"\n"}).size() == 1);
    CHECK(forbidden_includes({"devices/x.cpp", "#include \"patterns/numbering.hpp\"\n"}).size() == 1);
    CHECK(forbidden_includes({"devices/x.cpp", "#include <CLI/CLI.hpp>\n"}).size() == 1);
    CHECK(
        forbidden_includes({"cli/x.cpp", "#include <CLI/CLI.hpp>\n#include <doctest/doctest.h>\n"}).size() ==
        1);
    CHECK(forbidden_includes({"include/ferry/x.hpp", "#include <zmq.h>\n#include <msgpack.hpp>\n"}).size() ==
          2);

    const findings wrong = all_findings(forbidden_includes);
    INFO(listed(wrong));
    CHECK(wrong.empty());
}

TEST_CASE("tidy: no product file has more than 500 lines") {
    std::string text;
    for (int i = 0; i < 501; ++i) text += '\n';
    CHECK(too_long({"core/x.cpp", text}).size() == 1);
    CHECK(too_long({"tests/x.cpp", text}).empty());

    const findings wrong = all_findings(too_long);
    INFO(listed(wrong));
    CHECK(wrong.empty());
}

TEST_CASE("tidy: files and classes are named after what they hold") {
    CHECK(empty_names({"core/spool_mana"
                       "ger.cpp",
                       ""})
              .size() == 1);
    CHECK(empty_names({"core/ut"
                       "ils.hpp",
                       ""})
              .size() == 1);
    CHECK(empty_names({"core/x.hpp",
                       "class proxy_im"
                       "pl {"})
              .size() == 1);
    CHECK(empty_names({"core/database.hpp", "struct simple {"}).empty());

    const findings wrong = all_findings(empty_names);
    INFO(listed(wrong));
    CHECK(wrong.empty());
}

TEST_CASE("tidy: nothing is marked as unfinished, and no test sleeps") {
    CHECK(unfinished({"core/x.cpp",
                      "// TO"
                      "DO: later\n"})
              .size() == 1);
    CHECK(sleeps({"tests/x.cpp",
                  "std::this_thread::sleep"
                  "_for(1s);\n"})
              .size() == 1);
    CHECK(sleeps({"tests/x.py",
                  "time.sl"
                  "eep(1)\n"})
              .size() == 1);
    CHECK(sleeps({"core/x.cpp",
                  "usl"
                  "eep(1);\n"})
              .empty());

    findings wrong = all_findings(unfinished);
    for (std::string& each : all_findings(sleeps)) wrong.push_back(std::move(each));
    INFO(listed(wrong));
    CHECK(wrong.empty());
}

TEST_CASE("tidy: ferry.hpp includes every public header") {
    const std::vector<std::string> included =
        source{"ferry.hpp", read_file(fs::path{FERRY_SOURCE_DIR} / "include/ferry/ferry.hpp")}.includes();
    for (const source& file : tree()) {
        if (!file.under("include/ferry/") || file.path == "include/ferry/ferry.hpp") continue;
        CAPTURE(file.path);
        CHECK(std::find(included.begin(), included.end(),
                        file.path.substr(std::string_view{"include/"}.size())) != included.end());
    }
}

TEST_CASE("tidy: every file and folder that ARCHITECTURE.md names is there") {
    // `core/loop`, `devices/spool/brain.cpp`, `docs/` in code quotes; a name without an ending means .hpp or
    // .cpp.
    static const std::regex quoted{
        "`((?:include|core|patterns|devices|cli|samples|tests|bench|docs|cmake)/[A-Za-z0-9_./-]*)`"};
    const std::string text = read_file(fs::path{FERRY_SOURCE_DIR} / "ARCHITECTURE.md");
    findings missing;
    std::size_t named = 0;
    for (std::sregex_iterator at{text.begin(), text.end(), quoted}, end; at != end; ++at) {
        const fs::path path = fs::path{FERRY_SOURCE_DIR} / (*at)[1].str();
        ++named;
        const auto with = [&](const char* ending) { return fs::exists(path.string() + ending); };
        if (!with("") && !with(".hpp") && !with(".cpp")) missing.push_back((*at)[1].str());
    }
    INFO(listed(missing));
    CHECK(missing.empty());
    CHECK(named > 40);
}

TEST_CASE("tidy: every test case that docs/guarantees.md names is there") {
    // Sentences are broken into lines, in the page as spaces, in a source as literals behind each other.
    static const std::regex quoted{R"re("([a-z]+(?: [a-z]+)?: [^"]+)")re"};
    static const std::regex declared{R"re(TEST_CASE\(\s*"((?:[^"\\]|\\.|"\s*")*)"\s*\))re"};
    static const std::regex joint{R"re("\s*")re"};
    std::set<std::string> cases;
    for (const source& file : tree())
        for (std::sregex_iterator at{file.text.begin(), file.text.end(), declared}, end; at != end; ++at)
            cases.insert(std::regex_replace((*at)[1].str(), joint, ""));
    const std::string text = read_file(fs::path{FERRY_SOURCE_DIR} / "docs/guarantees.md");
    findings missing;
    std::size_t named = 0;
    for (std::sregex_iterator at{text.begin(), text.end(), quoted}, end; at != end; ++at) {
        ++named;
        const std::string sentence = std::regex_replace((*at)[1].str(), std::regex{"\\s*\n\\s*"}, " ");
        if (!cases.contains(sentence)) missing.push_back(sentence);
    }
    INFO(listed(missing));
    CHECK(missing.empty());
    CHECK(named > 20);
}
