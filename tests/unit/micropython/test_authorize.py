"""Every kind of card sells, every refusal is reached and costs nothing, and no bank ever sees a PIN."""

import asyncio

from firmware import refusals, spending_rules
from firmware.crypto.signer import SealRefused
from firmware.refusals import Refusal
from hardware.emv_card.card import Card
from hardware.pn532_faults import FaultPlan, NoFaults
from protocol import records, unpredictable_number
from tests.support.mp_terminal import (
    CARD_TIMEOUT_MS,
    CASH,
    GOODS,
    NOW_S,
    PKH,
    Bench,
    card_data,
    family,
)

HEAP = "16m"
TIMEOUT_S = 120
VERIFY = 0x20
PROGRAMME_CARDS = ("programme", "programme_dynamic", "programme_dda", "programme_sda", "both")
BANK_CARDS = ("bank", "bank_limits", "bank_dda", "bank_sda", "bank_pin", "bound", "removed", "old_and_new")


def refused(bench, name, amount_rupiah, **more):
    """The refusal of a sale that must not come about."""
    try:
        bench.sell(name, amount_rupiah, **more)
    except Refusal as refusal:
        return refusal
    raise AssertionError("sold")


# What sells.


def test_every_kind_of_card_sells_and_the_record_says_how():
    bench = Bench()
    for name in PROGRAMME_CARDS + BANK_CARDS:
        receipt = bench.sell(name, 20_000)
        sequence, record = bench.records(records.REDEMPTION)[-1]
        assert receipt.sequence == sequence and receipt.amount_rupiah == record.amount_rupiah == 20_000, name
        assert record.card_key.hex() == family(name)["card_keys"][0], name
        is_bank = name in BANK_CARDS
        assert record.method == (records.METHOD_AID_PIN if is_bank else records.METHOD_CARD_PIN), name
        assert record.proof.cid == (0x80 if is_bank else 0x40), name
        # No EMV cardholder verification where the aid PIN was used; the card's own PIN where the card asked for it.
        assert record.proof.cvm_results.hex() == ("3f0000" if is_bank else "010302"), name
        assert record.proof.application_index == (1 if is_bank else 0), name
        assert record.lease == 1 and record.period == bench.ledger.grants[1].period
        assert record.time_s >= NOW_S and record.proof.transaction_date == b"\x26\x11\x29"
        assert bench.spent(name) == 20_000
    bench.check_conservation()


def test_goods_with_items_and_cash_of_either_programme():
    bench = Bench()
    items = ((1, 500, 13_500), (2, 150, 28_000))
    receipt = bench.sell("programme", 109_500, items=items)
    assert receipt.items == items and receipt.tender == GOODS and receipt.remaining_rupiah == 90_500
    receipt = bench.sell("bank", 750_000, programme=PKH, tender=CASH)
    assert receipt.tender == CASH and receipt.remaining_rupiah == 0 and receipt.programme == PKH
    assert bench.spent("bank") == 0 and bench.spent("bank", PKH) == 750_000
    bench.check_conservation()


def test_the_smallest_and_the_largest_amount():
    bench = Bench()
    assert bench.sell("large", 1).remaining_rupiah == 16_382_999
    assert bench.sell("large", 16_382_999).remaining_rupiah == 0
    assert refused(bench, "large", 1).number == refusals.NO_ENTITLEMENT


def test_the_card_may_rest_or_be_laid_on_again_for_the_pin():
    bench = Bench()
    for name in ("programme", "bank"):
        for lift in (False, True):
            bench.sell(name, 10_000 + lift, lift=lift)
    assert len(bench.records(records.REDEMPTION)) == 4
    bench.check_conservation()


def test_both_cards_of_an_entry_draw_on_the_same_entitlement():
    bench = Bench()
    bench.sell("old_and_new", 150_000)
    pin = family("old_and_new")["pin"]
    refusal = refused(bench, "old_and_new_2", 60_000, pin=pin)
    assert (refusal.number, refusal.detail) == (refusals.AMOUNT_ABOVE_REMAINING, 50_000)
    receipt = bench.sell("old_and_new_2", 50_000, pin=pin)
    assert receipt.roster_number == family("old_and_new")["index"] + 1 and receipt.remaining_rupiah == 0
    keys = [record.card_key.hex() for _, record in bench.records(records.REDEMPTION)]
    assert keys == family("old_and_new")["card_keys"]


def test_a_family_that_was_removed_from_the_roster_keeps_its_open_lease():
    bench = Bench()
    assert bench.sell("removed", 200_000).remaining_rupiah == 0


# The bank's PIN.


def test_no_bank_card_is_ever_sent_a_pin():
    """Whatever its CVM list asks for, with right and wrong PINs, resting or laid on again."""
    bench = Bench()
    for name in BANK_CARDS:
        for pin in ("999999", None):
            try:
                bench.sell(name, 10_000, pin=pin, lift=pin is None)
            except Refusal as refusal:
                assert refusal.number == refusals.PIN_WRONG
        card = bench.card(name)
        assert len(card.commands) > 10
        assert [header for header in card.commands if header[1] == VERIFY] == [], name
        assert card.applications[0].verify_count == 0
    assert len(bench.records(records.REDEMPTION)) == len(BANK_CARDS)


def test_a_card_with_both_applications_is_used_as_the_programmes():
    bench = Bench()
    bench.sell("both", 10_000)
    bank, own = bench.card("both").applications
    assert own.verify_count == 1 and own.atc > 0
    assert bank.verify_count == 0 and bank.atc == 0


# What refuses. Each entry brings one refusal about and returns it; `None` where it needs the screens.


def expired_lease(bench):
    bench.wait_s(31 * 86400)
    return refused(bench, "programme", 10_000)


def untrusted_clock(bench):
    bench.rtc_epoch_s = 0
    bench.power_cycle()
    bench.ledger.policy.clock_lost_cap_rupiah = 0
    return refused(bench, "programme", 10_000)


def clock_cap(bench):
    bench.rtc_epoch_s = 0
    bench.power_cycle()
    bench.ledger.policy.clock_lost_cap_rupiah = 30_000
    bench.sell("programme", 25_000)
    return refused(bench, "bank", 10_000)


def three_wrong_pins(bench):
    for left in (2, 1):
        refusal = refused(bench, "bank", 10_000, pin="000000")
        assert (refusal.number, refusal.detail) == (refusals.PIN_WRONG, left)
    return refused(bench, "bank", 10_000, pin="000000")


def full_journal(bench):
    bench.ledger.journal.reserve_sectors = 1 << 20
    return refused(bench, "programme", 10_000)


def locked(bench):
    bench.ledger.lock(bytes(99))
    return refused(bench, "programme", 10_000)


def withdrawn(bench):
    bench.ledger.lock(b"\x00\x01\x01")
    return refused(bench, "programme", 10_000)


def two_cards(bench):
    bench.board.place_card(bench.card("programme"))
    bench.board.place_card(bench.card("bank"))
    try:
        bench.run(bench.terminal.wait_for_card(CARD_TIMEOUT_MS))
    except Refusal as refusal:
        bench.board.remove_card()
        return refusal


def pulled_card(bench):
    bench.board.pn532.faults = FaultPlan(pull_before_apdu=bench.board.pn532.apdu_count + 3)
    return refused(bench, "programme", 10_000)


def not_yet_valid(bench):
    bench.ledger.policy.applications[0].tac_default = bytes.fromhex("DC70A00000")
    return refused(bench, "early", 10_000)


def other_card(bench):
    async def exchange():
        await bench.tapping("bank")
        bench.board.remove_card()
        await bench.terminal.wait_for_card(80)
        await bench.redeeming("four", 10_000, lift=True)

    try:
        bench.run(exchange())
    except Refusal as refusal:
        return refusal


def closed_period(bench):
    closing = {"programme": 1, "period": bench.ledger.grants[1].period}
    for name in ("redeemed", "voided", "returned"):
        closing[name + "_count"] = closing[name + "_rupiah"] = 0
    bench.ledger.commit(bench.ledger.record(records.PERIOD_CLOSE, **closing), 0xFFFF)
    return refused(bench, "programme", 10_000)


def spent_sequence(bench):
    limit = spending_rules.SEQUENCE_LIMIT
    spending_rules.SEQUENCE_LIMIT = bench.ledger.journal.sequence
    try:
        return refused(bench, "programme", 10_000)
    finally:
        spending_rules.SEQUENCE_LIMIT = limit


class DeadReader(NoFaults):
    """A PN532 that hears nothing."""

    def goes_deaf(self, command_count):
        return True


def dead_reader(bench):
    bench.board.pn532.faults = DeadReader()
    try:
        bench.run(bench.terminal.wait_for_card(CARD_TIMEOUT_MS))
    except Refusal as refusal:
        bench.board.pn532.faults = NoFaults()
        return refusal


def failing_flash(bench):
    def fail(*_):
        raise OSError(5)

    bench.board.board.flash["journal"]._partition.writeblocks = fail
    return refused(bench, "programme", 10_000)


def failing_signer(bench):
    def fail(*_):
        raise SealRefused("chain")

    seal, bench.app.signer.seal = bench.app.signer.seal, fail
    refusal = refused(bench, "programme", 10_000)
    bench.app.signer.seal = seal
    return refusal


def same_again(bench):
    """The screens were shown another sale than the one that is repeated."""
    bench.sell("programme", 10_000)
    bench.sell("programme", 12_000)
    return refused(bench, "programme", 10_000)


def no_application(bench):
    data = card_data("programme")
    data["applications"][0]["aid"] = "A0000000031010"
    bench.cards["foreign", None] = Card(data)
    return refused(bench, "foreign", 10_000, pin="000000")


NUMBERS = {
    refusals.NO_ENTITLEMENT: lambda bench: refused(bench, "nothing", 10_000),
    refusals.LEASE_EXPIRED: expired_lease,
    refusals.CLOCK_NOT_TRUSTED: untrusted_clock,
    refusals.CARD_BLOCKED: lambda bench: refused(bench, "blocked", 10_000),
    refusals.CARD_NOT_AUTHENTIC: lambda bench: refused(bench, "wrong_ca", 10_000, pin="000000"),
    refusals.PIN_WRONG: lambda bench: refused(bench, "bank", 10_000, pin="000000"),
    refusals.PIN_LOCKED: three_wrong_pins,
    refusals.JOURNAL_FULL: full_journal,
    refusals.TERMINAL_LOCKED: locked,
    refusals.TERMINAL_WITHDRAWN: withdrawn,
    refusals.CARD_NOT_REGISTERED: lambda bench: refused(bench, "stranger", 10_000, pin="000000"),
    refusals.TWO_CARDS: two_cards,
    refusals.CARD_REMOVED: pulled_card,
    refusals.CARD_EXPIRED: lambda bench: refused(bench, "expired", 10_000),
    refusals.AMOUNT_ABOVE_REMAINING: lambda bench: refused(bench, "programme", 200_001),
    refusals.CDOL_UNKNOWN: lambda bench: refused(bench, "programme", 10_000, trick="cdol1_other_order"),
    refusals.CARD_DECLINED: lambda bench: refused(bench, "bank", 10_000, trick="aac"),
    refusals.NO_APPLICATION: no_application,
    refusals.CARD_UNREADABLE: lambda bench: refused(bench, "programme", 10_000, trick="truncated_record"),
    refusals.OTHER_CARD: other_card,
    refusals.PIN_MISSING: lambda bench: refused(bench, "programme", 10_000, pin=""),
    refusals.AMOUNT_ABOVE_CAP: lambda bench: refused(bench, "bank_sda", 50_001),
    refusals.CLOCK_CAP_REACHED: clock_cap,
    refusals.PERIOD_CLOSED: closed_period,
    refusals.NO_GRANT: lambda bench: refused(bench, "programme", 10_000, programme=3),
    refusals.SEQUENCE_SPENT: spent_sequence,
    refusals.READER_FAULT: dead_reader,
    refusals.FLASH_FAULT: failing_flash,
    refusals.SEAL_FAULT: failing_signer,
    refusals.CARD_NOT_YET_VALID: not_yet_valid,
    refusals.AMOUNT_NOT_ALLOWED: lambda bench: refused(bench, "large", 0),
    refusals.ALREADY_SERVED: same_again,
    refusals.PIN_NOT_ASSIGNED: lambda bench: refused(bench, "no_verifier", 10_000),
    refusals.NO_ANSWER: None,  # the screens' own time limit (tests of ui/service)
    # What follows a sale: test_after_sale.
    refusals.ALREADY_VOIDED: None,
    refusals.GOODS_WERE_RECEIVED: None,
    refusals.NOT_THE_CARD: None,
    refusals.NO_SUCH_RECORD: None,
    refusals.LEASE_RETURNED: None,
    refusals.SETTLED_OTHERWISE: None,
}
# After these no sale is possible any more, or not for the family that pays next.
FOR_GOOD = (
    refusals.LEASE_EXPIRED,
    refusals.CLOCK_NOT_TRUSTED,
    refusals.CLOCK_CAP_REACHED,
    refusals.JOURNAL_FULL,
    refusals.TERMINAL_LOCKED,
    refusals.TERMINAL_WITHDRAWN,
    refusals.PERIOD_CLOSED,
    refusals.FLASH_FAULT,
)


def test_every_refusal_is_reached_debits_nothing_and_lets_the_next_family_be_served():
    assert set(NUMBERS) == set(range(1, refusals.LAST + 1))
    for number in range(1, refusals.LAST + 1):
        if NUMBERS[number] is None:
            continue
        bench = Bench()
        refusal = NUMBERS[number](bench)
        assert refusal is not None and refusal.number == number, (number, refusal)
        assert bench.terminal.refusal_counts.get(number, 0) >= 1, number
        sold = sum([record.amount_rupiah for _, record in bench.records(records.REDEMPTION)])
        assert sold == bench.ledger.entitlements.redeemed_rupiah
        bench.check_conservation()
        if number in FOR_GOOD:
            assert refused(bench, "one", 15_000).number == number
        else:
            assert bench.sell("one", 15_000).remaining_rupiah == 185_000
            assert bench.spent("one") == 15_000
        bench.check_conservation()
        if number != refusals.FLASH_FAULT:
            bench.power_cycle()
            bench.check_conservation()


def test_what_refuses_before_the_card_is_asked_costs_neither_number_nor_try():
    bench = Bench()
    for name, amount_rupiah, programme in (("bank", 200_001, 1), ("bank", 0, 1), ("bank", 10_000, 3)):
        attempts = bench.ledger.entitlements.un_attempts
        refused(bench, name, amount_rupiah, programme=programme)
        assert bench.ledger.entitlements.un_attempts == attempts == 0
        assert bench.tries(name) == 0
        commands = [header[1] for header in bench.card(name).commands]
        assert 0xAE not in commands  # GENERATE AC


def test_other_ways_to_the_same_refusals():
    for name, more, number in (
        ("unlisted", {}, refusals.CARD_BLOCKED),
        ("unknown_ca", {"pin": "000000"}, refusals.CARD_NOT_AUTHENTIC),
        ("misbound", {}, refusals.PIN_NOT_ASSIGNED),
        ("bank", {"pin": ""}, refusals.PIN_MISSING),
        ("bank", {"pin": "12345"}, refusals.PIN_MISSING),
        ("programme", {"trick": "cda_signature_flipped"}, refusals.CARD_NOT_AUTHENTIC),
        ("programme", {"trick": "always_6f00"}, refusals.CARD_UNREADABLE),
        ("programme", {"trick": "no_octet"}, refusals.CARD_UNREADABLE),
    ):
        bench = Bench()
        refusal = refused(bench, name, 10_000, **more)
        assert refusal.number in (number, refusals.NO_APPLICATION), (name, more, refusal)
        assert refusal.number == number or more == {"trick": "always_6f00"}
        assert bench.records(records.REDEMPTION) == []
    bench = Bench()
    assert refused(bench, "large", 100_000_000).number == refusals.AMOUNT_NOT_ALLOWED


def test_caps_of_cards_that_do_not_bind_their_cryptogram_hold_for_the_card_not_for_the_sale():
    """Else a copied card would come back until the lease is gone (threat model of the protocol)."""
    for name, cap_rupiah in (("programme_sda", 50_000), ("bank_dda", 100_000)):
        bench = Bench()
        bench.sell(name, cap_rupiah - 10_000)
        refusal = refused(bench, name, 10_001)
        assert (refusal.number, refusal.detail) == (refusals.AMOUNT_ABOVE_CAP, 10_000)
        bench.sell(name, 10_000)
        assert refused(bench, name, 1).detail == 0
        refusal = refused(bench, name, 1, programme=PKH)
        assert (refusal.number, refusal.detail) == (refusals.AMOUNT_ABOVE_CAP, 0)
        bench.power_cycle()
        assert refused(bench, name, 1).number == refusals.AMOUNT_ABOVE_CAP


def test_nothing_of_an_app_is_left_asleep():
    """A cancelled redemption leaves terminal and chain as if it had not begun."""
    bench = Bench()

    async def impatient():
        await bench.tapping("bank")
        spending = bench.redeeming("bank", 10_000)
        task = asyncio.create_task(spending)
        while not bench.ledger.entitlements.un_attempts:
            await asyncio.sleep_ms(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return
        raise AssertionError("not cancelled")

    bench.run(impatient())
    assert bench.ledger.quiet.is_set()
    assert bench.records(records.REDEMPTION) == [] and bench.spent("bank") == 0
    assert bench.sell("bank", 10_000).amount_rupiah == 10_000
    attempts = [record.proof.un_attempt for _, record in bench.records(records.REDEMPTION)]
    assert attempts == [1]


def test_the_unpredictable_number_that_the_card_signed_is_the_one_that_can_be_recomputed():
    bench = Bench()
    seen = []
    kernel = bench.app.authorizer._kernel
    generate = kernel.generate_proof

    async def listening(*values, **named):
        proof = await generate(*values, **named)
        seen.append(proof.unpredictable_number)
        return proof

    kernel.generate_proof = listening
    for name in ("programme", "bank"):
        receipt = bench.sell(name, 10_000)
        attempt = bench.records(records.REDEMPTION)[-1][1].proof.un_attempt
        number = unpredictable_number.derive(bench.app._encrypt_un, receipt.sequence, attempt)
        assert seen[-1] == number
    assert seen[0] != seen[1]
