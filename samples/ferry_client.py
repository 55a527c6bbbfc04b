"""A client of a ferry spool in plain Python, written from docs/wire.md: pyzmq, msgpack and nothing of ferry.

    producer = Producer("tcp://127.0.0.1:7000", "jobs", name="line-3")
    offset = producer.put(b"resize 1.png", headers={"n": 1})   # returns when it is on disk
    consumer = Consumer("tcp://127.0.0.1:7000", "jobs", "thumbs")
    message = consumer.take(timeout=5)                         # or None
    consumer.ack(message)                                      # or nack, dead, release: True when that counts
    consumer.commit(message, "done", item(b"1.png"))           # or the ack and what came of it, as one
    consumer.close()                                           # and producer.close()

What is not answered is said again, through lost connections and restarts of the spool, and counts once; leases are
claimed again; what is damaged on the way is dropped. A refusal raises Refused, silence TimeoutError.

Left out: threads, and more than one request or message under way, so it is not fast; leases that renew themselves, so
long work calls `extend`; groups with a single active consumer, which want to be heard twice a second; readers without
a group; administration.
"""
import time
from collections import namedtuple
from functools import partialmethod

import msgpack
import zmq

HELLO, OPEN, PUT, PART, JOIN, LEAVE, CREDIT, ACK, NACK, RELEASE, EXTEND, DEAD, COMMIT, ADMIN, PING = range(1, 16)
WELCOME, ERROR, OPENED, STORED, REFUSED, JOINED, DELIVER, DONE, RESULT, PONG = range(33, 43)
PIECE_BYTES, CREDIT_BYTES, PING_S = 256 << 10, 4 << 20, 0.5
CRC_TABLE = list(range(256))
for _ in range(8):
    CRC_TABLE = [crc >> 1 ^ 0x82F63B78 * (crc & 1) for crc in CRC_TABLE]
Message = namedtuple("Message", "lease ends offset attempt stored_ns payload topic headers frames",
                     defaults=(None, None, None))


class Lost(Exception):
    """The session is over."""


class Refused(Exception):
    code = property(lambda self: self.args[0].decode())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def item(payload, topic=None, headers=None, frames=None):
    return msgpack.packb([payload, topic, headers, frames or []], unicode_errors="surrogateescape")


class Channel:
    """A connection with one channel on it, which is opened again whenever the session is lost."""

    def __init__(self, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        for option, value in ((zmq.IMMEDIATE, 1), (zmq.LINGER, 1000), (zmq.HEARTBEAT_IVL, 5000)):
            self.socket.setsockopt(option, value)  # IMMEDIATE: what nobody is there for is said again, not kept
        self.socket.connect(endpoint)
        self.channel, self.incarnation, self.opened_in, self.up = 0, 0, 0, False

    def send(self, *head, body=None):
        pieces = [body[at:at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES)] if body else [body]
        heads = [(PART, self.channel, index, len(pieces) - 1) for index in range(len(pieces) - 1)] + [head]
        try:
            for each, piece in zip(heads, pieces):
                frames = [msgpack.packb(each, unicode_errors="surrogateescape"), piece]
                self.socket.send_multipart(frames if piece is not None else frames[:1], zmq.NOBLOCK)
        except zmq.Again:
            pass  # nobody is there, as will be seen

    def receive(self, deadline):
        while (left := deadline - time.monotonic()) > 0:
            if not self.socket.poll(1000 * min(left, PING_S)):
                self.send(PING, 0)  # a spool that does not know us says so
                continue
            head, *body = self.socket.recv_multipart()
            head = msgpack.unpackb(head, unicode_errors="surrogateescape")
            if head[0] in (PONG, STORED, DONE) and head[2] != self.incarnation:
                raise Lost
            if head[0] == ERROR and head[1] in (0, self.channel):
                raise Lost if head[2] in (b"no-session", b"no-channel") else Refused(*head[2:4])
            if head[0] == PONG or head[0] != WELCOME and head[1] == self.channel:
                return head, b"".join(body)
        raise TimeoutError("the spool does not answer")

    def connect(self, deadline):
        head = [None]
        while head[0] != WELCOME:
            if time.monotonic() > deadline:
                raise TimeoutError("no spool answers")
            self.send(HELLO, 1, b"python", self.opened_in)
            head = msgpack.unpackb(self.socket.recv_multipart()[0]) if self.socket.poll(200) else [None]
        self.incarnation, self.channel = head[2], self.channel + 1
        self.send(*self.opening())
        while (head := self.receive(deadline)[0])[0] not in (OPENED, JOINED):
            pass
        self.opened(*head[2:])
        self.opened_in, self.up = self.incarnation, True

    def call(self, say, answer, timeout=30):
        """Says it, in as many sessions as it takes, until `answer(head, body)` is not None."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                if not self.up:
                    self.connect(deadline)
                say()
                while (result := answer(*self.receive(deadline))) is None:
                    pass
                return result
            except Lost:
                self.up = False

    def close(self):
        self.socket.close()


class Producer(Channel):
    def __init__(self, endpoint, stream, name=None):
        super().__init__(endpoint)
        self.stream, self.name = stream.encode(), name and name.encode()
        self.id, self.epoch, self.last = None, 0, None  # the last sequence that is known to be stored

    def opening(self):
        return OPEN, self.channel, self.stream, self.name, self.id, self.epoch, {}

    def opened(self, producer, epoch, last, *_):
        self.id, self.epoch = producer, epoch
        self.last = last if self.last is None else self.last  # what may be stored behind it is put again

    def put(self, payload, topic=None, headers=None, frames=None, timeout=30):
        """Stores a message and gives its offset. After TimeoutError it may be stored or not."""
        batch = item(payload, topic, headers, frames)
        about = (1, 1, crc32c(batch), time.time_ns())

        def answer(head, _body):
            if head[0] == REFUSED:
                raise Refused(*head[4:6])
            return next((run[2] for run in head[4] if run[0] == self.last + 1), None) if head[0] == STORED else None

        try:
            offset = self.call(lambda: self.send(PUT, self.channel, self.last, self.last + 1, *about, body=batch),
                               answer, timeout)
        except TimeoutError:  # the next message must not be taken for this one: a new epoch, or id, fences it
            self.id, self.last, self.up = None, None, False
            raise
        self.last += 1
        return offset


class Consumer(Channel):
    """Messages are this consumer's until their lease ends, which `extend` puts off. Settling one gives True when it
    counts, and False when its lease was over: somebody else has, or had, the message."""

    def __init__(self, endpoint, stream, group="default", lease_ms=None):
        super().__init__(endpoint)
        self.stream, self.group = stream.encode(), group.encode()
        self.options = {"lease_ms": lease_ms} if lease_ms else {}
        self.waiting, self.held = [], {}  # not handed out; the leases of what is not settled

    def opening(self):
        self.received, self.bytes, self.frames, self.pieces = 0, 0, 0, []  # limits count since JOIN
        claims = [[lease, [[offset, 1]]] for offset, lease in sorted(self.held.items())]
        return JOIN, self.channel, self.stream, self.group, self.options, claims

    def opened(self, _lease_ms, _start, given, *_):  # what is not given back comes again, to somebody
        ours = {(first + i, lease) for lease, runs in given for first, count in runs for i in range(count)}
        self.held = {offset: lease for offset, lease in self.held.items() if (offset, lease) in ours}

    def delivered(self, head, body):
        if head[0] == PART:
            self.pieces = self.pieces * (head[2] > 0) + [body]
        if head[0] != DELIVER:
            return
        (lease, lease_ms, runs, kind, checksum), batch = head[2:7], b"".join(self.pieces + [body])
        self.pieces, self.bytes, self.frames = [], self.bytes + len(batch), self.frames + 1
        if kind == 1 and crc32c(batch) != checksum:
            return  # its lease ends and it comes again
        places = [(first + i, attempt, at) for first, count, attempt, at in runs for i in range(count)]
        items = msgpack.Unpacker(unicode_errors="surrogateescape", max_buffer_size=0)
        items.feed(batch)
        ends = time.monotonic() + lease_ms / 1000
        self.waiting += [Message(lease, ends, *place, *fields) for place, fields in zip(places, items)]
        self.held.update((offset, lease) for offset, _, _ in places)
        self.received += len(places)

    def take(self, timeout=30):
        """The next message, on lease; None when none came in that time."""
        def at_hand(head=(None,), body=b""):
            self.delivered(head, body)
            now, held = time.monotonic(), self.held.get
            self.waiting = [each for each in self.waiting if held(each.offset) == each.lease and each.ends > now]
            return self.waiting.pop(0) if self.waiting else None

        def ask_for_one():
            self.send(CREDIT, self.channel, self.received + 1, self.bytes + CREDIT_BYTES, self.frames)

        try:
            return at_hand() or self.call(ask_for_one, at_hand, timeout)
        except TimeoutError:
            return None

    def settle(self, kind, message, *more, body=None):
        def answer(head, got):
            self.delivered(head, got)
            if head[0] == REFUSED and head[2] == more[0]:
                raise Refused(*head[4:6])
            if head[0] == DONE and head[3] == message.lease:
                for counts, runs in zip((True, True, False, kind == ACK), head[4:8]):  # settled, already, stale, gone
                    if any(first <= message.offset < first + count for first, count in runs):
                        return counts

        about = (message.lease, [[message.offset, 1]], *more)
        counts = self.call(lambda: self.send(kind, self.channel, *about, body=body), answer)
        if self.held.get(message.offset) == message.lease:
            del self.held[message.offset]
        return counts

    ack, release = partialmethod(settle, ACK), partialmethod(settle, RELEASE)

    def nack(self, message, delay_ms=None, reason=""):  # comes again after the delay, or the group's back-off
        return self.settle(NACK, message, delay_ms, reason.encode())

    def dead(self, message, reason=""):  # a dead letter at once
        return self.settle(DEAD, message, reason.encode())

    def commit(self, message, stream, *items):
        """Stores the items and acks the message, both or neither. When it is Refused the message stays on lease;
        after TimeoutError only the same commit may be asked for again."""
        if self.held.get(message.offset) != message.lease:
            return False  # settled, or not ours; the spool would take it for the commit that settled it
        batch, number = b"".join(items), time.time_ns()
        output = [stream.encode(), len(items), 1, crc32c(batch), number, len(batch)]
        return self.settle(COMMIT, message, number, [output], body=batch)

    def extend(self, *messages):
        """A full lease from now. EXTEND has no answer; the PONG behind it says that it was heard."""
        token, leases = time.time_ns(), list({each.lease for each in messages})
        self.call(lambda: (self.send(EXTEND, self.channel, leases), self.send(PING, token)),
                  lambda head, body: self.delivered(head, body) or head[:2] == [PONG, token] or None)

    def close(self):
        self.send(LEAVE, self.channel, self.frames)  # what is on lease comes again at once, flagged
        super().close()
