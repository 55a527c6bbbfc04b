# Power cuts while messages flow, and the controls that show what the rig would notice.
from disk import JOURNAL_FLUSHED, NOTHING_FLUSHED
from scene import faults, figures, pause


def cut(scene, random, sees_the_end):
    """The spool is gone in the same moment, or sees how its disk fails first."""
    how = random.choice([NOTHING_FLUSHED, NOTHING_FLUSHED, JOURNAL_FLUSHED])
    if not sees_the_end:
        scene.stop()
    scene.disk.shut_down(how)
    if sees_the_end:
        pause(random.uniform(0, 0.04))  # the moment is drawn
    scene.kill()
    scene.disk.remount()


def power_cuts(scene, random, cycles, sees_the_end, say):
    scene.must_start()
    for cycle in range(cycles):
        scene.flow(random.randrange(1, 1500))
        pause(random.uniform(0, 0.02))
        cut(scene, random, sees_the_end)
        scene.verify()
        scene.must_start()
        if cycle % 10 == 9:
            say(f"{cycle + 1} cuts")
    scene.flow(500)
    counts = scene.end()
    # A client that was sent away leaves what it held: another one gets that later than its successors.
    wrong = faults(counts, but=["out of order"] if scene.sent_away else [])
    if counts["confirmed"] < 20 * cycles:
        wrong.append("too little was confirmed to show anything")
    if sees_the_end and scene.sent_away == 0:
        wrong.append("nobody was told that the spool is read-only")
    return wrong, f"{cycles} cuts, clients told read-only {scene.sent_away}, {figures(counts)}"


def negative_control(scene, random, say):
    """Confirms that are not synced do not survive; a rig that loses nothing then would show nothing at all."""
    counts = {}
    scene.must_start()
    for cycles in range(1, 31):
        scene.roster = {"producer": 2, "consumer": 0}  # nobody is shown what is about to be lost
        scene.flow(1000)
        cut(scene, random, False)
        scene.must_start()
        scene.roster["consumer"] = 1
        scene.drain()
        scene.stop_clients("consumer")
        counts = scene.judge()
        if cycles >= 2 and counts["lost"] > 0:
            break
    wrong = [f"{name} {counts[name]}" for name in ["phantom", "corrupted"] if counts[name] > 0]
    if counts["lost"] == 0:
        wrong.append("nothing was lost: these are no power cuts")
    return wrong, f"{cycles} cuts with --sync {scene.grade} lost {counts['lost']} of {counts['confirmed']} confirmed"
