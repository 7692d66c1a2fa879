"""Every pair of cuts in the tap flow and in what may follow a sale: power fails at one flash operation, and again at each of
those that follow.

    pairs.py SEED PART PARTS SECONDS            round after round, each with other tears; one marked line for each story
    pairs.py SEED 0 1 0 STORY FIRST SECOND      one pair

Runs on MicroPython. The flows, and what must hold after each start, are those of `tests/fault/micropython`.
"""

import sys
import time

ROOT = __file__.rsplit("/", 5)[0] if __file__.count("/") >= 5 else "."
if __name__ == "__main__":
    sys.path[0] = ROOT

from hardware.nor_faults import TEARS, Dice, FaultPlan, cut  # noqa: E402
from tests.fault.micropython import test_after_sale_power_cut as after_sale  # noqa: E402
from tests.fault.micropython import test_tap_power_cut as tap  # noqa: E402
from tests.support import mp  # noqa: E402
from tests.support.mp_terminal import Bench, copy_of  # noqa: E402

MARK = "\x1e"


class Story:
    """`used()` gives the flash that it begins with, `live(told, flash, plan)` its operations."""

    def __init__(self, used, live):
        self._used = used
        self._made = []
        self._live = live

    def base(self):
        """The flash that it begins with, and the operations of its next start."""
        if not self._made:
            flash = self._used()
            chip = copy_of(flash)
            Bench(chip)
            self._made = [flash, chip.operations()]
        return self._made

    def live(self, told, plan):
        """Its flash operations behind the first start."""
        flash, start = self.base()
        return self._live(told, copy_of(flash), plan) - start


def _of_tap(name, pins):
    return Story(tap.used_flash, lambda told, flash, plan: tap.live(told, flash, plan, name, pins))


def _of_flow(flow):
    return Story(after_sale.sold_flash, lambda told, flash, plan: after_sale.live(told, flash, plan, flow))


STORIES = [_of_tap(name, pins) for name, pins in tap.STORIES] + [_of_flow(flow) for flow in after_sale.FLOWS]
# The first of those that follow a sale.
AFTER_SALE = len(tap.STORIES)


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
    plan = plan_of(seed, story, first, second)
    return STORIES[story].live("pair %d %d %s %r" % (story, first, second, plan), plan)


def pairs(seed, story):
    """Generate all (first, second) of a story; how many seconds there are, each first cut tells."""
    count = STORIES[story].live("none", FaultPlan(seed, []))
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
