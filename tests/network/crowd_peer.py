"""Many clients of a spool in one program, each with a connection and an open channel: to be killed.

    crowd_peer.py ENDPOINT STREAM COUNT       prints `ready COUNT` on stderr when the spool has opened all of them

Every other one is a producer, the rest are consumers of one group. From docs/wire.md: pyzmq and msgpack.
"""
import select
import sys
import time

import msgpack
import zmq

HELLO, OPEN, JOIN, PING = 1, 2, 5, 15
WELCOME, OPENED, JOINED = 33, 35, 38
AT_ONCE = 100        # greetings under way: a crowd, not an attack
DEADLINE_S = 60
PING_S = 2.0         # docs/wire.md, Life


def opening(index, stream):
    if index % 2:
        return [JOIN, 1, stream, b"crowd", {"create": 1}, []]
    return [OPEN, 1, stream, None, None, 0, {"create": 1}]


def main(endpoint, stream, count):
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, count + 10)
    poller, clients, opened, deadline = zmq.Poller(), [], 0, time.monotonic() + DEADLINE_S
    while opened < count:
        while len(clients) < min(count, opened + AT_ONCE):
            client = context.socket(zmq.DEALER)
            client.connect(endpoint)
            client.send(msgpack.packb([HELLO, 1, b"crowd", 0]))
            poller.register(client, zmq.POLLIN)
            clients.append(client)
        waiting = dict(poller.poll(1000))
        for client in waiting:
            answer = msgpack.unpackb(client.recv_multipart()[0])
            if answer[0] == WELCOME:
                client.send(msgpack.packb(opening(clients.index(client), stream.encode())))
            elif answer[0] in (OPENED, JOINED):
                poller.unregister(client)
                opened += 1
            else:
                raise SystemExit(f"the spool answers {answer}")
        if time.monotonic() > deadline:
            raise SystemExit(f"only {opened} of {count} were opened")
    print("ready", count, file=sys.stderr, flush=True)
    while True:                                              # heard often enough to be held for alive
        for client in clients:
            client.send(msgpack.packb([PING, 0]), zmq.NOBLOCK)
            while client.get(zmq.EVENTS) & zmq.POLLIN:
                client.recv_multipart()
        select.select([], [], [], PING_S)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
