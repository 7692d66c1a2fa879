"""A redemption with an inserted card is one like any other: the same record, whatever reader the card came to."""

from firmware import refusals
from hardware.tda8029_faults import FaultPlan
from tests.support.mp import raises
from tests.support.mp_terminal import SEMBAKO, Bench, family

HEAP = "24m"


def bench(faults=None, has_contact_reader=True):
    return Bench(fittings=lambda models: {"has_contact_reader": has_contact_reader, "contact_faults": faults})


async def selling_inserted(shop, name, amount_rupiah, lift=False):
    """From the card in the slot to its receipt; `lift`: it is pulled for the PIN and put in again."""
    terminal, board = shop.terminal, shop.board
    board.insert_card(shop.card(name))
    assert await terminal.wait_for_card(2000)
    await terminal.identify(SEMBAKO)
    if lift:
        board.pull_card()
        assert not await terminal.wait_for_card(80)
        board.insert_card(shop.card(name))
    assert await terminal.wait_for_card(2000)
    digits = bytearray(family(name)["pin"].encode())
    try:
        return await terminal.redeem(SEMBAKO, 0, amount_rupiah, [], digits)
    finally:
        await shop.settling()
        board.pull_card()


def test_a_card_in_the_slot_is_redeemed_and_the_next_one_is_laid_on():
    shop = bench()
    for name in ("bank", "programme"):
        receipt = shop.run(selling_inserted(shop, name, 20_000))
        assert receipt.amount_rupiah == 20_000
        assert not shop.board.contact_reader.powered
    before = shop.ledger.journal.sequence
    assert shop.sell("bank", 5_000).sequence == before + 1


def test_a_card_may_be_pulled_for_the_pin():
    shop = bench()
    assert shop.run(selling_inserted(shop, "bank", 20_000, lift=True)).amount_rupiah == 20_000


def test_a_card_pulled_at_any_moment_leaves_no_half_sale():
    """Either there is a receipt and a record, or neither; and the same card is served again."""
    served = refused = 0
    for nth in (1, 3, 8, 14, 17, 18, 19, 20, 21):
        for name in ("pull_before", "pull_after"):
            shop = bench(FaultPlan(**{name: nth}))
            before = shop.ledger.journal.sequence
            try:
                shop.run(selling_inserted(shop, "bank", 20_000))
                served += 1
            except refusals.Refusal:
                refused += 1
                assert (
                    shop.ledger.remaining_rupiah(SEMBAKO, family("bank")["index"])
                    == family("bank")["granted"]
                )
            assert shop.ledger.journal.sequence >= before
            shop.board.contact_reader.faults = FaultPlan()
            assert shop.run(selling_inserted(shop, "bank", 10_000)).amount_rupiah == 10_000
    assert served and refused


def test_a_mute_card_is_refused_and_a_card_that_is_laid_on_is_served():
    shop = bench()
    from hardware.contact_card import T0Card

    shop.board.contact_reader.insert(T0Card(shop.card("bank"), "mute"))
    raises(refusals.Refusal, shop.run, shop.terminal.wait_for_card(2000))
    assert shop.sell("bank", 5_000).amount_rupiah == 5_000


def test_a_terminal_without_a_contact_reader_sells_and_notices_nothing():
    shop = bench(has_contact_reader=False)
    assert shop.sell("bank", 5_000).amount_rupiah == 5_000
    assert not shop.terminal.reader_failed and 11 not in list(shop.terminal.notices())
