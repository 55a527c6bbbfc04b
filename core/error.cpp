#include "ferry/error.hpp"

namespace ferry {
namespace {

struct ferry_category : std::error_category {
    const char* name() const noexcept override { return "ferry"; }
    std::string message(int code) const override {
        switch (static_cast<errc>(code)) {
            case errc::failed:
                return "failed";
            case errc::bad_argument:
                return "bad argument";
            case errc::not_found:
                return "not found";
            case errc::no_peer:
                return "no peer";
            case errc::timed_out:
                return "timed out";
            case errc::damaged:
                return "damaged";
            case errc::full:
                return "full";
            case errc::too_large:
                return "too large";
            case errc::address_in_use:
                return "address in use";
            case errc::directory_in_use:
                return "directory in use";
            case errc::denied:
                return "denied";
            case errc::read_only:
                return "read-only";
            case errc::stopped:
                return "stopped";
        }
        return "unknown";
    }
};

}  // namespace

std::error_code make_error_code(errc code) noexcept {
    static const ferry_category category;
    return {static_cast<int>(code), category};
}

}  // namespace ferry
