"""What becomes of a valid session on its way: bytes change, frames vanish, come twice, change places, lie."""
import struct

import zmtp

# msgpack at its edges: the largest numbers, and arrays, maps and texts far larger than the frame they stand in.
EDGES = [b"\x00", b"\xff", b"\xcf" + b"\xff" * 8, b"\xcf\x80" + bytes(7), b"\xd3\x80" + bytes(7),
         b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdb\x7f\xff\xff\xff", b"\xc1",
         b"\x91" * 64]
SIZES = [2**63, 2**63 - 1, 2**64 - 1, 2**32, 2**31, 600 * 1024, 65 << 20]


def spoil_bytes(random, body):
    body, at = bytearray(body), random.randrange(max(1, len(body)))
    what = random.randrange(6)
    if what == 0 and body:
        body[at] ^= 1 << random.randrange(8)
    elif what == 1:
        del body[at:]
    elif what == 2:
        body[at:at] = random.randbytes(random.randrange(1, 40))
    elif what == 3:
        edge = random.choice(EDGES)
        body[at:at + len(edge)] = edge
    elif what == 4:
        del body[at:at + random.randrange(1, 16)]
    else:
        for _ in range(random.randrange(1, 8)):
            if body:
                body[random.randrange(len(body))] = random.randrange(256)
    return bytes(body)


def spoil_frames(random, frames, others):
    """Frames of a session, changed; what comes out is bytes whose sizes are right, but for lies told on purpose."""
    frames = list(frames)
    for _ in range(random.randrange(1, 6)):
        at = random.randrange(1, len(frames)) if len(frames) > 1 else 0
        flags, body = frames[at]
        what = random.randrange(8)
        if what == 0:
            del frames[at]
        elif what == 1:
            frames.insert(at, frames[at])
        elif what == 2:
            other = random.randrange(len(frames))
            frames[at], frames[other] = frames[other], frames[at]
        elif what == 3:
            frames[at] = flags ^ random.choice((zmtp.MORE, zmtp.COMMAND)), body
        elif what == 4:
            frames[at:at] = random.choice(others)[1][1:]
        else:
            frames[at] = flags, spoil_bytes(random, body)
        if not frames:
            break
    said = b"".join(zmtp.frame(body, flags & ~zmtp.LONG) for flags, body in frames)
    if random.randrange(12) == 0:
        said += zmtp.declared(random.choice(SIZES), random.randbytes(random.randrange(200)))
    return said


def spoil(random, session, others):
    """A session as what opens it and what follows, spoiled in its frames, in its handshake, or in raw bytes."""
    greeting, frames = session
    opening = greeting + zmtp.frame(frames[0][1], frames[0][0])
    what = random.randrange(20)
    if what == 0:
        return spoil_bytes(random, opening), b"".join(zmtp.frame(body, flags) for flags, body in frames[1:])
    if what < 4:
        return opening, spoil_bytes(random, b"".join(zmtp.frame(body, flags) for flags, body in frames[1:]))
    return opening, spoil_frames(random, frames[1:] or frames, others)


def handshakes(random, kinds):
    """Handshakes that are none, one after the other, without end."""
    good = zmtp.GREETING
    while True:
        ready = zmtp.ready(random.choice(kinds), random.randbytes(random.randrange(300)))
        yield random.choice((
            lambda: b"",
            lambda: random.randbytes(random.randrange(1, 200)),
            lambda: good[:random.randrange(64)],
            lambda: spoil_bytes(random, good) + ready,
            lambda: good + ready[:random.randrange(len(ready))],
            lambda: good + spoil_bytes(random, ready),
            lambda: good[:12] + random.choice((b"PLAIN", b"CURVE", b"NOPE")).ljust(20, b"\0") + good[32:] + ready,
            lambda: good + zmtp.declared(random.choice(SIZES), b"\x05READY", zmtp.COMMAND),
            lambda: good + zmtp.frame(b"\x05READY" + b"\xff" * 255 + struct.pack(">I", 2**32 - 1), zmtp.COMMAND),
            lambda: good + zmtp.frame(b"\x05ERROR\xff", zmtp.COMMAND),
            lambda: good + zmtp.frame(b"\x04PING\0\0" + random.randbytes(20), zmtp.COMMAND) * 3,
            lambda: good + zmtp.frame(random.randbytes(50)) * 3,
            lambda: good * 3,
            lambda: b"\x01\x00" + random.randbytes(20),  # ZMTP 1
            lambda: b"\xff" + bytes(8) + b"\x7f\x01\x05" + random.randbytes(20),  # ZMTP 2
        ))()
