"""What a scenario plays on: a network, a spool on it, producers and consumers, and the check at the end.

    def half_open(stage):                     # a scenario is a function of a stage; Failed says what is wrong
        stage.spool()
        ...
        stage.check_history()
"""
import json
import os
import shutil
import tempfile

from history import history, payload
from namespaces import SPOOL_PORT, network
from processes import FERRY, Failed, expect, program, until

STREAM, GROUP = "work", "crew"


class stage:
    def __init__(self, pace=1.0):
        self.pace = pace                                     # 1: the short run; more: so much longer
        self.folder = tempfile.mkdtemp(prefix="ferry-network-")
        self.net = network()
        self.programs, self.notes = [], []
        self.producers, self.takers = [], []
        self.streams = set()
        self.server = None

    def __enter__(self):
        self.net.__enter__()
        return self

    def __exit__(self, *_):
        for each in self.programs:
            each.close()
        self.net.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def note(self, text):
        """A figure that is printed behind the scenario's name."""
        self.notes.append(text)

    def start(self, host, name, *arguments, **how):
        """A command of ferry on a host, under way."""
        return self.start_program(host, name, [FERRY, *arguments], **how)

    def start_program(self, host, name, command, **how):
        started = program(name, self.net.run(host, command), self.folder, **how)
        self.programs.append(started)
        return started

    def ask(self, *arguments):
        """A short command of ferry, beside the spool; returns what it prints."""
        return self.net.inside("s", FERRY, *arguments)

    # --- the spool

    def spool(self, *flags):
        self.server = self.start("s", "spool", "spool", "--dir", os.path.join(self.folder, "spool"), "--listen",
                                 f"tcp://*:{SPOOL_PORT}", "--insecure", *flags)
        until(lambda: "ready " in self.server.said() or not self.server.running(), 10, "the spool is ready")
        expect(self.server.running(), f"the spool does not start: {self.server.said()}")
        return self.server

    def at(self, host):
        return self.net.address(host)

    def info(self, stream=STREAM):
        return json.loads(self.ask("stream", "info", self.at("s"), stream, "--json"))

    def group_info(self, group=GROUP, stream=STREAM):
        return next((each for each in self.info(stream)["groups"] if each["name"] == group), None)

    # --- who works

    def lines(self, name, count, size=100):
        path = os.path.join(self.folder, name + ".in")
        with open(path, "w", encoding="ascii") as file:
            for number in range(count):
                file.write(payload(name, number, size) + "\n")
        return path

    def producer(self, host, name, count, *flags, size=100, stream=STREAM, to=None):
        """Puts so many messages. `check_history` knows of it."""
        with open(self.lines(name, count, size), "rb") as given:
            started = self.start(host, name, "put", to or self.at(host), stream, "--confirm", "--json", *flags,
                                 stdin=given)
        self.producers.append((started, count))
        return started

    def taker(self, host, name, *flags, group=GROUP, stream=STREAM, to=None, **how):
        started = self.start(host, name, "take", to or self.at(host), stream, "--group", group, "--json", *flags,
                             **how)
        self.takers.append((started, group))
        return started

    def group(self, name=GROUP, *flags, stream=STREAM):
        """Made before anything is put, so that it owes everything."""
        if stream not in self.streams:
            self.ask("stream", "create", self.at("s"), stream)
            self.streams.add(stream)
        self.ask("group", "create", self.at("s"), stream, name, *flags)

    # --- what must be true

    def settled(self, group=GROUP, stream=STREAM):
        now = self.info(stream)
        found = next(each for each in now["groups"] if each["name"] == group)
        return found["acked_floor"] == now["next"] and found["dead"] == 0

    def wait_settled(self, seconds, group=GROUP, stream=STREAM):
        """The group is through with all that was put: no lease is out, nothing is left to be taken."""
        try:
            until(lambda: self.settled(group, stream), seconds, "the group has acked everything")
        except Failed as problem:
            raise Failed(f"{problem}; it stands at {self.group_info(group, stream)}") from None

    def all_confirmed(self, seconds):
        for each, count in self.producers:
            each.ends(seconds)
            expect(len(each.printed()) == count, f"{each.name}: {len(each.printed())} of {count} were confirmed")

    def finish(self, seconds=60):
        """Producers end with everything confirmed, the group with everything acked; then the history is judged."""
        self.all_confirmed(seconds)
        self.wait_settled(seconds)
        for each, _ in self.takers:
            if each.running():
                each.stop()
        self.check_history()

    def check_history(self):
        told = history()
        for each, count in self.producers:
            told.produced(each.name, count, each.printed())
        for each, group in self.takers:
            told.consumed(group, each.name, each.printed())
        self.note(told.text())
        expect(sum(told.judge().values()) == 0, told.text())
        expect(self.server is None or self.server.running(), "the spool is gone")
