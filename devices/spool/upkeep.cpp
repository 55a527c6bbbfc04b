#include "devices/spool/upkeep.hpp"

#include <algorithm>

#include "devices/spool/request_options.hpp"
#include "devices/spool/start_place.hpp"
#include "devices/spool/stream_setting.hpp"

namespace ferry {

using namespace protocol;

admin_reply upkeep::set(const header_map& arguments) {
    admin_reply answer;
    stream* of = find_stream(parts_, arguments, answer);
    if (of == nullptr) return answer;
    if (!parts_.read_only_reason.empty()) return refusal(code::read_only, parts_.read_only_reason);
    records::stream_settings wanted = of->settings;
    std::string problem;
    if (!read_settings(arguments, parts_.options.message_bytes_max, wanted, problem))
        return refusal(code::bad_option, std::move(problem));
    parts_.journal.append(log::record_type::stream_settings,
                          records::stream_change{static_cast<std::uint64_t>(records::settings_change::set),
                                                 of->number, of->name, wanted},
                          parts_.now);
    parts_.touched.insert(of->number);
    answer.wait = true;
    return answer;
}

admin_reply upkeep::purge(const header_map& arguments) {
    admin_reply answer;
    const stream* of = find_stream(parts_, arguments, answer);
    if (of == nullptr) return answer;
    if (!parts_.read_only_reason.empty()) return refusal(code::read_only, parts_.read_only_reason);
    const std::uint64_t messages = of->messages();
    answer.rows.push_back({{"stream", of->name}, {"messages", static_cast<std::int64_t>(messages)}});
    answer.wait = true;
    if (of->first >= of->next) return answer;
    parts_.counters.messages_removed += messages;
    parts_.journal.append(log::record_type::removed,
                          records::removed{of->number,
                                           static_cast<std::uint64_t>(records::removal_reason::purge),
                                           {{of->first, of->next - of->first}},
                                           0,
                                           messages},
                          parts_.now);
    parts_.touched.insert(of->number);
    return answer;
}

admin_reply upkeep::pause(const header_map& arguments, bool paused) {
    admin_reply answer;
    const auto [of, whose] = find_group(parts_, arguments, answer);
    if (whose == nullptr) return answer;
    if (!parts_.read_only_reason.empty()) return refusal(code::read_only, parts_.read_only_reason);
    group_settings wanted = whose->settings;
    wanted.paused = paused;
    parts_.journal.append(log::record_type::group_settings,
                          records::group_change{static_cast<std::uint64_t>(records::settings_change::set),
                                                of->number, whose->number, whose->name, wanted, 0, 0},
                          parts_.now);
    parts_.touched.insert(of->number);
    answer.wait = true;
    return answer;
}

admin_reply upkeep::seek(const header_map& arguments) {
    admin_reply answer;
    const auto [of, whose] = find_group(parts_, arguments, answer);
    if (whose == nullptr) return answer;
    if (!parts_.read_only_reason.empty()) return refusal(code::read_only, parts_.read_only_reason);
    const auto start = start_offset(*of, arguments);
    if (std::string wrong = wrong_value(arguments); !wrong.empty())
        return refusal(code::bad_option, std::move(wrong));
    if (!start || !arguments.contains("from")) return refusal(code::bad_option, std::string{start_expects});
    parts_.journal.append(log::record_type::group_settings,
                          records::group_change{static_cast<std::uint64_t>(records::settings_change::seek),
                                                of->number, whose->number, whose->name, whose->settings,
                                                std::min(*start, of->next), whose->delivered_mark()},
                          parts_.now);
    parts_.touched.insert(of->number);
    answer.rows.push_back({{"stream", of->name},
                           {"group", whose->name},
                           {"start", static_cast<std::int64_t>(std::clamp(*start, of->first, of->next))}});
    answer.wait = true;
    return answer;
}

}  // namespace ferry
