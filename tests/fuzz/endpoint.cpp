// Endpoints as people type them.
#include "ferry/endpoint.hpp"

#include "ferry/error.hpp"
#include "tests/fuzz/target.hpp"

using namespace ferry;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = fuzz::as_text(data, size);
    for (const auto read : {+[](std::string_view typed) { return parse_endpoint(typed); },
                            +[](std::string_view typed) { return ferry::bind(typed); },
                            +[](std::string_view typed) { return ferry::connect(typed); }}) {
        try {
            const endpoint first = read(text);
            static_cast<void>(first.beyond_loopback());
            const endpoint second =
                first.at == side::bind ? ferry::bind(first.address) : ferry::connect(first.address);
            fuzz::expect(second == first, "a full address is its own short form");
        } catch (const error& refusal) {
            fuzz::expect(refusal.code() == errc::bad_argument, "a bad endpoint is a bad argument");
        }
    }
    return 0;
}
