"""A running terminal with its keys in an ATECC608: it sells, and where the chip fails it says why not, and never ends."""

import asyncio

from firmware import main

main.load()

from firmware import states  # noqa: E402
from firmware.drivers.atecc608_core import AteccError  # noqa: E402
from hardware.atecc608_faults import FaultPlan, NoFaults  # noqa: E402
from tests.support.mp_chip import ChipFitting, chip_flash  # noqa: E402
from tests.support.mp_shop import Shop  # noqa: E402
from tests.support.mp_terminal import copy_of, family  # noqa: E402

HEAP = "24m"
TIMEOUT_S = 240


def silent():
    return FaultPlan(refuse_permille=1000)


def chip_shop(faults=None):
    """(shop, its chip)."""
    shop = Shop(chip_flash())
    shop.fittings = ChipFitting()
    shop.fittings.faults = faults
    return shop, shop.fittings


async def refused(shop, name="programme"):
    """A try at a sale; ends on the idle screen. The number of the refusal."""
    before = dict(shop.app.terminal.refusal_counts)
    await shop.press("E")
    await shop.see("choose")
    await shop.press("1")
    await shop.see("choose")
    await shop.press("2")
    await shop.until(lambda: shop.shown in ("tap_card", "refused"), "card or refusal")
    if shop.shown == "tap_card":
        shop.place(name)
        await shop.until(lambda: shop.shown in ("amount", "refused"), "amount or refusal")
    if shop.shown == "amount":
        await shop.see("amount")
        await shop.press("10*E")
        await shop.until(lambda: shop.shown in ("confirm", "refused"), "confirmation or refusal")
    if shop.shown == "confirm":
        await shop.see("confirm")
        await shop.press("E")
        await shop.see("pin")
        await shop.press(family(name)["pin"] + "E")
    await shop.see("refused")
    await shop.press("E")
    await shop.see("idle")
    shop.board.remove_card()
    after = shop.app.terminal.refusal_counts
    return [number for number in after if after[number] != before.get(number, 0)]


def test_it_sells_and_every_start_finds_the_counters_at_the_head():
    shop, chip = chip_shop()

    async def story(shop):
        await shop.begin()
        for name in ("programme", "bank"):
            await shop.cash(name, "10*")
            assert shop.shown == "granted"
            await shop.hand_over()
        head = shop.app.ledger.journal.sequence
        assert chip.counts == (head, head)
        assert shop.app.ledger.seal_fault is False and shop.app.upkeep.broken_seals == 0
        await shop.until(lambda: shop.app.upkeep.verified_through == head, "seals verified")

    shop.open(story)

    async def again(shop):
        await shop.begin()
        assert not shop.app.ledger.is_locked
        await shop.cash("one", "10*")
        assert shop.shown == "granted"

    shop.open(again)
    assert shop.restarts == []


def test_a_chip_that_is_silent_from_the_start_refuses_sales_ends_nothing_and_may_come_back():
    shop, chip = chip_shop(silent())

    async def story(shop):
        await shop.begin()
        assert isinstance(shop.app.chip.last_error, AteccError)
        assert states.NOTICE_SEAL in shop.app.terminal.notices()
        assert await refused(shop) == [28]
        for _ in range(3):
            await asyncio.sleep_ms(60_000)
            assert not shop.board.watchdogs[0].expired()
        chip.part.faults = NoFaults()
        await shop.until(lambda: not shop.app.ledger.seal_fault, "the chip to be well")
        assert states.NOTICE_SEAL not in shop.app.terminal.notices()
        await shop.cash("programme", "10*")
        assert shop.shown == "granted"
        await shop.hand_over()

    shop.open(story)
    assert shop.restarts == [] and shop.app.ledger.entitlements.redeemed_rupiah == 10_000


def test_a_chip_that_dies_in_the_middle_of_a_sale_refuses_it_with_the_clear_screen():
    shop, chip = chip_shop()

    async def story(shop):
        await shop.begin()
        part = chip.part
        part.faults = FaultPlan(deaf_at=part.commands + 1)
        await shop.cash("programme", "10*")
        assert shop.shown == "refused"
        assert list(shop.app.terminal.refusal_counts) == [28]
        await shop.see("refused")
        await shop.press("E")
        await shop.see("idle")
        shop.board.remove_card()
        assert await refused(shop) == [28]

    shop.open(story)
    assert shop.restarts == [] and shop.app.ledger.entitlements.redeemed_rupiah == 0


def test_an_image_put_back_is_locked_when_it_starts_and_says_so():
    shop, _ = chip_shop()

    async def story(shop):
        await shop.begin()
        before = copy_of(shop.flash)
        await shop.cash("programme", "10*")
        await shop.hand_over()
        return before

    before = shop.open(story)
    shop.flash = before

    async def again(shop):
        await shop.begin()
        assert shop.app.ledger.is_locked
        assert states.NOTICE_LOCKED in shop.app.terminal.notices()
        assert states.NOTICE_SEAL not in shop.app.terminal.notices()
        head = shop.app.ledger.journal.sequence
        assert await refused(shop) == [9]
        assert shop.app.ledger.journal.sequence == head

    shop.open(again)
    assert shop.restarts == []


def test_another_chip_in_its_place_seals_nothing():
    shop, chip = chip_shop()
    chip.memory.keys[0] = 4711

    async def story(shop):
        await shop.begin()
        assert await refused(shop) == [28]
        assert shop.app.ledger.journal.sequence == 0

    shop.open(story)
    assert shop.restarts == []


def test_i2c_traffic_of_the_keypad_goes_on_beside_the_chip():
    shop, chip = chip_shop()

    async def story(shop):
        await shop.begin()
        for _ in range(20):
            chip.part.stray_wake()
            await asyncio.sleep_ms(100)
        await shop.cash("programme", "10*")
        assert shop.shown == "granted"
        assert shop.app.keypad.failures == 0

    shop.open(story)
