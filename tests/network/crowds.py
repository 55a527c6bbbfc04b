"""Many clients that vanish, and one that does not keep up: what the others notice, and what the spool keeps of it."""
import array
import collections
import fcntl
import os
import resource
import signal
import statistics
import termios
import time

from links import SILENT_S
from namespaces import NotPermitted
from processes import Failed, expect, let_pass, read_text, until
from stage import STREAM

CROWD, EACH = 5000, 625
HERE = os.path.dirname(os.path.realpath(__file__))
# A dead connection that sends no FIN is found by ZMTP's PING: every 10 s, given up 30 s later.
DESCRIPTORS_WITHIN_S = 45
MEMORY_WITHIN_S = 60         # devices/spool/slack.cpp: 45 s after the last is forgotten
KEPT_KIB = 16 * 1024
KIB_EACH = 64                # the docs say a connection costs some 27 KB inside libzmq; the rest is the spool's session


def crowd_comes(stage):
    """A wave of clients on host a: the programs they live in."""
    wave = len(stage.programs)
    programs = [stage.start_program("a", f"crowd-{wave}-{n}",
                                    ["/usr/bin/python3", os.path.join(HERE, "crowd_peer.py"),
                                     f"tcp://{stage.at('a')}", STREAM, str(EACH)]) for n in range(CROWD // EACH)]
    until(lambda: all("ready" in each.said() or not each.running() for each in programs), 90, "all clients are there")
    for each in programs:
        expect(each.running(), f"{each.name} ended: {each.said()[-300:]}")
    return programs


def memory_returns(spool, to_kib):
    try:
        until(lambda: spool.resident_kib() <= to_kib + KEPT_KIB, MEMORY_WITHIN_S, f"memory returns to {to_kib // 1024} MiB")
    except Failed as problem:
        raise Failed(f"{problem}; it is {spool.resident_kib() // 1024} MiB") from None


def five_thousand_clients_vanish(stage):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < CROWD + 1000:
        raise NotPermitted(f"no more than {hard} descriptors are permitted")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CROWD + 1000), hard))
    spool = stage.spool()
    stage.group()
    stage.producer("b", "steady", int(40000 * stage.pace), "--rate", "400/s")
    stage.taker("b", "taker")
    until(lambda: len(stage.takers[0][0].printed()) > 4000, 30, "messages flow")  # what the flow itself takes is there
    before, memory = spool.descriptors(), [spool.resident_kib()]
    full = []
    for silent in (False, True, False):
        crowd = crowd_comes(stage)
        expect(spool.descriptors() >= before + CROWD, "the spool has a descriptor for each")
        full.append(spool.resident_kib())
        if silent:
            stage.net.mute("a")                              # no FIN arrives
        for each in crowd:
            each.kill()
        since = time.monotonic()
        until(lambda: spool.descriptors() <= before + 2, DESCRIPTORS_WITHIN_S if silent else 10,
              f"descriptors return to {before}")
        stage.note(f"{'silent' if silent else 'killed'}: descriptors back after {time.monotonic() - since:.1f} s")
        until(lambda: stage.group_info("crowd")["consumers"] == 0, SILENT_S + 4, "no consumer of them is left")
        if silent:
            stage.net.heal("a")
        memory_returns(spool, memory[0])
        memory.append(spool.resident_kib())
    stage.note("VmRSS MiB: " + ", ".join(f"{kib / 1024:.0f}" for kib in memory) + " between, " +
               ", ".join(f"{kib / 1024:.0f}" for kib in full) + " with them")
    each = max(there - empty for there, empty in zip(full, memory)) / CROWD
    expect(each <= KIB_EACH, f"a client costs {each:.0f} KiB")
    stage.producers[0][0].signal(signal.SIGINT)
    stage.producers[0][0].ends(10, (130, 7))
    stage.producer("a", "later", 500)
    stage.producers[1][0].ends(20)
    stage.wait_settled(20)
    stage.takers[0][0].stop()
    stage.check_history()


def a_trickle_costs_no_memory(stage):
    """Messages that come one at a time, with nothing that gathers them into batches."""
    spool = stage.spool()
    stage.group()
    stage.producer("b", "trickle", int(6000 * stage.pace), "--rate", "1000/s")
    stage.taker("b", "taker")
    until(lambda: len(stage.takers[0][0].printed()) > 1000, 20, "the trickle flows")
    early = spool.resident_kib()
    stage.all_confirmed(30 * stage.pace)
    late = spool.resident_kib()
    stage.note(f"VmRSS {early // 1024} to {late // 1024} MiB")
    # The messages themselves are half a MB.
    expect(late <= early + 8 * 1024, f"the spool grew from {early // 1024} to {late // 1024} MiB")
    stage.finish()


# --- one that does not keep up

WINDOW_S = 2.0
KEPT, ROUNDS_MAX = 0.9, 2
BUSY_LOAD = 3        # for each processor: the three that are measured keep two busy by themselves
LINE_BYTES = 101


class crew:
    """A producer and a consumer that go as fast as they can, and how fast that is."""

    def __init__(self, stage):
        self.stage = stage
        line = "x" * (LINE_BYTES - 1)
        self.source = stage.start_program("b", "lines", ["yes", line], unread=True)
        self.producer = stage.start("b", "fast-producer", "put", stage.at("b"), STREAM, stdin=self.source.unread)
        self.taker = stage.start("b", "fast-taker", "take", stage.at("b"), STREAM, "--group", "fast", "--raw",
                                 to_null=True)

    def printed(self):
        """Messages so far, by the bytes the kernel saw the consumer write; its acks are runs, and few beside them."""
        for line in read_text(f"/proc/{self.taker.pid}/io").splitlines():
            if line.startswith("wchar:"):
                return int(line.split()[1]) / LINE_BYTES, time.monotonic()
        raise Failed("the kernel does not count what the consumer writes")

    def cpu_s(self):
        return sum(each.cpu_s() for each in (self.producer, self.taker, self.stage.server))

    def rate(self, seconds):
        """Messages a second, and messages for each second of processor time that they and the spool were given."""
        (first, since), used = self.printed(), self.cpu_s()
        let_pass(seconds, self.producer, self.taker, self.stage.server)
        (last, now), used = self.printed(), self.cpu_s() - used
        return window((last - first) / (now - since), (last - first) / max(used, 0.01))


window = collections.namedtuple("window", "rate work")


def stopped_one(stage, name):
    """Of the same group: it stands still with what it was given."""
    started = stage.start("a", name, "take", stage.at("a"), STREAM, "--group", "fast", "--raw", to_null=True)
    until(lambda: stage.group_info("fast")["consumers"] == 2, 10, "it has joined")
    started.signal(signal.SIGSTOP)
    until(started.is_stopped, 5, "it stands still")
    return started


def bytes_in(pipe):
    size = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, size)
    return size[0]


def unread_one(stage, name):
    """Of a group of its own: it lives, and nobody reads what it prints."""
    started = stage.start("a", name, "take", stage.at("a"), STREAM, "--group", "slow", "--raw", unread=True)
    until(lambda: bytes_in(started.unread) > 32 * 1024, 20, "what it prints piles up")
    return started


def silent_one(stage, name):
    """Of a group of its own: its host is cut off."""
    started = stage.start("a", name, "take", stage.at("a"), STREAM, "--group", "slow", "--raw", to_null=True)
    until(lambda: stage.group_info("slow")["consumers"] == 1, 10, "it has joined")
    stage.net.deafen("a")
    return started


def play_rounds(stage, others, rounds, ratios, plain, memory):
    """Each kind in turn, and before and after it the others alone."""
    for _ in range(rounds):
        for kind in (stopped_one, unread_one, silent_one):
            slow = kind(stage, f"{kind.__name__}-{len(plain)}")
            with_it = others.rate(WINDOW_S)
            memory.append(stage.server.resident_kib())
            stage.net.heal("a")
            slow.kill()
            until(lambda: stage.net.established("a") == 0, 10, "it is gone")
            plain.append(others.rate(WINDOW_S))
            before, after = plain[-2:]
            expect(min(before.rate, after.rate) > 1000, f"the others work: {plain[-2:]}")
            ratios.setdefault(kind.__name__, []).append(window(2 * with_it.rate / (before.rate + after.rate),
                                                               2 * with_it.work / (before.work + after.work)))


def medians(of):
    return window(*map(statistics.median, zip(*of)))


def spread(figures, scale=1.0, digits=2):
    low, middle, high = (f"{each / scale:.{digits}f}" for each in
                         (min(figures), statistics.median(figures), max(figures)))
    return f"{middle} ({low} to {high})"


def nobody_else_works():
    """The load; too much of it is no machine to measure on."""
    load = os.getloadavg()[0]
    if load > BUSY_LOAD * os.cpu_count():
        raise NotPermitted(f"others work here (load {load:.1f}): what is measured says nothing")
    return load


def one_that_does_not_keep_up(stage):
    nobody_else_works()
    stage.spool()
    stage.group("fast")
    stage.group("slow", "--from", "new")
    # Else the group that stands still would keep everything, with it and without.
    stage.ask("stream", "set", stage.at("s"), STREAM, "--max-bytes", "512MiB", "--when-full", "drop-oldest")
    others = crew(stage)
    others.rate(WINDOW_S)                                    # warm
    ratios, plain, memory, rounds = {}, [others.rate(WINDOW_S)], [], 0
    # On a machine with other work a few windows say little: then there are more, and all of them count.
    while rounds == 0 or (rounds < ROUNDS_MAX and min(map(min, map(medians, ratios.values()))) < KEPT):
        play_rounds(stage, others, max(3, int(3 * stage.pace)), ratios, plain, memory)
        rounds += 1
    stage.note(f"{spread([each.rate for each in plain], 1000, 0)} k msg/s without, load {os.getloadavg()[0]:.1f}")
    for name, each in ratios.items():
        rates, works = zip(*each)
        stage.note(f"with {name} {spread(rates)} of it, {spread(works)} per second of processor, {len(each)} times")
    stage.note(f"VmRSS {min(memory) / 1024:.0f} to {max(memory) / 1024:.0f} MiB")
    expect(max(memory) <= 64 * 1024, f"the spool takes {max(memory) / 1024:.0f} MiB")
    half = len(memory) // 2
    expect(statistics.median(memory[half:]) <= statistics.median(memory[:half]) + 8192, f"memory grows: {memory}")
    nobody_else_works()
    for name, each in ratios.items():
        kept = medians(each)
        expect(kept.rate >= KEPT, f"with {name} the others keep {kept.rate:.2f} of their rate")
        expect(kept.work >= KEPT, f"with {name} the others do {kept.work:.2f} of their work for the same processor time")


SCENARIOS = [a_trickle_costs_no_memory, five_thousand_clients_vanish, one_that_does_not_keep_up]
