// msgpack as text and as JSON; base64, hex and UTF-8.
#include "cli/msgpack_text.hpp"

#include "cli/encoding.hpp"
#include "cli/json_input.hpp"
#include "tests/fuzz/target.hpp"

using namespace ferry::cli;
namespace fuzz = ferry::fuzz;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = fuzz::as_text(data, size);
    const auto text = msgpack_to_text(bytes);
    const auto json = msgpack_to_json(bytes);
    fuzz::expect(text.has_value() == json.has_value(), "what is text is JSON");
    if (text) fuzz::expect(is_utf8(*text), "text is UTF-8");
    if (json) fuzz::expect(is_json(*json) && is_utf8(*json), "JSON is JSON");

    const std::string encoded = to_base64(bytes);
    fuzz::expect(from_base64(encoded) == bytes, "base64 comes back");
    if (const auto back = from_base64(bytes)) fuzz::expect(to_base64(*back) == bytes, "base64 has one form");
    fuzz::expect(to_hex(bytes).size() == 2 * bytes.size(), "hex has two digits a byte");
    fuzz::expect(is_utf8(for_terminal(bytes)), "a terminal is shown UTF-8");
    return 0;
}
