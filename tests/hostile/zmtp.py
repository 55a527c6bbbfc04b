"""ZMTP 3 by hand, as bytes: what a peer says that uses no library and keeps no rule."""
import socket
import struct

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
MORE, LONG, COMMAND = 1, 2, 4


def frame(body, flags=0):
    """A frame with its right length."""
    if len(body) > 255:
        return bytes([flags | LONG]) + struct.pack(">Q", len(body)) + body
    return bytes([flags, len(body)]) + body


def declared(size, body=b"", flags=0):
    """The beginning of a frame that says it has `size` bytes."""
    return bytes([flags | LONG]) + struct.pack(">Q", size) + body


def ready(kind, identity=b""):
    properties = b"".join(
        bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
        for name, value in ((b"Socket-Type", kind.encode()), (b"Identity", identity)))
    return frame(b"\x05READY" + properties, COMMAND)


def hello(kind):
    """Everything a peer of this kind says until it may send messages."""
    return GREETING + ready(kind)


def split(said):
    """The greeting and the frames of a stream of bytes, as (flags, body); what is cut short at its end is left out."""
    frames, at = [], len(GREETING)
    while at + 2 <= len(said):
        flags = said[at]
        head = 9 if flags & LONG else 2
        if at + head > len(said):
            break
        size = struct.unpack(">Q", said[at + 1:at + 9])[0] if flags & LONG else said[at + 1]
        if at + head + size > len(said):
            break
        frames.append((flags & ~LONG, said[at + head:at + head + size]))
        at += head + size
    return said[:len(GREETING)], frames


def address(endpoint):
    host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    return host, int(port)


def connect(endpoint, timeout=10):
    """A connection whose end is a reset, so that ten thousands leave no port behind."""
    peer = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.settimeout(timeout)
    peer.connect(address(endpoint))
    return peer


def hear(peer, least=0, seconds=2.0):
    """What comes, until there is so much of it, or no more; it may be nothing."""
    peer.settimeout(seconds)
    heard = 0
    try:
        while some := peer.recv(65536):
            heard += len(some)
            if least and heard >= least:
                break
    except OSError:
        pass  # it hung up, or has nothing to say: both are its right
    return heard


def throw(endpoint, said, wait=2.0):
    """Says all of it, as fast as it can be said, and hangs up; first the other end may read it, unless `wait` is 0."""
    with connect(endpoint) as peer:
        try:
            peer.sendall(said)
            if wait:
                peer.shutdown(socket.SHUT_WR)
                hear(peer, seconds=wait)
        except OSError:
            pass


def shake_hands(endpoint, opening, timeout=10, patience=2.0):
    """A connection on which the other end has answered `opening`. What comes before that answer, libzmq takes for a
    part of the handshake."""
    peer = connect(endpoint, timeout=timeout)
    peer.sendall(opening)
    hear(peer, len(GREETING) + 20, patience)
    peer.settimeout(timeout)
    return peer


def converse(endpoint, opening, said, patience=2.0):
    """A whole session: shakes hands, says all of it, hangs up when it was read."""
    with shake_hands(endpoint, opening, patience=patience) as peer:
        try:
            peer.sendall(said)
            peer.shutdown(socket.SHUT_WR)
            hear(peer)
        except OSError:
            pass
