"""A short, repeatable slice of `make soak`: random lives, pairs of cuts in a tap and in a void, a few days with outages and cuts."""

import gc
import os

from tests.sim.soak.drivers import life, month, pairs
from tests.support import mp

HEAP = "24m"
TIMEOUT_S = 240
VARIANTS = ("unix64",)  # whole taps run on the 32-bit port in tests/unit/micropython
LIVES = 10
PAIR_STRIDE = 6
DAYS = 4
TAPS = 40
SECTORS = 20


def test_random_lives_with_cuts_lose_nothing():
    cuts = 0
    for number in range(LIVES):
        cuts += life.live(mp.seed() * 10 + number)[0]
    assert cuts > 0


def test_pairs_of_cuts_in_a_tap_and_in_a_void_lose_nothing():
    tried = 0
    for story in (0, 1, pairs.AFTER_SALE):
        for number, (first, second) in enumerate(pairs.pairs(mp.seed(), story)):
            if number % PAIR_STRIDE == 0:
                pairs.run(mp.seed(), story, first, second)
                tried += 1
    assert tried > 5


def test_days_with_outages_and_cuts_leave_heap_and_start_as_they_were():
    """Conservation is held against at every start; what grew from day to day would show here."""
    image = "%s/build/tests/soak-slice.bin" % mp.ROOT
    days = []
    gc.collect()
    try:
        lived = month.run(1, DAYS, TAPS, SECTORS, image, lambda word, numbers: days.append((word, numbers)))
    finally:
        os.remove(image)
    heaps = [numbers[1] for word, numbers in days if word == "day"]
    reads = [numbers[3] for word, numbers in days if word == "day" and numbers[3]]
    assert len(heaps) == DAYS and lived.witness.head > DAYS * TAPS // 2
    # 24 KB is what the last start, its cards and the flash model's torn cells may differ by.
    assert max(heaps[1:]) - min(heaps[1:]) < 24 * 1024, heaps
    assert max(reads) < 3 * SECTORS * 4096, reads
    assert lived.full == 0
