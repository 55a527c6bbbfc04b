"""samples/ferry_client.py against a real spool: everything it offers, in one run. python_client.py SAMPLES ENDPOINT"""
import sys

sys.path.insert(0, sys.argv[1])
from ferry_client import Consumer, Producer, Refused, item  # noqa: E402

ENDPOINT = sys.argv[2]


def puts():
    producer = Producer(ENDPOINT, "jobs", name="line-3")
    assert producer.put(b"a") == 0
    assert producer.put(bytes(range(256)), b"\xff\x00", {"n": -5, "t": "x", "b": b"\x00"}, [b"", b"\xfe"]) == 1
    assert producer.put_batch([item(b"c"), item(b"d", b"topic")]) == 2
    assert producer.put(b"x" * 600_000) == 4
    # A second run of the name goes on where the first ended, and fences it.
    again = Producer(ENDPOINT, "jobs", name="line-3")
    assert again.put(b"f") == 5 and again.last == 6
    try:
        producer.put(b"zombie")
        raise SystemExit("a fenced producer has stored")
    except Refused as refused:
        assert refused.code == "fenced"
    try:
        Producer(ENDPOINT, "bad/name").put(b"x")
        raise SystemExit("a bad name was taken")
    except Refused as refused:
        assert refused.code == "bad-name"


def takes():
    consumer = Consumer(ENDPOINT, "jobs", "thumbs", lease_ms=600, credit=3)
    first, full, third = (consumer.take() for _ in range(3))
    assert (first.offset, first.attempt, first.payload, first.topic, first.headers) == (0, 1, b"a", None, None)
    assert full.payload == bytes(range(256)) and full.topic == b"\xff\x00" and full.frames == [b"", b"\xfe"]
    assert full.headers == {"n": -5, "t": "x", "b": b"\x00"}
    assert consumer.take(timeout=0.1) is None  # the credit is used up
    assert consumer.ack(first) and consumer.ack(first)  # an ack sent again counts as before
    assert consumer.nack(full, 0, "broken") and consumer.release(third)
    seen = {}
    for _ in range(5):
        message = consumer.take()
        seen[message.offset] = (message.attempt, len(message.payload))
        assert consumer.ack(message)
    assert seen == {1: (2, 256), 2: (1, 1), 3: (1, 1), 4: (1, 600_000), 5: (1, 1)}, seen
    consumer.close()


def leases():
    Producer(ENDPOINT, "late").put(b"x")
    slow = Consumer(ENDPOINT, "late", "g", lease_ms=400, credit=1)
    other = Consumer(ENDPOINT, "late", "g", lease_ms=30_000)
    message = slow.take()
    for _ in range(4):  # 800 ms, in which nobody else gets it
        assert other.take(timeout=0.2) is None
        slow.extend(message)
    taken = other.take()  # not extended any more
    assert taken.attempt == 2 and taken.payload == b"x"
    assert slow.ack(message) is False
    assert other.ack(taken)
    slow.close()
    other.close()


if __name__ == "__main__":
    puts()
    takes()
    leases()
    print("all of it works")
