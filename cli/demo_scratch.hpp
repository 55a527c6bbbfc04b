// A directory for the time of a demo, gone with it.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace ferry::cli {

class demo_scratch {
  public:
    demo_scratch() {
        path_ = (std::filesystem::temp_directory_path() / "ferry-demo-XXXXXX").string();
        if (::mkdtemp(path_.data()) == nullptr)
            throw std::system_error{errno, std::generic_category(), "cannot make a directory like " + path_};
    }
    ~demo_scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    demo_scratch(const demo_scratch&) = delete;
    demo_scratch& operator=(const demo_scratch&) = delete;

    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

}  // namespace ferry::cli
