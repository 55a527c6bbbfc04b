// A free port of the loopback, and the way to whoever is bound to one.
#pragma once

#include <string>
#include <vector>

#include "ferry/endpoint.hpp"

namespace ferry::test {

inline const endpoint anywhere = ferry::bind("tcp://127.0.0.1:*");

inline endpoint to(const std::vector<std::string>& bound) {
    return ferry::connect(bound.at(0));
}

}  // namespace ferry::test
