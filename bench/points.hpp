// Cases that one run measures together: a row each.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/cases.hpp"

namespace ferry::bench {

struct row {
    std::string name, unit;
};

/// Run by name only. `run` gives a sample for each of the rows; the names of all but the first are set in.
inline void add_point(std::vector<bench_case>& all, std::size_t size, const std::vector<row>& rows,
                      const std::function<std::vector<sample>()>& run) {
    const auto runs = std::make_shared<std::vector<std::vector<sample>>>();
    for (std::size_t i = 0; i < rows.size(); ++i)
        all.push_back({.name = (i == 0 ? "" : "  ") + rows[i].name,
                       .size = size,
                       .unit = rows[i].unit,
                       .against = {},
                       // The first row's repeats are the runs, which the others tell of one after the other.
                       .ours = [=, told = std::size_t{0}]() mutable -> sample {
                           if (i == 0) runs->push_back(run());
                           return runs->at(told++).at(i);
                       },
                       .theirs = {},
                       .repeats = 1,
                       .by_name_only = true});
}

}  // namespace ferry::bench
