"""Days on end of one terminal on model time: outages, bursts of acknowledgements, power cuts, nights. On MicroPython.

    month.py SEED DAYS TAPS SECTORS IMAGE     one marked line for each day, then one for the wear

Real: firmware without screens and relay, models of cards, PN532 and flash, whose content lies in the file IMAGE, so that
the heap holds the terminal and not its flash. Acknowledgements come as the relay hands them to the ledger. SECTORS 0 is
the whole journal.
"""

import gc
import sys
import time

ROOT = __file__.rsplit("/", 5)[0] if __file__.count("/") >= 5 else "."
if __name__ == "__main__":
    sys.path[0] = ROOT

from firmware import refusals  # noqa: E402
from firmware.refusals import Refusal  # noqa: E402
from hardware.nor_faults import TEARS, Dice, FaultPlan, cut  # noqa: E402
from hardware.nor_flash import FileStore, NorFlash, PowerCut  # noqa: E402
from tests.sim.soak.drivers.witness import FAMILIES, SoakBench, Witness, idle  # noqa: E402
from tests.support import mp  # noqa: E402
from tests.support.mp_terminal import FLASH_BYTES, provisioned_flash  # noqa: E402

MARK = "\x1e"
OPENING_S = 10 * 3600
DAY_S = 86400
CUTS_A_DAY = 3
# Records that wait for settlement when an acknowledgement comes.
KEPT = 40


class Month:
    """A terminal and its days; `rows` has for each day what was measured."""

    def __init__(self, seed, taps, sectors, image):
        self.dice = Dice(seed)
        self.taps = taps
        provisioned_flash().save(image)
        flash = NorFlash(FLASH_BYTES, FileStore(image, FLASH_BYTES))
        flash.arm(None)
        for index in range(FLASH_BYTES // 4096):
            flash.wear[index] = 0  # so that its notes take their room now, not as the days go by
        self.bench = SoakBench(flash, sectors)
        self.witness = Witness(self.bench, "month %d" % seed)
        self.outage_days = 0
        self.longest_outage = 0
        self.outage = 0
        self.full = 0
        self.boot_us = 0
        self.boot_bytes = 0
        self.start_s = self.bench.now_s

    def restart(self):
        """Start again after a cut or a night, and time it."""
        bench = self.bench
        open_books = bench.wire
        self.boot_us = self.boot_bytes = 0

        def wiring():
            open_books()
            app = bench.app
            opening = app.open_books

            def timed():
                read = bench.flash.bytes_read
                started = time.ticks_us()
                opening()
                self.boot_us = time.ticks_diff(time.ticks_us(), started)
                self.boot_bytes = bench.flash.bytes_read - read

            app.open_books = timed

        bench.wire = wiring
        gc.collect()
        try:
            self.witness.restart(bench)
        finally:
            bench.wire = open_books

    def day(self, number):
        """One day and its night; (heap octets without the flash model's, boot microseconds, octets read at boot, free sectors, sales, cuts)."""
        bench, dice = self.bench, self.dice
        if self.outage == 0 and dice.below(5) == 0:
            self.outage = 1 + dice.below(4)
            self.longest_outage = max(self.longest_outage, self.outage)
        is_out = self.outage > 0
        self.outage_days += is_out
        self.outage -= is_out
        cuts_before = self.witness.cuts
        faults = []
        for _ in range(dice.below(CUTS_A_DAY + 1)):
            faults.append(cut(dice.below(4 * self.taps), dice.below(256), TEARS[dice.below(len(TEARS))]))
        bench.flash.arm(FaultPlan(dice.below(1 << 20), faults))
        sales = 0
        for tap in range(self.taps):
            self.wait_until(self.start_s + number * DAY_S + tap * OPENING_S // self.taps)
            try:
                sales += self.sell(tap)
                if not is_out and dice.below(20) == 0:
                    self.witness.acknowledge(bench, KEPT)
                idle(bench)
            except PowerCut:
                self.restart()
        bench.flash.arm(None)
        self.witness.check_money(bench)
        idle(bench)
        if dice.below(3):
            self.restart()
            self.witness.cuts -= 1
        self.forget()
        gc.collect()
        gc.collect()
        heap = gc.mem_alloc() - self.model_octets()
        free = bench.ledger.journal.free_sectors()
        return heap, self.boot_us, self.boot_bytes, free, sales, self.witness.cuts - cuts_before

    def model_octets(self):
        """What the flash model keeps of cells that a cut has left half way: as long as their sector is not erased."""
        doubtful = self.bench.flash._cells._doubtful
        before = gc.mem_alloc()
        copy = {page: {at: list(doubtful[page][at]) for at in doubtful[page]} for page in doubtful}
        octets = gc.mem_alloc() - before
        copy.clear()
        gc.collect()
        return octets

    def wait_until(self, moment_s):
        self.bench.now_s = max(self.bench.now_s, self.bench.time.epoch_seconds())
        if moment_s > self.bench.now_s:
            self.bench.wait_s(moment_s - self.bench.now_s)

    def sell(self, tap):
        """One family; amounts differ, so that no sale looks like one made just before."""
        try:
            self.bench.sell(FAMILIES[self.dice.below(len(FAMILIES))], 20 + tap % 97)
        except Refusal as refusal:
            if refusal.number == refusals.ALREADY_SERVED:
                return 0
            assert refusal.number in (refusals.JOURNAL_FULL, refusals.PIN_LOCKED), refusal
            self.full += refusal.number == refusals.JOURNAL_FULL
            return 0
        self.witness.note(self.bench)
        return 1

    def forget(self):
        """What only the models keep for tests' sake."""
        for key in self.bench.cards:
            self.bench.cards[key].commands.clear()


def run(seed, days, taps, sectors, image, say):
    """All days; `say(word, numbers)` gets each day's figures and at the end the wear."""
    month = Month(seed, taps, sectors, image)
    for number in range(days):
        say("day", (number,) + month.day(number))
    least, most, total = month.bench.wear()
    say("wear", (least, most, total, month.witness.cuts, month.witness.head, month.outage_days, month.full))
    return month


def _print(word, numbers):
    print(MARK + word, " ".join([str(number) for number in numbers]))


if __name__ == "__main__":
    mp.ROOT = ROOT
    run(*[int(argument) for argument in sys.argv[1:5]], sys.argv[5], _print)
