#!/usr/bin/python3
"""A plain ZeroMQ peer for the tests of the command line: python3-zmq, nothing of ferry's.

usage: verb_peer.py ROLE ENDPOINT [TEXT...]      roles: pub sub push pull req rep
Each role does its work once, prints what it received as one line of frames in hex, and exits with 0.
Every wait has a deadline; missing it is exit 1.
"""
import sys
import zmq

DEADLINE_MS = 20000


def receive(socket):
    if not socket.poll(DEADLINE_MS):
        sys.exit("nothing came in time")
    return socket.recv_multipart()


def show(frames):
    print(" ".join(frame.hex() or "-" for frame in frames), flush=True)


def main():
    role, endpoint, texts = sys.argv[1], sys.argv[2], [text.encode() for text in sys.argv[3:]]
    context = zmq.Context()
    kinds = {"pub": zmq.XPUB, "sub": zmq.SUB, "push": zmq.PUSH, "pull": zmq.PULL, "req": zmq.REQ, "rep": zmq.REP}
    socket = context.socket(kinds[role])
    # A subscriber would linger over the subscriptions it means to renew.
    socket.linger = 0 if role in ("sub", "pull") else 5000
    if role == "sub":
        socket.subscribe(texts[0] if texts else b"")
    socket.connect(endpoint)
    if role == "pub":
        receive(socket)  # the subscription
        socket.send_multipart(texts)
    elif role == "push":
        socket.send_multipart(texts)
    elif role in ("sub", "pull"):
        show(receive(socket))
    elif role == "req":
        socket.send_multipart(texts)
        show(receive(socket))
    elif role == "rep":
        question = receive(socket)
        show(question)
        socket.send_multipart(texts or question)
    context.destroy()


main()
