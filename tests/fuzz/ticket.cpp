// The first frames between a queue and its workers.
#include "core/ticket.hpp"

#include "core/request_id.hpp"
#include "tests/fuzz/target.hpp"

using namespace ferry;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view frame = fuzz::as_text(data, size);
    static_cast<void>(is_request_id(frame));
    const auto found = read_ticket(frame);
    if (!found) return 0;
    const bool notice = found->kind == ticket_kind::taken || found->kind == ticket_kind::free;
    const std::string again =
        notice ? make_notice(found->kind, found->worker, found->free)
               : make_ticket(found->kind,
                             found->kind == ticket_kind::given_back ? found->worker : found->requester);
    fuzz::expect(again == frame, "a ticket comes back");
    return 0;
}
