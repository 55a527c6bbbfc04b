// Which of many plays are somebody's: the suite's sample of them, or a share of all.
//
//     turns of{29};             // the suite plays each 29th
//     if (of.mine()) play();    // asked once a play
//
// FERRY_EXHAUSTIVE=K/N says that all are played, in N processes of which this is number K, from 0.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace ferry::test {

class turns {
  public:
    explicit turns(std::size_t sample_every) : every_{sample_every} {
        const char* share = std::getenv("FERRY_EXHAUSTIVE");
        if (share == nullptr) return;
        all_ = true;
        if (std::sscanf(share, "%zu/%zu", &turn_, &every_) != 2 || turn_ >= every_)
            throw std::invalid_argument{"FERRY_EXHAUSTIVE is K/N, K below N"};
    }

    bool mine() { return met_++ % every_ == turn_; }
    bool all() const noexcept { return all_; }
    std::size_t met() const noexcept { return met_; }

  private:
    std::size_t every_, turn_ = 0, met_ = 0;
    bool all_ = false;
};

}  // namespace ferry::test
