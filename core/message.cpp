#include "ferry/message.hpp"

#include <zmq.h>

#include <cstring>
#include <new>

namespace ferry {
namespace {

static_assert(sizeof(zmq_msg_t) == 64, "ferry::frame holds a zmq_msg_t");

// Below this a copy is cheaper than the allocation that moving in, or sharing with libzmq, needs.
constexpr std::size_t move_in_from_bytes = 512;

zmq_msg_t* msg(void* storage) {
    return static_cast<zmq_msg_t*>(storage);
}
zmq_msg_t* msg(const void* storage) {
    return static_cast<zmq_msg_t*>(const_cast<void*>(storage));
}

void make_sized(void* storage, std::string_view bytes) {
    if (zmq_msg_init_size(msg(storage), bytes.size()) != 0) throw std::bad_alloc{};
    if (!bytes.empty()) std::memcpy(zmq_msg_data(msg(storage)), bytes.data(), bytes.size());
}

// libzmq frees the owner when the last copy is gone.
template <typename Owner>
void make_owned(void* storage, std::unique_ptr<Owner> owner, std::string_view bytes) {
    const auto let_go = [](void*, void* hint) { delete static_cast<Owner*>(hint); };
    if (zmq_msg_init_data(msg(storage), const_cast<char*>(bytes.data()), bytes.size(), let_go, owner.get()) !=
        0)
        throw std::bad_alloc{};
    static_cast<void>(owner.release());
}

}  // namespace

void frame::make(std::size_t size) {
    if (size <= inside_bytes_max) {
        size_ = static_cast<std::uint8_t>(size);
        return;
    }
    if (zmq_msg_init_size(msg(libzmq_), size) != 0) throw std::bad_alloc{};
    form_ = form::libzmq;
}

frame::frame(std::size_t size) {
    make(size);
}

void frame::copy_outside(std::string_view bytes) {
    make(bytes.size());
    std::memcpy(data(), bytes.data(), bytes.size());
}

frame::frame(std::string&& moved) {
    if (moved.size() < move_in_from_bytes) {
        *this = frame{std::string_view{moved}};
        return;
    }
    auto owner = std::make_unique<std::string>(std::move(moved));
    const std::string_view bytes = *owner;
    make_owned(libzmq_, std::move(owner), bytes);
    form_ = form::libzmq;
}

frame::frame(std::shared_ptr<const void> owner, std::string_view bytes) {
    if (bytes.size() <= inside_bytes_max) {
        *this = frame{bytes};
        return;
    }
    new (&slice_) slice{std::move(owner), bytes};
    form_ = form::slice;
}

frame::frame(const frame& other) : size_{other.size_}, form_{other.form_} {
    if (form_ == form::inside) {
        std::memcpy(inside_, other.inside_, sizeof inside_);
    } else if (form_ == form::slice) {
        new (&slice_) slice{other.slice_};
    } else {
        zmq_msg_init(msg(libzmq_));
        zmq_msg_copy(msg(libzmq_), msg(other.libzmq_));
    }
}

frame& frame::operator=(const frame& other) {
    if (this != &other) *this = frame{other};
    return *this;
}

void frame::take_slice(frame& other) noexcept {
    form_ = form::slice;
    new (&slice_) slice{std::move(other.slice_)};
    other.release();
}

void frame::release() noexcept {
    if (form_ == form::slice)
        slice_.~slice();
    else
        zmq_msg_close(msg(libzmq_));
    form_ = form::inside;
    size_ = 0;
}

std::string_view frame::view_outside() const noexcept {
    if (form_ == form::slice) return slice_.bytes;
    return {static_cast<const char*>(zmq_msg_data(msg(libzmq_))), zmq_msg_size(msg(libzmq_))};
}

void* frame::native() {
    if (form_ == form::libzmq) return libzmq_;
    if (form_ == form::slice) {
        const slice kept = std::move(slice_);
        release();
        if (kept.bytes.size() < move_in_from_bytes)
            make_sized(libzmq_, kept.bytes);
        else
            make_owned(libzmq_, std::make_unique<std::shared_ptr<const void>>(kept.owner), kept.bytes);
    } else if (size_ == 0) {
        zmq_msg_init(msg(libzmq_));
    } else {
        char kept[inside_bytes_max];
        std::memcpy(kept, inside_, size_);
        make_sized(libzmq_, {kept, size_});
    }
    form_ = form::libzmq;
    return libzmq_;
}

void frame::receive(void* from) {
    const std::size_t size = zmq_msg_size(msg(from));
    if (size <= inside_bytes_max) {
        if (form_ != form::inside) release();
        if (size > 0) std::memcpy(inside_, zmq_msg_data(msg(from)), size);
        size_ = static_cast<std::uint8_t>(size);
        return;
    }
    if (form_ != form::inside) release();
    zmq_msg_init(msg(libzmq_));
    zmq_msg_move(msg(libzmq_), msg(from));
    form_ = form::libzmq;
    size_ = 0;
}

message::message(const message& other)
    : topic_{other.topic_},
      body_{other.body_},
      has_topic_{other.has_topic_},
      sent_by_{other.sent_by_},
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

std::optional<stamp> message::sent_by() const {
    if (!sent_by_) return std::nullopt;
    const auto& [id, epoch, sequence, time_ns] = *sent_by_;
    return stamp{{id.data(), id.size()}, epoch, sequence, time_ns};
}

void message::set_sent_by(const stamp& stamp) {
    sent_by_ = sender{{}, stamp.epoch, stamp.sequence, stamp.time_ns};
    stamp.producer_id.copy(sent_by_->producer_id.data(), sent_by_->producer_id.size());
}

}  // namespace ferry
