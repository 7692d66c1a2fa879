"""Every pair of cuts in the tap flow: power fails at one flash operation, and again at each of those that follow.

    pairs.py SEED PART PARTS SECONDS            round after round, each with other tears; one marked line for each story
    pairs.py SEED 0 1 0 STORY FIRST SECOND      one pair

Runs on MicroPython. The flow, and what must hold after each start, are those of `tests/fault/micropython`.
"""

import sys
import time

ROOT = __file__.rsplit("/", 5)[0] if __file__.count("/") >= 5 else "."
if __name__ == "__main__":
    sys.path[0] = ROOT

from hardware.nor_faults import TEARS, Dice, FaultPlan, cut  # noqa: E402
from tests.fault.micropython.test_tap_power_cut import STORIES, live, used_flash  # noqa: E402
from tests.support import mp  # noqa: E402
from tests.support.mp_terminal import Bench, copy_of  # noqa: E402

MARK = "\x1e"

_made = {}


def base():
    """A terminal that has sold before, and the flash operations of its next start."""
    if not _made:
        _made["flash"] = used_flash()
        chip = copy_of(_made["flash"])
        Bench(chip)
        _made["start"] = chip.operations()
    return _made["flash"], _made["start"]


def plan_of(seed, story, first, second):
    """The pair's cuts, torn as `seed` draws it; `second` None for the first cut alone."""
    dice = Dice(seed * 1009 + story * 100003 + first * 331 + (second or 0))
    faults = []
    for at in (first, second):
        if at is not None:
            faults.append(cut(at, dice.below((256, 4097)[dice.below(4) == 0]), TEARS[dice.below(len(TEARS))]))
    return FaultPlan(seed, faults)


def run(seed, story, first, second):
    """Live the story under a pair of cuts; returns its flash operations."""
    name, pins = STORIES[story]
    flash, start = base()
    plan = plan_of(seed, story, first, second)
    told = "pair %d %d %s %r" % (story, first, second, plan)
    return live(told, copy_of(flash), plan, name, pins) - start


def pairs(seed, story):
    """Generate all (first, second) of a story; how many seconds there are, each first cut tells."""
    name, pins = STORIES[story]
    flash, start = base()
    count = live("none", copy_of(flash), FaultPlan(seed, []), name, pins) - start
    for first in range(count):
        for second in range(first + 1, run(seed, story, first, None)):
            yield first, second


def round_of(seed, story, part, parts, end_s):
    """This part's share of a story's pairs; (pairs tried, whether all of them)."""
    tried = 0
    for number, (first, second) in enumerate(pairs(seed, story)):
        if number % parts != part:
            continue
        if time.time() > end_s:
            return tried, False
        try:
            run(seed, story, first, second)
        except Exception as error:
            sys.print_exception(error)
            print(MARK + "lost-pair %d %d %d %d" % (seed, story, first, second))
        tried += 1
    return tried, True


def main(seed, part, parts, seconds, story=None, first=None, second=None):
    """Rounds until time is up, or the one pair that is named."""
    if story is not None:
        run(seed, story, first, second)
        print(MARK + "pairs %d %d 1 1" % (seed, story))
    end_s = time.time() + seconds
    while story is None and time.time() < end_s:
        for number in range(len(STORIES)):
            tried, is_whole = round_of(seed, number, part, parts, end_s)
            print(MARK + "pairs %d %d %d %d" % (seed, number, tried, is_whole))
        seed += 1
    print(MARK + "end")


if __name__ == "__main__":
    mp.ROOT = ROOT
    main(*[int(argument) for argument in sys.argv[1:]])
