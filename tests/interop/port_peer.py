#!/usr/bin/python3
"""A plain ZeroMQ program for the tests of a spool's raw ports: python3-zmq, nothing of ferry's.

usage: port_peer.py push|pub ENDPOINT FIRST COUNT [TOPIC]    sends numbers, 100 bytes each
       port_peer.py pull|sub ENDPOINT LAST                   prints what it gets until LAST came
An endpoint that begins with @ is bound, others are connected to. `push` sends its first message at once and
the others when a line came on stdin. `pub` prints where it is and waits for a subscriber, and after half of its
messages for a line on stdin and a subscriber that came since. Both end when all is handed over to the kernel. Waits
have a deadline: exit 1.
"""
import sys
import zmq

DEADLINE_MS = 20000


def wait_for_subscriber(socket):
    while not socket.recv().startswith(b"\1"):
        pass


def main():
    role, endpoint = sys.argv[1:3]
    context = zmq.Context()
    # An XPUB is a PUB that can be asked whether somebody subscribed.
    socket = context.socket({"push": zmq.PUSH, "pub": zmq.XPUB, "pull": zmq.PULL, "sub": zmq.SUB}[role])
    if role == "pub":
        socket.xpub_verbose = True  # tells of a subscriber that came before the last one was seen to go
    socket.linger = DEADLINE_MS if role in ("push", "pub") else 0
    socket.sndhwm = 0 if role == "pub" else 1000
    socket.sndtimeo = socket.rcvtimeo = DEADLINE_MS
    socket.reconnect_ivl = 10
    if role == "sub":
        socket.subscribe(b"")
    if endpoint.startswith("@"):
        socket.bind(endpoint[1:])
    else:
        socket.connect(endpoint)
    if role in ("push", "pub"):
        first, count, topic = int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:]
        if role == "pub":
            print(socket.last_endpoint.decode(), flush=True)
            wait_for_subscriber(socket)
        for number in range(first, first + count):
            socket.send_multipart([each.encode() for each in topic] + [str(number).ljust(100).encode()])
            if role == "push" and number == first:
                print("first sent", flush=True)
                sys.stdin.readline()
            if role == "pub" and number == first + count // 2 - 1:
                sys.stdin.readline()
                wait_for_subscriber(socket)
        socket.close()
        context.term()  # returns when the last byte was handed to the kernel
    else:
        last = sys.argv[3]
        while True:
            frames = [frame.decode().strip() for frame in socket.recv_multipart()]
            print(" ".join(frames), flush=True)
            if frames[-1] == last:
                break
        context.destroy()


main()
