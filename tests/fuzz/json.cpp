// Messages out of JSON, as `--in json` takes them, and the JSON they are printed as.
#include "cli/json_input.hpp"

#include "cli/encoding.hpp"
#include "cli/exit_codes.hpp"
#include "cli/json_writer.hpp"
#include "tests/fuzz/target.hpp"

using namespace ferry;
using namespace ferry::cli;

namespace {

std::string as_json(const message& of) {
    std::string line;
    {
        json_object object{line};
        if (of.has_topic()) object.text("topic", of.topic());
        append_json_headers(object, of.headers());
        if (!of.frames().empty()) {
            std::string frames;
            for (const frame& each : of.frames())
                frames += (frames.empty() ? "[\"" : ",\"") + to_base64(each.view()) + '"';
            object.raw("frames", frames + ']');
        }
        object.text("payload", of.body());
    }
    fuzz::expect(is_json(line), "a message as JSON is JSON");
    return line;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = fuzz::as_text(data, size);
    static_cast<void>(is_json(text));
    message first;
    try {
        first = message_from_json(text);
    } catch (const usage_error&) {
        return 0;
    }
    const message second = message_from_json(as_json(first));
    fuzz::expect(second.has_topic() == first.has_topic() && second.topic() == first.topic() &&
                     second.body() == first.body() && second.headers() == first.headers() &&
                     std::ranges::equal(second.frames(), first.frames(), {}, &frame::view, &frame::view),
                 "a message comes back from JSON");
    return 0;
}
