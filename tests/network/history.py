"""What really happened to every message, from what the programs printed, and what is wrong with it.

Knows neither spool nor protocol: producers were given numbered payloads and printed a line for each that was confirmed
(`put --confirm --json`), consumers printed what they were given (`take --json`). As tests/fault/history.cpp, for the
command line.
"""
import collections
import json
import random
import zlib


def payload(producer, number, size=100):
    """A line of that size that says whose it is, which one, and whether it is whole."""
    head = f"{producer}:{number}:"
    filling = random.Random(head).randbytes(max(0, size - len(head) - 9) // 2 + 1).hex()
    body = head + filling[:max(0, size - len(head) - 9)]
    return f"{body}:{zlib.crc32(body.encode()):08x}"


def name_in(text):
    """(producer, number) of a payload, or None when it is not as it was put."""
    body, _, checksum = text.rpartition(":")
    if checksum != f"{zlib.crc32(body.encode()):08x}":
        return None
    producer, number = body.split(":")[:2]
    return producer, int(number)


def objects(lines):
    """Of a program that was killed the last line may be half a line."""
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            if line is not lines[-1]:
                raise


class history:
    def __init__(self):
        self.put = {}                                        # producer -> how many it was given
        self.confirmed = {}                                  # (producer, number) -> offset
        self.shows = collections.defaultdict(list)           # (group, consumer) -> [(offset, attempt, name)]

    def produced(self, producer, count, lines):
        self.put[producer] = count
        for number, line in enumerate(objects(lines)):
            self.confirmed[producer, number] = line["offset"]

    def consumed(self, group, consumer, lines):
        for line in objects(lines):
            self.shows[group, consumer].append((line["offset"], line["attempt"], name_in(line.get("payload", ""))))

    def judge(self):
        found = collections.Counter(lost=0, phantom=0, corrupted=0, unflagged=0, misplaced=0, out_of_order=0)
        self._judge_storing(found)
        for group in {group for group, _ in self.shows}:
            self._judge_group(group, found)
        if not self.shows:
            found["lost"] += len(self.confirmed)
        return found

    # One offset for each message, one message for each offset, in the order of its producer.
    def _judge_storing(self, found):
        places = collections.defaultdict(set)
        for name, offset in self.confirmed.items():
            places[name].add(offset)
        for shown in self.shows.values():
            for offset, _, name in shown:
                if name and 0 <= name[1] < self.put.get(name[0], 0):
                    places[name].add(offset)
        holder, last = {}, {}
        for name in sorted(places):
            found["unflagged"] += len(places[name]) - 1      # stored twice
            offset = min(places[name])
            found["misplaced"] += offset <= last.get(name[0], -1)
            last[name[0]] = offset
            found["phantom"] += holder.setdefault(offset, name) != name

    def _judge_group(self, group, found):
        firsts, seen = collections.Counter(), set()
        for (of, _), shown in self.shows.items():
            if of != group:
                continue
            due = 0
            for offset, attempt, name in shown:
                found["corrupted"] += name is None
                found["phantom"] += name is not None and not 0 <= name[1] < self.put.get(name[0], 0)
                seen.add(name)
                if attempt > 1:
                    continue
                firsts[offset] += 1
                found["unflagged"] += firsts[offset] > 1
                found["out_of_order"] += offset < due
                due = offset + 1
        found["lost"] += sum(name not in seen for name in self.confirmed)

    def flagged(self):
        return sum(attempt > 1 for shown in self.shows.values() for _, attempt, _ in shown)

    def text(self):
        wrong = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in self.judge().items())
        return f"confirmed {len(self.confirmed)}, flagged redeliveries {self.flagged()}, {wrong}"


def faultless():
    """A small history without a fault, for `what_is_missed` to spoil."""
    small = history()
    small.put["p"] = 4
    small.confirmed = {("p", n): n for n in range(4)}
    small.shows["g", "c"] = [(n, 1, ("p", n)) for n in range(4)]
    return small


def what_is_missed():
    """Plants every fault once. The names of those that the judge does not notice; [] as it should be."""
    def planted(fault, *shows):
        spoiled = faultless()
        spoiled.shows["g", "c"] = list(shows)
        return fault, spoiled
    one, two, three = [(n, 1, ("p", n)) for n in range(3)]
    last = (3, 1, ("p", 3))
    spoiled = [planted("lost", one, two, three), planted("phantom", one, two, three, last, (4, 1, ("p", 9))),
               planted("corrupted", one, two, three, last, (3, 2, None)),
               planted("unflagged", one, two, two, three, last),
               planted("unflagged", one, two, three, last, (7, 1, ("p", 2))),
               planted("misplaced", one, two, three, last), planted("out_of_order", one, three, two, last)]
    spoiled[5][1].confirmed = {("p", 0): 1, ("p", 1): 0}
    missed = [fault for fault, each in spoiled if not each.judge()[fault]]
    if sum(faultless().judge().values()):
        missed.append("nothing is wrong")
    if name_in(payload("p", 7)) != ("p", 7) or name_in(payload("p", 7).replace("7", "8", 1)) is not None:
        missed.append("payload")
    return missed
