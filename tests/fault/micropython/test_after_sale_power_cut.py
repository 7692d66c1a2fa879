"""Power fails at every flash operation of what follows a sale, and people go on until it is done.

After each start they look first, as the screens do: what stands is not done again. What holds through all of it: what was
shown as recorded is in the journal for good; each thing is recorded once; granted, redeemed, voided and returned agree; no
Unpredictable Number is used twice; the last transaction that a start tells of is the last one that stands.
"""

from firmware import refusals
from firmware.refusals import Refusal
from hardware.nor_faults import TEARS, Dice, FaultPlan, cut, drawn
from hardware.nor_flash import PowerCut
from protocol import records
from tests.support.mp import seed
from tests.support.mp_terminal import SEMBAKO, Bench, copy_of, family, provisioned_flash

HEAP = "24m"
TIMEOUT_S = 240
VARIANTS = ("unix64",)  # whole taps run on the 32-bit port in tests/unit/micropython
LIVES_MAX = 40
SOLD = 30_000
GRANTED = 200_000


class Flow:
    """One thing that people do with the terminal; `standing` tells the record that shows it done, `do` does it,
    `spent` is what the family has drawn afterwards.
    """

    def __init__(self, told, name, kind, standing, do, spent=0):
        self.told = told
        self.name = name
        self.kind = kind
        self.standing = standing
        self.do = do
        self.spent = spent


def sale_of(bench, name):
    """The family's redemption, as the operator finds it in the list."""
    for receipt in bench.terminal.receipts(0, 20, (records.REDEMPTION,)):
        if receipt.roster_number == family(name)["index"] + 1:
            return receipt.sequence
    raise AssertionError("no sale of " + name)


def looked(bench, name):
    return bench.run(bench.terminal.look(sale_of(bench, name)))


def returned(bench, name):
    """What the return conversation finds when the card was tapped."""

    async def ask():
        await bench.tapping(name)
        receipt = await bench.terminal.returned(SEMBAKO)
        await bench.terminal.abandon()
        return receipt.sequence if receipt is not None else 0

    return bench.run(ask())


def closed(bench, _):
    receipt = bench.run(bench.terminal.closed(SEMBAKO))
    return receipt.sequence if receipt is not None else 0


def voided(bench, name):
    return looked(bench, name).voided_by


def received(bench, name):
    return looked(bench, name).received_by


def void(bench, name):
    return bench.void(name, sale_of(bench, name))


def receive(bench, name):
    return bench.receive(name, sale_of(bench, name))


def receive_on_screen(bench, name):
    return bench.receive(name, sale_of(bench, name), False)


def give_back(bench, name):
    return bench.give_back(name)


def close(bench, _):
    return bench.close_period(SEMBAKO)


FLOWS = (
    Flow("void, programme's card", "programme", records.VOID, voided, void),
    Flow("void, bank's card", "bank", records.VOID, voided, void),
    Flow("goods received by card", "bank", records.GOODS_RECEIVED, received, receive, SOLD),
    Flow(
        "goods received on the screen", "programme", records.GOODS_RECEIVED, received, receive_on_screen, SOLD
    ),
    Flow("return", "bank", records.RETURN, returned, give_back, GRANTED),
    Flow("period close", "programme", records.PERIOD_CLOSE, closed, close, SOLD),
)


class Oracle:
    """What was seen from outside, over all lives of one terminal."""

    def __init__(self, told):
        self.told = told
        self.shown = {}  # sequence -> record octets of every receipt that was shown
        self.numbers = []  # Unpredictable Numbers sent to a card

    def watch(self, bench):
        """Listen at the kernel, in the life that begins."""
        kernel = bench.app.authorizer._kernel
        first = kernel._first_generate_ac

        async def listening(reader, session, values, asked, proved):
            self.numbers.append(values[0x9F37])
            return await first(reader, session, values, asked, proved)

        kernel._first_generate_ac = listening

    def show(self, bench, sequence):
        """A record that people were told of."""
        self.shown[sequence] = bench.slots()[sequence - 1].payload

    def check(self, bench, flow):
        """After every start."""
        told = self.told
        held = {}
        for slot in bench.slots():
            held[slot.sequence] = slot.payload
        for sequence in self.shown:
            assert held.get(sequence) == self.shown[sequence], (told, "shown, then lost", sequence)
        assert len(set(self.numbers)) == len(self.numbers), (told, "a number was used twice")
        assert len(bench.records(flow.kind)) <= 1, (told, "done twice")
        bench.check_conservation()
        last = bench.terminal.last_receipt()
        kinds = (1, 2, 3, 4, 5)
        stands = [sequence for sequence, record in bench.records() if record.kind in kinds]
        assert (last.sequence if last is not None else 0) == (stands[-1] if stands else 0), told


def until_done(bench, oracle, flow):
    """Operator and family do what people do; returns the sequence of the record that they are shown in the end."""
    for _ in range(LIVES_MAX):
        try:
            oracle.watch(bench)
            last = bench.terminal.last_receipt()
            oracle.show(bench, last.sequence)
            stands = flow.standing(bench, flow.name) or flow.do(bench, flow.name).sequence
            oracle.show(bench, stands)
            bench.run(bench.settling())
            return stands
        except PowerCut:
            restart(bench, oracle, flow)
    raise AssertionError((oracle.told, "never done"))


def restart(bench, oracle, flow):
    """The next life; one that is cut off while it starts counts as a life, too."""
    for _ in range(LIVES_MAX):
        try:
            bench.power_cycle()
            break
        except PowerCut:
            pass
    else:
        raise AssertionError((oracle.told, "never starts"))
    oracle.check(bench, flow)


def live(told, flash, plan, flow):
    """One whole story under a plan of faults; returns the operations it took."""
    oracle = Oracle((told, flow.told))
    bench = Bench(flash)
    flash.arm(plan)
    stands = until_done(bench, oracle, flow)
    flash.arm(None)
    operations = flash.operations()
    for _ in range(2):
        restart(bench, oracle, flow)
        assert bench.terminal.last_receipt().sequence == stands, oracle.told
    ((sequence, _),) = bench.records(flow.kind)
    assert sequence == stands, oracle.told
    assert bench.spent(flow.name) == flow.spent, (oracle.told, bench.spent(flow.name))
    try:
        flow.do(bench, flow.name)
        raise AssertionError((oracle.told, "done twice"))
    except Refusal as refusal:
        assert refusal.number in AGAIN, (oracle.told, refusal)
    bench.run(bench.terminal.abandon())
    bench.check_conservation()
    return operations


AGAIN = (
    refusals.ALREADY_VOIDED,
    refusals.GOODS_WERE_RECEIVED,
    refusals.NO_ENTITLEMENT,
    refusals.PERIOD_CLOSED,
)

_made = {}


def sold_flash():
    """A terminal on which the families of the flows have taken goods; made once, then copied."""
    if "flash" not in _made:
        bench = Bench(provisioned_flash())
        for name in ("one", "programme", "bank", "four"):
            bench.sell(name, SOLD)
        _made["flash"] = bench.flash
    return copy_of(_made["flash"])


def operations_of(flow):
    """Flash operations of the flow without faults, counted from the start of the terminal's second life."""
    flash = sold_flash()
    bench = Bench(flash)
    flash.reset_counters()
    until_done(bench, Oracle("counting"), flow)
    return flash.operations()


def test_cut_at_every_operation():
    dice = Dice(seed())
    for flow in FLOWS:
        count = operations_of(flow)
        assert count >= 1, flow.told
        for at in range(count + 1):
            for torn in (0, 1 + dice.below(60), 130):
                told = (at, torn, TEARS[dice.below(len(TEARS))])
                live(told, sold_flash(), FaultPlan(at * 7 + torn, [cut(at, torn, told[2])]), flow)


def test_cut_again_and_again_each_life_a_little_later():
    """The second cut comes while the first one is being mended, the third while the second is."""
    dice = Dice(seed() + 1)
    for flow in FLOWS:
        for gap in (1, 2, 3, 5):
            tear = TEARS[dice.below(len(TEARS))]
            faults = [cut(at, 17 * gap, tear) for at in range(gap, 40, gap + 2)]
            live((gap, tear), sold_flash(), FaultPlan(gap, faults), flow)


def test_cuts_drawn_at_random():
    for number in range(18):
        plan = drawn(seed() + number, 20, 0, 1, 5)
        live(repr(plan), sold_flash(), plan, FLOWS[number % len(FLOWS)])


def test_an_unwell_day_ends_with_the_money_where_it_belongs():
    """Everything that people do with one card, one after the other, each cut off once."""
    dice = Dice(seed() + 2)
    flash = sold_flash()
    bench = Bench(flash)
    steps = (
        ("void", lambda: bench.void("bank", sale_of(bench, "bank"))),
        ("sell", lambda: bench.sell("bank", 40_000)),
        ("receive", lambda: bench.receive("bank", sale_of(bench, "bank"))),
        ("return", lambda: bench.give_back("bank")),
        ("close", bench.close_period),
    )
    for told, step in steps:
        before = bench.ledger.journal.sequence
        flash.arm(FaultPlan(before, [cut(dice.below(3), dice.below(200), TEARS[dice.below(len(TEARS))])]))
        for _ in range(LIVES_MAX):
            try:
                step()
            except PowerCut:
                bench.power_cycle()
                last = bench.terminal.last_receipt()
                if last.sequence <= before:
                    continue  # the first screen says that it did not count
            bench.run(bench.settling())
            break
        flash.arm(None)
        bench.power_cycle()
        bench.check_conservation()
        assert bench.terminal.last_receipt().sequence > before, told
    assert bench.spent("bank") == GRANTED
    figures = bench.run(bench.terminal.closed(SEMBAKO)).figures
    assert (figures.redeemed_count, figures.redeemed_rupiah) == (5, 4 * SOLD + 40_000)
    assert (figures.voided_rupiah, figures.returned_rupiah) == (SOLD, GRANTED - 40_000)
