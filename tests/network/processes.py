"""Programs that were started, what they print, and what the kernel says of them.

Output goes to files, so that nobody is ever held up by who does not read - unless a test wants just that. Everything
waits for an event with a deadline. What was started dies with this program, and with its `crew`.
"""
import ctypes
import os
import select
import signal
import subprocess
import time

FERRY = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", "build", "ferry"))
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """A scenario found what should not be."""


def expect(fact, sentence):
    if not fact:
        raise Failed(sentence)


def until(condition, seconds, what):
    """Waits for something that only shows when one looks. Returns what `condition` returned."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds:g} s: {what}")
        select.select([], [], [], 0.02)


def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class program:
    """One process. `out` and `err` are files; `unread` makes stdout a pipe that nobody reads."""

    def __init__(self, name, command, folder, stdin=None, unread=False, to_null=False):
        self.name, self.command = name, command
        self.out, self.err = os.path.join(folder, name + ".out"), os.path.join(folder, name + ".err")
        self.unread = None
        with open(os.devnull if to_null else self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(command, stdin=stdin or subprocess.DEVNULL,
                                            stdout=subprocess.PIPE if unread else out, stderr=err,
                                            preexec_fn=die_with_parent)
        self.unread = self.process.stdout
        self.pid = self.process.pid
        self.pidfd = os.pidfd_open(self.pid)

    def running(self):
        return self.process.poll() is None

    def said(self):
        return read_text(self.err)

    def printed(self):
        """Whole lines only: the last one may be under way."""
        return read_text(self.out).rpartition("\n")[0].splitlines()

    def signal(self, number):
        self.process.send_signal(number)

    def ends(self, seconds, code=0):
        """Waits for the end; another exit code than those is a failure."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end within {seconds:g} s; stderr: {self.said()[-500:]!r}") from None
        codes = code if isinstance(code, tuple) else (code,)
        expect(status in codes, f"{self.name} ended with {status}, not {code}; stderr: {self.said()[-500:]!r}")
        return status

    def stop(self, seconds=20, code=(0, 130, 143)):
        """Told to stop in order."""
        self.signal(signal.SIGINT)
        return self.ends(seconds, code)

    def kill(self):
        if self.running():
            self.process.kill()
        self.process.wait()

    def close(self):
        self.kill()
        if self.unread:
            self.unread.close()
        os.close(self.pidfd)

    def is_stopped(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"

    def cpu_s(self):
        """Processor time it was given so far."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            user, system = file.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_kib(self):
        for line in read_text(f"/proc/{self.pid}/status").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise Failed(f"{self.name} is gone")


def let_pass(seconds, *alive):
    """The time a fault lasts. Ends early, as a failure, when one of those dies in it."""
    watch = select.poll()
    for each in alive:
        watch.register(each.pidfd, select.POLLIN)
    if watch.poll(seconds * 1000):
        dead = next(each for each in alive if not each.running())
        raise Failed(f"{dead.name} ended with {dead.process.returncode} in the middle: {dead.said()[-500:]!r}")
