"""A client of a spool that was written from docs/wire.md alone: pyzmq, msgpack and nothing of ferry.

    wire_client.py ENDPOINT

Puts, sends again, steps over a hole, takes, settles in every way and administers; ends with 0 and one line.
"""
import sys
import time

import msgpack
import zmq

HELLO, OPEN, PUT, PART, JOIN, LEAVE, CREDIT, ACK, NACK, RELEASE, EXTEND, DEAD = range(1, 13)
ADMIN, PING = 14, 15
WELCOME, ERROR, OPENED, STORED, REFUSED, JOINED, DELIVER, DONE, RESULT, PONG = range(33, 43)
DEADLINE_MS = 20000


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Spool:
    def __init__(self, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)

    def send(self, *fields, body=None):
        head = msgpack.packb(list(fields), use_bin_type=True)
        self.socket.send_multipart([head] if body is None else [head, body])

    def receive(self):
        if not self.socket.poll(DEADLINE_MS):
            raise SystemExit("no answer")
        frames = self.socket.recv_multipart()
        return msgpack.unpackb(frames[0], raw=False), frames[1] if len(frames) > 1 else None

    def expect(self, kind):
        while True:
            head, body = self.receive()
            # A STORED without runs tells only that the window has moved on.
            if head[0] == STORED and head[4] == []:
                continue
            assert head[0] == kind, f"{kind} expected, got {head}"
            return head[1:], body


def batch_of(*payloads):
    return b"".join(msgpack.packb([payload], use_bin_type=True) for payload in payloads)


def items_of(batch):
    unpacker = msgpack.Unpacker(raw=False)
    unpacker.feed(batch)
    return [item[0] for item in unpacker]


def offsets_of(runs):
    return [first + i for first, count in runs for i in range(count)]


def greet(spool):
    spool.send(PING, 1)
    head, _ = spool.expect(ERROR)
    assert head[0] == 0 and head[1] == b"no-session", head
    spool.send(HELLO, 1, b"wire page", 0)
    (version, incarnation, limits), _ = spool.expect(WELCOME)
    assert version == 1 and incarnation == 1 and limits["ping_ms"] == 2000
    spool.send(PING, 7)
    assert spool.expect(PONG)[0] == [7, incarnation, 0]
    spool.send(PING, 8, 1)
    assert spool.expect(PONG)[0] == [8, incarnation, 1]
    spool.send(PING, 9, 3)  # but only two were sent
    assert spool.expect(ERROR)[0][:2] == [0, b"no-session"]
    spool.send(HELLO, 1, b"wire page", 0)
    spool.expect(WELCOME)


def put(spool):
    spool.send(OPEN, 1, b"jobs", b"line-3", None, 0, {"create": 1})
    (channel, producer, epoch, last, batches, _), _ = spool.expect(OPENED)
    assert channel == 1 and len(producer) == 8 and epoch == 1 and last == 0 and batches == 64
    first = batch_of(b"a", b"b")
    spool.send(PUT, 1, 0, 1, 2, 1, crc32c(first), time.time_ns(), body=first)
    (_, _, up_to, runs, grade, batches, _), _ = spool.expect(STORED)
    assert up_to == 2 and runs == [[1, 2, 0, False]] and grade == 0 and batches == 65
    spool.send(PUT, 1, 0, 1, 2, 1, crc32c(first), time.time_ns(), body=first)
    assert spool.expect(STORED)[0][3] == [[1, 2, 0, True]]
    spool.send(PUT, 1, 8, 9, 1, 0, 0, 0, body=batch_of(b"too early"))
    (_, at, count, code, _, expected, fits), _ = spool.expect(REFUSED)
    assert (at, count, code, expected, fits) == (9, 1, b"out-of-order", 3, 0)
    spool.send(PUT, 1, 2, 3, 1, 1, 1, 0, body=batch_of(b"rotten"))
    assert spool.expect(REFUSED)[0][3] == b"bad-frame"
    spool.send(PUT, 1, 2, 5, 1, 0, 0, 0, body=batch_of(b"c"))  # steps over 3 and 4
    assert spool.expect(STORED)[0][3] == [[5, 1, 2, False]]
    large = batch_of(b"x" * 600_000)
    pieces = [large[at : at + 262144] for at in range(0, len(large), 262144)]
    for index, piece in enumerate(pieces[:-1]):
        spool.send(PART, 1, index, len(pieces) - 1, body=piece)
    spool.send(PUT, 1, 5, 6, 1, 0, 0, 0, body=pieces[-1])
    assert spool.expect(STORED)[0][3] == [[6, 1, 3, False]]
    # A new run of the same name fences the one before it, and learns where to go on.
    spool.send(OPEN, 2, b"jobs", b"line-3", None, 0, {})
    (_, again, epoch, last, _, _), _ = spool.expect(OPENED)
    assert again == producer and epoch == 2 and last == 6
    spool.send(PUT, 1, 6, 7, 1, 0, 0, 0, body=batch_of(b"zombie"))
    assert spool.expect(REFUSED)[0][3] == b"fenced"


def receive_message(spool):
    """The next DELIVER with its pieces put together."""
    pieces = []
    while True:
        head, body = spool.receive()
        assert head[0] in (PART, DELIVER), head
        pieces.append(body)
        if head[0] == DELIVER:
            batch = b"".join(pieces)
            assert head[5] == 0 or crc32c(batch) == head[6]
            return head[1:], items_of(batch)


def take(spool):
    spool.send(JOIN, 3, b"jobs", b"thumbs", {"create": 1, "from": "first"}, [])
    assert spool.expect(JOINED)[0] == [3, 30000, 0, [], 0, 0]
    spool.send(CREDIT, 3, 3, 1 << 20, 0)
    got, leases, frames = [], {}, 0
    while len(got) < 3:
        (channel, lease, lease_ms, runs, _, _), items = receive_message(spool)
        assert channel == 3 and lease != 0 and lease_ms == 30000
        assert all(attempt == 1 for _, _, attempt, _ in runs)
        frames += 1
        offsets = [offset + i for offset, count, _, _ in runs for i in range(count)]
        leases.update((offset, lease) for offset in offsets)
        got += zip(offsets, items)
    assert got == [(0, b"a"), (1, b"b"), (2, b"c")], got
    spool.send(EXTEND, 3, [leases[0]])
    spool.send(ACK, 3, leases[0], [[0, 1]])
    assert spool.expect(DONE)[0][2:] == [leases[0], [[0, 1]], [], [], []]
    spool.send(ACK, 3, leases[0], [[0, 1]])
    (_, _, _, runs, already, stale, gone), _ = spool.expect(DONE)  # every group is through with it: it may be gone
    assert runs == stale == [] and already + gone == [[0, 1]], (already, gone)
    spool.send(ACK, 3, 12345, [[1, 1]])
    assert spool.expect(DONE)[0][2:] == [12345, [], [], [[1, 1]], []]
    spool.send(NACK, 3, leases[1], [[1, 1]], 0, b"broken")
    assert spool.expect(DONE)[0][3] == [[1, 1]]
    spool.send(RELEASE, 3, leases[2], [[2, 1]])
    assert spool.expect(DONE)[0][3] == [[2, 1]]
    spool.send(CREDIT, 3, 6, 4 << 20, frames)
    attempts, held = {}, []
    while len(attempts) < 3:
        (_, lease, _, runs, _, _), items = receive_message(spool)
        frames += 1
        for offset, count, attempt, _ in runs:
            attempts.update({offset + i: attempt for i in range(count)})
        held.append((lease, [[offset, count] for offset, count, _, _ in runs]))
    for lease, runs in held:
        spool.send(ACK, 3, lease, runs)
        assert offsets_of(spool.expect(DONE)[0][3]) == offsets_of(runs)
    assert attempts == {1: 2, 2: 1, 3: 1} and items[-1] == b"x" * 600_000, attempts
    spool.send(PUT, 2, 6, 7, 1, 0, 0, 0, body=batch_of(b"hopeless"))
    assert spool.expect(STORED)[0][3] == [[7, 1, 4, False]]
    spool.send(CREDIT, 3, 7, 4 << 20, frames)
    (_, lease, _, _, _, _), _ = receive_message(spool)
    for answer in ([[[4, 1]], [], [], []], [[], [[4, 1]], [], []]):
        spool.send(DEAD, 3, lease, [[4, 1]], b"not an image")
        assert spool.expect(DONE)[0][3:] == answer
    spool.send(LEAVE, 3, frames + 1)


def administer(spool):
    spool.send(ADMIN, 1, b"group.info", {"stream": "jobs", "group": "thumbs"})
    (request, code, _, rows), _ = spool.expect(RESULT)
    assert request == 1 and code == b"" and rows[0]["acked_floor"] == 5 and rows[0]["dead"] == 1 and rows[0]["consumers"] == 0, rows
    spool.send(ADMIN, 2, b"stream.remove", {"stream": "nothing"})
    assert spool.expect(RESULT)[0][1] == b"no-such-stream"
    spool.send(ADMIN, 3, b"stream.remove", {"stream": "jobs"})
    told = [spool.receive()[0] for _ in range(3)]
    assert [each[2] for each in told[:2]] == [b"removed", b"removed"] and told[2][2] == b"", told
    spool.send(99)
    assert spool.expect(ERROR)[0][1] == b"unsupported"


if __name__ == "__main__":
    peer = Spool(sys.argv[1])
    greet(peer)
    put(peer)
    take(peer)
    administer(peer)
    print("all as the page says")
