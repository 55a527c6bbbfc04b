// Where a component binds or connects.
//
//     ferry::publisher  a{context, ferry::bind("tcp://127.0.0.1:5555")};
//     ferry::subscriber b{context, {ferry::connect("tcp://10.0.0.1:5555"), ferry::connect("ipc:///run/b")}};
//     ferry::puller     c{context, ferry::parse_endpoint("@:5556")};            // the command line's short
//     form
//
// Short forms: a bare endpoint connects, `@` in front binds, `tcp://*:N` binds by itself.
// `:5555` is tcp://127.0.0.1:5555, `host:5555` is tcp://host:5555, `@any:5555` binds every interface,
// `@:0` binds a free port, `./x.sock` and `/run/x.sock` are ipc.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace ferry {

enum class side : unsigned char { bind, connect };

struct endpoint {
    side at = side::connect;
    std::string address;  ///< as libzmq writes it: tcp://127.0.0.1:5555, ipc:///run/x.sock, inproc://name

    /// True when a bind here can be reached from other machines.
    bool beyond_loopback() const;

    friend bool operator==(const endpoint&, const endpoint&) = default;
};

/// The address taken as libzmq writes it, or in a short form. Throws errc::bad_argument.
endpoint bind(std::string_view address);
endpoint connect(std::string_view address);

/// A short form, as typed in a shell: `@` says bind. Throws errc::bad_argument with the reason.
endpoint parse_endpoint(std::string_view text);

/// One or more endpoints: what every component takes.
class endpoints {
  public:
    endpoints(endpoint one) : all_{std::move(one)} {}  // NOLINT: reads as the sketch does
    endpoints(std::initializer_list<endpoint> all) : all_{all} {}
    endpoints(std::vector<endpoint> all) : all_{std::move(all)} {}  // NOLINT

    auto begin() const { return all_.begin(); }
    auto end() const { return all_.end(); }
    std::size_t size() const { return all_.size(); }

    /// "tcp://a:1, tcp://b:2", for texts.
    std::string describe() const;

  private:
    std::vector<endpoint> all_;
};

}  // namespace ferry
