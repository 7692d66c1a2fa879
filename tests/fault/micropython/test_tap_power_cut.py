"""Power fails at every flash operation of a whole tap, torn at any octet, and the sale is tried again until it is made.

What holds through all of it: what a family was shown as recorded is in the journal for good; the family is debited once;
granted, redeemed and recorded agree; no Unpredictable Number is used twice; no PIN is looked at without a try burned, and
no try comes back by a cut.
"""

from firmware import refusals
from firmware.refusals import Refusal
from hardware.nor_faults import TEARS, FaultPlan, cut, drawn
from hardware.nor_flash import PowerCut
from protocol import aid_pin, records
from tests.support.mp import seed
from tests.support.mp_terminal import Bench, copy_of, family, provisioned_flash

HEAP = "24m"
TIMEOUT_S = 240
VARIANTS = ("unix64",)  # whole taps run on the 32-bit port in tests/unit/micropython
AMOUNT = 10_000
LIVES_MAX = 40
WRONG = "000000"


class Oracle:
    """What was seen from outside, over all lives of one terminal."""

    def __init__(self, told):
        self.told = told
        self.shown = {}  # sequence -> record octets of every receipt that was shown
        self.numbers = []  # (sequence, Unpredictable Number) sent to a card
        self.looked = 0  # wrong PINs compared since the last right one
        self.cuts = 0
        self.is_locked = False

    def watch(self, bench):
        """Listen at the kernel and at the comparison of PINs."""
        kernel = bench.app.authorizer._kernel
        first = kernel._first_generate_ac

        async def listening(reader, session, values, asked, proved):
            self.numbers.append(values[0x9F37])
            return await first(reader, session, values, asked, proved)

        kernel._first_generate_ac = listening

    def check(self, bench, name):
        """After every start."""
        told = self.told
        held = {}
        for slot in bench.slots():
            held[slot.sequence] = slot.payload
        for sequence in self.shown:
            assert held.get(sequence) == self.shown[sequence], (told, "shown, then lost", sequence)
        assert len(set(self.numbers)) == len(self.numbers), (told, "a number was used twice")
        assert bench.tries(name) >= self.looked, (told, "a try came back", bench.tries(name), self.looked)
        bench.check_conservation()


def tap_until_sold(bench, oracle, name, pins):
    """Operator and family do what people do: after each start they look at the last transaction, and go on if it is not
    theirs. `pins`: what is keyed, the right one (None) last."""
    keyed = 0
    compare = (aid_pin.unbound, aid_pin.bound)
    right = family(name)["pin"].encode()

    def watching(kind):
        def look(*values):
            # A right one may clear the tries at once, whether or not the sale is made.
            oracle.looked = 0 if bytes(values[-1]) == right else oracle.looked + 1
            return compare[kind](*values)

        return look

    aid_pin.unbound, aid_pin.bound = watching(0), watching(1)
    try:
        for _ in range(LIVES_MAX):
            try:
                oracle.watch(bench)
                last = bench.terminal.last_receipt()
                if last is not None and last.roster_number == family(name)["index"] + 1:
                    oracle.shown[last.sequence] = bench.slots()[last.sequence - 1].payload
                    bench.run(bench.settling())
                    return bench
                while True:
                    try:
                        receipt = bench.sell(name, AMOUNT, pin=pins[min(keyed, len(pins) - 1)])
                    except Refusal as refusal:
                        if refusal.number == refusals.PIN_LOCKED:
                            return locked(bench, oracle, name)
                        assert refusal.number == refusals.PIN_WRONG, (oracle.told, refusal)
                        keyed += 1
                        continue
                    oracle.shown[receipt.sequence] = bench.slots()[receipt.sequence - 1].payload
                    return bench
            except PowerCut:
                bench = restarted(bench, oracle, name)
        raise AssertionError((oracle.told, "never sold"))
    finally:
        aid_pin.unbound, aid_pin.bound = compare


def locked(bench, oracle, name):
    """Each cut between a burned try and its comparison costs one (design 4.4): with three of them the card is locked."""
    assert bench.tries(name) == bench.ledger.policy.pin_tries, oracle.told
    assert oracle.cuts > 0, (oracle.told, "locked without a cut")
    oracle.is_locked = True
    return bench


def restarted(bench, oracle, name):
    """The next life; one that is cut off while it starts counts as a life, too."""
    for _ in range(LIVES_MAX):
        oracle.cuts += 1
        try:
            bench.power_cycle()
            break
        except PowerCut:
            pass
    else:
        raise AssertionError((oracle.told, "never starts"))
    oracle.check(bench, name)
    return bench


def live(told, flash, plan, name, pins):
    """One whole story under a plan of faults; returns the operations it took."""
    oracle = Oracle(told)
    bench = Bench(flash)
    flash.arm(plan)
    bench = tap_until_sold(bench, oracle, name, pins)
    flash.arm(None)
    operations = bench.flash.operations()
    for _ in range(2):
        bench.power_cycle()
        oracle.check(bench, name)
    spent = bench.spent(name)
    assert spent == (0 if oracle.is_locked else AMOUNT), (told, "debited", spent)
    assert bench.sell("five", AMOUNT).remaining_rupiah == 190_000, told
    bench.check_conservation()
    return operations


def operations_of(flash, name, pins):
    """Flash operations of the story without faults, counted from the start of the terminal's second life."""
    bench = Bench(flash)
    flash.reset_counters()
    tap_until_sold(bench, Oracle("counting"), name, pins)
    return flash.operations()


def used_flash():
    """A terminal that has sold before, so that the tap does not meet a fresh journal."""
    bench = Bench(provisioned_flash())
    bench.sell("one", 5_000)
    bench.sell("four", 5_000)
    return bench.flash


STORIES = (
    ("programme", (None,)),
    ("bank", (None,)),
    ("bank", (WRONG, None)),
    ("bound", (WRONG, WRONG, None)),
)


def test_cut_at_every_operation_torn_at_several_octets():
    base = used_flash()
    for name, pins in STORIES:
        count = operations_of(copy_of(base), name, pins)
        # UN and record; for an aid PIN try, clearing and enrolment, and one more try for each wrong PIN.
        assert count >= (2 if name == "programme" else 4 + len(pins) - (name == "bound")), (name, count)
        for at in range(count + 1):
            for torn, tear in (
                (0, "clean"),
                (1, "marginal"),
                (40, "random"),
                (130, "unstable"),
                (300, "weak"),
            ):
                told = (name, pins, at, torn, tear)
                live(told, copy_of(base), FaultPlan(at * 7 + torn, [cut(at, torn, tear)]), name, pins)


def test_cut_again_and_again_each_life_a_little_later():
    """The second cut comes while the first one is being mended, the third while the second is."""
    base = used_flash()
    for name, pins in STORIES:
        for gap in (1, 2, 3, 4, 5, 7):
            for tear in TEARS:
                told = (name, pins, "every", gap, tear)
                faults = [cut(at, 17 * gap, tear) for at in range(gap, 60, gap + 2)]
                live(told, copy_of(base), FaultPlan(gap, faults), name, pins)


def test_cuts_drawn_at_random():
    base = used_flash()
    for number in range(60):
        name, pins = STORIES[number % len(STORIES)]
        plan = drawn(seed() + number, 30, 0, 1, 6)
        live((name, pins, plan), copy_of(base), plan, name, pins)


def test_the_third_wrong_pin_locks_whenever_power_fails():
    """A cut may cost a try, as the design says; it never gives one."""
    base = used_flash()
    for at in range(12):
        for tear in TEARS:
            told = (at, tear)
            flash = copy_of(base)
            bench = Bench(flash)
            flash.arm(FaultPlan(at, [cut(at, 20, tear)]))
            looked = 0
            compare = aid_pin.unbound

            def watching(*values, compare=compare):
                nonlocal looked
                looked += 1
                return compare(*values)

            aid_pin.unbound = watching
            try:
                for _ in range(8):
                    try:
                        bench.sell("bank", AMOUNT, pin=WRONG)
                        raise AssertionError(told)
                    except Refusal as refusal:
                        if refusal.number == refusals.PIN_LOCKED:
                            break
                    except PowerCut:
                        bench.power_cycle()
                        assert looked <= bench.tries("bank") <= looked + 1, (told, looked)
            finally:
                aid_pin.unbound = compare
            assert looked <= 3 and bench.tries("bank") == 3, (told, looked)
            flash.arm(None)
            bench.power_cycle()
            try:
                bench.sell("bank", AMOUNT)
                raise AssertionError(told)
            except Refusal as refusal:
                assert refusal.number == refusals.PIN_LOCKED
            assert bench.records(records.REDEMPTION)[-1][1].card_key.hex() not in family("bank")["card_keys"]
            # The programme hears of the lock though power may have failed before the event: the next tap makes it.
            events = [record for _, record in bench.records(records.EVENT)]
            keys = [record.detail.hex() for record in events if record.code == records.EVENT_PIN_LOCKED]
            assert keys == family("bank")["card_keys"], (told, keys)
