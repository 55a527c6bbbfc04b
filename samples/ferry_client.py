"""A client of a ferry spool in plain Python, from docs/wire.md: pyzmq, msgpack and nothing of ferry.

    producer = Producer("tcp://127.0.0.1:7000", "jobs", name="line-3")
    offset = producer.put(b"resize 1.png", headers={"n": 1})    # returns when it is on disk
    consumer = Consumer("tcp://127.0.0.1:7000", "jobs", "thumbs")
    message = consumer.take(timeout=5)                          # or None
    consumer.ack(message)                                       # True when that counts

A put that was not answered is sent again and stored once; a message that is not acked comes again with a higher
attempt. Calls outlive a spool that restarts, for as long as their timeout. Work longer than the lease calls `extend`
in between. One thread; a refusal raises Refused. From a shell (lines in, offsets out; lines out, each acked):

    ferry_client.py put tcp://127.0.0.1:7000 jobs < lines;  ferry_client.py take tcp://127.0.0.1:7000 jobs thumbs 3
"""
import collections
import sys
import time

import msgpack
import zmq

HELLO, OPEN, PUT, PART, JOIN, LEAVE, CREDIT, ACK, NACK, RELEASE, EXTEND, PING = *range(1, 12), 15
WELCOME, ERROR, OPENED, STORED, REFUSED, JOINED, DELIVER, DONE, RESULT, PONG = range(33, 43)
PIECE_BYTES, CREDIT_BYTES = 256 << 10, 4 << 20
PING_S, GONE_S = 0.5, 6.0

Message = collections.namedtuple("Message", "lease offset attempt stored_ns payload topic headers frames",
                                 defaults=(None, None, None))


class Lost(Exception):
    """The session is over: say HELLO again, open again, send again what was not answered."""


class Refused(Exception):
    def __init__(self, code, reason):
        super().__init__(f"{code.decode()}: {reason.decode()}")
        self.code = code.decode()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


CRC_TABLE = list(range(256))
for _ in range(8):
    CRC_TABLE = [crc >> 1 ^ (0x82F63B78 if crc & 1 else 0) for crc in CRC_TABLE]


def item(payload, topic=None, headers=None, frames=None):
    fields = [payload, topic, headers, frames]
    while fields[-1] is None:
        fields.pop()
    return msgpack.packb(fields, unicode_errors="surrogateescape")


class Channel:
    """A connection with one channel on it, which is opened again whenever the session is lost."""

    def __init__(self, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IMMEDIATE, 1)  # what nobody is there for is sent again, not kept
        self.socket.setsockopt(zmq.LINGER, 1000)
        self.socket.connect(endpoint)
        self.incarnation, self.channel, self.spoke, self.up = 0, 0, 0.0, False
        self.opened_in = 0

    def send(self, *fields, body=None):
        try:
            self.socket.send_multipart([msgpack.packb(fields)] + ([] if body is None else [body]), zmq.NOBLOCK)
        except zmq.Again:
            pass  # nobody is there: silence or ERROR(no-session) will tell
        self.spoke = time.monotonic()

    def read(self, seconds):
        if not self.socket.poll(max(0, seconds) * 1000):
            return [None], b""
        head, *body = self.socket.recv_multipart()
        return msgpack.unpackb(head, unicode_errors="surrogateescape"), body[0] if body else b""

    def receive(self, deadline):
        """The next head and body that concern this channel; ([None], b"") when the time is over."""
        heard = time.monotonic()
        while (now := time.monotonic()) < deadline:
            if now - heard > GONE_S:
                raise Lost
            if now - self.spoke >= PING_S:
                self.send(PING, 0)
            head, body = self.read(min(deadline - now, PING_S))
            heard = time.monotonic() if head[0] else heard
            if head[0] in (PONG, STORED, DONE) and head[2] != self.incarnation:
                raise Lost
            if head[0] == ERROR and head[1] in (0, self.channel):
                raise Lost if head[2] in (b"no-session", b"no-channel") else Refused(*head[2:4])
            if head[0] == PONG or head[0] and head[0] != WELCOME and head[1] == self.channel:
                return head, body
        return [None], b""

    def connect(self, deadline):
        head = [None]
        while head[0] != WELCOME:
            if time.monotonic() >= deadline:
                raise TimeoutError("no spool answers")
            self.send(HELLO, 1, b"python", self.opened_in)
            head, _ = self.read(0.2)
        self.incarnation = head[2]
        self.channel += 1
        self.open(deadline)
        self.opened_in = self.incarnation
        self.up = True

    def call(self, send, answer, timeout):
        """Sends until `answer(head, body)` is not None, over as many sessions as it takes; None when time is over."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                if not self.up:
                    self.connect(deadline)
                send()
                result, head = None, [PING]
                while result is None and head[0]:
                    head, body = self.receive(deadline)
                    result = answer(head, body)
                return result
            except Lost:
                self.up = False

    def expect(self, kind, deadline):
        head = [PING]
        while head[0] != kind:
            head, _ = self.receive(deadline)
            if not head[0]:
                raise TimeoutError("the spool does not answer")
        return head[2:]


class Producer(Channel):
    def __init__(self, endpoint, stream, name=None):
        super().__init__(endpoint)
        self.stream, self.name = stream.encode(), name.encode() if name else None
        self.id, self.epoch, self.last = None, 0, None

    def open(self, deadline):
        self.send(OPEN, self.channel, self.stream, self.name, self.id, self.epoch, {"create": 1})
        self.id, self.epoch, last = self.expect(OPENED, deadline)[:3]
        self.last = last if self.last is None else self.last  # where an earlier run of this name ended

    def put(self, payload, topic=None, headers=None, frames=None, timeout=30):
        """Stores one message and gives its offset."""
        return self.put_batch([item(payload, topic, headers, frames)], timeout)

    def put_batch(self, items, timeout=30):
        """Stores some items (of `item`), all or none, and gives the offset of the first."""
        batch = b"".join(items)
        pieces = [batch[at:at + PIECE_BYTES] for at in range(0, len(batch), PIECE_BYTES)]
        checked = (1, crc32c(batch), time.time_ns())

        def send():
            for index, piece in enumerate(pieces[:-1]):
                self.send(PART, self.channel, index, len(pieces) - 1, body=piece)
            self.send(PUT, self.channel, self.last, self.last + 1, len(items), *checked, body=pieces[-1])

        def answer(head, _body):
            if head[0] == REFUSED:
                raise Refused(*head[4:6])
            runs = head[4] if head[0] == STORED else []
            return next((offset for first, _, offset, _ in runs if first == self.last + 1), None)

        offset = self.call(send, answer, timeout)
        if offset is None:
            raise TimeoutError("not confirmed: it may be stored or not")
        self.last += len(items)
        return offset


class Consumer(Channel):
    def __init__(self, endpoint, stream, group="default", lease_ms=None, credit=64):
        super().__init__(endpoint)
        self.stream, self.group, self.credit = stream.encode(), group.encode(), credit
        self.options = {"create": 1} if lease_ms is None else {"create": 1, "lease_ms": lease_ms}
        self.waiting, self.held = collections.deque(), {}  # not handed out; all that is not settled, by offset

    def open(self, deadline):
        self.received = self.bytes = self.frames = 0  # limits count since JOIN
        self.pieces = []
        claims = collections.defaultdict(list)
        for offset, lease in sorted(self.held.items()):
            claims[lease].append([offset, 1])
        self.send(JOIN, self.channel, self.stream, self.group, self.options, list(claims.items()))
        given = self.expect(JOINED, deadline)[2]  # what is not given back comes again, here or elsewhere
        ours = {first + i: lease for lease, runs in given for first, count in runs for i in range(count)}
        self.held = {offset: lease for offset, lease in self.held.items() if ours.get(offset) == lease}
        self.waiting = collections.deque(each for each in self.waiting if each.offset in self.held)

    def give_credit(self):
        allowed = max(0, self.received + self.credit - len(self.held))
        self.send(CREDIT, self.channel, allowed, self.bytes + CREDIT_BYTES, self.frames)

    def delivered(self, head, body):
        if head[0] == PART:
            self.pieces = self.pieces + [body] if head[2] else [body]
        if head[0] != DELIVER:
            return
        (lease, _, runs, kind, checksum), batch = head[2:7], b"".join([*self.pieces, body])
        self.pieces, self.bytes, self.frames = [], self.bytes + len(batch), self.frames + 1
        if kind == 1 and crc32c(batch) != checksum:
            return  # its lease ends and it comes again
        places = [(first + i, attempt, at) for first, count, attempt, at in runs for i in range(count)]
        items = msgpack.Unpacker(unicode_errors="surrogateescape", max_buffer_size=0)
        items.feed(batch)
        self.received += len(places)
        self.waiting.extend(Message(lease, *place, *fields) for place, fields in zip(places, items))
        self.held.update((offset, lease) for offset, _, _ in places)

    def take(self, timeout=30):
        """The next message, on lease; None when none came in that time."""
        def answer(head, body):
            self.delivered(head, body)
            return self.waiting or None

        return self.waiting.popleft() if self.waiting or self.call(self.give_credit, answer, timeout) else None

    def settle(self, kind, message, *more):
        """True when it counts; False when the lease was over: somebody else has, or had, the message."""
        def answer(head, body):
            self.delivered(head, body)
            if head[0] == DONE and head[3] == message.lease:
                for counts, runs in zip((True, True, False, kind == ACK), head[4:8]):  # done, already, stale, gone
                    if any(first <= message.offset < first + count for first, count in runs):
                        return counts

        counted = self.call(lambda: self.send(kind, self.channel, message.lease, [[message.offset, 1]], *more),
                            answer, 30)
        if counted is None:
            raise TimeoutError("not answered: the message may come again")
        if self.held.get(message.offset) == message.lease:
            del self.held[message.offset]
        self.give_credit()
        return counted

    def ack(self, message):
        return self.settle(ACK, message)

    def nack(self, message, delay_ms=None, reason=""):
        """Not done: it comes again after the delay, or after the group's back-off."""
        return self.settle(NACK, message, delay_ms, reason.encode())

    def release(self, message):
        """Not looked at: it comes again at once, and no attempt is used."""
        return self.settle(RELEASE, message)

    def extend(self, *messages):
        """A full lease from now. EXTEND has no answer; the PONG behind it says that it arrived."""
        leases = sorted({each.lease for each in messages})
        self.call(lambda: (self.send(EXTEND, self.channel, leases), self.send(PING, 0)),
                  lambda head, body: self.delivered(head, body) or (True if head[0] == PONG else None), 30)

    def close(self):
        """Gives back what was not handed out, and leaves."""
        while self.waiting:
            self.release(self.waiting.popleft())
        self.send(LEAVE, self.channel, self.frames)
        self.socket.close()


def main(verb, endpoint, stream, group="default", count="1"):
    if verb == "put":
        producer = Producer(endpoint, stream)
        for line in sys.stdin.buffer:
            print(producer.put(line.rstrip(b"\n")), flush=True)
        return
    consumer = Consumer(endpoint, stream, group)
    for message in (consumer.take(timeout=3600) for _ in range(int(count))):
        print(message.payload.decode(errors="replace"), flush=True)
        consumer.ack(message)
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
