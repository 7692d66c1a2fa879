"""A day at the counter with the whole application: families, wrong PINs, lifted cards, and the plug pulled again and again.

Seen from outside only: what the display said, what was printed, what the books say after the next start.
"""

from firmware import main

main.load()

from firmware import states  # noqa: E402
from hardware.nor_faults import TEARS, FaultPlan, cut  # noqa: E402
from hardware.nor_flash import PowerCut  # noqa: E402
from protocol import records  # noqa: E402
from tests.support.mp import seed  # noqa: E402
from tests.support.mp_shop import Shop  # noqa: E402
from tests.support.mp_terminal import copy_of, family, provisioned_flash  # noqa: E402

HEAP = "32m"
TIMEOUT_S = 300
VARIANTS = ("unix64",)
LIVES_MAX = 30


def sales(shop):
    """(roster number, amount) of every redemption in the journal, oldest first."""
    ledger = shop.app.ledger
    found = []
    for slot in ledger.records_from(1, ledger.journal.sequence):
        if slot.kind == records.REDEMPTION:
            found.append((slot.index + 1, records.decode(slot.payload).amount_rupiah))
    return found


async def with_another_card_in_between(shop):
    """Another card is laid on for the PIN: nobody is debited, the right one goes on."""
    assert await shop.ask_for_pin("four", "30*")
    shop.board.remove_card()
    await shop.press(family("four")["pin"] + "E")
    await shop.see("tap_card")
    shop.place("five")
    await shop.see("refused")
    shop.board.remove_card()
    await shop.press("E")
    await shop.see("tap_card")
    shop.place("four")
    await shop.until(lambda: shop.shown == "granted", "granted")
    await shop.hand_over()


def test_a_day_with_everything_that_happens_at_a_counter():
    shop = Shop()

    async def day(shop):
        await shop.begin()
        await shop.cash("programme", "50*")
        await shop.hand_over()
        # A family whose entitlement is spent is told so; it costs nobody anything.
        await shop.cash("nothing", "")
        await shop.see("refused")
        await shop.press("E")
        await shop.see("idle")
        shop.board.remove_card()
        # A wrong PIN, then the right one, the card lifted in between.
        await shop.cash("bank", "25*", pin="111111")
        await shop.see("refused")
        await shop.press("E")
        await shop.see("pin")
        shop.board.remove_card()
        await shop.press(family("bank")["pin"] + "E")
        await shop.see("tap_card")
        shop.place("bank")
        await shop.until(lambda: shop.shown == "granted", "granted")
        await shop.hand_over()
        await with_another_card_in_between(shop)
        # The operator gives up in the middle of the next one.
        await shop.press("E")
        await shop.see("choose")
        await shop.press("X")
        await shop.see("idle")
        return sales(shop)

    sold = [("programme", 50_000), ("bank", 25_000), ("four", 30_000)]
    wanted = [(family(name)["index"] + 1, amount_rupiah) for name, amount_rupiah in sold]
    assert shop.open(day) == wanted
    assert len(shop.papers()) == 3 and shop.restarts == []

    async def evening(shop):
        await shop.begin()
        totals = shop.app.terminal.totals()
        assert (totals.count, totals.cash_rupiah, totals.goods_rupiah) == (3, 105_000, 0)
        assert totals.pending_rupiah == 105_000
        await shop.press("M")
        await shop.see("choose")
        await shop.press("5")
        await shop.see("table")
        await shop.press("M")
        await shop.until(lambda: len(shop.papers()) == 1, "totals on paper")

    shop.open(evening)
    assert "TOTAL HARI INI" in shop.papers()[0] and "105.000" in shop.papers()[0]


def serve_until_done(shop, name, keys):
    """Operator and family go on after each power cut until the first screen, or the result, says that it is done.

    Returns how often a family was told TERCATAT: by the screen of a result or by a printed receipt.
    """
    number = family(name)["index"] + 1
    told = []

    async def visit(shop):
        await shop.see("last_transaction")
        last = shop.app.terminal.last_receipt()
        if last is not None and last.roster_number == number:
            told.append(last.sequence)
            assert last.state == states.RECORDED
            return
        await shop.begin()
        await shop.cash(name, keys)
        assert shop.shown == "granted", shop.shown
        told.append(shop.app.terminal.last_receipt().sequence)
        await shop.hand_over()

    for _ in range(LIVES_MAX):
        try:
            shop.open(visit)
            return told
        except PowerCut:
            shop.flash.power_on()
        finally:
            for paper in shop.papers():
                assert "TERCATAT" in paper
                told.append(int(paper.split("0000002A-")[1][:6]))
    raise AssertionError("never done")


def test_the_plug_is_pulled_at_every_flash_operation_of_a_sale_by_keys():
    base = Shop()
    serve_until_done(base, "one", "10*")
    clean = Shop(copy_of(base.flash))
    clean.flash.reset_counters()
    serve_until_done(clean, "bank", "25*")
    count = clean.flash.operations()
    assert count > 6
    for at in range(count + 1):
        tear = TEARS[(at + seed()) % len(TEARS)]
        told = (at, tear)
        shop = Shop(copy_of(base.flash))
        shop.flash.arm(FaultPlan(at, [cut(at, 50, tear)]))
        shown = serve_until_done(shop, "bank", "25*")
        shop.flash.arm(None)

        async def look(shop):
            await shop.see("last_transaction")
            return sales(shop)

        sold = shop.open(look)
        assert sold == [(family("one")["index"] + 1, 10_000), (family("bank")["index"] + 1, 25_000)], told
        held = [receipt.sequence for receipt in shop.app.terminal.receipts(0, 9)]
        assert shown and all(sequence in held for sequence in shown), (told, shown, held)


def test_a_terminal_fresh_from_provisioning_may_lose_power_at_its_first_start():
    clean = Shop(copy_of(provisioned_flash()))
    clean.flash.reset_counters()
    serve_until_done(clean, "programme", "10*")
    for at in range(clean.flash.operations()):
        shop = Shop(copy_of(provisioned_flash()))
        shop.flash.arm(FaultPlan(at, [cut(at, 30, TEARS[at % len(TEARS)])]))
        shown = serve_until_done(shop, "programme", "10*")
        assert len(set(shown)) == 1, (at, shown)
        assert sales(shop) == [(family("programme")["index"] + 1, 10_000)], at
