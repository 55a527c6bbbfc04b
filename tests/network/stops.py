"""Programs that stand still (SIGSTOP) while their connection lives, longer than the other side suffers, and go on."""
import signal
import time

from links import LEASE_S, SILENT_S, under_way
from processes import expect, let_pass, until
from stage import GROUP

STANDS_STILL_S = SILENT_S + 2


def workers(stage, each_puts=4000, rate=400):
    stage.spool()
    stage.group(GROUP, "--lease", f"{LEASE_S:g}s")
    for host in ("a", "b"):
        stage.producer(host, f"producer-{host}", each_puts, "--rate", f"{rate}/s")
        stage.taker(host, f"taker-{host}")
    under_way(stage)


def stand_still(which, *alive):
    which.signal(signal.SIGSTOP)
    until(which.is_stopped, 5, f"{which.name} stands still")
    let_pass(STANDS_STILL_S, *alive)
    expect(which.is_stopped(), f"{which.name} was woken by somebody else")


def consumer_stands_still(stage):
    workers(stage)
    (still, _), (other, _) = stage.takers
    stand_still(still, stage.server, other)
    # Its messages are another one's by now, and the producers were not held up.
    until(lambda: any('"attempt":2' in line for line in other.printed()), 5, "the other consumer was given its messages")
    stage.all_confirmed(30)
    stage.wait_settled(30)
    still.signal(signal.SIGCONT)
    late = stage.producer("b", "late", 200)
    stage.finish()
    expect(not late.running(), "who comes later is served")


def producer_stands_still(stage):
    workers(stage)
    still = stage.producers[0][0]
    stand_still(still, stage.server, *[each for each, _ in stage.takers])
    still.signal(signal.SIGCONT)
    stage.finish()


def spool_stands_still(stage):
    workers(stage)
    everybody = [each for each, _ in stage.producers + stage.takers]
    stand_still(stage.server, *everybody)
    stage.server.signal(signal.SIGCONT)
    since, confirmed = time.monotonic(), len(stage.producers[0][0].printed())
    until(lambda: len(stage.producers[0][0].printed()) > confirmed, 10, "the producer goes on")
    stage.note(f"producers go on {time.monotonic() - since:.1f} s after the spool")
    stage.finish()


SCENARIOS = [consumer_stands_still, producer_stands_still, spool_stands_still]
