#include "ferry/forwarder.hpp"

#include "devices/proxy.hpp"

namespace ferry {

struct forwarder::parts {
    proxy passing;
};

forwarder::forwarder(ferry::context& context, const ferry::endpoints& front, const ferry::endpoints& back,
                     device_options options)
    : parts_{new parts{.passing = {context,
                                   {.front = zmq::socket_type::xsub, .back = zmq::socket_type::xpub},
                                   front,
                                   back,
                                   std::move(options)}}} {}
forwarder::~forwarder() = default;
forwarder::forwarder(forwarder&&) noexcept = default;
forwarder& forwarder::operator=(forwarder&&) noexcept = default;

void forwarder::run() {
    parts_->passing.run();
}
void forwarder::stop() noexcept {
    parts_->passing.stop();
}
void forwarder::pause() {
    parts_->passing.pause();
}
void forwarder::resume() {
    parts_->passing.resume();
}

const std::vector<std::string>& forwarder::endpoints() const noexcept {
    return parts_->passing.endpoints();
}
device_stats forwarder::stats() const {
    return parts_->passing.stats();
}

}  // namespace ferry
