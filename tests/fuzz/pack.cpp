// The walk over msgpack: whatever is asked for in whatever order, it stays within its bytes and stays bad.
#include "core/pack_cursor.hpp"

#include "tests/fuzz/target.hpp"

using namespace ferry;

namespace {

void ask(pack_cursor& cursor, unsigned what, std::string_view all) {
    const auto within = [&](std::string_view part) {
        if (part.empty()) return;
        fuzz::expect(part.data() >= all.data() && part.data() + part.size() <= all.data() + all.size(),
                     "a text lies within the bytes");
    };
    const char* const from = cursor.position();
    const auto left = static_cast<std::size_t>(all.data() + all.size() - from);
    switch (what % 10) {
        case 0:
            fuzz::expect(cursor.array() <= left, "an array has room for its elements");
            break;
        case 1:
            fuzz::expect(cursor.map() <= left / 2, "a map has room for its pairs");
            break;
        case 2:
            cursor.number();
            break;
        case 3:
            cursor.integer();
            break;
        case 4:
            cursor.boolean();
            break;
        case 5:
            within(cursor.text());
            break;
        case 6:
            within(cursor.bytes());
            break;
        case 7:
            cursor.nil();
            break;
        case 8:
            static_cast<void>(cursor.next_is_text() || cursor.next_is_bytes() || cursor.next_is_map());
            break;
        default:
            cursor.skip(static_cast<int>(what / 10));
    }
}

// What is asked for and its bytes are one input: the first piece asks, the second is walked.
void walk(std::string_view questions, std::string_view bytes) {
    pack_cursor cursor{bytes};
    for (const char each : questions) {
        const bool was_good = cursor.good();
        const char* const from = cursor.position();
        ask(cursor, static_cast<unsigned char>(each), bytes);
        fuzz::expect(cursor.position() >= from && cursor.position() <= bytes.data() + bytes.size(),
                     "the cursor goes forward and stays within its bytes");
        fuzz::expect(was_good || !cursor.good(), "a bad cursor stays bad");
    }
}

// The shortest form of a number is read as the number.
void write_and_read(std::string_view bytes) {
    const std::uint64_t number = fuzz::take_number(bytes, 8);
    std::string written;
    pack_writer out{written};
    out.number(number)
        .integer(static_cast<std::int64_t>(number))
        .text(bytes)
        .bytes(bytes)
        .boolean(true)
        .nil();
    pack_cursor cursor{written};
    fuzz::expect(cursor.number() == number && cursor.integer() == static_cast<std::int64_t>(number) &&
                     cursor.text() == bytes && cursor.bytes() == bytes && cursor.boolean() && cursor.nil() &&
                     cursor.good() && cursor.at_end(),
                 "what was written is read");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::pieces input{fuzz::as_text(data, size)};
    const std::string_view questions = input.next();
    const std::string_view bytes = input.next();
    walk(questions, bytes);
    pack_cursor whole{bytes};
    whole.skip();
    write_and_read(bytes);
    return 0;
}
