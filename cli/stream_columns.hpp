// What is shown of a stream and of a group, in this order, by the names the spool gives it (docs/wire.md).
#pragma once

#include <array>
#include <string_view>

namespace ferry::cli {

/// Of a stream whose groups are shown as well.
inline constexpr std::array<std::string_view, 23> stream_columns = {"name",
                                                                    "first",
                                                                    "next",
                                                                    "messages",
                                                                    "bytes",
                                                                    "dead",
                                                                    "retain",
                                                                    "max_bytes",
                                                                    "max_messages",
                                                                    "when_full",
                                                                    "ttl_ms",
                                                                    "expired",
                                                                    "sync",
                                                                    "max_message_bytes",
                                                                    "dedup_ms",
                                                                    "dead_max_messages",
                                                                    "dead_max_age_ms",
                                                                    "removed_damaged",
                                                                    "removed_purged",
                                                                    "removed_retention",
                                                                    "removed_oldest",
                                                                    "removed_expired",
                                                                    "removed_dropped"};

/// Of a stream alone: `groups` is how many it has.
inline constexpr std::array<std::string_view, 9> stream_list_columns = {
    "name", "first", "next", "messages", "bytes", "groups", "dead", "retain", "sync"};

/// Of a group, in a table.
inline constexpr std::array<std::string_view, 16> group_columns = {
    "name", "ready",    "leased",       "delayed", "dead",    "acked_floor", "consumers",     "active",
    "from", "lease_ms", "max_attempts", "paused",  "ordered", "filter",      "filter_prefix", "where"};

/// Of a group, as JSON within its stream.
inline constexpr std::array<std::string_view, 20> group_members = {
    "name",   "ready",  "leased",        "delayed",      "dead",          "acked_floor", "consumers",
    "active", "from",   "lease_ms",      "lease_max_ms", "max_attempts",  "backoff_ms",  "max_in_flight",
    "paused", "filter", "filter_prefix", "where",        "single_active", "ordered"};

/// The same, of a group that stands without its stream.
inline constexpr std::array<std::string_view, 21> group_list_members = {
    "stream",        "name",   "ready",  "leased",        "delayed",      "dead",          "acked_floor",
    "consumers",     "active", "from",   "lease_ms",      "lease_max_ms", "max_attempts",  "backoff_ms",
    "max_in_flight", "paused", "filter", "filter_prefix", "where",        "single_active", "ordered"};

}  // namespace ferry::cli
