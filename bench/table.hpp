// What a benchmark's case came to: a row of the table, a line of JSON, and what an earlier run said of it.
#pragma once

#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/cases.hpp"

namespace ferry::bench {

/// The median of some samples, and their spread.
struct figure {
    explicit figure(std::vector<sample> samples);

    double median = 0;
    double least = 0;
    double most = 0;
    std::uint64_t lost = 0;
};

struct outcome {
    bench_case of;
    std::string name;  ///< in JSON: with that of the case above, where it is set in
    figure ours;
    figure theirs;  ///< zero where there is no counterpart

    bool alone() const noexcept { return of.against.empty(); }
    double ratio() const noexcept { return ours.median / theirs.median; }
};

/// What an earlier run wrote with --json. Ratios are comparable between runs and machines; where a case has
/// no counterpart its figure is what there is.
class earlier_run {
  public:
    /// Throws std::runtime_error when the file cannot be read or is none.
    explicit earlier_run(const std::string& path);
    std::optional<double> of(const outcome& now) const;

  private:
    std::map<std::string, double> figures_;
};

void print_head(bool compared);
void print_row(const outcome& what, const earlier_run* before);
void write_json(std::ostream& out, const outcome& what);

}  // namespace ferry::bench
