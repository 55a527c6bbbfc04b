#include "core/log/spares.hpp"

#include <algorithm>
#include <system_error>

#include "core/log/segment.hpp"

namespace ferry::log {
namespace {

constexpr std::string_view prefix = "spare-";
constexpr std::string_view unfinished = ".part";
constexpr std::string_view unspared_name = "segment.part";
char all_zeros[1 << 20];  // never written, and so never more than the kernel's page of zeros

bool out_of_space(const std::system_error& failure) {
    return failure.code() == std::errc::no_space_on_device;
}

}  // namespace

std::string_view zeros() {
    return {all_zeros, sizeof all_zeros};
}

bool is_spare_name(std::string_view name) {
    return number_of(name, prefix, "").has_value();
}

bool is_unfinished_name(std::string_view name) {
    return name.ends_with(unfinished);
}

spare_pool::spare_pool(storage& directory, std::uint64_t segment_bytes, std::uint32_t spares_max)
    : directory_(directory), segment_bytes_(segment_bytes), spares_max_(spares_max) {}

bool spare_pool::adopt(const std::string& name) {
    next_number_ = std::max(next_number_, number_of(name, prefix, "").value_or(0) + 1);
    const auto opened = directory_.open(name, open_mode::read);
    const std::uint64_t bytes = opened->size();
    // Whoever takes a spare syncs a header into it before anything else: a blank first block means a blank
    // file.
    std::string first(segment_header_bytes, '\0');
    const bool whole = opened->read(0, first) == first.size();
    if (!whole || first.find_first_not_of('\0') != std::string::npos || bytes < segment_bytes_) return false;
    ready_.push_back({name, bytes});
    return true;
}

bool spare_pool::begin() {
    if (ready_.size() >= spares_max_ || directory_.bytes_free() < segment_bytes_) return false;
    part_name_ = numbered_name(prefix, next_number_, unfinished);
    part_ = directory_.open(part_name_, open_mode::create_new);
    ++next_number_;
    part_filled_ = 0;
    part_->allocate(segment_bytes_);
    return true;
}

// A directory may be full too, and a file system may find out late that there is no room.
bool spare_pool::prepare(std::size_t bytes_max) {
    try {
        return fill(bytes_max);
    } catch (const std::system_error& failure) {
        if (!out_of_space(failure)) throw;
        if (part_) directory_.remove(part_name_);
        part_.reset();
        return false;
    }
}

bool spare_pool::fill(std::size_t bytes_max) {
    if (!part_ && !begin()) return false;
    std::uint64_t remaining =
        std::min<std::uint64_t>(std::max<std::size_t>(bytes_max, 1), segment_bytes_ - part_filled_);
    while (remaining > 0) {
        const std::uint64_t step = std::min<std::uint64_t>(remaining, zeros().size());
        part_->write(part_filled_, zeros().substr(0, step));
        part_filled_ += step;
        remaining -= step;
    }
    if (part_filled_ < segment_bytes_) return true;
    finish();
    return ready_.size() < spares_max_;
}

void spare_pool::finish() {
    part_->sync();
    const std::string name = part_name_.substr(0, part_name_.size() - unfinished.size());
    directory_.rename(part_name_, name);
    part_.reset();
    ready_.push_back({name, segment_bytes_});
    directory_.sync_directory();
}

blank_segment spare_pool::take(std::uint64_t bytes_min) {
    const auto fits = [&](const spare& s) { return s.bytes >= bytes_min; };
    if (const auto found = std::ranges::find_if(ready_, fits); found != ready_.end()) {
        blank_segment blank{found->name, directory_.open(found->name, open_mode::write), found->bytes,
                            found->bytes};
        ready_.erase(found);
        return blank;
    }
    blank_segment blank{std::string{unspared_name}, nullptr, std::max(segment_bytes_, bytes_min)};
    blank.opened = directory_.open(blank.name, open_mode::create_new);
    for (;;) {
        try {
            blank.opened->allocate(blank.bytes);
            return blank;
        } catch (const std::system_error& failure) {
            if (!out_of_space(failure) || blank.bytes == bytes_min) throw;
        }
        blank.opened->truncate(0);
        blank.bytes = std::max(blank.bytes / 2, bytes_min);
    }
}

bool spare_pool::give_up_one() {
    if (ready_.empty()) return false;
    directory_.remove(ready_.back().name);
    ready_.pop_back();
    return true;
}

std::uint64_t spare_pool::ready_bytes() const {
    std::uint64_t bytes = 0;
    for (const spare& s : ready_) bytes += s.bytes;
    return bytes;
}

std::uint64_t spare_pool::file_bytes() const {
    return ready_bytes() + (part_ ? segment_bytes_ : 0);
}

}  // namespace ferry::log
