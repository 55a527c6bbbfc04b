// Every byte of a spool's directory damaged in turn, and every file: what is promised of damage holds for
// all.
//
// The suite plays a sample; tests/exhaustive/run plays all.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <utility>

#include "tests/spool/exhaustive_judge.hpp"
#include "tests/support/turns.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

constexpr std::size_t complaints_max = 20;  // that are shown
constexpr std::size_t sector_bytes = 512;

const short_history& the_history() {
    static const short_history history = live_shortly();
    return history;
}

const judge& the_judge() {
    static const judge all{the_history()};
    return all;
}

// Plays damages, all or every n-th, and counts what came of them.
class damages {
  public:
    explicit damages(std::size_t sample_every) : turns_{sample_every} {}

    ~damages() {
        MESSAGE(fmt::format(
            "{} of {} played: {} refused, {} without a report, {} messages lost ({} of them namelessly), "
            "{} came back; {} complaints, {} ms",
            played_, turns_.met(), refused_, silent_, lost_, nameless_, back_, complaints_,
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - since_)
                .count()));
    }

    // Whether it is this one's turn: making the damage is work too.
    bool wanted() { return turns_.mine(); }

    void play(const std::string& what, const directory_files& files) {
        ++played_;
        const verdict said = the_judge().look(files);
        refused_ += said.refused;
        silent_ += !said.refused && said.reported == 0;
        lost_ += said.lost;
        nameless_ += said.nameless;
        back_ += said.back;
        for (const std::string& each : said.complaints)
            if (++complaints_ <= complaints_max) FAIL_CHECK(fmt::format("{}: {}", what, each));
    }

  private:
    turns turns_;
    const std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
    std::size_t played_ = 0, refused_ = 0, silent_ = 0, lost_ = 0, nameless_ = 0, back_ = 0, complaints_ = 0;
};

std::size_t written_bytes(const std::string& bytes) {
    return bytes.find_last_not_of('\0') + 1;
}

}  // namespace

TEST_CASE("exhaustive: a spool that nobody damaged gives everything that is open") {
    std::size_t bytes = 0;
    for (const auto& [name, each] : the_history().files) bytes += each.size();
    CHECK(bytes >= 65'536);
    const verdict said = the_judge().look(the_history().files);
    for (const std::string& each : said.complaints) FAIL_CHECK(each);
    CHECK(said.lost == 0);
    CHECK(said.back == 0);
    CHECK(said.reported == 0);
}

TEST_CASE(
    "exhaustive: whichever bit flips, nothing wrong is given out and only what stood there is missing") {
    damages all{67};
    directory_files files = the_history().files;
    for (const auto& [name, bytes] : the_history().files)
        for (std::size_t at = 0; at < bytes.size(); ++at) {
            if (!all.wanted()) continue;
            char& byte = files[name][at];
            const char was = byte;
            byte = static_cast<char>(byte ^ 1 << at % 8);
            all.play(fmt::format("{} flipped at {}", name, at), files);
            byte = was;
        }
}

TEST_CASE("exhaustive: wherever a file is cut, what stands before is given out") {
    damages all{83};
    directory_files files = the_history().files;
    for (const auto& [name, bytes] : the_history().files) {
        for (std::size_t to = 0; to < bytes.size(); ++to) {
            if (!all.wanted()) continue;
            files[name] = bytes.substr(0, to);
            all.play(fmt::format("{} cut at {}", name, to), files);
        }
        files[name] = bytes;
    }
}

TEST_CASE("exhaustive: a file that is missing, or another's copy, or exchanged with another, is damage") {
    damages all{3};
    directory_files files = the_history().files;
    for (const auto& [name, bytes] : the_history().files) {
        if (all.wanted()) {
            files.erase(name);
            all.play(name + " missing", files);
            files[name] = bytes;
        }
        for (const auto& [other, others] : the_history().files) {
            if (other == name) continue;
            if (all.wanted()) {
                files[name] = others;
                all.play(fmt::format("{} a copy of {}", name, other), files);
            }
            if (name < other && all.wanted()) {
                files[name] = others;
                files[other] = bytes;
                all.play(fmt::format("{} and {} exchanged", name, other), files);
                files[other] = others;
            }
            files[name] = bytes;
        }
    }
}

TEST_CASE("exhaustive: a file that is garbage, empty, or as it was some time before, is damage") {
    damages all{1};
    directory_files files = the_history().files;
    std::mt19937_64 random{7};
    std::size_t older = 0;
    for (const auto& [name, bytes] : the_history().files) {
        const auto becomes = [&](const std::string& what, const std::string& content) {
            if (content == bytes || !all.wanted()) return;
            files[name] = content;
            all.play(fmt::format("{} {}", name, what), files);
        };
        std::string noise = bytes;
        for (char& each : noise) each = static_cast<char>(random());
        becomes("garbage", noise);
        becomes("garbage behind its first block",
                bytes.substr(0, 4096) + noise.substr(std::min(noise.size(), 4096UL)));
        becomes("all ones", std::string(bytes.size(), '\xFF'));
        becomes("zeros", std::string(bytes.size(), '\0'));
        becomes("words", "This is not the file that you are looking for.\n");
        becomes("empty", "");
        becomes("followed by garbage", bytes + noise);
        if (const auto was = the_history().earlier.find(name); was != the_history().earlier.end()) {
            older += was->second == bytes ? 0 : 1;
            becomes("as it was before", was->second);
        }
        files[name] = bytes;
    }
    CHECK(older > 0);
}

TEST_CASE("exhaustive: sectors that are zeroed, or stand in each other's place, are damage") {
    damages all{197};
    std::vector<std::pair<std::string, std::size_t>> sectors;
    for (const auto& [name, bytes] : the_history().files)
        for (std::size_t at = 0; at < written_bytes(bytes); at += sector_bytes)
            sectors.emplace_back(name, at);
    directory_files files = the_history().files;
    const auto restore = [&](const std::string& name) { files[name] = the_history().files.at(name); };
    for (const auto& [name, at] : sectors) {
        const std::string here = files[name].substr(at, sector_bytes);
        if (all.wanted()) {
            files[name].replace(at, here.size(), here.size(), '\0');
            all.play(fmt::format("{} zeroed at {}", name, at), files);
            restore(name);
        }
        for (const auto& [other, other_at] : sectors) {
            if (std::pair{other, other_at} <= std::pair{name, at} || !all.wanted()) continue;
            const std::string there = files[other].substr(other_at, sector_bytes);
            files[name].replace(at, there.size(), there);
            files[other].replace(other_at, here.size(), here);
            all.play(fmt::format("{} at {} and {} at {} exchanged", name, at, other, other_at), files);
            restore(name);
            restore(other);
        }
    }
}
