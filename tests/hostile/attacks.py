"""The attacks. Each leaves its server alive, its memory bounded, a fresh pair of peers served, and SIGTERM obeyed."""
import itertools
import os
import pathlib
import random as randomness
import struct
import subprocess
import tempfile
import time

import msgpack
import zmq

import mutations
import zmtp
from processes import FERRY, Server, expect, ferry, spool, works
from recorder import Recorder

MIB = 1 << 20
KEPT = "".join(f"kept {i}\n" for i in range(100)).encode()
ADMIN, HELLO, OPEN, PUT, PART, JOIN, LEAVE, CREDIT, ACK, NACK, RELEASE, EXTEND, COMMIT = (
    14, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13)
SUBSCRIPTION_BYTES = 2000  # of memory, for one of 24 bytes that begins like no other: the dear case
DEVICES = {"forwarder": ("PUB", "SUB"), "queue": ("REQ", "REP"), "streamer": ("PUSH", "PULL")}


class Attack:
    """What an attack is told, and what it notes down for the line that is printed of it."""

    def __init__(self, seed, seconds, scale):
        self.random = randomness.Random(seed)
        self.seconds = seconds
        self.scale = scale
        self.notes = []
        self.room = tempfile.TemporaryDirectory(prefix="ferry-hostile-")

    def directory(self):
        return pathlib.Path(tempfile.mkdtemp(dir=self.room.name))

    def note(self, words):
        self.notes.append(words)

    def spool(self):
        """A spool that holds a hundred messages nobody may harm."""
        server = spool(self.directory())
        put = ferry("put", server.endpoints[0], "kept", stdin=KEPT)
        expect(put.returncode == 0, f"put: {put.stderr.decode()}")
        return server

    def outlived(self, server, memory):
        """The server is as it should be, `memory` being what it may have taken since it was ready."""
        server.alive()
        grown = server.peak() - server.rss_at_start
        expect(grown < memory, f"{server.words[0]} grew by {grown / MIB:.0f} MiB, more than {memory / MIB:.0f}")
        took = works(server)
        if server.words[0] == "spool":
            kept = ferry("take", server.endpoints[0], "kept", "-n", "100", "-t", "10s")
            expect(kept.stdout == KEPT, f"what was stored before is there: {kept.stdout[:200]!r} {kept.stderr!r}")
        stopped = server.stop()
        if server.words[0] == "spool":
            verified = ferry("verify", server.words[2])
            expect(verified.returncode == 0, f"verify: {verified.stdout.decode()} {verified.stderr.decode()}")
        self.note(f"{server.words[0]} +{grown / MIB:.0f} MiB, served in {took:.2f} s, gone in {stopped:.2f} s")


def stats(endpoint):
    """The spool's own counters."""
    context = zmq.Context()
    with context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(endpoint)
        socket.send(msgpack.packb([HELLO, 1, b"hostile", 0]))
        socket.send(msgpack.packb([ADMIN, 1, b"spool.stats", {}]))
        while True:
            expect(socket.poll(10000), "the spool does not tell its counters")
            answer = msgpack.unpackb(socket.recv_multipart()[0], raw=False, strict_map_key=False)
            if answer[0] == 41:
                break
    context.term()
    return answer[4][0]


def spool_sessions(endpoint):
    """What producers, consumers and administrators really say to a spool."""
    with Recorder(endpoint) as relay:
        words = "\n".join(f"message {i}" for i in range(50)).encode()
        ferry("put", relay.address, "s", stdin=words)
        ferry("put", relay.address, "s", "late", "--delay", "50ms", "--priority", "3", "-H", "message-id=1",
              "-H", "key=k")
        ferry("take", relay.address, "s", "-n", "20", "-t", "5s")
        ferry("take", relay.address, "s", "--group", "h", "-n", "20", "-t", "5s")
        ferry("take", relay.address, "s", "--peek", "--from", "first", "-n", "5", "-t", "5s")
        for command in (("stream", "ls"), ("group", "ls"), ("dead", "ls")):
            ferry(*command, relay.address, *(("s",) if command[0] != "stream" else ()))
        ferry("stream", "info", relay.address, "s")
        return [zmtp.split(bytes(said)) for said in relay.sessions]


def device_sessions(kind, front, back):
    """What a pair of peers says at both ends of a device."""
    with Recorder(front) as at_front, Recorder(back) as at_back:
        takers = {"forwarder": ("sub", at_back.address, "t"), "streamer": ("pull", at_back.address),
                  "queue": ("rep", at_back.address, "--echo")}
        givers = {"forwarder": ("pub", at_front.address, "t", "x"), "streamer": ("push", at_front.address, "x"),
                  "queue": ("req", at_front.address, "x")}
        with subprocess.Popen([FERRY, *takers[kind], "-n", "2", "-t", "8s"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as taker:
            for more in ((), ("-H", "n=1")):
                ferry(*givers[kind], *more)
            taker.wait()
        return [[zmtp.split(bytes(said)) for said in relay.sessions] for relay in (at_front, at_back)]


def throw_sessions(attack, endpoint, sessions, until):
    usable = [each for each in sessions if each[1]]
    expect(usable, "sessions were recorded")
    thrown = 0
    while time.monotonic() < until:
        opening, said = mutations.spoil(attack.random, attack.random.choice(usable), usable)
        zmtp.converse(endpoint, opening, said, patience=0.2)
        thrown += 1
    return thrown


def sessions_of_a_spool(attack):
    """whole valid sessions, spoiled, against a running spool"""
    with attack.spool() as server:
        sessions = spool_sessions(server.endpoints[0])
        thrown = throw_sessions(attack, server.endpoints[0], sessions, time.monotonic() + attack.seconds)
        counted = stats(server.endpoints[0])
        expect(counted["frames_bad"] > 0, f"bad frames are counted: {counted}")
        attack.note(f"{thrown} sessions of {len(sessions)} kinds, {counted['frames_bad']} bad frames counted")
        # Of a hundred thousand producers at most the last batches are remembered.
        attack.outlived(server, 128 * MIB)


def sessions_of_devices(attack):
    """whole valid sessions, spoiled, against running devices"""
    for kind in DEVICES:
        with Server(kind, "@:0", "@:0") as server:
            front, back = device_sessions(kind, *server.endpoints)
            share = attack.seconds / len(DEVICES) / 2
            thrown = throw_sessions(attack, server.endpoints[0], front, time.monotonic() + share)
            thrown += throw_sessions(attack, server.endpoints[1], back, time.monotonic() + share)
            attack.note(f"{thrown} at the {kind}")
            server.counts()
            attack.outlived(server, 64 * MIB)


def malformed_handshakes(attack):
    """malformed ZMTP handshakes, fifty thousand of them"""
    servers = [attack.spool(), *(Server(kind, "@:0", "@:0") for kind in DEVICES)]
    count = int(50_000 * attack.scale)
    try:
        ends = [(each, end) for each in servers for end in each.endpoints]
        said = mutations.handshakes(attack.random, ["DEALER", "REQ", "SUB", "PUB", "PUSH", "PULL", "REP", "XSUB",
                                                    "nobody"])
        since = time.monotonic()
        for number, bytes_said in enumerate(itertools.islice(said, count)):
            # Half of them at the spool, the rest at each end of each device in turn.
            # Some of them end with a reset, before they are read.
            end = ends[0][1] if number % 2 else ends[1 + number // 2 % (len(ends) - 1)][1]
            zmtp.throw(end, bytes_said, 0.0 if number % 5 == 0 else 1.0)
        attack.note(f"{count} in {time.monotonic() - since:.1f} s")
        for server in servers:
            attack.outlived(server, 64 * MIB)
    finally:
        for server in servers:
            server.kill()


def bombs():
    """Frames that are small and claim to be huge, or are nested without end."""
    for nest in (b"\x91", b"\x81\xa1a", b"\xdd\x00\x00\x00\x01", b"\xdf\x00\x00\x00\x01\xa1a"):
        yield nest * (400_000 // len(nest)) + b"\xc0"
    for claim in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff",
                  b"\xdc\xff\xff", b"\xde\xff\xff", b"\xc9\xff\xff\xff\xff\x05"):
        yield claim
        yield claim * 1000
        yield claim + b"\xc0" * 400_000
    yield b"\xdd\x00\x06\x00\x00" + b"\xc0" * 0x60000  # a claim that is true


def bombed(kind, fields, bomb):
    """A message of the protocol in which each field in turn is the bomb."""
    for at in range(len(fields)):
        packed = [msgpack.packb(each) for each in fields]
        packed[at] = bomb
        yield bytes([0x90 | (len(fields) + 1), kind]) + b"".join(packed)
    yield bytes([0x90 | (len(fields) + 1), kind]) + bomb
    yield bomb


REQUESTS = {OPEN: [1, b"s", None, None, 0, {}], PUT: [1, 0, 1, 1, 0, 0, 1], PART: [1, 0, 1],
            JOIN: [2, b"s", b"g", {}, []],
            LEAVE: [2, 0], CREDIT: [2, 10, 10, 0], ACK: [2, 1, [[0, 1]]], NACK: [2, 1, [[0, 1]], None, b"r"],
            RELEASE: [2, 1, [[0, 1]]], EXTEND: [2, [1]], COMMIT: [2, 1, [[0, 1]], 1, [[b"s", 1, 0, 0, 0, 2]]],
            ADMIN: [1, b"stream.info", {"stream": b"s"}]}


def msgpack_bombs(attack):
    """msgpack bombs in every field of every message, and as batches"""
    with attack.spool() as server:
        lead = b"".join(zmtp.frame(msgpack.packb([kind, *fields])) for kind, fields in (
            (HELLO, [1, b"hostile", 0]), (OPEN, REQUESTS[OPEN]), (JOIN, REQUESTS[JOIN])))
        said = []
        for bomb in bombs():
            for kind, fields in REQUESTS.items():
                for head in bombed(kind, fields, bomb):
                    said.append(zmtp.frame(head))
            put = msgpack.packb([PUT, *REQUESTS[PUT]])
            for body in (bomb, b"\x93\xc4\x01x\xc0" + bomb, b"\x94\xc4\x01x\xc0\xc0" + bomb, b"\x92\xc4\x01x" + bomb):
                said.append(zmtp.frame(put, zmtp.MORE) + zmtp.frame(body))
        sent = len(said)
        for at in range(0, sent, 40):
            zmtp.converse(server.endpoints[0], zmtp.hello("DEALER"), lead + b"".join(said[at:at + 40]))
        counted = stats(server.endpoints[0])
        expect(counted["frames_bad"] > sent / 4, f"bombs are counted: {counted['frames_bad']} of {sent}")
        attack.note(f"{sent} bombs, {counted['frames_bad']} bad frames counted")
        attack.outlived(server, 64 * MIB)


def declared_sizes(attack):
    """frames that declare 2^63 bytes, and other sizes nobody has"""
    servers = [(attack.spool(), ("DEALER",))]
    servers += [(Server(kind, "@:0", "@:0"), kinds) for kind, kinds in DEVICES.items()]
    thrown = 0
    try:
        for server, kinds in servers:
            for end, kind in zip(server.endpoints, itertools.cycle(kinds)):
                for size in mutations.SIZES + [2**63 + 1, 2**62, 2**40]:
                    for flags in (0, zmtp.MORE, zmtp.COMMAND):
                        frame = zmtp.declared(size, attack.random.randbytes(1000), flags)
                        zmtp.throw(end, zmtp.GREETING + frame)
                        zmtp.converse(end, zmtp.hello(kind), frame)
                        zmtp.converse(end, zmtp.hello(kind), zmtp.frame(b"x", zmtp.MORE) + frame)
                        thrown += 3
        attack.note(f"{thrown} frames")
        # One of exactly the limit may be read whole; none may be believed.
        for server, _ in servers:
            attack.outlived(server, 96 * MIB)
    finally:
        for server, _ in servers:
            server.kill()


def endless_parts(attack):
    """a message whose MORE frames never end: libzmq keeps them until the peer leaves, and not one byte longer"""
    part, sent = zmtp.frame(b"x", zmtp.MORE), 4 * MIB
    for name in ("spool", *DEVICES):
        server = attack.spool() if name == "spool" else Server(name, "@:0", "@:0")
        kind = {"spool": "DEALER", "forwarder": "PUB", "queue": "DEALER", "streamer": "PUSH"}[name]
        with server:
            kept = []
            for _ in range(4):
                with zmtp.shake_hands(server.endpoints[0], zmtp.hello(kind)) as peer:
                    peer.sendall(part * (sent // len(part)))
                    # Meanwhile all others are served.
                    settle(server)
                    kept.append(server.rss() - server.rss_at_start)
            expect(kept[0] < 30 * sent, f"{name} keeps {kept[0] / MIB:.0f} MiB of {sent / MIB:.0f}")
            expect(kept[-1] < 1.2 * kept[0] + 8 * MIB, f"{name} keeps more each time: {kept}")
            attack.note(f"{name} keeps {kept[0] / sent:.1f} times what is said, the fourth time {kept[-1] / sent:.1f}")
            attack.outlived(server, 40 * sent)


def settle(server, seconds=30):
    """Until its memory stands still from one served pair to the next."""
    until, last = time.monotonic() + seconds, -1
    while time.monotonic() < until and abs(server.rss() - last) > 128 << 10:
        last = server.rss()
        works(server)


def subscriptions(attack):
    """a million subscriptions at a forwarder, from one peer that then leaves"""
    count = int(1_000_000 * attack.scale)
    with Server("forwarder", "@:0", "@:0") as server:
        since = time.monotonic()
        with zmtp.shake_hands(server.endpoints[1], zmtp.hello("SUB"), timeout=120) as peer:
            for first in range(0, count, 10_000):
                peer.sendall(b"".join(zmtp.frame(b"\x01" + topic(i)) for i in range(first, min(first + 10_000, count))))
            passed_up(server, count)
            grown = server.rss() - server.rss_at_start
            attack.note(f"{count} taken in {time.monotonic() - since:.1f} s, {grown / count:.0f} bytes each")
            expect(grown < SUBSCRIPTION_BYTES * count, f"{grown / count:.0f} bytes for a subscription of 24")
            # A publisher that comes now has to hear of all of them, too.
            attack.note(f"a fresh pair served in {works(server, 60):.1f} s")
        since = time.monotonic()
        passed_up(server, 2 * count)
        attack.note(f"given up in {time.monotonic() - since:.1f} s")
        attack.outlived(server, SUBSCRIPTION_BYTES * count + 64 * MIB)


def passed_up(server, count, seconds=120):
    """Until the device has passed on so many messages upstream, as its counters say."""
    until = time.monotonic() + seconds
    while int(server.counts().split(", up ")[1].split()[0]) < count:
        expect(time.monotonic() < until, f"{count} subscriptions were not passed on in {seconds} s")


def topic(number):
    """24 bytes that begin like no other topic."""
    return struct.pack(">QQ", (number * 0x9E3779B97F4A7C15 + 12345) % 2**64, number) + b"subjects"


ATTACKS = [sessions_of_a_spool, sessions_of_devices, malformed_handshakes, msgpack_bombs, declared_sizes, endless_parts,
           subscriptions]
