"""One random life of a terminal, drawn by a seed: sales and what follows them, wrong PINs, logins, grants,
acknowledgements, and power cuts.

    life.py FIRST STEP COUNT SECONDS     lives FIRST, FIRST + STEP, ...; one marked line for each

Runs on MicroPython. Whatever is being done when power fails, the terminal starts again and people go on.
"""

import sys
import time

ROOT = __file__.rsplit("/", 5)[0] if __file__.count("/") >= 5 else "."
if __name__ == "__main__":
    sys.path[0] = ROOT

from firmware import refusals  # noqa: E402
from firmware.refusals import Refusal  # noqa: E402
from hardware.nor_faults import Dice, drawn  # noqa: E402
from hardware.nor_flash import PowerCut  # noqa: E402
from protocol import aid_pin, records  # noqa: E402
from tests.sim.soak.drivers.witness import AID_PIN, FAMILIES, SoakBench, Witness, idle  # noqa: E402
from tests.support import mp  # noqa: E402
from tests.support.mp_terminal import copy_of, family, later_grant, provisioned_flash  # noqa: E402

# Less than that and no checkpoint has room in the quarter of the ring where it is written early.
SECTORS = 16
STEPS = 40
OPERATIONS = 150
MARK = "\x1e"
WRONG = "000000"

# What people may be told without anything being wrong with the terminal.
EXPECTED = (
    refusals.PIN_WRONG,
    refusals.PIN_LOCKED,
    refusals.JOURNAL_FULL,
    refusals.ALREADY_SERVED,
    refusals.AMOUNT_ABOVE_REMAINING,
    refusals.NO_ENTITLEMENT,
    refusals.CARD_REMOVED,
    refusals.AMOUNT_ABOVE_CAP,
    refusals.ALREADY_VOIDED,
    refusals.GOODS_WERE_RECEIVED,
    refusals.LEASE_RETURNED,
    refusals.NO_SUCH_RECORD,
)
# Whose lease may go back: nobody that the end of a life needs.
RETURNING = ("three", "five", "programme_dynamic")

_bases = {}


def base(is_old):
    """(flash, time, witness) of a terminal: hardly used, or with a journal that has gone round."""
    if is_old not in _bases:
        bench = SoakBench(provisioned_flash(), SECTORS)
        witness = Witness(bench, "base")
        bench.sell("one", 5_000)
        while is_old and bench.ledger.journal.oldest <= 1:
            for _ in range(12):
                bench.run(bench.terminal.check_operator("1234"))
            witness.note(bench)
            witness.acknowledge(bench)
            idle(bench)
        witness.note(bench)
        _bases[is_old] = (bench.flash, bench.now_s + 60, witness)
    flash, now_s, witness = _bases[is_old]
    return copy_of(flash), now_s, witness


class Life:
    """The things that happen to a terminal; each is one method, drawn by `dice`."""

    def __init__(self, seed, steps, plan):
        self.dice = Dice(seed)
        flash, now_s, before = base(self.dice.below(3) > 0)
        self.bench = SoakBench(flash, SECTORS, now_s)
        self.told = "life %d %r" % (seed, plan)
        self.witness = Witness(self.bench, self.told, before)
        self.steps = steps
        self.sales = 0
        self.refused = {}
        flash.arm(plan)

    def live(self):
        """All steps; what power interrupts is over, as it is for people."""
        for _ in range(self.steps):
            step = STEP_OF[self.dice.below(len(STEP_OF))]
            try:
                getattr(self, step)()
                self.witness.note(self.bench)
            except Refusal as refusal:
                assert refusal.number in EXPECTED, (self.told, step, refusal)
                self.refused[refusal.number] = self.refused.get(refusal.number, 0) + 1
                self.witness.note(self.bench)
                if refusal.number == refusals.JOURNAL_FULL:
                    self.make_room()
            except PowerCut:
                self.witness.restart(self.bench)
        self.bench.flash.arm(None)
        for _ in range(2):
            self.witness.restart(self.bench)
        self.witness.cuts -= 2  # those two were no cuts, only the proof that nothing changes any more
        self.make_room()
        self.bench.wait_s(3600)
        assert self.bench.sell("two", 700).amount_rupiah == 700, self.told
        self.witness.note(self.bench)
        self.witness.check_money(self.bench)

    def make_room(self):
        try:
            self.witness.acknowledge(self.bench)
            for _ in range(4):
                idle(self.bench)
            self.witness.note(self.bench)
        except PowerCut:
            self.witness.restart(self.bench)

    # What happens.

    def sell(self):
        name = FAMILIES[self.dice.below(len(FAMILIES))]
        if self.dice.below(3):
            self.bench.wait_s(700)
        lift = self.dice.below(4) == 0
        self._sell(name, 100 + self.dice.below(2000), None, lift)

    def sell_wrong_pin(self):
        self._sell(AID_PIN[self.dice.below(len(AID_PIN))], 500, WRONG, False)

    def _sell(self, name, amount_rupiah, pin, lift):
        looked = self.witness.looked
        right = family(name)["pin"].encode()
        compare = (aid_pin.unbound, aid_pin.bound)

        def watching(kind):
            def look(*values):
                # The right one may clear the tries whether or not the sale is made.
                looked[name] = 0 if bytes(values[-1]) == right else looked.get(name, 0) + 1
                return compare[kind](*values)

            return look

        aid_pin.unbound, aid_pin.bound = watching(0), watching(1)
        try:
            receipt = self.bench.sell(name, amount_rupiah, pin=pin, lift=lift)
        finally:
            aid_pin.unbound, aid_pin.bound = compare
        self.sales += 1
        assert receipt.sequence > self.witness.head, (
            self.told,
            "an old sequence was shown",
            receipt.sequence,
        )

    def _sale(self):
        """(sequence, family) of one of the last redemptions; (0, "one") where there is none."""
        held = self.bench.terminal.receipts(self.dice.below(4), 1, (records.REDEMPTION,))
        for receipt in held:
            for name in FAMILIES:
                if family(name)["index"] + 1 == receipt.roster_number:
                    return receipt.sequence, name
        return 0, "one"

    def void(self):
        """Twice, as if nobody had seen the first one: the second is refused."""
        sequence, name = self._sale()
        voided = self.bench.void(name, sequence)
        self.witness.note(self.bench)
        self.witness.check_money(self.bench)
        try:
            self.bench.void(name, sequence)
            raise AssertionError((self.told, "voided twice", sequence))
        except Refusal as refusal:
            told = (refusal.number, refusal.detail)
            assert told == (refusals.ALREADY_VOIDED, voided.sequence), (self.told, told)

    def receive(self):
        sequence, name = self._sale()
        self.bench.receive(name, sequence, self.dice.below(2) == 0)

    def give_back(self):
        self.bench.give_back(RETURNING[self.dice.below(len(RETURNING))])

    def log_in(self):
        for _ in range(1 + self.dice.below(12)):
            if self.bench.ledger.journal.free_sectors() <= 1:
                return
            self.bench.run(self.bench.terminal.check_operator("1234"))
            self.witness.note(self.bench)

    def acknowledge(self):
        self.witness.acknowledge(self.bench, self.dice.below(6))

    def idle(self):
        for _ in range(1 + self.dice.below(3)):
            idle(self.bench)

    def crash(self):
        self.bench.ledger.record_crash(b"\x00\x65\x00\x00\x00\x09soak")

    def count(self):
        """A frame's counter is never used twice."""
        counter = self.bench.ledger.next_counter()
        assert counter >= self.witness.counters, (self.told, "a counter came again", counter)
        self.witness.counters = counter + 1

    def adopt(self):
        ledger = self.bench.ledger
        if ledger.grants[1].number < 2 and not ledger.journal.is_full():
            signed, decoded = later_grant(ledger)
            ledger.adopt_grant(signed, decoded)

    def switch_off(self):
        self.witness.restart(self.bench)
        self.witness.cuts -= 1


STEP_OF = (
    ("sell",) * 8
    + ("sell_wrong_pin", "log_in", "log_in", "acknowledge", "acknowledge", "idle", "idle", "crash", "count")
    + ("adopt", "switch_off", "void", "void", "receive", "receive", "give_back")
)


def live(seed, steps=STEPS):
    """One life; returns (cuts, cuts during a start, sales). What does not hold is an AssertionError."""
    dice = Dice(seed * 7 + 3)
    plan = drawn(seed, OPERATIONS, 0, 1, 1 + dice.below(9))
    life = Life(seed, steps, plan)
    life.live()
    return life.witness.cuts, life.witness.starts_cut, life.sales


def main(first, step, count, seconds):
    """Live seed after seed until time is up."""
    end = time.time() + seconds
    seed = first
    while count and time.time() < end:
        try:
            cuts, starts_cut, sales = live(seed)
            print(MARK + "life %d %d %d %d" % (seed, cuts, starts_cut, sales))
        except Exception as error:
            sys.print_exception(error)
            print(MARK + "lost %d" % seed)
        seed += step
        count -= 1
    print(MARK + "end")


if __name__ == "__main__":
    mp.ROOT = ROOT
    main(*[int(argument) for argument in sys.argv[1:]])
