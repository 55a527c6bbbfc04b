#include "ferry/streamer.hpp"

#include "devices/proxy.hpp"

namespace ferry {

struct streamer::parts {
    proxy passing;
};

streamer::streamer(ferry::context& context, const ferry::endpoints& front, const ferry::endpoints& back,
                   device_options options)
    : parts_{new parts{
          .passing = {context,
                      {.front = zmq::socket_type::pull, .back = zmq::socket_type::push, .one_way = true},
                      front,
                      back,
                      std::move(options)}}} {}
streamer::~streamer() = default;
streamer::streamer(streamer&&) noexcept = default;
streamer& streamer::operator=(streamer&&) noexcept = default;

void streamer::run() {
    parts_->passing.run();
}
void streamer::stop() noexcept {
    parts_->passing.stop();
}
void streamer::pause() {
    parts_->passing.pause();
}
void streamer::resume() {
    parts_->passing.resume();
}

const std::vector<std::string>& streamer::endpoints() const noexcept {
    return parts_->passing.endpoints();
}
device_stats streamer::stats() const {
    return parts_->passing.stats();
}

}  // namespace ferry
