# The n-th system call of one kind fails, or is the last one: strace makes it so, in the opening as well as under load.
#
# After each of them the power is cut. So a sync that failed has really lost its data, and whoever had believed a
# second one would be found out; and a SIGKILL at the n-th call is a power cut at the n-th call.
import os
import time

from disk import call
from power import cut
from scene import Failed, faults, figures, pause, text_of, wait_until

SWEEPS = [
    ("fdatasync", "error=EIO"),
    ("fsync", "error=EIO"),
    ("pwritev", "error=EIO"),
    ("pwritev", "error=ENOSPC"),
    ("renameat,renameat2", "error=EIO"),
    ("unlinkat", "error=EIO"),
    ("ftruncate", "error=EIO"),
    ("fallocate", "error=ENOSPC"),
    ("openat", "error=EMFILE"),
    ("pread64", "error=EIO"),
    ("fdatasync", "signal=KILL"),
    ("fsync", "signal=KILL"),
    ("pwritev", "signal=KILL"),
    ("renameat,renameat2", "signal=KILL"),
    ("unlinkat", "signal=KILL"),
    ("ftruncate", "signal=KILL"),
    ("fallocate", "signal=KILL"),
]
LOADER = {"openat", "pread64"}  # these load the program's libraries, too
FLOW = 400  # messages after which a call that has not come is not waited for
RARE = {"unlinkat": 20_000, "renameat,renameat2": 10_000, "ftruncate": 10_000, "fallocate": 10_000}


def strace(log, calls, injections):
    words = ["strace", "-D", "-f", "-qq", "-o", log, "-e", "trace=" + calls]
    if "signal" not in injections:
        words.insert(1, "--seccomp-bpf")  # fast, and loses signals
    return [*words, "-e", f"inject={calls}:{injections}"]


def injected(log):
    return os.path.exists(log) and "INJECTED" in text_of(log) or "killed by SIGKILL" in text_of(log)


def step(scene, random, calls, how, n):
    """Whether the n-th call was met; in the opening or later."""
    log = scene.new_file("strace")
    open(log, "w").close()
    opened = scene.start(prefix=strace(log, calls, f"{how}:when={n}"))
    if opened:
        scene.flow(RARE.get(calls, FLOW), unless=lambda: injected(log) or not scene.running())
        if injected(log):
            pause(random.uniform(0, 0.02))  # the moment of the cut is drawn
    met = injected(log)
    if not opened and not met:
        raise Failed(f"{calls} {how} {n}: the spool ended by itself: {scene.said[-1]}")
    status = scene.spool.poll()
    if opened and status is not None and status != -9:
        raise Failed(f"{calls} {how} {n}: the spool ended with {status}: {scene.talk()}")
    if not opened and "error" in how and status not in (1, 8, 10):
        raise Failed(f"{calls} {how} {n}: an opening that failed ended with {status}: {scene.said[-1]}")
    cut(scene, random, False) if scene.running() else cut_dead(scene)
    scene.verify()
    return met, met and not opened


def cut_dead(scene):
    scene.disk.shut_down()
    scene.kill()
    scene.disk.remount()


def first_of(calls, scene, random):
    """The first call that is the spool's own: those that load the program come before it opens LOCK."""
    if calls not in LOADER:
        return 1
    log = scene.new_file("strace")
    traced = calls if calls == "openat" else "openat," + calls
    scene.must_start(prefix=["strace", "-D", "-f", "-qq", "-o", log, "-e", "trace=" + traced])
    cut(scene, random, False)
    before = text_of(log).split('"LOCK"')[0].splitlines()
    owner = before[-1].split()[0]
    return sum(each.startswith(f"{owner} ") and f" {calls}(" in each for each in before) + (calls != "openat")


def sweeps(scene, random, which, deepest, until, say):
    scene.must_start()
    scene.flow(FLOW)
    cut(scene, random, False)
    met = in_opening = 0
    for calls, how in which:
        first = first_of(calls, scene, random)
        reached = 0
        for n in range(first, first + deepest):
            if time.monotonic() > until:
                break
            was_met, early = step(scene, random, calls, how, n)
            if not was_met:
                break
            reached += 1
            met += was_met
            in_opening += early
        say(f"{calls} {how}: {reached} points")
        if reached == 0 and time.monotonic() < until:
            raise Failed(f"{calls} {how}: strace never said INJECTED")
    scene.must_start()
    scene.flow(FLOW)
    counts = scene.end()
    return faults(counts, but=["out of order"]), f"{met} calls hit, {in_opening} of them in the opening, {figures(counts)}"


def small_troubles(scene, random, shim, say):
    """Short writes and interrupted calls are no failure: nobody notices, nothing is read-only."""
    log = scene.new_file("strace")
    open(log, "w").close()
    prefix = strace(log, "pwritev,pread64,fallocate,ftruncate", "error=EINTR:when=30+3")
    scene.must_start(prefix=prefix, environment={"FERRY_SHORT_WRITES": str(random.randrange(1 << 30)), "LD_PRELOAD": shim})
    for _ in range(6):
        scene.flow(1500)
        cut(scene, random, False)
        if scene.read_only():
            raise Failed(f"the spool became read-only: {scene.talk()}")
        scene.verify()
        open(log, "a").close()
        scene.must_start(prefix=prefix, environment={"FERRY_SHORT_WRITES": "7", "LD_PRELOAD": shim})
        wait_until(lambda: injected(log), "strace says INJECTED")
    counts = scene.end()
    wrong = faults(counts)
    if scene.sent_away:
        wrong.append("a client was told that the spool is read-only")
    return wrong, figures(counts)


def build_shim(directory, source):
    shim = os.path.join(directory, "short_writes.so")
    call("cc", "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl")
    return shim
