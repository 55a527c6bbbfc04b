"""Whole sessions of real clients, as the bytes they said: a relay between them and the server."""
import select
import socket
import threading

import zmtp


class Recorder:
    """Listens, passes everything on both ways, and keeps what each client said."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.sessions = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "tcp://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        ends = {}
        while not self.ended.is_set():
            readable, _, _ = select.select([self.listener, *ends], [], [], 0.1)
            for one in readable:
                if one is self.listener:
                    client, _ = one.accept()
                    server = socket.create_connection(zmtp.address(self.endpoint))
                    said = bytearray()
                    self.sessions.append(said)
                    ends[client], ends[server] = (server, said), (client, None)
                elif one in ends:
                    self.pass_on(one, ends)
        for each in ends:
            each.close()

    @staticmethod
    def pass_on(one, ends):
        other, said = ends[one]
        try:
            some = one.recv(65536)
            if some:
                other.sendall(some)
        except OSError:
            some = b""
        if said is not None:
            said += some
        if not some:
            for each in (one, other):
                ends.pop(each, None)
                each.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.listener.close()
