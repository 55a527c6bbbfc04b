"""A plain ZeroMQ peer for the interop tests: no ferry, no msgpack, only pyzmq.

    plain_peer.py ROLE ENDPOINT [COUNT]

Connects, does its part with COUNT messages, prints what it got as one line a message (frames in Python's
own notation), and ends with `done`. Waits for events with a deadline; exit status 1 when it passes.
"""

import sys
import zmq

DEADLINE_MS = 10_000


def wait(socket, events):
    if not socket.poll(DEADLINE_MS, events):
        sys.exit(f"plain_peer {sys.argv[1]}: nothing within {DEADLINE_MS} ms")


def receive(socket):
    wait(socket, zmq.POLLIN)
    return socket.recv_multipart()


def send(socket, frames):
    wait(socket, zmq.POLLOUT)
    socket.send_multipart(frames)


def pub(context, endpoint, count):
    socket = context.socket(zmq.XPUB)  # a PUB that can tell when its subscriber is there
    socket.connect(endpoint)
    receive(socket)
    for i in range(count):
        send(socket, [b"news.%d" % i, b"hello %d" % i])
    send(socket, [b"news.alone"])
    return socket


def sub(context, endpoint, count):
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"news")
    socket.connect(endpoint)
    for _ in range(count):
        print(receive(socket))
    return socket


def push(context, endpoint, count):
    socket = context.socket(zmq.PUSH)
    socket.connect(endpoint)
    for i in range(count):
        send(socket, [b"%d" % i])
    send(socket, [b"topic", b"between", b"payload"])
    return socket


def pull(context, endpoint, count):
    socket = context.socket(zmq.PULL)
    socket.connect(endpoint)
    for _ in range(count):
        print(receive(socket))
    return socket


def req(context, endpoint, count):
    socket = context.socket(zmq.REQ)
    socket.connect(endpoint)
    for i in range(count):
        send(socket, [b"question %d" % i])
        print(receive(socket))
    return socket


def dealer(context, endpoint, count):
    socket = context.socket(zmq.DEALER)
    socket.connect(endpoint)
    for i in range(count):
        send(socket, [b"", b"question %d" % i])
    for _ in range(count):
        print(receive(socket))
    return socket


def rep(context, endpoint, count):
    socket = context.socket(zmq.REP)
    socket.connect(endpoint)
    for _ in range(count):
        frames = receive(socket)
        print(frames)
        send(socket, [b"answer to " + frames[-1]])
    return socket


def router(context, endpoint, count):
    socket = context.socket(zmq.ROUTER)
    socket.connect(endpoint)
    for _ in range(count):
        frames = receive(socket)
        send(socket, frames[:-1] + [b"answer to " + frames[-1]])
    return socket


def main():
    role, endpoint = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    context = zmq.Context()
    roles = {f.__name__: f for f in (pub, sub, push, pull, req, dealer, rep, router)}
    socket = roles[role](context, endpoint, count)
    print("done", flush=True)
    # A receiver would linger over the subscriptions it means to renew.
    socket.close(linger=0 if role in ("sub", "pull") else DEADLINE_MS)
    context.term()


main()
