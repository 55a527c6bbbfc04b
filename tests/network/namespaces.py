"""Three hosts in one machine: network namespaces joined by veth links, and what can go wrong between them.

    with network() as net:                    # s is where the spool lives, a and b are clients' hosts
        net.run("a", ["ferry", ...])          # the command that runs there (see processes.py)
        net.drop("a", 10)                     # of what a and s send each other, one packet in ten is lost

Faults belong to one link, the one between s and the host that is named; the other host stays healthy. Everything goes
with the `with`, also after an exception; what an earlier run that was killed left behind is removed at the next start.
"""
import itertools
import os
import re
import shutil
import subprocess

PREFIX = "ferrynet"
HOSTS = ("a", "b")
SPOOL_PORT = 7000
numbers = itertools.count()


class NotPermitted(Exception):
    """This machine does not let us do it: the scenario is skipped."""


def call(*command, check=True, text=None):
    """Runs a command of the system and returns what it prints."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def sweep():
    """Removes the namespaces of runs that are dead."""
    folder = "/run/netns"
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        owner = re.fullmatch(PREFIX + r"-(\d+)-\d+-\w", name)
        if owner and not os.path.exists(f"/proc/{owner[1]}"):
            call("ip", "netns", "del", name, check=False)


def why_not_permitted():
    """What keeps this machine from the whole ring, as a sentence; empty if nothing does."""
    for tool, package in (("ip", "iproute2"), ("tc", "iproute2"), ("ss", "iproute2"), ("nft", "nftables"),
                          ("nsenter", "util-linux")):
        if shutil.which(tool) is None:
            return f"there is no {tool} (package {package})"
    try:
        with network() as net:
            net.drop("a", 10)
    except (NotPermitted, RuntimeError, OSError) as problem:
        return str(problem)
    return ""


class network:
    def __init__(self):
        self.tag = f"{PREFIX}-{os.getpid()}-{next(numbers)}"

    def __enter__(self):
        try:
            for host in ("s", *HOSTS):
                self._make(host)
            for subnet, host in enumerate(HOSTS, 1):
                self._join(host, subnet)
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        for host in ("s", *HOSTS):
            if os.path.exists(f"/run/netns/{self.name(host)}"):
                call("ip", "netns", "del", self.name(host), check=False)

    def _make(self, host):
        try:
            call("ip", "netns", "add", self.name(host))
        except RuntimeError as problem:
            raise NotPermitted(f"no network namespace can be made: {problem}") from None
        call("ip", "-n", self.name(host), "link", "set", "lo", "up")

    # One veth pair: on the side of s it is called after the host, on the other side `up`. No segment leaves larger
    # than a packet: else one dropped "packet" would be 64 KiB.
    def _join(self, host, subnet):
        call("ip", "link", "add", "name", host, "netns", self.name("s"), "type", "veth", "peer", "name", "up",
             "netns", self.name(host))
        for where, device, last in (("s", host, 1), (host, "up", 2)):
            call("ip", "-n", self.name(where), "addr", "add", f"10.99.{subnet}.{last}/24", "dev", device)
            call("ip", "-n", self.name(where), "link", "set", "dev", device, "gso_max_segs", "1", "up")

    def name(self, host):
        return f"{self.tag}-{host}"

    def run(self, host, command):
        """The command that runs `command` on that host; it keeps its process id."""
        return ["nsenter", f"--net=/run/netns/{self.name(host)}", *command]

    def inside(self, host, *command, check=True, text=None):
        return call(*self.run(host, command), check=check, text=text)

    def address(self, host, port=SPOOL_PORT):
        """Where a program on that host finds what listens on s."""
        return f"127.0.0.1:{port}" if host == "s" else f"10.99.{HOSTS.index(host) + 1}.1:{port}"

    def address_of(self, host):
        return f"10.99.{HOSTS.index(host) + 1}.2"

    # --- faults

    def _rules(self, host, lines):
        self.inside(host, "nft", "-f", "-", text="table inet fault {\n" + "\n".join(lines) + "\n}\n")

    def _on_arrival(self, host, device, rule):
        self._rules(host, ["chain arrival { type filter hook input priority 0; policy accept;",
                           f'iifname "{device}" {rule}', "}"])

    def drop(self, host, percent):
        """Of what arrives at either end, that share is lost. (Dropped where it is sent, TCP would be told.)"""
        rule = f"numgen random mod 100 < {percent} counter drop"
        self._on_arrival("s", host, rule)
        self._on_arrival(host, "up", rule)

    def mute(self, host):
        """What the host sends does not arrive, not even that it is gone."""
        self._on_arrival("s", host, "counter drop")

    def deafen(self, host):
        """What is sent to the host does not arrive; what it sends does."""
        self._on_arrival(host, "up", "counter drop")

    def heal(self, host):
        """No packets are lost any more. Returns how many were."""
        lost = self.packets(host)
        for where in ("s", host):
            self.inside(where, "nft", "delete", "table", "inet", "fault", check=False)
        return lost

    def packets(self, host):
        """How many packets met the counters of the fault."""
        found = 0
        for where in ("s", host):
            listed = self.inside(where, "nft", "list", "table", "inet", "fault", check=False)
            found += sum(int(n) for n in re.findall(r"counter packets (\d+)", listed))
        return found

    def count_connects(self, host, port=SPOOL_PORT):
        """From now on the connections that the host makes are counted; `connects` tells."""
        lines = ["table inet watch {", "chain arrival { type filter hook input priority -1; policy accept;",
                 f'iifname "{host}" tcp dport {port} tcp flags & (syn|ack) == syn counter', "}", "}"]
        self.inside("s", "nft", "-f", "-", text="\n".join(lines) + "\n")

    def connects(self):
        return sum(int(n) for n in re.findall(r"counter packets (\d+)",
                                              self.inside("s", "nft", "list", "table", "inet", "watch")))

    def reset(self, host):
        """Every connection of the host with s ends with RST, on both sides. Returns how many there were."""
        shown = self.inside("s", "ss", "-K", "-H", "-t", "state", "established", "dst", self.address_of(host))
        return len(shown.splitlines())

    def cut(self, host):
        """The same, told to nobody: each side loses its end of it, whatever the link does."""
        connections = self.reset(host)
        self.inside(host, "ss", "-K", "-H", "-t", "state", "established")
        return connections

    def established(self, host):
        shown = self.inside("s", "ss", "-H", "-t", "state", "established", "dst", self.address_of(host))
        return len(shown.splitlines())

    def link(self, host, state):
        """Takes the link `down` or `up`, at the side of s."""
        self.inside("s", "ip", "link", "set", "dev", host, state)

    def narrow(self, host, rate="256kbit"):
        """Both directions pass no more than that."""
        for where, device in (("s", host), (host, "up")):
            self.inside(where, "tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", rate, "burst", "8kb",
                        "latency", "300ms")
