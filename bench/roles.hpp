// What the processes of the benchmark do. Every role prints the endpoints it bound, or its result, on stdout.
//
//     send WHO KIND ENDPOINT CREDIT SIZE [RATE]   until it is killed
//     receive WHO KIND ENDPOINT [MS SIZE RATE]   binds when ENDPOINT ends with *; prints where it gives
//     credit (flow.hpp)
//                                       and "COUNT SECONDS LOST P50 P99", of MS milliseconds
//     answer WHO ENDPOINT               repeats questions, until it is killed
//     ask WHO ENDPOINT SIZE RATE MS     prints the same of answers
//     inproc WHO KIND SIZE RATE MS      sender and receiver, or asker and answerer, in one process; prints
//     the same
//                                       WHO: ferry, plain. KIND: push, pub, counted, req; push-batch and
//                                       pub-batch, which are batches of ferry's alone. RATE: messages a
//                                       second, 0 = a flood
//     device WHO KIND                   KIND: streamer, forwarder; plain is zmq_proxy
//     spool DIRECTORY
//     fill ENDPOINT SIZE COUNT          puts so many
//     fill-late ENDPOINT SIZE COUNT FROM_MS SPAN_MS   the same, delayed by FROM to FROM + SPAN
//     crowd ENDPOINT streams|groups COUNT   consumers that hold one message each, of as many streams or
//     groups;
//                                       prints "ready", until it is killed
//     put ENDPOINT SIZE [MS]            prints "COUNT SECONDS LOST" of what was confirmed in that time, and
//     goes on put-paced ENDPOINT SIZE RATE      until it is killed take-timed ENDPOINT MS            prints
//     "COUNT SECONDS LOST P50 P99" of these, from when they were due take ENDPOINT COUNT               prints
//     it of what was acked, the first tenth excluded scatter ENDPOINT SIZE STREAMS     the same, each message
//     to another of so many streams take-on ENDPOINT [MS SIZE]        the same for a fixed time
//     put-allocations ENDPOINT COUNT, take-allocations ENDPOINT COUNT
//                                       "ALLOCATIONS THOUSANDS 0" of so many messages, after a tenth of them
//     append WHO PATH                   "COUNT SECONDS" of blocks of 256 KiB, each synced
//     confirm ENDPOINT                  one message after the other, each confirmed; prints how long that
//     took sync-echo FILE, sync-ask ENDPOINT the same of a question that a write and a sync stand behind
//     bare-hop FILE deliver|keep        prints where it takes batches and where it gives them
//     bare-put ENDPOINT SIZE [MS]       as put, at a bare hop
//     bare-take ENDPOINT [MS]           as take-on
//     redis-put PORT SIZE, redis-take PORT, nats-make PORT, nats-put PORT SIZE, nats-take PORT,
//     rabbit-make PORT QUEUE_TYPE, rabbit-put PORT SIZE, rabbit-take PORT
//                                       the same at other servers, where they are installed
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
void inproc_role(const words& arguments);
void device_role(const words& arguments);
void spool_role(const words& arguments);
void fill_role(const words& arguments);
void fill_late_role(const words& arguments);
void crowd_role(const words& arguments);
void put_role(const words& arguments);
void scatter_role(const words& arguments);
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
void nats_make_role(const words& arguments);
void nats_put_role(const words& arguments);
void nats_take_role(const words& arguments);
void rabbit_make_role(const words& arguments);
void rabbit_put_role(const words& arguments);
void rabbit_take_role(const words& arguments);

}  // namespace ferry::bench
