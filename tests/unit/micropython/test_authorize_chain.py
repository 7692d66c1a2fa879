"""From the burned Unpredictable Number to the commit the chain belongs to one sale; what else happens waits, in order."""

import asyncio

from firmware.ledger import slots
from firmware.refusals import Refusal
from hardware.pn532_faults import FaultPlan, NoFaults
from protocol import acknowledgement, records, unpredictable_number
from tests.support.mp_terminal import Bench, copy_of, family, later_grant

HEAP = "16m"
TIMEOUT_S = 120


def event(bench, number):
    return bench.ledger.record(records.EVENT, code=records.EVENT_TAMPER, operator=0, detail=bytes((number,)))


def at_generate_ac(bench, name, act):
    """Let `act()` happen while the card works on its cryptogram: after the number was burned, before the commit."""
    card = bench.card(name)
    exchange = card.exchange

    def interrupted(apdu):
        if apdu[1] == 0xAE and apdu[2] & 0xC0:
            act()
        return exchange(apdu)

    card.exchange = interrupted


def kinds(bench):
    return [slot.kind for slot in bench.slots()][4:]  # behind the adoptions of the first start


def test_events_of_other_tasks_wait_for_the_commit_and_then_follow_in_order():
    for name in ("programme", "bank"):
        bench = Bench()
        at_generate_ac(
            bench,
            name,
            lambda bench=bench: [bench.ledger.commit(event(bench, n), slots.NO_INDEX) for n in (1, 2)],
        )
        receipt = bench.sell(name, 10_000)
        committed = kinds(bench)
        assert committed[:3] == [records.REDEMPTION, records.EVENT, records.EVENT], committed
        details = [record.detail for _, record in bench.records(records.EVENT)]
        assert details[:2] == [b"\x01", b"\x02"]
        attempt = bench.records(records.REDEMPTION)[0][1].proof.un_attempt
        assert (receipt.sequence, attempt) == (5, 0)
        bench.power_cycle()
        bench.check_conservation()


def test_events_go_on_when_the_sale_is_abandoned():
    bench = Bench()
    at_generate_ac(bench, "bank", lambda: bench.ledger.commit(event(bench, 1), slots.NO_INDEX))
    bench.run(bench.tapping("bank"))
    bench.board.pn532.faults = FaultPlan(pull_after_apdu=bench.board.pn532.apdu_count + 1)
    try:
        bench.run(bench.redeeming("bank", 10_000))
        raise AssertionError("sold")
    except Refusal:
        pass
    assert kinds(bench) == [records.EVENT]
    # The number that was burned belonged to the event's sequence; the next one is fresh.
    bench.board.pn532.faults = NoFaults()
    receipt = bench.sell("bank", 10_000)
    assert receipt.sequence == 6 and bench.records(records.REDEMPTION)[0][1].proof.un_attempt == 0


def test_an_operators_login_waits_too():
    bench = Bench()
    at_generate_ac(bench, "programme", lambda: asyncio.create_task(bench.terminal.check_operator("1234")))
    bench.sell("programme", 10_000)
    assert kinds(bench)[:2] == [records.REDEMPTION, records.EVENT]


def test_a_grant_that_arrives_meanwhile_is_adopted_behind_the_sale():
    """Its signature is checked at once; the adoption waits until the chain is free."""
    from firmware.relay import downlink

    bench = Bench()
    signed, _ = later_grant(bench.ledger)
    verifies = downlink.verifies

    async def at_once(*_):
        return True

    def receive():
        bench.arrived = asyncio.create_task(bench.app.downlink._grant(signed))

    at_generate_ac(bench, "bank", receive)

    async def both():
        receipt = await bench.selling("bank", 10_000)
        assert await bench.arrived == downlink.APPLIED
        return receipt

    downlink.verifies = at_once
    try:
        receipt = bench.run(both())
    finally:
        downlink.verifies = verifies
    committed = kinds(bench)
    assert receipt.sequence == 5 and committed[0] == records.REDEMPTION and records.ADOPTION in committed
    assert bench.records(records.REDEMPTION)[0][1].lease == 1 and bench.ledger.grants[1].number == 2
    bench.power_cycle()
    assert bench.ledger.grants[1].number == 2
    assert bench.sell("four", 10_000).remaining_rupiah == 190_000
    bench.check_conservation()


def test_the_number_is_in_flash_before_it_leaves_the_terminal():
    """A start from the chip as it was when the card heard the number never gives that number again."""
    bench = Bench()
    images = []
    at_generate_ac(bench, "bank", lambda: images.append(copy_of(bench.flash)))
    bench.sell("bank", 10_000)
    assert Bench(images[0]).ledger.entitlements.un_attempts == 1


def test_no_number_is_used_twice_however_often_the_card_is_pulled():
    bench = Bench()
    seen = []
    kernel = bench.app.authorizer._kernel
    first = kernel._first_generate_ac

    async def listening(reader, session, values, asked, proved):
        seen.append(values[0x9F37])
        return await first(reader, session, values, asked, proved)

    kernel._first_generate_ac = listening
    for _ in range(6):
        bench.run(bench.tapping("bank"))
        bench.board.pn532.faults = FaultPlan(pull_after_apdu=bench.board.pn532.apdu_count + 1)
        try:
            bench.run(bench.redeeming("bank", 10_000))
            raise AssertionError("sold")
        except Refusal:
            pass
    bench.board.pn532.faults = NoFaults()
    bench.sell("bank", 10_000)
    assert len(seen) == 7 and len(set(seen)) == 7
    assert bench.records(records.REDEMPTION)[0][1].proof.un_attempt == 6
    assert bench.tries("bank") == 0


def test_when_the_attempts_are_spent_an_event_moves_the_sequence_on():
    bench = Bench()
    for _ in range(unpredictable_number.ATTEMPT_MAX + 1):
        bench.ledger.burn_un_attempt()
        bench.ledger.abandon()
    assert bench.ledger.entitlements.un_attempts == 255
    bench.power_cycle()
    assert bench.ledger.entitlements.un_attempts == 255
    receipt = bench.sell("bank", 10_000)
    (spent,) = [r for _, r in bench.records(records.EVENT) if r.code == records.EVENT_UN_ATTEMPTS_SPENT]
    assert receipt.sequence == 6 and spent is not None
    assert bench.records(records.REDEMPTION)[0][1].proof.un_attempt == 0


def test_time_never_goes_back_and_counts_as_uncertain_when_it_is():
    bench = Bench()
    bench.sell("programme", 10_000)
    known_s = bench.ledger.now_s()
    bench.now_s -= 86_400  # the battery clock was set back, or the battery died
    for rtc in (bench.rtc_epoch_s, 0):
        bench.rtc_epoch_s = rtc
        bench.power_cycle()
        receipt = bench.sell("bank", 10_000 + (rtc == 0))
        assert receipt.time_s >= known_s
        assert receipt.is_time_sure == (rtc != 0)
    times = [record.time_s for _, record in bench.records()]
    assert times == sorted(times)


def test_spending_without_a_trusted_clock_is_counted_over_power_cuts():
    bench = Bench()
    bench.rtc_epoch_s = 0
    bench.power_cycle()
    bench.ledger.policy.clock_lost_cap_rupiah = 30_000
    bench.sell("programme", 20_000)
    bench.power_cycle()
    bench.ledger.policy.clock_lost_cap_rupiah = 30_000
    assert bench.ledger.entitlements.untrusted_rupiah == 20_000
    try:
        bench.sell("bank", 10_001)
        raise AssertionError("sold")
    except Refusal as refusal:
        assert refusal.detail == 30_000
    bench.sell("bank", 10_000)


def acknowledge(bench, sealed_through, states_of=(), counter=1, time_s=0):
    """What the relay does with an acknowledgement that it has checked."""
    document = acknowledgement.Acknowledgement()
    document.epoch = 1
    document.counter = counter
    document.time_s = time_s or bench.ledger.now_s()
    document.sealed_through = sealed_through
    document.chain_digest = bench.ledger.journal.chain_at(sealed_through)[:16]
    document.reclaim_through = 0
    document.gaps = ()
    document.states_first = 1
    document.states = tuple(states_of)
    bench.ledger.apply_acknowledgement(acknowledgement.encode(document), counter)


def test_an_acknowledgement_does_not_move_the_chain_and_needs_not_wait():
    bench = Bench()
    bench.sell("programme", 10_000)
    at_generate_ac(bench, "bank", lambda: acknowledge(bench, 5))
    receipt = bench.sell("bank", 10_000)
    assert receipt.sequence == 6 and bench.ledger.marks.sealed_through == 5
    assert family("bank")["granted"] - bench.spent("bank") == receipt.remaining_rupiah
