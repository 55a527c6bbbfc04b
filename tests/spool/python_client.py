"""samples/ferry_client.py against a real spool. python_client.py SAMPLES all ENDPOINT SPOOL_PID: everything it offers;
SAMPLES put ENDPOINT STREAM: lines in, offsets out; SAMPLES take ENDPOINT STREAM GROUP N: lines out, each acked."""
import os
import signal
import sys
import time

sys.path.insert(0, sys.argv[1])
from ferry_client import Consumer, Producer, Refused, item  # noqa: E402

ENDPOINT = sys.argv[3]


def refused_with(code, call, *arguments):
    try:
        call(*arguments)
    except Refused as refused:
        assert refused.code == code, refused
        return
    raise SystemExit(f"{code} was expected")


def puts():
    producer = Producer(ENDPOINT, "jobs", name="line-3")
    assert producer.put(b"a") == 0
    assert producer.put(bytes(range(256)), b"\xff\x00", {"n": -5, "t": "x", "b": b"\x00"}, [b"", b"\xfe"]) == 1
    assert producer.put(b"c") == 2
    assert producer.put(b"d", b"topic") == 3
    assert producer.put(b"x" * 600_000) == 4
    # A second run of the name goes on where the first ended, and fences it.
    again = Producer(ENDPOINT, "jobs", name="line-3")
    assert again.put(b"f") == 5 and again.last == 6
    refused_with("fenced", producer.put, b"zombie")
    refused_with("bad-name", Producer(ENDPOINT, "bad/name").put, b"x")


def takes():
    consumer = Consumer(ENDPOINT, "jobs", "thumbs")
    first, full, third = (consumer.take() for _ in range(3))
    assert (first.offset, first.attempt, first.payload, first.topic, first.headers) == (0, 1, b"a", None, None)
    assert full.payload == bytes(range(256)) and full.topic == b"\xff\x00" and full.frames == [b"", b"\xfe"]
    assert full.headers == {"n": -5, "t": "x", "b": b"\x00"}
    assert consumer.ack(first) and consumer.ack(first)  # an ack sent again counts as before
    assert consumer.nack(full, 0, "broken") and consumer.release(third)
    seen = {}
    for _ in range(5):
        message = consumer.take()
        seen[message.offset] = (message.attempt, len(message.payload))
        assert consumer.ack(message)
    assert seen == {1: (2, 256), 2: (1, 1), 3: (1, 1), 4: (1, 600_000), 5: (1, 1)}, seen
    assert consumer.take(timeout=0.1) is None
    consumer.close()


def leases():
    Producer(ENDPOINT, "late").put(b"x")
    slow = Consumer(ENDPOINT, "late", "g", lease_ms=1500)
    other = Consumer(ENDPOINT, "late", "g", lease_ms=30_000)
    message = slow.take()
    for _ in range(4):  # 2 s, in which nobody else gets it
        assert other.take(timeout=0.5) is None
        slow.extend(message)
    taken = other.take()  # not extended any more
    assert taken.attempt == 2 and taken.payload == b"x"
    assert slow.ack(message) is False
    assert other.ack(taken)
    slow.close()
    other.close()


def late_arrivals():
    """What arrives after a take gave up waiting is handed out by the next, unless its lease is over by then."""
    consumer = Consumer(ENDPOINT, "slow", "g", lease_ms=1000)
    assert consumer.take(timeout=0.1) is None
    Producer(ENDPOINT, "slow").put(b"x")  # which goes out at once, for the credit is there
    first = consumer.take()
    again = consumer.take()  # asks for one more, which is the first again when its lease is over
    assert again.offset == first.offset and again.attempt > first.attempt and consumer.ack(again)
    consumer.close()


def gives_up():
    Producer(ENDPOINT, "pages").put(b"x")
    consumer = Consumer(ENDPOINT, "pages", "g")
    message = consumer.take()
    assert consumer.dead(message, "not an image") and consumer.dead(message, "not an image")
    assert consumer.ack(message) is False  # it is a dead letter, which may come again
    assert consumer.take(timeout=0.1) is None
    consumer.close()


def commits():
    for body in (b"1", b"2"):
        Producer(ENDPOINT, "questions").put(body)
    consumer = Consumer(ENDPOINT, "questions", "g")
    first = consumer.take()
    refused_with("bad-name", consumer.commit, first, "bad/name", item(b"x"))  # nothing happened
    assert consumer.commit(first, "answers", item(b"one", b"t", {"n": 1}), item(b"y" * 600_000))
    assert not consumer.commit(first, "answers", item(b"other"))  # nor is it told that this one was stored
    second = consumer.take()
    assert second.payload == b"2" and consumer.commit(second, "answers", item(b"two"))
    reader = Consumer(ENDPOINT, "answers", "g")
    answers = [reader.take() for _ in range(3)]
    assert [each.payload for each in answers] == [b"one", b"y" * 600_000, b"two"]
    assert answers[0].topic == b"t" and answers[0].headers == {"n": 1}
    assert all(reader.ack(each) for each in answers) and reader.take(timeout=0.1) is None
    consumer.close()
    reader.close()


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 20
    tasks = f"/proc/{pid}/task"
    while any(open(f"{tasks}/{task}/stat").read().rsplit(")", 1)[1].split()[0] != "T" for task in os.listdir(tasks)):
        assert time.monotonic() < deadline


def silence():
    """A put without an answer may be stored or not; the next one is not taken for it."""
    for name in (None, "line-7"):
        stream = f"silent-{name}"
        producer = Producer(ENDPOINT, stream, name)
        producer.put(b"a")
        stop(int(sys.argv[4]))
        try:
            producer.put(b"b", timeout=0.3)
            raise SystemExit("nobody can have stored it")
        except TimeoutError:
            pass
        finally:
            os.kill(int(sys.argv[4]), signal.SIGCONT)
        offset = producer.put(b"c")
        consumer = Consumer(ENDPOINT, stream, "g")
        seen = {}
        while offset not in seen:
            message = consumer.take()
            seen[message.offset] = message.payload
            consumer.ack(message)
        assert seen[0] == b"a" and seen[offset] == b"c", seen
        assert sorted(seen.values()) in ([b"a", b"c"], [b"a", b"b", b"c"]), seen
        consumer.close()


def put_lines(stream):
    producer = Producer(ENDPOINT, stream)
    for line in sys.stdin.buffer:
        print(producer.put(line.rstrip(b"\n")), flush=True)


def take_lines(stream, group, count):
    consumer = Consumer(ENDPOINT, stream, group)
    for message in (consumer.take(timeout=3600) for _ in range(int(count))):
        print(message.payload.decode(), flush=True)
        consumer.ack(message)
    consumer.close()


if __name__ == "__main__":
    if sys.argv[2] == "put":
        put_lines(*sys.argv[4:])
    elif sys.argv[2] == "take":
        take_lines(*sys.argv[4:])
    else:
        for part in (puts, takes, leases, late_arrivals, gives_up, commits, silence):
            part()
        print("all of it works")
