// Messages out of frames, as subscribers and pullers get them: envelopes, batches and plain ones.
#include "core/envelope.hpp"

#include "core/envelope_batch.hpp"
#include "ferry/error.hpp"
#include "tests/fuzz/target.hpp"

using namespace ferry;

namespace {

bool same(const message& a, const message& b) {
    return a.has_topic() == b.has_topic() && a.topic() == b.topic() && a.body() == b.body() &&
           a.headers() == b.headers() && a.sent_by() == b.sent_by() &&
           std::ranges::equal(a.frames(), b.frames(), {}, &frame::view, &frame::view);
}

// The messages of a batch, sent as one again, are the same.
void check_batch(std::vector<frame>& frames) {
    envelope_batch batch;
    if (const char* const wrong = batch.open(frames)) {
        fuzz::expect(std::string_view{wrong}.size() > 0, "a bad batch has a reason");
        return;
    }
    const std::uint64_t said = batch.left();
    const stamp first = batch.sent_by();
    const frame topic{batch.topic()};
    std::vector<message> taken;
    std::string items;
    while (auto next = batch.next()) {
        append_item(items, *next);
        taken.push_back(std::move(*next));
    }
    fuzz::expect(taken.size() + batch.drop() == said, "every message of a batch was there or is missing");
    if (taken.empty()) return;
    std::vector<frame> again;
    again.push_back(topic);
    again.emplace_back(encode_batch_header(first, taken.size()));
    again.emplace_back(std::move(items));
    envelope_batch second;
    fuzz::expect(second.open(again) == nullptr, "a batch comes back");
    for (const message& each : taken) {
        const auto back = second.next();
        fuzz::expect(back && same(*back, each), "a message of a batch comes back");
    }
    fuzz::expect(second.left() == 0, "no message of a batch comes twice");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<frame> frames;
    for (fuzz::pieces input{fuzz::as_text(data, size)}; input.any();) frames.emplace_back(input.next());
    if (envelope_batch::is_one(frames)) {
        check_batch(frames);
        return 0;
    }
    const decoded_message first = from_frames(frames);
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
    const decoded_message second = from_frames(again);
    const bool mistakable = !first.content.sent_by() && !first.content.frames().empty() &&
                            first.content.frames().front().view().starts_with(envelope_magic);
    fuzz::expect(mistakable || (second.good && same(first.content, second.content)),
                 "an envelope comes back");
    return 0;
}
