// Records on their way to the disk: encoded one behind the other, written with one call.
//
// Small records are copied together; a large body stays where its owner has it and is written from there,
// because copying it would cost as much as checksumming it. Threads: the writer's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/log/record.hpp"
#include "core/log/storage.hpp"

namespace ferry::log {

class append_run {
  public:
    /// Takes `next`, which will stand at `at`. Its body must live until `write`.
    void add(const record& next, position durable, std::uint64_t nonce, position at);

    std::uint64_t bytes() const { return bytes_; }
    std::span<const record_header> headers() const { return headers_; }
    bool empty() const { return headers_.empty(); }

    void write(file& target, std::uint64_t offset);
    void clear();

  private:
    struct piece {
        std::size_t size = 0;      // of bytes in the buffer, or
        std::string_view outside;  // bytes elsewhere
    };
    void add_copied(std::string_view bytes);

    std::string buffer_;
    std::vector<piece> pieces_;
    std::vector<std::string_view> views_;
    std::vector<record_header> headers_;
    std::uint64_t bytes_ = 0;
};

}  // namespace ferry::log
