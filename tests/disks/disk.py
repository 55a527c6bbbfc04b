# A real file system on an image of its own, whose power can be cut.
#
# The cut is the kernel's own: after the shutdown ioctl a file system writes nothing more, not even its journal, and
# forgets with its unmounting what only its caches knew. What is left is what had been synced, or happened to be
# written.
import fcntl
import os
import struct
import subprocess
import threading
import time

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, which is XFS_IOC_GOINGDOWN too
JOURNAL_FLUSHED = 1  # the journal is written before the end, data is not
NOTHING_FLUSHED = 2
MEBIBYTE = 1 << 20


class Refused(Exception):
    """The machine does not let us have such a disk."""


def call(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


class Disk:
    def __init__(self, kind, directory, mebibytes=400, options=""):
        self.kind = kind
        self.mebibytes = mebibytes
        self.image = os.path.join(directory, "image")
        self.mounted_at = os.path.join(directory, "disk")
        self.options = ",".join(filter(None, ["loop", options]))
        if kind == "tmpfs":
            self.options = f"size={mebibytes}m"
        self.mounted = False
        os.makedirs(self.mounted_at)
        with open(self.image, "wb") as image:
            image.truncate(mebibytes * MEBIBYTE)
        if kind == "tmpfs":
            pass
        elif kind == "ext4":
            call("mkfs.ext4", "-q", "-F", "-J", "size=8", "-E", "lazy_itable_init=1", self.image)
        else:
            call("mkfs.xfs", "-q", "-f", self.image)
        self.mount()

    def mount(self, options=""):
        what = ["-t", "tmpfs", "tmpfs"] if self.kind == "tmpfs" else [self.image]
        call("mount", "-o", ",".join(filter(None, [self.options, options])), *what, self.mounted_at)
        self.mounted = True

    def path(self, name):
        return os.path.join(self.mounted_at, name)

    def shut_down(self, how=NOTHING_FLUSHED):
        opened = os.open(self.mounted_at, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(opened, SHUTDOWN, struct.pack("I", how))
        finally:
            os.close(opened)

    def unmount(self, within=20):
        # Who was killed a moment ago may still be on its way out.
        until = time.monotonic() + within
        while True:
            try:
                call("umount", self.mounted_at)
                self.mounted = False
                return
            except Refused:
                if time.monotonic() > until:
                    raise
                threading.Event().wait(0.005)

    def remount(self):
        self.unmount()
        self.mount()

    def repair(self):
        """As a start of the machine does after errors."""
        self.unmount()
        done = subprocess.run(["e2fsck", "-f", "-y", self.image], capture_output=True, text=True)
        if done.returncode > 2:
            raise Refused(f"e2fsck: {done.stdout}")
        self.mount()

    def loop_device(self):
        return os.path.basename(call("findmnt", "-n", "-o", "SOURCE", self.mounted_at).strip())

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "-l", self.mounted_at], capture_output=True)
        if os.path.exists(self.image):
            os.remove(self.image)
