// What a command says on stderr. stdout carries data and nothing else.
//
// Lines are written whole, each with one write, so that several processes on one terminal do not mix them.
// `ready` and `bound` lines go through `announce`: scripts wait for them, whatever -q says.
#pragma once

#include <string>
#include <string_view>

namespace ferry::cli {

class talk {
  public:
    explicit talk(bool quiet = false, bool verbose = false) : quiet_{quiet}, verbose_{verbose} {}

    /// Always: why the command fails.
    void complain(std::string_view command, std::string_view text) const;
    /// Always, at the start of a line: `ready ...`, `bound ...`.
    void announce(std::string_view line) const;
    /// Unless -q: summaries, hints, warnings.
    void say(std::string_view line) const;
    /// Only with -v.
    void detail(std::string_view line) const;

  private:
    bool quiet_;
    bool verbose_;
};

}  // namespace ferry::cli
