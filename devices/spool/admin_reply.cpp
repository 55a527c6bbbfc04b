#include "devices/spool/admin_reply.hpp"

namespace ferry {

using namespace protocol;

stream* find_stream(brain_parts& parts, const header_map& arguments, admin_reply& answer) {
    const std::string name = text_of(arguments, "stream").value_or("");
    if (!good_name(name)) {
        answer = refusal(code::bad_name, "bad stream name '" + name.substr(0, name_bytes_max) +
                                             "': letters, digits, '.', '_' and '-', 1 to 128 of them");
        return nullptr;
    }
    stream* found = parts.state.find(name);
    if (found == nullptr) answer = refusal(code::no_such_stream, "no stream '" + name + "'");
    return found;
}

named_group find_group(brain_parts& parts, const header_map& arguments, admin_reply& answer) {
    stream* of = find_stream(parts, arguments, answer);
    if (of == nullptr) return {};
    const std::string name = text_of(arguments, "group").value_or("");
    group* whose = of->find_group(name);
    if (whose == nullptr)
        answer = refusal(code::no_such_group,
                         "no group '" + name.substr(0, name_bytes_max) + "' on stream '" + of->name + "'");
    return {whose == nullptr ? nullptr : of, whose};
}

}  // namespace ferry
