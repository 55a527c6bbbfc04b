"""What a network does to those who work over it: lost packets, resets, a link that is down, one-way silence, a line
that is slow, a stream cut into single bytes."""
import time

from processes import expect, let_pass, until
from relay import relay
from stage import GROUP

SILENT_S = 6.0       # docs/wire.md, Life: 3 x ping_ms; then a side takes the other for gone
LEASE_S = 3.0


def workers(stage, each_puts, rate):
    """A producer and a consumer behind the link that fails, and a pair of them behind one that does not."""
    stage.spool()
    # What a broken connection had under way comes again when its lease is over: no longer than this.
    stage.group(GROUP, "--lease", f"{LEASE_S:g}s")
    for host in ("a", "b"):
        stage.producer(host, f"producer-{host}", each_puts, "--rate", f"{rate}/s")
        stage.taker(host, f"taker-{host}")
    return stage.programs[1:]


def under_way(stage, messages=50):
    until(lambda: all(len(each.printed()) >= messages for each, _ in stage.producers), 20, "the producers are under way")


def losing_packets(stage, percent):
    workers(stage, int(3000 * stage.pace), 1000)
    under_way(stage)
    stage.net.drop("a", percent)
    stage.all_confirmed(90 * stage.pace)
    stage.wait_settled(90)
    lost = stage.net.heal("a")
    expect(lost > 20, f"only {lost} packets were lost: the fault did not bite")
    stage.note(f"{lost} packets lost")
    stage.finish()


def one_packet_in_twenty_is_lost(stage):
    losing_packets(stage, 5)


def one_packet_in_five_is_lost(stage):
    losing_packets(stage, 20)


def resets_every_half_second(stage):
    alive = workers(stage, int(4000 * stage.pace), 500)
    under_way(stage)
    rounds = connections = 0
    while any(each.running() for each, _ in stage.producers):
        connections += stage.net.reset("a")
        rounds += 1
        let_pass(0.5, *[each for each, _ in stage.takers], stage.server)
        expect(rounds < 200 * stage.pace, "the producers do not get on")
    expect(connections >= rounds, f"{connections} connections were reset in {rounds} rounds: the fault did not bite")
    stage.note(f"{connections} connections reset")
    stage.finish()


def link_down(stage, seconds):
    alive = workers(stage, 4000, 400)
    under_way(stage)
    stage.net.link("a", "down")
    confirmed = len(stage.producers[0][0].printed())
    healthy = len(stage.producers[1][0].printed())
    let_pass(seconds, *alive, stage.server)
    during = len(stage.producers[0][0].printed()) - confirmed
    beside = len(stage.producers[1][0].printed()) - healthy
    # What was confirmed before and was still on its way to the file may come; a second's worth is no fault.
    expect(during < 400, f"{during} messages were confirmed while the link was down: the fault did not bite")
    stage.net.link("a", "up")
    since = time.monotonic()
    until(lambda: len(stage.producers[0][0].printed()) > confirmed + 400, 30, "the producer goes on")
    stage.note(f"on its way again {time.monotonic() - since:.1f} s after the link, {beside / seconds:.0f} msg/s beside it")
    expect(beside >= 0.9 * 400 * seconds, f"the healthy producer made {beside / seconds:.0f} msg/s of 400")
    stage.finish()


def link_down_for_three_seconds(stage):
    link_down(stage, 3)


def link_down_beyond_the_liveness_timeout(stage):
    link_down(stage, SILENT_S + 2)


HELD = 40
FREE_WITHIN_S = 1.0          # of the end of the lease; the spool looks at leases by their time, the rest is this machine


def holder(stage):
    """A consumer that holds messages and acks none: its commands run until they are told to end."""
    stage.spool()
    stage.group(GROUP, "--lease", f"{LEASE_S:g}s")
    stage.producer("b", "producer", HELD)
    stage.all_confirmed(20)
    held = stage.start("a", "holder", "take", stage.at("a"), "work", "--group", GROUP, "--exec", "tail -f /dev/null",
                       "-P", str(HELD))
    until(lambda: stage.group_info()["leased"] == HELD, 20, "the consumer holds everything")
    # It is alive, so its leases are renewed.
    let_pass(LEASE_S + 1.5, held, stage.server)
    expect(stage.group_info()["leased"] == HELD, "a living consumer keeps its leases beyond their length")
    stage.taker("b", "heir")
    return held


def work_is_done_by_another(stage, since, within):
    heir = stage.takers[0][0]
    until(lambda: len(heir.printed()) == HELD, within + 10, "another consumer is given the work")
    took = time.monotonic() - since
    expect(took <= within, f"the leases of the dead were free after {took:.2f} s, not within {within:g} s")
    expect(all('"attempt":2' in line for line in heir.printed()), "what somebody may have seen comes flagged")
    stage.note(f"leases of {LEASE_S:g} s free after {took:.2f} s")


def dead_peer_that_sends_no_fin(stage):
    held = holder(stage)
    stage.net.mute("a")
    since = time.monotonic()
    held.kill()
    expect(stage.net.established("a") >= 1, "the spool still has the connection: the fault did not bite")
    work_is_done_by_another(stage, since, LEASE_S + FREE_WITHIN_S)
    lost = stage.net.heal("a")
    expect(lost > 0, "no packet was lost: the fault did not bite")
    stage.finish()


def living_peer_that_is_not_heard(stage):
    held = holder(stage)
    stage.net.mute("a")
    since = time.monotonic()
    work_is_done_by_another(stage, since, LEASE_S + FREE_WITHIN_S)
    stage.net.heal("a")
    # Heard again, it learns that its leases are over, and ends its commands.
    until(lambda: "lease" in held.said(), 30, "the consumer says that it lost its leases")
    held.stop()
    stage.finish()


def peer_that_hears_nothing(stage):
    """It goes on renewing until it takes the spool for gone."""
    held = holder(stage)
    stage.net.deafen("a")
    since = time.monotonic()
    work_is_done_by_another(stage, since, SILENT_S + LEASE_S + FREE_WITHIN_S)
    expect(stage.net.heal("a") > 0, "no packet was lost: the fault did not bite")
    held.stop()
    stage.finish()


LINE_BYTES_S = 32_000        # 256 kbit/s
AT_ONCE = "100000/s"


def slow_line(stage, size, credit, count, rate):
    """One consumer and one producer behind 256 kbit/s each way; both work at the same time."""
    stage.spool()
    stage.group()
    stage.net.count_connects("a")
    stage.net.narrow("a")
    stage.producer("b", "downward", count, size=size)
    stage.all_confirmed(30)
    since, bytes_down = time.monotonic(), 2 * count * size
    stage.taker("a", "taker", "--credit", str(credit))
    stage.producer("a", "upward", count, "--wait", "30s", "--rate", rate, size=size)
    stage.all_confirmed(4 * count * size / LINE_BYTES_S + 20)
    stage.wait_settled(4 * bytes_down / LINE_BYTES_S + 20)
    took, connects = time.monotonic() - since, stage.net.connects()
    stage.note(f"{bytes_down / took / 1000:.0f} kB/s of {LINE_BYTES_S / 1000:.0f} through, {connects} connects")
    expect(connects == 2, f"{connects} connects where 2 clients need one each: the line flaps")
    expect(bytes_down / took > 0.5 * LINE_BYTES_S, f"{bytes_down / took:.0f} bytes/s of {LINE_BYTES_S}")
    stage.finish()
    expect(all('"attempt":1' in line for line in stage.takers[0][0].printed()), "nothing comes twice over a slow line")


def slow_line_with_small_messages(stage):
    slow_line(stage, 100, 1000, int(2500 * stage.pace), "200/s")


def slow_line_with_a_burst(stage):
    """Small messages that come faster than the line, so that they gather in batches as large as may be under way."""
    slow_line(stage, 100, 1000, int(2500 * stage.pace), AT_ONCE)


def slow_line_with_messages_of_half_a_second(stage):
    slow_line(stage, 16 * 1024, 4, int(12 * stage.pace), "1.5/s")


def slow_line_with_messages_of_two_seconds(stage):
    slow_line(stage, 64 * 1024, 4, int(6 * stage.pace), AT_ONCE)


def slow_line_with_messages_of_eight_seconds(stage):
    """A message of 256 KiB is under way for 8 s, longer than silence is suffered: it goes in pieces."""
    slow_line(stage, 256 * 1024 - 200, 2, int(2 * stage.pace), AT_ONCE)


def slow_line_with_messages_of_ten_seconds(stage):
    """Several in a row: that one is there at last, in one piece, does not show that the line is fast."""
    slow_line(stage, 300 * 1024, 2, int(3 * stage.pace), AT_ONCE)


def single_bytes_with_delay(stage):
    """A program between them passes single bytes on, some of them late."""
    stage.spool()
    stage.group()
    host, port = stage.at("s").split(":")
    with relay(stage, "s", (host, int(port)), delay_s=0.02) as between:
        stage.producer("s", "producer", int(300 * stage.pace), to=between)
        stage.taker("s", "taker", to=between)
        stage.all_confirmed(60 * stage.pace)
        stage.wait_settled(60 * stage.pace)
        stage.finish()


SCENARIOS = [one_packet_in_twenty_is_lost, one_packet_in_five_is_lost, resets_every_half_second,
             link_down_for_three_seconds, link_down_beyond_the_liveness_timeout, dead_peer_that_sends_no_fin,
             living_peer_that_is_not_heard, peer_that_hears_nothing, slow_line_with_small_messages,
             slow_line_with_messages_of_half_a_second, slow_line_with_a_burst, slow_line_with_messages_of_two_seconds,
             slow_line_with_messages_of_eight_seconds, slow_line_with_messages_of_ten_seconds, single_bytes_with_delay]
