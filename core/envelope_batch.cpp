#include "core/envelope_batch.hpp"

#include "core/envelope.hpp"
#include "core/shared_frame.hpp"

namespace ferry {
std::string encode_batch_header(const stamp& first, std::uint64_t messages) {
    std::string bytes{envelope_batch_magic};
    std::string id = first.producer_id;
    id.resize(producer_id_bytes);
    pack_writer{bytes}
        .array(5)
        .bytes(id)
        .number(first.epoch)
        .number(first.sequence)
        .number(first.time_ns)
        .number(messages);
    return bytes;
}

const char* envelope_batch::open(std::span<frame> frames) {
    left_ = 0;
    if (frames[1].size() > envelope_header_bytes_max) return "the header of a batch is longer than 64 KiB";
    pack_cursor from{frames[1].view().substr(envelope_batch_magic.size())};
    const std::uint32_t fields = from.array();
    sent_by_.producer_id = from.bytes();
    sent_by_.epoch = from.number();
    sent_by_.sequence = from.number();
    sent_by_.time_ns = from.number();
    const std::uint64_t messages = from.number();
    for (std::uint32_t left = fields; left > 5; --left) from.skip(envelope_header_depth_max);
    if (fields < 5 || !from.good() || !from.at_end()) return "the header of a batch is no array of five";
    if (sent_by_.producer_id.size() != producer_id_bytes) return "the producer id is not 8 bytes";
    // Each takes three bytes at least.
    if (messages == 0 || messages > frames[2].size() / 3) return "the header of a batch says what cannot be";
    if (sent_by_.sequence + messages < messages) return "the numbers of a batch run over";
    // A long topic is shared by all messages.
    const auto topic = std::make_shared<const frame>(std::move(frames[0]));
    topic_ = frame{topic, topic->view()};
    items_ = std::make_shared<const frame>(std::move(frames[2]));
    cursor_ = batch_cursor{items_->view()};
    left_ = messages;
    return nullptr;
}

// Who keeps a small message must not keep its batch.
frame envelope_batch::part(std::string_view bytes) const {
    return bytes.size() < copy_below_bytes ? frame{bytes} : frame{items_, bytes};
}

void envelope_batch::take(std::optional<message>& into) {
    const std::optional<item_view> item = cursor_.next();
    if (!item || left_ == 0) return;
    message& content = into.emplace(part(item->payload));
    if (item->topic)
        content.set_topic(part(*item->topic));
    else if (!topic_.empty())
        content.set_topic(topic_);
    if (!add_extras(*item, content)) return into.reset();
    if (sent_by_.epoch > 0) content.set_sent_by(sent_by_);
    step();
}

void envelope_batch::skip(std::uint64_t messages) {
    for (; messages > 0 && left_ > 0; --messages) {
        cursor_.next();
        step();
    }
}

void envelope_batch::step() noexcept {
    if (sent_by_.sequence > 0) ++sent_by_.sequence;
    --left_;
}

}  // namespace ferry
