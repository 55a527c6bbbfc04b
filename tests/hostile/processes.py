"""The real `ferry`, watched: what it takes, whether it lives, how it ends."""
import pathlib
import signal
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FERRY = ROOT / "build" / "ferry"
STOP_S = 2.0


class Failed(Exception):
    """A check that did not hold, in words."""


def expect(holds, words):
    if not holds:
        raise Failed(words)


def ferry(*words, stdin=b"", timeout=30):
    return subprocess.run([FERRY, *words], input=stdin, capture_output=True, timeout=timeout, check=False)


class Server:
    """A spool or a device on free ports; its endpoints are those its `ready` line names."""

    def __init__(self, *words):
        self.words = words
        self.lines, self.spoken = [], threading.Condition()
        self.process = subprocess.Popen([FERRY, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True, errors="replace")
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()
        self.endpoints = [word for word in self.line("ready ").split() if "://" in word]
        self.rss_at_start = self.rss()

    def listen(self):
        for line in self.process.stderr:
            with self.spoken:
                self.lines.append(line.rstrip("\n"))
                self.spoken.notify_all()
        with self.spoken:
            self.lines.append(None)  # nothing more will come
            self.spoken.notify_all()

    def said(self):
        with self.spoken:
            return "\n".join(each for each in self.lines if each is not None)

    def line(self, beginning, seconds=20, after=0):
        """The first line that begins so, behind so many others that do."""
        def found():
            return [each for each in self.lines if each is not None and each.startswith(beginning)][after:]
        with self.spoken:
            self.spoken.wait_for(lambda: found() or None in self.lines, seconds)
            if found():
                return found()[0]
        raise Failed(f"{self.words[0]} did not say '{beginning}': {self.said()[-2000:]}")

    def status(self, name):
        for line in (pathlib.Path("/proc") / str(self.process.pid) / "status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        raise Failed(f"{self.words[0]} is not there")

    def rss(self):
        return self.status("VmRSS")

    def peak(self):
        return self.status("VmHWM")

    def counts(self):
        """A device's own line of counters."""
        beginning = self.words[0] + ": down"
        told = sum(each.startswith(beginning) for each in self.said().splitlines())
        self.process.send_signal(signal.SIGUSR1)
        return self.line(beginning, after=told)

    def alive(self):
        if self.process.poll() is not None:
            self.listener.join()
        expect(self.process.poll() is None, f"{self.words[0]} died with {self.process.poll()}: {self.said()[-2000:]}")

    def stop(self):
        """SIGTERM: 0 within two seconds."""
        self.alive()
        since = time.monotonic()
        self.process.terminate()
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.words[0]} did not stop within {STOP_S} s") from None
        finally:
            self.kill()
        expect(code == 0, f"{self.words[0]} ended with {code}: {self.said()[-2000:]}")
        return time.monotonic() - since

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, problem, _):
        if isinstance(problem, OSError):
            self.alive()  # a connection that fails may be all one sees of it
        self.kill()


def spool(directory, *more):
    return Server("spool", "--dir", str(directory), "--listen", "@:0", *more)


def works(server, seconds=10):
    """A fresh pair of peers gets its message through at once. Gives how long it took."""
    since = time.monotonic()
    kind, front, back = server.words[0], server.endpoints[0], server.endpoints[-1]
    word = str(time.monotonic_ns())
    if kind == "spool":
        put = ferry("put", front, "works", word)
        expect(put.returncode == 0, f"put: {put.stderr.decode()}")
        got = ferry("take", front, "works", "-n", "1", "-t", f"{seconds}s")
        expect(got.stdout.decode() == word + "\n", f"take gave {got.stdout!r} {got.stderr!r}, put was {word}")
        return time.monotonic() - since
    # What others left in a streamer comes first.
    takers = {"forwarder": ("sub", back, "t" + word), "streamer": ("pull", back), "queue": ("rep", back, "--echo")}
    givers = {"forwarder": ("pub", front, "t" + word, word, "--wait", f"{seconds}s"), "streamer": ("push", front, word),
              "queue": ("req", front, word)}
    with subprocess.Popen([FERRY, *takers[kind], "-t", f"{seconds}s"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as taker:
        try:
            given = ferry(*givers[kind], timeout=2 * seconds + 10)
            expect(given.returncode == 0, f"a fresh peer at the {kind}: {given.stderr.decode()}")
            heard = given.stdout if kind == "queue" else taker.stdout.readline()
            while kind == "streamer" and heard and word.encode() not in heard:
                heard = taker.stdout.readline()
            expect(word.encode() in heard, f"a fresh pair at the {kind} got {heard!r}")
            return time.monotonic() - since
        finally:
            taker.terminate()
