"""A program between client and server that passes bytes on one at a time, each burst of them late.

    relay.py HOST PORT DELAY_S        prints `ready PORT` on stderr, then relays for as long as it lives

Single bytes leave in packets of their own (TCP_NODELAY), so whoever reads gets the smallest pieces there are.
"""
import os
import selectors
import socket
import sys
import time

READ_MAX = 4096      # what is taken in at a time; each such burst waits for the delay


class relay:
    """Runs this file as a program on a host of the stage; inside the `with` it is the address to connect to."""

    def __init__(self, stage, host, to, delay_s):
        self.stage, self.host = stage, host
        self.command = [sys.executable, os.path.realpath(__file__), to[0], str(to[1]), str(delay_s)]
        self.program = None

    def __enter__(self):
        from processes import until
        self.program = self.stage.start_program(self.host, "relay", self.command)
        until(lambda: "ready " in self.program.said(), 10, "the relay is ready")
        return f"127.0.0.1:{self.program.said().split()[1]}"

    def __exit__(self, *_):
        self.program.kill()


class half:
    """One direction: what came in, and when it may go out."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.waiting, self.due = b"", 0.0


def pump(waiting, now):
    """Sends what is due as single bytes. Returns False when the connection is over."""
    try:
        while waiting.waiting and now >= waiting.due:
            waiting.sink.send(waiting.waiting[:1])
            waiting.waiting = waiting.waiting[1:]
    except BlockingIOError:
        waiting.due = now + 0.001
    except OSError:
        return False
    return True


def take_in(chosen, now, delay_s):
    try:
        came = chosen.source.recv(READ_MAX)
    except OSError:
        return False
    chosen.waiting, chosen.due = came, now + delay_s
    return came != b""


def serve(host, port, delay_s):
    listener = socket.create_server(("127.0.0.1", 0))
    print("ready", listener.getsockname()[1], file=sys.stderr, flush=True)
    chooser, halves = selectors.DefaultSelector(), []
    chooser.register(listener, selectors.EVENT_READ)
    while True:
        dues = [each.due for each in halves if each.waiting]
        ready = {key.fileobj for key, _ in chooser.select(max(0, min(dues) - time.monotonic()) if dues else None)}
        now, over = time.monotonic(), []
        if listener in ready:
            near = listener.accept()[0]
            far = socket.create_connection((host, port))
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                one.setblocking(False)
            for pair in (half(near, far), half(far, near)):
                halves.append(pair)
                chooser.register(pair.source, selectors.EVENT_READ)
        for each in halves:
            alive = pump(each, now)
            if alive and each.source in ready and not each.waiting:
                alive = take_in(each, now, delay_s)
                chooser.unregister(each.source)              # until that has left
            elif alive and not each.waiting and each.source.fileno() not in chooser.get_map():
                chooser.register(each.source, selectors.EVENT_READ)
            if not alive:
                over.append(each)
        for each in over:
            for one in (each.source, each.sink):
                if one.fileno() >= 0 and one.fileno() in chooser.get_map():
                    chooser.unregister(one)
                one.close()
        halves = [each for each in halves if each.source.fileno() >= 0 and each.sink.fileno() >= 0]


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
