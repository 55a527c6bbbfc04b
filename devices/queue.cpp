#include "ferry/queue.hpp"

#include "devices/proxy.hpp"

namespace ferry {

struct queue::parts {
    proxy passing;
};

queue::queue(ferry::context& context, const ferry::endpoints& front, const ferry::endpoints& back,
             device_options options)
    : parts_{new parts{
          .passing = {
              context,
              {.front = zmq::socket_type::router, .back = zmq::socket_type::dealer, .to_workers = true},
              front,
              back,
              std::move(options)}}} {}
queue::~queue() = default;
queue::queue(queue&&) noexcept = default;
queue& queue::operator=(queue&&) noexcept = default;

void queue::run() {
    parts_->passing.run();
}
void queue::stop() noexcept {
    parts_->passing.stop();
}
void queue::pause() {
    parts_->passing.pause();
}
void queue::resume() {
    parts_->passing.resume();
}

const std::vector<std::string>& queue::endpoints() const noexcept {
    return parts_->passing.endpoints();
}
device_stats queue::stats() const {
    return parts_->passing.stats();
}

}  // namespace ferry
