// Writes what the fuzzers start from: bytes that ferry's own encoders made, of real sessions where there are
// any.
//
//     fuzz_seeds DIRECTORY        makes DIRECTORY/<target>/<number>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/consumer_session.hpp"
#include "core/envelope.hpp"
#include "core/envelope_batch.hpp"
#include "core/log/adoption.hpp"
#include "core/log/footer.hpp"
#include "core/log/scan.hpp"
#include "core/log/segment.hpp"
#include "core/log/snapshot.hpp"
#include "core/offset_set.hpp"
#include "core/producer_session.hpp"
#include "core/request_id.hpp"
#include "core/ticket.hpp"
#include "core/varint.hpp"
#include "devices/spool/record_payload.hpp"
#include "tests/fuzz/small_spool.hpp"

using namespace ferry;
using namespace ferry::fuzz;

namespace {

// Where seeds go, by target.
class seed_bed {
  public:
    explicit seed_bed(std::filesystem::path directory) : directory_{std::move(directory)} {}

    void add(const std::string& target, std::string_view bytes) {
        std::filesystem::create_directories(directory_ / target);
        std::ofstream file{directory_ / target / ("seed-" + std::to_string(count_[target]++)),
                           std::ios::binary};
        file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }

  private:
    std::filesystem::path directory_;
    std::map<std::string, int> count_;
};

std::string pieces_of(std::initializer_list<std::string_view> parts) {
    std::string input;
    for (const std::string_view each : parts) append_piece(input, each);
    return input;
}

std::vector<message> some_messages() {
    std::vector<message> all;
    all.emplace_back("plain");
    all.emplace_back(frame{"orders.eu.paid"}, frame{"{\"n\":1}"});
    message with{"topic", "late"};
    with.set_header("delay", std::int64_t{500});
    with.set_header("priority", std::int64_t{7});
    with.set_header("message-id", "order-17");
    with.set_header("key", "k1");
    all.push_back(with);
    message worthless{"topic", "soon over"};
    worthless.set_header("ttl", std::int64_t{300});
    worthless.set_header("raw", binary{std::string{"\0\xFF", 2}});
    all.push_back(worthless);
    message framed{"t", "end"};
    framed.add_frame("between");
    framed.add_frame("");
    all.push_back(framed);
    return all;
}

// Producer, consumer and administrator talk to a spool; everything said is a seed.
class recorder {
  public:
    explicit recorder(seed_bed& bed) : bed_{bed} {}

    void record() {
        const instant now = spool_.now();
        for (const message& each : some_messages()) {
            places_.push_back(producer_.put(each, now));
            produced_ += std::string{};
            append_piece(produced_, std::string{"\x02"} + std::string{each.body()});
        }
        rounds(4);
        administer();
        rounds(4);
        spool_.pass(small_spool::second_ns);
        append_piece(events_, std::string{"\x03\x64\x00", 3});
        spool_.want_snapshot();
        rounds(4);
        consumer_.leave(spool_.now());
        rounds(2);
        bed_.add("brain", events_);
        bed_.add("clients", std::string{'\0'} + produced_);
        bed_.add("clients", "\x01" + consumed_);
        bed_.add("clients", "\x02" + consumed_);
        disk();
        std::string state;
        append_piece(state, spool_.state().save(std::nullopt, spool_.now()));
        bed_.add("state", state + records_);
        bed_.add("state", std::string{"\0\0", 2} + records_);
        spool_.check();
    }

  private:
    void hear(std::uint64_t session, const outgoing_message& said) {
        const char event = static_cast<char>(session - 1 + 3 * (said.body ? 2 : 5));
        append_piece(events_, event + said.head);
        if (said.body) append_piece(events_, said.body->view);
        bed_.add("requests", said.head);
        if (said.body) bed_.add("batch", said.body->view);
        spool_.say(session, said.head,
                   said.body ? std::optional{std::string{said.body->view}} : std::nullopt);
    }
    void rounds(int count) {
        for (; count > 0; --count) {
            producer_.tick(spool_.now());
            for (const outgoing_message& each : producer_.take_output()) hear(1, each);
            consumer_.tick(spool_.now());
            for (const outgoing_message& each : consumer_.take_output()) hear(2, each);
            for (const send_action& each : spool_.turn()) tell(each);
            while (const auto item = consumer_.next(spool_.now().monotonic_ns)) {
                if (item->offset % 2 == 0)
                    consumer_.ack(item->lease, item->offset);
                else
                    consumer_.nack(item->lease, item->offset, 100, "not now");
            }
            append_piece(consumed_, "\x03");
        }
    }
    void tell(const send_action& said) {
        bed_.add("answers", said.head);
        if (said.session == 1) {
            append_piece(produced_, "\x04" + said.head);
            producer_.frame(said.head, spool_.now());
        } else if (said.session == 2) {
            append_piece(consumed_, (said.body ? "\x04" : "\x06") + said.head);
            if (said.body) append_piece(consumed_, said.body->view);
            consumer_.frame(said.head, said.body, spool_.now());
        }
    }
    void administer() {
        const header_map both{{"stream", "s"}, {"group", "g"}};
        hear(3, {protocol::encode(protocol::hello{.client = "seeds"}), std::nullopt});
        std::uint64_t number = 0;
        const auto ask = [&](const char* command, header_map arguments) {
            hear(3,
                 {protocol::encode(protocol::admin{++number, command, std::move(arguments)}), std::nullopt});
        };
        ask("stream.create", {{"stream", "t"}, {"retain", "all"}, {"max_messages", std::int64_t{10}}});
        ask("group.create", {{"stream", "s"}, {"group", "h"}, {"filter", "orders.>"}, {"from", "first"}});
        ask("stream.list", {});
        for (const char* command : {"stream.info", "group.list", "group.info", "group.pause", "group.resume",
                                    "dead.list", "dead.redrive", "dead.drop", "spool.stats"})
            ask(command, both);
        ask("group.seek", {{"stream", "s"}, {"group", "g"}, {"to", "first"}});
        ask("stream.set", {{"stream", "s"}, {"max_messages", std::int64_t{100}}});
        ask("stream.purge", {{"stream", "s"}});
        const std::string batch = [] {
            std::string bytes;
            append_payload(bytes, "out");
            return bytes;
        }();
        hear(2, {protocol::encode(protocol::commit{1, 1, {{0, 1}}, 1, {{"t", 1, 0, 0, 0, batch.size()}}}),
                 shared_bytes::of(batch)});
    }
    // What the spool left on its disk.
    void disk() {
        for (const std::string& name : spool_.disk().list()) {
            const std::string bytes = spool_.disk().contents(name);
            if (log::snapshot_position(name)) bed_.add("snapshot", bytes);
            bed_.add("segment", name);
            const auto header = log::decode_segment_header(bytes);
            if (!header) continue;
            bed_.add("segment", bytes.substr(0, log::segment_header_bytes));
            segment(name, bytes, *header);
        }
    }
    void segment(const std::string& name, const std::string& bytes, const log::segment_header& header) {
        test::fault_disk copy;
        copy.put_file(name, bytes);
        const auto file = copy.open(name, log::open_mode::read);
        log::record_scan scan{*file, header.nonce, header.base, header.records_from(),
                              header.base + bytes.size()};
        while (const auto found = scan.next()) {
            if (!found->record) break;
            const log::record_header& of = found->record->header;
            std::string fields{static_cast<char>(of.type), static_cast<char>(of.flags),
                               static_cast<char>(of.stream), static_cast<char>(of.count),
                               static_cast<char>(of.count >> 8)};
            for (int shift = 0; shift < 32; shift += 8) fields += static_cast<char>(of.first_offset >> shift);
            append_piece(records_, fields + std::string{found->record->payload});
            bed_.add("payloads", found->record->payload);
            if (of.type == log::record_type::messages)
                bed_.add("cut", pieces_of({std::string{'\0', static_cast<char>(of.count), '\0'},
                                           found->record->payload}));
            bed_.add("record", pieces_of({std::string(42, 'f'), found->record->payload, "\x10\x20\x01"}));
        }
    }

    seed_bed& bed_;
    small_spool spool_;
    producer_session producer_{{.stream = "s", .batch_bytes_max = small_spool::segment_bytes / 16}};
    consumer_session consumer_{{.stream = "s", .group = "g", .max_attempts = 2}};
    std::vector<put_place> places_;
    std::string events_, produced_, consumed_, records_;
};

void enveloped_batch(seed_bed& bed) {
    std::string items, frames;
    const std::vector<message> all = some_messages();
    for (const message& each : all) append_item(items, each);
    const std::string header =
        encode_batch_header({.producer_id = "12345678", .epoch = 1, .sequence = 2, .time_ns = 3}, all.size());
    for (const std::string_view part :
         {std::string_view{"topic"}, std::string_view{header}, std::string_view{items}})
        append_piece(frames, part);
    bed.add("envelope", frames);
}

void plain_messages(seed_bed& bed) {
    enveloped_batch(bed);
    for (message each : some_messages()) {
        std::string headers;
        pack_writer out{headers};
        write_headers(out, each.headers());
        bed.add("headers", headers);
        std::string item;
        append_item(item, each);
        bed.add("batch", item);
        bed.add("pack", pieces_of({"\x01\x05\x06\x59\x59\x00\x06", headers}));
        bed.add("msgpack_text", headers);
        for (const envelope_mode mode : {envelope_mode::automatic, envelope_mode::full}) {
            std::string frames;
            for (const frame& part : to_frames(each, mode)) append_piece(frames, part.view());
            bed.add("envelope", frames);
        }
        if (each.sent_by()) continue;
        each.set_sent_by({.producer_id = "12345678", .epoch = 1, .sequence = 2, .time_ns = 3});
        std::string frames;
        for (const frame& part : to_frames(each, envelope_mode::full)) append_piece(frames, part.view());
        bed.add("envelope", frames);
    }
    for (const auto kind : {ticket_kind::request, ticket_kind::offer, ticket_kind::given_back})
        bed.add("ticket", make_ticket(kind, "12345678"));
    for (const auto kind : {ticket_kind::taken, ticket_kind::free})
        bed.add("ticket", make_notice(kind, "12345678", 3));
    bed.add("ticket", make_request_id("12345678", 9));
}

void log_lists(seed_bed& bed) {
    const log::footer footer{{{1, 3, 0, 3, 512, 900, 3, 300}, {2, 1, 7, 8, 600, 700, 1, 90}},
                             {{1, 2, 1, 0, 3, "abcdef"}}};
    bed.add("lists", log::encode_footer(footer, 4096));
    const std::vector<log::segment_entry> segments{
        {512, 4096, 77, {{1, 0, 3, 3, 300}}},
        {log::cold_bit | 9000, log::cold_bit | 9900, 78, {{1, 3, 9, 2, 99}}}};
    bed.add("lists", log::encode_segment_list(segments));
    bed.add("lists", log::encode_adoption({{512, 4096}, segments}));
}

void packed_sets(seed_bed& bed) {
    offset_set scattered, dense, whole;
    for (std::uint64_t i = 0; i < 300; ++i) scattered.add(i * i * 31);
    for (std::uint64_t i = 0; i < 9000; ++i) dense.add(i * 3);
    whole.add({65'536, 65'536 * 2});
    for (const offset_set* each : {&scattered, &dense, &whole}) bed.add("sets", each->save());
    id_window ids;
    for (std::uint32_t i = 0; i < 20; ++i)
        ids.add(id_hash::of(1, 1, std::to_string(i)), i, 1'700'000'000 + i);
    bed.add("sets", ids.save());
    calendar times;
    for (std::uint64_t i = 1; i < 20; ++i)
        times.add({1'700'000'000'000 + i * i * 1'000'000, i, 1, i % 10}, {i, 1}, 1'700'000'100'000);
    bed.add("sets", pack_struct(times.save()));
    lanes of;
    of.place({0, 10}, {.index = 2, .count = 2, .priority = 5}, 1'700'000'100'000);
    of.place({0, 10}, {.index = 5, .due_ms = 1'700'000'000'000, .expires_ms = 1'800'000'000'000},
             1'700'000'100'000);
    bed.add("sets", pack_struct(of.save()));
    std::string number;
    put_varint(number, 300);
    bed.add("sets", number);
}

// What is typed has no encoder: words of the manual.
void typed(seed_bed& bed) {
    for (const char* each : {"@:0", "host:5555", "tcp://*:7", "ipc:///run/x.sock", "./x.sock", "@any:5",
                             "inproc://a", "tcp://[::1]:9", "epgm://eth0;239.192.1.1:5555"})
        bed.add("endpoint", each);
    const char* const texts[] = {"1.5s",
                                 "64KiB",
                                 "100/s",
                                 "2026-01-31T12:00:00.5Z",
                                 "-5m",
                                 "new",
                                 "1200",
                                 "{topic} {payload:hex}\\n{h.n}{{}}\\x41{offset}",
                                 "quake.*.minor\nquake.us.minor",
                                 "a.>\na.b.c",
                                 "1000..1003,1010",
                                 "sh -c 'echo \"a b\"' \\$x"};
    for (const char* each : texts)
        for (char which = 0; which < 6; ++which) bed.add("words", which + std::string{each});
    for (const char* each :
         {R"({"v":1,"topic":"a","payload":"x"})", R"({"payload_b64":"AAE="})",
          R"({"headers":{"n":1,"b":{"b64":"AA=="},"t":{"text_b64":"/w=="}},"payload":"\u00e9\ud83d\ude00"})",
          R"({"topic_b64":"/w==","headers_b64":{"/w==":"x"},"frames":["AA==",""],"payload":""})"})
        bed.add("json", each);
}

void spoiled_directories(seed_bed& bed) {
    bed.add("log_directory", pieces_of({}));
    for (char file = 0; file < 6; ++file) {
        bed.add("log_directory", pieces_of({std::string{file, 0, 100, 2, 0, 'x', 'y'}}));
        bed.add("log_directory", pieces_of({std::string{file, 1, 0, 8, 0}, std::string{file, 2, 0, 0, 0}}));
        bed.add("log_directory", pieces_of({std::string{file, 3, 0, 4, 0, 0, 9, 0, 0, 3}}));
        bed.add("log_directory",
                pieces_of({std::string{file, 4, 0, 0, 0} + "snapshot-00000000000000009999"}));
    }
}

}  // namespace

int main(int count, char** words) {
    if (count != 2) {
        std::fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
        return 2;
    }
    seed_bed bed{words[1]};
    recorder{bed}.record();
    plain_messages(bed);
    log_lists(bed);
    packed_sets(bed);
    typed(bed);
    spoiled_directories(bed);
    return 0;
}
