#include "ferry/message.hpp"

#include <zmq.h>

#include <cstring>
#include <new>

namespace ferry {
namespace {

static_assert(sizeof(zmq_msg_t) == 64, "ferry::frame holds a zmq_msg_t");

// Below this a copy is cheaper than the allocation that moving in needs.
constexpr std::size_t move_in_from_bytes = 512;

zmq_msg_t* msg(void* storage) {
    return static_cast<zmq_msg_t*>(storage);
}
zmq_msg_t* msg(const void* storage) {
    return static_cast<zmq_msg_t*>(const_cast<void*>(storage));
}

void make_sized(void* storage, std::size_t size) {
    if (zmq_msg_init_size(msg(storage), size) != 0) throw std::bad_alloc{};
}

}  // namespace

frame::frame() noexcept {
    zmq_msg_init(msg(storage_));
}

frame::frame(std::size_t size) {
    make_sized(storage_, size);
}

frame::frame(std::string_view copied) {
    make_sized(storage_, copied.size());
    if (!copied.empty()) std::memcpy(data(), copied.data(), copied.size());
}

frame::frame(std::string&& moved) {
    if (moved.size() < move_in_from_bytes) {
        make_sized(storage_, moved.size());
        std::memcpy(data(), moved.data(), moved.size());
        return;
    }
    auto owner = std::make_unique<std::string>(std::move(moved));
    const auto release = [](void*, void* hint) { delete static_cast<std::string*>(hint); };
    if (zmq_msg_init_data(msg(storage_), owner->data(), owner->size(), release, owner.get()) != 0)
        throw std::bad_alloc{};
    owner.release();  // libzmq frees it when the last copy is gone
}

frame::frame(const frame& other) : frame{} {
    zmq_msg_copy(msg(storage_), msg(other.native()));
}

frame::frame(frame&& other) noexcept : frame{} {
    zmq_msg_move(msg(storage_), msg(other.storage_));
}

frame& frame::operator=(const frame& other) {
    if (this != &other) zmq_msg_copy(msg(storage_), msg(other.native()));
    return *this;
}

frame& frame::operator=(frame&& other) noexcept {
    if (this != &other) zmq_msg_move(msg(storage_), msg(other.storage_));
    return *this;
}

frame::~frame() {
    zmq_msg_close(msg(storage_));
}

std::string_view frame::view() const noexcept {
    zmq_msg_t* m = msg(native());
    return {static_cast<const char*>(zmq_msg_data(m)), zmq_msg_size(m)};
}

char* frame::data() noexcept {
    return static_cast<char*>(zmq_msg_data(msg(storage_)));
}

message::message(const message& other)
    : topic_{other.topic_},
      body_{other.body_},
      has_topic_{other.has_topic_},
      extras_{other.extras_ ? std::make_unique<extras>(*other.extras_) : nullptr} {}

message& message::operator=(const message& other) {
    if (this != &other) *this = message{other};
    return *this;
}

message::extras& message::more() {
    if (!extras_) extras_ = std::make_unique<extras>();
    return *extras_;
}

const header_map& message::headers() const noexcept {
    static const header_map none;
    return extras_ ? extras_->headers : none;
}

void message::set_header(std::string name, header_value value) {
    more().headers.insert_or_assign(std::move(name), std::move(value));
}

std::optional<std::string_view> message::header(std::string_view name) const {
    const auto found = headers().find(name);
    if (found == headers().end()) return std::nullopt;
    const auto* text = std::get_if<std::string>(&found->second);
    return text != nullptr ? std::optional<std::string_view>{*text} : std::nullopt;
}

std::span<const frame> message::frames() const noexcept {
    return extras_ ? std::span<const frame>{extras_->frames} : std::span<const frame>{};
}

void message::add_frame(frame frame) {
    more().frames.push_back(std::move(frame));
}

const std::optional<stamp>& message::sent_by() const noexcept {
    static const std::optional<stamp> nobody;
    return extras_ ? extras_->sent_by : nobody;
}

void message::set_sent_by(stamp stamp) {
    more().sent_by = std::move(stamp);
}

}  // namespace ferry
