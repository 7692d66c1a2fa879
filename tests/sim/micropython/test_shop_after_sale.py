"""What follows a sale with the whole application, at its keys, and the plug pulled at every flash operation of it.

Seen from outside only: what the display said, what was printed, what the books say after the next start.
"""

from firmware import main

main.load()

from firmware import states  # noqa: E402
from hardware.nor_faults import TEARS, Dice, FaultPlan, cut  # noqa: E402
from hardware.nor_flash import PowerCut  # noqa: E402
from protocol import records  # noqa: E402
from tests.support.mp import seed  # noqa: E402
from tests.support.mp_shop import Shop  # noqa: E402
from tests.support.mp_terminal import Bench, copy_of, family, provisioned_flash  # noqa: E402

HEAP = "32m"
TIMEOUT_S = 300
VARIANTS = ("unix64",)
LIVES_MAX = 30
SOLD = 30_000

RECEIVE, VOID, GIVE_BACK, CLOSE = "1234"
TITLES = {
    VOID: "BUKTI PEMBATALAN",
    RECEIVE: "BUKTI BARANG DITERIMA",
    GIVE_BACK: "BUKTI PENGEMBALIAN HAK",
    CLOSE: "TUTUP PERIODE",
}
KINDS = {
    VOID: records.VOID,
    RECEIVE: records.GOODS_RECEIVED,
    GIVE_BACK: records.RETURN,
    CLOSE: records.PERIOD_CLOSE,
}
_made = {}


def sold_flash():
    """A terminal on which a family has just taken goods; made once, then copied."""
    if "flash" not in _made:
        bench = Bench(provisioned_flash())
        bench.sell("one", 5_000)
        bench.sell("bank", SOLD)
        _made["flash"] = bench.flash
    return copy_of(_made["flash"])


def held(shop, kind):
    """Sequences of the records of a kind."""
    ledger = shop.app.ledger
    return [slot.sequence for slot in ledger.records_from(1, ledger.journal.sequence) if slot.kind == kind]


async def desk(shop, what):
    """From the idle screen into one of the things that may follow a sale."""
    for key in "M8" + what:
        await shop.press(key)
        await shop.see("choose" if key != what or what in GIVE_BACK + CLOSE else "record_list")


async def do(shop, what):
    """All the keys and the card of it, up to the result, or to the record that stands already."""
    await desk(shop, what)
    ends = ("recorded", "record", "refused")
    if what in VOID + RECEIVE:
        await shop.press("E")
        await shop.until(lambda: shop.shown in ("choose", "question") + ends, "question")
    if what == VOID and shop.shown == "choose":
        await shop.see("choose")
        await shop.press("2")
    if what in GIVE_BACK + CLOSE:
        await shop.press("1")
        await shop.until(lambda: shop.shown in ("tap_card", "table") + ends, "card or figures")
    if shop.shown == "table":
        await shop.see("table")
        await shop.press("E")
    if shop.shown == "tap_card":
        shop.place("bank")
    await shop.until(lambda: shop.shown in ("question",) + ends, "question")
    if shop.shown == "question":
        await shop.see("question")
        await shop.press("M" if what == RECEIVE else "E")
        shop.place("bank")
        await shop.until(lambda: shop.shown in ends, "result")
    return shop.shown


def test_each_is_done_printed_and_shown_when_it_is_asked_for_again():
    for what in TITLES:
        shop = Shop(sold_flash())

        async def story(shop, what=what):
            await shop.begin()
            assert await do(shop, what) == "recorded"
            assert len(held(shop, KINDS[what])) == 1
            await shop.hand_over()
            paper = shop.papers()[0]
            assert TITLES[what] in paper and "TERCATAT" in paper, paper
            assert await do(shop, what) == "record", "what stands is shown"
            await shop.see("record")
            await shop.press("M")
            await shop.until(lambda: len(shop.papers()) == 2, "a copy")
            assert "SALINAN" in shop.papers()[1]
            assert len(held(shop, KINDS[what])) == 1

        shop.open(story)
        assert shop.restarts == [], (what, shop.restarts)


def until_done(shop, what):
    """Operator and family go on after each power cut; returns the sequence that they were told in the end."""

    async def visit(shop):
        await shop.see("last_transaction")
        last = shop.app.terminal.last_receipt()
        if last.kind == KINDS[what]:
            # The first screen says that it counts.
            await shop.press("M")
            await shop.until(lambda: len(shop.papers()) == 1, "a copy")
            assert TITLES[what] in shop.papers()[0] and last.state == states.RECORDED
            return last.sequence
        await shop.begin()
        shown = await do(shop, what)
        assert shown in ("recorded", "record"), shown
        return shop.app.terminal.last_receipt().sequence

    for _ in range(LIVES_MAX):
        try:
            return shop.open(visit)
        except PowerCut:
            shop.flash.power_on()
            shop.board.remove_card()
    raise AssertionError("never done")


def test_the_plug_is_pulled_at_every_flash_operation_of_it():
    """From the login on; what a start writes is cut in tests/fault."""
    dice = Dice(seed())
    for what in TITLES:
        clean = Shop(sold_flash())
        clean.flash.reset_counters()
        until_done(clean, what)
        count = clean.flash.operations()
        for at in range(max(0, count - 4), count + 1):
            flash = sold_flash()
            shop = Shop(flash)
            torn = (0, 40, 130)[dice.below(3)]
            flash.arm(FaultPlan(at, [cut(at, torn, TEARS[dice.below(len(TEARS))])]))
            told = until_done(shop, what)
            flash.arm(None)

            async def look(shop, what=what, told=told):
                await shop.see("last_transaction")
                assert held(shop, KINDS[what]) == [told]
                return shop.app.ledger.entitlements.spent_rupiah(1, family("bank")["index"])

            wanted = {VOID: 0, RECEIVE: SOLD, GIVE_BACK: 200_000, CLOSE: SOLD}[what]
            assert shop.open(look) == wanted, (what, at)
            assert shop.restarts == []
