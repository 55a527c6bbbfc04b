# Disks that fail by themselves: the kernel makes one read-only, one cannot write back what it took, one is full; a
# clock jumps.
import os
import subprocess
import threading

from disk import call
from power import cut
from scene import FERRY, Failed, faults, figures, wait_until


def kernel_says_read_only(scene, random, rounds, say):
    """ext4 met an error and is read-only from then on, with a spool at work."""
    scene.must_start()
    for _ in range(rounds):
        scene.flow(300)
        with open(f"/sys/fs/ext4/{scene.disk.loop_device()}/trigger_fs_error", "w") as trigger:
            trigger.write("1")
        wait_until(scene.read_only, "the spool says read-only")
        must_refuse(scene)
        peek = scene.ferry("stream", "peek", scene.endpoint, "work", "-n", "5", "-t", "10s")
        if peek.returncode not in (0, 3):
            raise Failed(f"peek ended with {peek.returncode}: {peek.stderr}")
        scene.kill()
        scene.disk.repair()
        scene.verify()
        scene.must_start()
    scene.flow(300)
    counts = scene.end()
    mounted_read_only(scene)
    return faults(counts, but=["out of order"]), f"{rounds} times, {figures(counts)}"


def mounted_read_only(scene):
    scene.disk.unmount()
    scene.disk.mount("ro")
    if scene.start():
        raise Failed("a spool says ready on a disk that is mounted read-only")
    if scene.spool.returncode != 10 or "Read-only" not in scene.said[-1]:
        raise Failed(f"on a read-only disk the spool ended with {scene.spool.returncode}: {scene.said[-1]}")
    scene.verify()


def must_refuse(scene):
    put = scene.ferry("put", scene.endpoint, "work", "more")
    take = scene.ferry("take", scene.endpoint, "work", "--group", "crew", "-n", "1", "-t", "10s")
    for done in (put, take):
        if done.returncode != 1 or "read-only" not in done.stderr:
            raise Failed(f"{done.args[1]} at a read-only spool: {done.returncode} {done.stderr}")


def no_write_back(scene, host, random, say):
    """The disk has less room than it says, as a thin one may: what it took it cannot keep, and fdatasync says so."""
    scene.must_start()
    scene.roster["consumer"] = 0  # nothing is removed
    scene.tend()
    wait_until(lambda: scene.tend() or scene.read_only() or not scene.running(), "the spool says read-only")
    if not scene.running():
        raise Failed(f"the spool ended with {scene.spool.returncode}: {scene.talk()}")
    why = [line for line in scene.talk().splitlines() if "read-only from now on" in line]
    if not why or "Input/output error" not in why[0]:
        raise Failed(f"no write-back error, but: {scene.talk()}")
    must_refuse(scene)
    scene.roster["producer"] = 0
    scene.stop_clients("producer")
    scene.kill()
    call("mount", "-o", "remount,size=400m", host)
    scene.disk.repair()
    scene.verify()
    scene.must_start()
    scene.roster = {"producer": 2, "consumer": 2}
    scene.flow(300)
    counts = scene.end()
    return faults(counts, but=["out of order"]), f"{why[0].strip()}; {figures(counts)}"


FLOOD_LINE = b"x" * 999 + b"\n"


def full_disk(scene, random, say):
    """A flood fills the disk while others put and take; what it left is drained; the spool dies full, and lives on."""
    scene.must_start()
    rounds = 4
    for number in range(rounds):
        scene.roster = {"producer": 2, "consumer": 2}
        scene.flow(300)
        flood(scene, scene.disk.mebibytes)
        in_order(scene, "while the disk became full")
        if number % 2 == 1:
            scene.kill()
            scene.verify()
            scene.must_start()
        scene.drain()  # nothing is put any more; every ack is taken
        in_order(scene, "while the full disk was drained")
        # A flood has no group: all of it is kept, until its stream goes.
        done = scene.ferry("stream", "rm", scene.endpoint, "flood", "--yes")
        if done.returncode != 0:
            raise Failed(f"a stream cannot be removed from a full disk: {done.stderr}")
        wait_until(lambda: scene.ferry("put", scene.endpoint, "room", "x").returncode == 0, "there is room again")
    counts = scene.end()
    wrong = faults(counts, but=["out of order"])
    return wrong, f"{rounds} times full, {figures(counts)}"


def flood(scene, mebibytes):
    """Three at once, each of more than the disk holds: all but what fits is refused as full."""
    floods = [
        subprocess.Popen(
            [FERRY, "put", scene.endpoint, "flood", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]  # fmt: skip
    said = []

    def feed(each):
        said.append(each.communicate(FLOOD_LINE * (mebibytes * 1024))[1].decode())

    threads = [threading.Thread(target=feed, args=[each]) for each in floods]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if any(each.returncode == 0 for each in floods) or not all("full" in each for each in said):
        raise Failed(f"a flood was not refused: {said} {[each.returncode for each in floods]}")


def in_order(scene, when):
    if not scene.running():
        raise Failed(f"the spool ended with {scene.spool.returncode} {when}: {scene.talk()}")
    if scene.read_only():
        raise Failed(f"the spool became read-only {when}: {scene.talk()}")


LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def clock_jumps(scene, random, say):
    """The wall clock is set while messages flow. Nobody's lease ends by it, and nothing comes twice."""
    clock = scene.new_file("clock")

    def set_clock(text):
        with open(clock + ".part", "w") as out:
            out.write(text + "\n")
        os.rename(clock + ".part", clock)

    environment = {
        "LD_PRELOAD": LIBRARY, "DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1", "FAKETIME_TIMESTAMP_FILE": clock,
    }  # fmt: skip
    jumps = ["+0", "+1h", "-1h", "+400d", "-400d", "+1d", "-9000d", "+0"]
    random.shuffle(jumps)
    set_clock(jumps[0])
    scene.must_start(environment=environment)
    for jump in jumps:
        set_clock(jump)
        scene.flow(2000)
    counts = scene.judge()
    wrong = [f"flagged {counts['flagged redeliveries']} though nobody died"] if counts["flagged redeliveries"] else []
    for jump in jumps[:4]:
        set_clock(jump)
        cut(scene, random, False)
        scene.verify()
        scene.must_start(environment=environment)
        scene.flow(300)
    counts = scene.end()
    return wrong + faults(counts), f"{len(jumps)} jumps and 4 with a power cut, {figures(counts)}"
