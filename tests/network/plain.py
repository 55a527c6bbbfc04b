"""Plain patterns over a network that fails: what is lost is counted, what is asked is answered."""
import json
import os
import re

from history import payload
from processes import expect, let_pass, until

PORT = 7100


def publisher(stage, count, rate):
    """Publishes numbered lines on s, beginning with its first subscriber."""
    with open(stage.lines("publisher", count), "rb") as given:
        return stage.start("s", "publisher", "pub", f"tcp://*:{PORT}", "-T", "feed", "--envelope", "full", "--rate",
                           f"{rate}/s", "--wait", "20s", stdin=given)


def subscriber(stage, host):
    return stage.start(host, f"subscriber-{host}", "sub", stage.net.address(host, PORT), "feed", "--json",
                       "--fail-on-gap", "--idle", "4s")


def numbers(lines):
    return [int(json.loads(line)["payload"].split(":")[1]) for line in lines]


def counted(stage, who, count):
    """received, lost - as the subscriber says, and as its output shows."""
    said = re.search(r"received (\d+), lost (\d+)", who.said())
    expect(said, f"{who.name} says nothing of received and lost: {who.said()!r}")
    received, lost = int(said[1]), int(said[2])
    shown = numbers(who.printed())
    expect(received == len(shown), f"{who.name} says {received} and printed {len(shown)}")
    expect(shown == sorted(set(shown)), f"{who.name} got something twice or out of order")
    intact = all(json.loads(line)["payload"] == payload("publisher", number)
                 for line, number in zip(who.printed(), shown))
    expect(intact, f"{who.name} got something that was not sent")
    return received, lost


def publish_through(stage, fault, count=4000, rate=500):
    """Both subscribe; the fault strikes a. sent = received + gaps at each of them."""
    there = [subscriber(stage, host) for host in ("a", "b")]
    sender = publisher(stage, count, rate)
    until(lambda: all(len(each.printed()) > 100 for each in there), 20, "both hear the publisher")
    # The publisher began with the first of them; the other counts from what it heard first.
    firsts = {each.name: numbers(each.printed()[:1])[0] for each in there}
    fault(sender)
    sender.ends(60)
    for each in there:
        code = each.ends(30, (0, 6))
        received, lost = counted(stage, each, count)
        expect(received + lost == count - firsts[each.name],
               f"{each.name}: {received} received and {lost} lost are not the {count - firsts[each.name]} sent")
        expect(code == (6 if lost else 0), f"{each.name} ended with {code} though it lost {lost}")
        stage.note(f"{each.name} received {received}, lost {lost}")
        if each is there[0]:
            expect(lost > 0, "nothing was lost: the fault did not bite")
        else:
            expect(lost == 0, "the healthy subscriber lost something")


def gaps_count_what_resets_lost(stage):
    def fault(sender):
        for _ in range(6):
            expect(stage.net.reset("a") == 1, "there is one connection to be reset")
            let_pass(1.0, sender)
            until(lambda: stage.net.established("a") == 1, 10, "the subscriber is back")
    publish_through(stage, fault)


def gaps_count_what_a_dead_link_lost(stage):
    # The connection is gone as well, at both ends, so that nothing waits in the kernel for the link to return.
    def fault(sender):
        stage.net.link("a", "down")
        stage.net.cut("a")
        let_pass(3.0, sender)
        stage.net.link("a", "up")
    publish_through(stage, fault)


RUN_S = 2


def requests_are_answered_over_resets(stage):
    """`ferry req` asks once; a request whose connection was reset is one that gets no answer in time, and is asked
    again by the next run. What must not be is that it gets the answer to another one."""
    count, answered, resets, runs = int(400 * stage.pace), 0, 0, 0
    replier = stage.start("s", "replier", "rep", f"tcp://*:{PORT}", "--echo")
    until(lambda: stage.net.inside("s", "ss", "-H", "-l", "-t", "sport", f":{PORT}"), 10, "the replier listens")
    asked = open(stage.lines("requests", count), "rb").readlines()
    while answered < count:
        runs += 1
        expect(runs < 100 * stage.pace, f"only {answered} of {count} requests were answered in {runs} runs")
        rest = os.path.join(stage.folder, f"rest-{runs}")
        with open(rest, "wb") as file:
            file.writelines(asked[answered:])
        with open(rest, "rb") as given:
            asker = stage.start("a", f"asker-{runs}", "req", stage.net.address("a", PORT), "--in", "line",
                                "--envelope", "full", "--rate", "200/s", "-t", f"{RUN_S}s", stdin=given)
        while asker.running():
            until(lambda: not asker.running() or len(asker.printed()) > 20, RUN_S + 2, "requests are answered")
            resets += stage.net.reset("a")
            let_pass(0.3, replier)
        asker.ends(1, (0, 4, 5))
        got = asker.printed()
        expect(got == [payload("requests", answered + n) for n in range(len(got))],
               "every request has its own answer, once and in order")
        answered += len(got)
    expect(resets >= 2, f"{resets} resets: the fault did not bite")
    stage.note(f"{answered} answers over {resets} resets, in {runs} runs")


SCENARIOS = [gaps_count_what_resets_lost, gaps_count_what_a_dead_link_lost, requests_are_answered_over_resets]
