// Publishes a week of earthquakes, one message an event, under the topic `quake.NETWORK`.
//
//     sample_publisher tcp://127.0.0.1:5555 samples/data/earthquakes.jsonl
//     sample_subscriber tcp://127.0.0.1:5555 quake.us 10          (in another terminal)
//
// `tcp://127.0.0.1:*` lets the system choose the port; the first line of output names it.
#include <ferry/context.hpp>
#include <ferry/error.hpp>
#include <ferry/publisher.hpp>
#include <fstream>
#include <iostream>

namespace {

// The text value of a field in a line of JSON.
std::string field(const std::string& line, const std::string& name) {
    const std::string key = "\"" + name + "\":\"";
    const auto begin = line.find(key);
    if (begin == std::string::npos) return "unknown";
    const auto value = begin + key.size();
    return line.substr(value, line.find('"', value) - value);
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 3) {
        std::cerr << "usage: sample_publisher ENDPOINT FILE\n";
        return 2;
    }
    ferry::context context;
    context.stop_on_signals();
    ferry::publisher quakes{context, ferry::bind(argv[1])};
    std::cout << "bound " << quakes.endpoints().front() << std::endl;

    // Without this the first messages would go to nobody.
    if (quakes.wait_for_subscribers(1, std::chrono::seconds{30}) != ferry::outcome::done) return 4;

    std::ifstream events{argv[2]};
    for (std::string line; std::getline(events, line);) {
        std::string topic = "quake." + field(line, "net");
        quakes.publish(std::move(topic), std::move(line));
    }
    const auto left = quakes.close();
    const auto counts = quakes.stats();
    std::cout << "sent " << counts.sent << ", nobody asked for " << counts.unheard << ", not sent " << left
              << '\n';
    return left == 0 ? 0 : 7;
} catch (const ferry::error& e) {
    std::cerr << "sample_publisher: " << e.what() << '\n';
    return 1;
}
