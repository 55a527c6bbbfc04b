// A replier that serves in a thread of its own until the end of the test.
#pragma once

#include <string>
#include <thread>
#include <utility>

#include "ferry/replier.hpp"

namespace ferry::test {

inline message echo(const message& question) {
    return message{std::string{question.body()}};
}

struct serving {
    serving(context& context, const endpoints& where, replier::handler handle = echo,
            replier_options options = {})
        : desk{context, where, std::move(options)}, thread{[this, handle = std::move(handle)] {
              desk.serve(handle);
          }} {}
    ~serving() {
        desk.stop();
        thread.join();
    }
    replier desk;
    std::thread thread;
};

}  // namespace ferry::test
