// Messages and the frames they are made of.
//
// A frame is one run of bytes. It is made by copying (from a string_view), or without copying by moving a
// std::string in or by sharing what somebody keeps alive; it is read without copying through `view()`. Up to
// 72 bytes stand in the frame itself; copies of a larger one share its bytes.
// A message is a topic (may be absent), headers (may be empty), a body, and whatever frames a plain peer put
// between. Both are values; they are not for use by two threads at once.
//
//     ferry::message m{"news", "hello"};
//     m.set_header("content-type", "text/plain");
//     m.topic() == "news";  m.body() == "hello";
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ferry {

class frame {
  public:
    static constexpr std::size_t inside_bytes_max = 72;

    frame() noexcept {}
    frame(std::string_view copied) {  // NOLINT: a literal is a frame
        if (copied.size() <= inside_bytes_max) {
            size_ = static_cast<std::uint8_t>(copied.size());
            if (size_ > 0) std::memcpy(inside_, copied.data(), size_);
        } else {
            copy_outside(copied);
        }
    }
    frame(const char* copied) : frame{std::string_view{copied}} {}         // NOLINT
    frame(const std::string& copied) : frame{std::string_view{copied}} {}  // NOLINT
    frame(std::string&& moved);  // NOLINT: large strings are moved in, small ones copied
    explicit frame(std::size_t size);
    /// Bytes that `owner` keeps alive, and that do not change.
    frame(std::shared_ptr<const void> owner, std::string_view bytes);
    frame(const frame& other);
    frame(frame&& other) noexcept { take(other); }
    frame& operator=(const frame& other);
    frame& operator=(frame&& other) noexcept {
        if (this == &other) return *this;
        if (form_ != form::inside) release();
        take(other);
        return *this;
    }
    ~frame() {
        if (form_ != form::inside) release();
    }

    std::string_view view() const noexcept {
        return form_ == form::inside ? std::string_view{inside_, size_} : view_outside();
    }
    std::size_t size() const noexcept { return view().size(); }
    bool empty() const noexcept { return size() == 0; }
    char* data() noexcept { return const_cast<char*>(view().data()); }
    std::string str() const { return std::string{view()}; }

    /// The bytes as a zmq_msg_t, for code that talks to libzmq itself. What it makes of it is this frame.
    void* native();
    /// Takes the bytes of a received zmq_msg_t, few by copying them. The zmq_msg_t can be received into
    /// again.
    void receive(void* from);

  private:
    enum class form : std::uint8_t { inside, slice, libzmq };
    struct slice {
        std::shared_ptr<const void> owner;
        std::string_view bytes;
    };

    // A zmq_msg_t is moved as bytes inside are, by copying it: zmq_msg_move does no more to one that is
    // empty, and calls libzmq three times for it.
    void take(frame& other) noexcept {
        if (other.form_ == form::slice) return take_slice(other);
        std::memcpy(inside_, other.inside_, sizeof inside_);
        size_ = std::exchange(other.size_, std::uint8_t{0});
        form_ = std::exchange(other.form_, form::inside);
    }
    void take_slice(frame& other) noexcept;
    void copy_outside(std::string_view bytes);
    void make(std::size_t size);
    std::string_view view_outside() const noexcept;
    void release() noexcept;

    union {
        char inside_[inside_bytes_max];
        slice slice_;
        alignas(void*) std::byte libzmq_[64];  // a zmq_msg_t, whose size is part of libzmq's ABI
    };
    std::uint8_t size_ = 0;  // of what is inside
    form form_ = form::inside;
};

/// Bytes that are not text, as a header value.
struct binary {
    std::string bytes;
    friend bool operator==(const binary&, const binary&) = default;
    friend auto operator<=>(const binary&, const binary&) = default;
};

using header_value = std::variant<std::string, std::int64_t, binary>;
using header_map = std::map<std::string, header_value, std::less<>>;

/// Who sent an enveloped message, and which of its messages it is.
struct stamp {
    std::string producer_id;     ///< 8 bytes
    std::uint64_t epoch = 0;     ///< run of that producer
    std::uint64_t sequence = 0;  ///< per (producer, epoch, topic), from 1; 0 = not counted
    std::uint64_t time_ns = 0;   ///< wall clock at the sender, since 1970
    friend bool operator==(const stamp&, const stamp&) = default;
};

/// Whether a sender adds the envelope's header frame: when there are headers (or a stamp), never, or always.
enum class envelope_mode : std::uint8_t { automatic, none, full };

class message {
  public:
    message() = default;
    message(frame body) : body_{std::move(body)} {}        // NOLINT: bytes are a message
    message(std::string body) : body_{std::move(body)} {}  // NOLINT
    message(std::string_view body) : body_{body} {}        // NOLINT
    message(const char* body) : body_{body} {}             // NOLINT
    message(frame topic, frame body) : topic_{std::move(topic)}, body_{std::move(body)}, has_topic_{true} {}
    message(const message& other);
    message(message&&) noexcept = default;
    message& operator=(const message& other);
    message& operator=(message&&) noexcept = default;
    ~message() = default;

    /// Empty when there is none; `has_topic` tells an empty topic from no topic.
    std::string_view topic() const noexcept { return topic_.view(); }
    bool has_topic() const noexcept { return has_topic_; }
    void set_topic(frame topic) {
        topic_ = std::move(topic);
        has_topic_ = true;
    }

    std::string_view body() const noexcept { return body_.view(); }
    const frame& body_frame() const noexcept { return body_; }
    const frame& topic_frame() const noexcept { return topic_; }
    void set_body(frame body) { body_ = std::move(body); }
    /// Moves the frame out, for a message that is not needed any more.
    frame take_topic() noexcept { return std::move(topic_); }
    frame take_body() noexcept { return std::move(body_); }

    /// No headers, and no frames between topic and payload.
    bool plain() const noexcept { return !extras_; }

    const header_map& headers() const noexcept;
    void set_header(std::string name, header_value value);
    /// The text of a header; empty optional when it is absent or not text.
    std::optional<std::string_view> header(std::string_view name) const;

    /// Frames a plain peer sent between topic and payload.
    std::span<const frame> frames() const noexcept;
    void add_frame(frame frame);

    /// The sender's stamp, when the message came (or shall go) in an envelope.
    std::optional<stamp> sent_by() const;
    void set_sent_by(const stamp& stamp);

  private:
    struct extras {
        header_map headers;
        std::vector<frame> frames;
    };
    struct sender {
        std::array<char, 8> producer_id;
        std::uint64_t epoch, sequence, time_ns;
    };
    extras& more();

    frame topic_;
    frame body_;
    bool has_topic_ = false;
    std::optional<sender> sent_by_;
    std::unique_ptr<extras> extras_;  // absent in most messages, so that they cost nothing
};

}  // namespace ferry
