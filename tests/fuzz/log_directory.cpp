// A whole log directory of which something was spoiled: it is opened, looked through and read.
//
// Each piece of the input is one thing that happens to a file: {which file, what, where, bytes}. Whatever
// that was, opening says no or gives a log, and every message that comes out is one that was put in.
#include <map>
#include <system_error>

#include "core/log/error.hpp"
#include "core/log/inspection.hpp"
#include "core/log/log.hpp"
#include "tests/fuzz/target.hpp"
#include "tests/support/fault_disk.hpp"
#include "tests/support/log_session.hpp"

using namespace ferry;

namespace {

constexpr std::uint64_t messages = 100;
constexpr std::size_t message_bytes = 300;

struct directory {
    std::map<std::string, std::string> files;
};

// Three segments, two of them sealed, and a snapshot in the middle.
const directory& whole() {
    static const directory made = [] {
        test::fault_disk disk;
        {
            test::log_session log{disk};
            log.fill(messages / 2, 1, message_bytes);
            log.settle();
            log->save_snapshot("the state");
            log.fill(messages / 2, 1, message_bytes);
            log.settle();
        }
        directory all;
        for (const std::string& name : disk.list())
            if (name.find("spare") == std::string::npos) all.files.emplace(name, disk.contents(name));
        return all;
    }();
    return made;
}

void spoil(test::fault_disk& disk, std::string_view how) {
    const auto& files = whole().files;
    const auto which =
        std::next(files.begin(), static_cast<std::ptrdiff_t>(fuzz::take_number(how, 1) % files.size()));
    const std::string& name = which->first;
    if (!disk.has(name)) return;
    const std::string now = disk.contents(name);
    const std::uint64_t what = fuzz::take_number(how, 1) % 5;
    const std::uint64_t at = fuzz::take_number(how, 3) % (now.size() + 1);
    switch (what) {
        case 0:
            if (at < now.size()) disk.overwrite(name, at, how.substr(0, now.size() - at));
            break;
        case 1:
            disk.put_file(name, now.substr(0, at));
            break;
        case 2:
            disk.drop_file(name);
            break;
        case 3: {
            // A piece of the log found again in another place, at a border of eight.
            const std::uint64_t from = fuzz::take_number(how, 3) % (now.size() + 1) & ~std::uint64_t{7};
            const std::uint64_t to = at & ~std::uint64_t{7};
            const std::string piece = now.substr(from, fuzz::take_number(how, 2));
            disk.overwrite(name, to,
                           std::string_view{piece}.substr(0, now.size() - std::min(to, now.size())));
            break;
        }
        default:
            disk.put_file(std::string{how.substr(0, 30)}, now);
    }
}

void expect_true(const log::stored_record& found) {
    if (found.header.type != log::record_type::messages) return;
    fuzz::expect(found.header.first_offset < messages &&
                     found.payload == test::log_session::numbered(found.header.first_offset, message_bytes),
                 "a message that comes out was put in");
}

void read_all(const log::segmented_log& log) {
    std::uint64_t offset = 0;
    for (int step = 0; step < 200; ++step) {
        const log::read_result part = log.read(1, offset, 4000);
        for (const log::stored_record& each : part.records) {
            expect_true(each);
            fuzz::expect(each.header.first_offset + each.header.count > offset, "reading goes forward");
            offset = each.header.first_offset + each.header.count;
        }
        for (const log::damage& each : part.damages)
            if (each.stream == 1) offset = std::max(offset, each.first_offset + each.count);
        if (part.at_end || part.records.empty()) return;
    }
    fuzz::expect(false, "reading comes to an end");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    test::fault_disk disk;
    for (const auto& [name, bytes] : whole().files) disk.put_file(name, bytes);
    int left = 8;
    for (fuzz::pieces input{fuzz::as_text(data, size)}; input.any() && left > 0; --left)
        spoil(disk, input.next());
    try {
        log::inspect(disk, [](const std::string&, const log::stored_record& each) { expect_true(each); });
    } catch (const log::format_error&) {}
    try {
        log::segmented_log log{
            disk, {.segment_bytes = test::log_session::segment_bytes, .random = 9}, expect_true};
        read_all(log);
        // What was opened once is opened again, and there is nothing new to say.
        const auto next = log.end();
        static_cast<void>(next);
    } catch (const log::format_error&) {}
    return 0;
}
