// What the processes of the benchmark do. Every role prints the endpoints it bound, or its RESULT, on stdout:
// "COUNT SECONDS LOST P50 P99", the last two in microseconds.
//
// WHO is ferry or plain; KIND is push, pub, counted or req, or push-batch and pub-batch, which are batches of
// ferry's alone; RATE is messages a second, 0 a flood.
//
// clang-format off
//     send WHO KIND ENDPOINT CREDIT SIZE [RATE]
//                                            until it is killed; no CREDIT is asked for where RATE is not 0
//     receive WHO KIND ENDPOINT [MS SIZE RATE]
//                                            binds when ENDPOINT ends with *; prints where, where it gives
//                                            credit (flow.hpp), and RESULT
//     answer WHO ENDPOINT                    repeats questions, until it is killed
//     ask WHO ENDPOINT SIZE RATE MS          RESULT of answers
//     ask-many WHO ENDPOINT SIZE MANY        the same, with so many questions under way
//     inproc WHO KIND SIZE RATE MS           both sides in one process; RESULT
//     device WHO KIND                        streamer, forwarder or queue; plain is zmq_proxy
//     subscribe ENDPOINT MANY TOPIC          so many subscriptions, TOPIC last; RESULT of the time to its
//                                            first message, then RESULT
//     spool DIRECTORY                        until it is killed
//     fill ENDPOINT SIZE COUNT               puts so many; RESULT
//     fill-late ENDPOINT SIZE COUNT FROM_MS SPAN_MS
//                                            the same, delayed by FROM to FROM + SPAN
//     put ENDPOINT SIZE [MS]                 RESULT of what was confirmed in that time; goes on until it is
//                                            killed
//     put-paced ENDPOINT SIZE RATE           until it is killed
//     scatter ENDPOINT SIZE STREAMS          as put, each message to another of so many streams; ends
//     connections ENDPOINT MANY              so many producers that put in turn: "ready", until it is killed
//     take ENDPOINT COUNT                    RESULT of what was acked, the first tenth excluded
//     take-on ENDPOINT [MS SIZE]             RESULT of what was acked in that time
//     take-timed ENDPOINT MS                 the same, with how long it took from when a message was due
//     share ENDPOINT groups|consumers MANY COUNT
//                                            COUNT messages for each of so many groups, or among so many
//                                            consumers; RESULT
//     crowd ENDPOINT streams|groups COUNT    consumers that hold one message each, of as many; "ready", until
//                                            it is killed
//     hold ENDPOINT WHICH COUNT              takes so many and holds them, which are all; or every other one of
//                                            those it takes, and acks the rest; "ready", until it is killed
//     put-allocations ENDPOINT COUNT         "ALLOCATIONS THOUSANDS 0" of so many messages, after a tenth of
//                                            them
//     take-allocations ENDPOINT COUNT        the same
//     append WHO PATH                        RESULT of blocks of 256 KiB, each synced
//     confirm ENDPOINT                       one message after the other, each confirmed; how long that took
//     sync-echo FILE, sync-ask ENDPOINT      the same of a question that a write and a sync stand behind
//     bare-hop FILE deliver|keep             prints where it takes batches and where it gives them
//     bare-put ENDPOINT SIZE [MS]            as put, at a bare hop
//     bare-take ENDPOINT [MS]                as take-on
//     redis-put PORT SIZE, redis-take PORT   the same at other servers, where they are installed
//     redis-confirm PORT SIZE                as confirm
//     nats-make PORT, nats-put PORT SIZE, nats-take PORT
//     rabbit-make PORT QUEUE_TYPE, rabbit-put PORT SIZE, rabbit-take PORT
// clang-format on
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ferry {
class consumer;
}

namespace ferry::bench {

using words = std::vector<std::string>;

/// The first word of a process that plays a role; the role's name is the second.
inline constexpr std::string_view role_flag = "--role";
using role_table = std::map<std::string, void (*)(const words&)>;
/// Plays the role that a program was started for, one of `more` or of those that every program has; false
/// when it was not.
bool plays(const words& arguments, const role_table& more = {});

/// The stream of a spool's roles, and their group.
inline constexpr const char* bench_stream = "bench";
/// Throws when none comes.
void take_one(consumer& work);

void send_role(const words& arguments);
void receive_role(const words& arguments);
void answer_role(const words& arguments);
void ask_role(const words& arguments);
void ask_many_role(const words& arguments);
void inproc_role(const words& arguments);
void device_role(const words& arguments);
void spool_role(const words& arguments);
void fill_role(const words& arguments);
void fill_late_role(const words& arguments);
void crowd_role(const words& arguments);
void hold_role(const words& arguments);
void put_role(const words& arguments);
void scatter_role(const words& arguments);
void share_role(const words& arguments);
void connections_role(const words& arguments);
void subscribe_role(const words& arguments);
void take_role(const words& arguments);
void take_on_role(const words& arguments);
void put_paced_role(const words& arguments);
void take_timed_role(const words& arguments);
void put_allocations_role(const words& arguments);
void take_allocations_role(const words& arguments);
void append_role(const words& arguments);
void confirm_role(const words& arguments);
void sync_echo_role(const words& arguments);
void sync_ask_role(const words& arguments);
void bare_hop_role(const words& arguments);
void bare_put_role(const words& arguments);
void bare_take_role(const words& arguments);
void redis_put_role(const words& arguments);
void redis_take_role(const words& arguments);
void redis_confirm_role(const words& arguments);
void nats_make_role(const words& arguments);
void nats_put_role(const words& arguments);
void nats_take_role(const words& arguments);
void rabbit_make_role(const words& arguments);
void rabbit_put_role(const words& arguments);
void rabbit_take_role(const words& arguments);

}  // namespace ferry::bench
