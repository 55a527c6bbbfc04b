// Messages out of frames, as subscribers and pullers get them: envelopes and plain ones.
#include "core/envelope.hpp"

#include "ferry/error.hpp"
#include "tests/fuzz/target.hpp"

using namespace ferry;

namespace {

bool same(const message& a, const message& b) {
    return a.has_topic() == b.has_topic() && a.topic() == b.topic() && a.body() == b.body() &&
           a.headers() == b.headers() && a.sent_by() == b.sent_by() &&
           std::ranges::equal(a.frames(), b.frames(), {}, &frame::view, &frame::view);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<frame> frames;
    for (fuzz::pieces input{fuzz::as_text(data, size)}; input.any();) frames.emplace_back(input.next());
    const decoded_message first = from_frames(std::move(frames));
    if (!first.good) {
        fuzz::expect(std::string_view{first.reason}.size() > 0, "a bad message has a reason");
        return 0;
    }
    std::vector<frame> again;
    try {
        again = to_frames(first.content, envelope_mode::automatic);
    } catch (const error&) {
        return 0;  // headers that were just within the limit, written in another order of sizes
    }
    // Frames between topic and payload that look like a header are one when nothing else stands there.
    const decoded_message second = from_frames(std::move(again));
    const bool mistakable = !first.content.sent_by() && !first.content.frames().empty() &&
                            first.content.frames().front().view().starts_with(envelope_magic);
    fuzz::expect(mistakable || (second.good && same(first.content, second.content)),
                 "an envelope comes back");
    return 0;
}
