# A spool on a disk, with producers and consumers at work, all of them processes, and what they saw of it.
#
# The spool is the real binary. The clients are those of the kill tests (tests/fault/roles.hpp); they log what they are
# told, and tests/fault/history judges the logs alone. Clients outlive the spool, as those on other machines would;
# one that is told that the spool is read-only ends, and another one takes its place.
import json
import os
import re
import signal
import subprocess
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FERRY = os.path.join(TOP, "build", "ferry")
ROLES = os.path.join(TOP, "build", "tests", "ferry_tests")
PATIENCE = 30  # seconds; a wait takes this long only when the test fails
LOOK_AGAIN = 0.003
CLIENTS_MAX = 1000  # more of them were not sent away, but turned away at once


class Failed(Exception):
    pass


def pause(seconds):
    """Between two looks, or for a moment that is drawn: never in place of an event."""
    threading.Event().wait(seconds)


def wait_until(there, what, within=PATIENCE):
    until = time.monotonic() + within
    while True:
        found = there()
        if found:
            return found
        if time.monotonic() > until:
            raise Failed(f"not in {within} s: {what}")
        pause(LOOK_AGAIN)


def text_of(path):
    with open(path, errors="replace") as opened:
        return opened.read()


class Client:
    def __init__(self, scene, part, words):
        self.part = part
        self.log = scene.new_file(part)
        self.err = self.log + ".err"
        with open(self.log, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(
                [ROLES, "--play", part, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    def alive(self):
        return self.process.poll() is None

    def size(self):
        return os.path.getsize(self.log)


class Scene:
    def __init__(self, disk, directory, grade="synced", roster=(2, 2)):
        self.disk = disk
        self.directory = directory
        self.grade = grade
        self.roster = {"producer": roster[0], "consumer": roster[1]}
        self.clients = []
        self.endpoint = "tcp://127.0.0.1:*"
        self.spool = None
        self.files = 0
        self.said = []  # the spool's talk, one text for each run
        self.sent_away = 0

    def new_file(self, name):
        self.files += 1
        return os.path.join(self.directory, f"{name}{self.files}")

    def spool_directory(self):
        return self.disk.path("spool")

    # The spool

    def begin(self, prefix=(), environment=None):
        self.err = self.new_file("spool")
        command = [
            *prefix, FERRY, "spool", "--dir", self.spool_directory(), "--listen", "@" + self.endpoint,
            "--segment-size", "1MiB", "--sync", self.grade, "--claim-wait", "300ms",
        ]  # fmt: skip
        with open(self.err, "wb") as err:
            self.spool = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                env={**os.environ, **(environment or {})},
            )  # fmt: skip

    def start(self, **how):
        """True when it is ready; False when it ended before."""
        self.begin(**how)

        def ready_or_over():
            return self.ready() or self.spool.poll() is not None

        wait_until(ready_or_over, "the spool is ready: " + self.err)
        if self.ready():
            self.endpoint = self.ready().group(1)
            return True
        self.over()
        return False

    def must_start(self, **how):
        if not self.start(**how):
            raise Failed(f"the spool did not start ({self.spool.returncode}): {self.said[-1]}")

    def ready(self):
        return re.search(r"^ready (\S+)\n", text_of(self.err), re.M)

    def talk(self):
        return text_of(self.err)

    def read_only(self):
        return "read-only from now on" in self.talk()

    def running(self):
        return self.spool is not None and self.spool.poll() is None

    def over(self):
        self.said.append(self.talk())

    def stop(self):
        """No thread of it does anything more; one that is deep in the kernel stops when it comes out."""
        self.spool.send_signal(signal.SIGSTOP)
        tasks = f"/proc/{self.spool.pid}/task"

        def state(task):
            try:
                return text_of(f"{tasks}/{task}/stat").rsplit(")", 1)[1].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return "Z"  # killed a moment ago

        wait_until(lambda: all(state(each) in "TtDZ" for each in os.listdir(tasks)), "the spool stands still")

    def kill(self):
        if self.running():
            self.spool.send_signal(signal.SIGKILL)
        self.spool.wait()
        self.over()

    def ferry(self, *words):
        return subprocess.run([FERRY, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)

    def verify(self):
        done = self.ferry("verify", self.spool_directory())
        if done.returncode != 0:
            raise Failed(f"verify says {done.returncode}: {done.stdout}{done.stderr}")

    # The clients

    def tend(self):
        """Whoever was sent away is replaced."""
        if len(self.clients) > CLIENTS_MAX:
            raise Failed(f"client after client is turned away: {text_of(self.clients[-1].err)}")
        for part, wanted in self.roster.items():
            here = [each for each in self.clients if each.part == part and each.alive()]
            for _ in range(wanted - len(here)):
                words = [self.endpoint]
                if part == "producer":
                    words += [str(sum(each.part == part for each in self.clients) + 1), str(1 << 40)]
                self.clients.append(Client(self, part, words))

    def sizes(self, part):
        return sum(each.size() for each in self.clients if each.part == part)

    def flow(self, lines, unless=lambda: False):
        """Until producers and consumers have seen about so many messages more, or something else happened."""
        self.tend()
        before = self.sizes("producer"), self.sizes("consumer")

        def moved():
            self.tend()
            return unless() or (
                self.sizes("producer") - before[0] >= lines * 20
                and (self.sizes("consumer") - before[1] >= lines * 30 or self.roster["consumer"] == 0)
            )

        wait_until(moved, f"{lines} messages more at {self.endpoint}: {self.talk()}")

    def stop_clients(self, part):
        for each in self.clients:
            if each.part == part and each.alive():
                each.process.send_signal(signal.SIGTERM)
        for each in self.clients:
            if each.part == part:
                try:
                    each.process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    raise Failed(f"a {part} does not end")

    def drained(self):
        self.tend()
        done = self.ferry("stream", "info", self.endpoint, "work", "--json")
        if done.returncode != 0:
            return False
        info = json.loads(done.stdout)
        return all(each["acked_floor"] == info["next"] for each in info["groups"])

    def drain(self):
        """Nobody puts any more, and everything that is left is taken."""
        self.roster["producer"] = 0
        self.stop_clients("producer")
        wait_until(self.drained, "everything taken: " + self.talk(), 2 * PATIENCE)

    def end(self):
        """Everything that is left is taken, all end in order, and the logs are judged: counts by name."""
        self.drain()
        self.roster["consumer"] = 0
        self.stop_clients("consumer")
        self.spool.send_signal(signal.SIGTERM)
        if self.spool.wait(PATIENCE) != 0:
            raise Failed(f"the spool ended with {self.spool.returncode}: {self.talk()}")
        self.over()
        self.verify()
        return self.judge()

    def judge(self):
        logs = [f"{each.part}={each.log}" for each in self.clients]
        done = subprocess.run([ROLES, "--play", "judge", *logs], capture_output=True, text=True)
        counts = {name.strip(): int(count) for name, count in re.findall(r"([a-z ]+) (\d+)", done.stdout)}
        if "confirmed" not in counts:
            raise Failed(f"no verdict: {done.stdout}{done.stderr}")
        for text in self.said:
            if "damage" in text:
                raise Failed(f"the spool speaks of damage: {text}")
        for each in self.clients:
            said = text_of(each.err)
            self.sent_away += "read-only" in said
            # -15: told to end before it could listen.
            if each.process.poll() not in (None, 0, -9, -15) and not re.search("read-only|full|refused", said):
                raise Failed(f"a {each.part} ended with {each.process.returncode}: {said}")
        return counts

    def close(self):
        for each in [each.process for each in self.clients] + [self.spool]:
            if each is not None and each.poll() is None:
                each.kill()
                each.wait()


WRONG = ["lost", "phantom", "corrupted", "unflagged duplicates", "misplaced", "out of order", "returned after their ack"]


def faults(counts, but=()):
    return [f"{name} {counts[name]}" for name in WRONG if name not in but and counts[name] > 0]


def figures(counts):
    return (
        f"confirmed {counts['confirmed']}, delivered {counts['seen']}, acks answered {counts['acks answered']}, "
        f"flagged {counts['flagged redeliveries']}, lost {counts['lost']}, phantom {counts['phantom']}, "
        f"corrupted {counts['corrupted']}, unflagged {counts['unflagged duplicates']}"
    )
