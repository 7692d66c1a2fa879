"""What the screens are told: views, receipts, totals, notices; and that a sale repeated by accident stays one sale."""

from firmware import refusals, states
from firmware.refusals import Refusal
from hardware.pn532_faults import NoFaults
from protocol import acknowledgement, records
from tests.support.mp_terminal import CASH, NOW_S, PKH, Bench, family

HEAP = "16m"
TIMEOUT_S = 120


def refused(bench, name, amount_rupiah, **more):
    try:
        bench.sell(name, amount_rupiah, **more)
    except Refusal as refusal:
        return refusal
    raise AssertionError("sold")


def acknowledge(bench, sealed_through, settlement=(), counter=1):
    """An acknowledgement as the relay hands it over when it has checked it; `settlement` from sequence 1 on."""
    told = acknowledgement.Acknowledgement()
    told.epoch = 1
    told.time_s = bench.ledger.now_s()
    told.sealed_through = sealed_through
    told.chain_digest = bench.ledger.journal.chain_at(sealed_through)[:16]
    told.reclaim_through = 0
    told.gaps = ()
    told.states_first = 1
    told.states = tuple(settlement)
    bench.ledger.apply_acknowledgement(acknowledgement.encode(told), counter)


# The family.


def test_the_view_tells_what_a_family_may_know_before_it_decides():
    bench = Bench()
    bench.sell("bank", 30_000)
    bench.wait_s(3600)
    view = bench.run(bench.tapping("bank"))
    assert view.roster_number == family("bank")["index"] + 1
    assert view.remaining_rupiah == 170_000 and view.recent is None
    assert (view.pin_kind, view.pin_tries_left) == (states.PIN_AID, 3)
    entry = bench.ledger.roster.entry(family("bank")["index"])
    assert (view.hamlet, view.slot) == (entry.hamlet, entry.slot)
    assert bench.run(bench.tapping("bank", PKH)).remaining_rupiah == 750_000
    assert bench.run(bench.tapping("nothing")).remaining_rupiah == 0


def test_an_inquiry_costs_nothing():
    bench = Bench()
    head = bench.ledger.journal.sequence
    operations = bench.flash.operations()
    bench.run(bench.tapping("bank"))
    bench.run(bench.terminal.abandon())
    assert bench.ledger.journal.sequence == head and bench.flash.operations() == operations
    assert not bench.board.pn532.field_on and not bench.terminal.busy


# Twice by accident.


def test_the_same_sale_inside_the_window_is_made_only_when_its_record_was_shown():
    bench = Bench()
    first = bench.sell("programme", 10_000)
    view = bench.run(bench.tapping("programme"))
    assert view.recent.sequence == first.sequence and view.recent.amount_rupiah == 10_000
    second = bench.run(bench.redeeming("programme", 10_000))
    assert second.sequence > first.sequence and bench.spent("programme") == 20_000


def test_a_repetition_that_was_not_shown_is_refused_then_shown():
    bench = Bench()
    first = bench.sell("programme", 10_000)
    bench.sell("programme", 12_000)
    refusal = refused(bench, "programme", 10_000)
    assert (refusal.number, refusal.detail) == (refusals.ALREADY_SERVED, first.sequence)
    assert bench.spent("programme") == 22_000
    view = bench.run(bench.tapping("programme"))
    assert view.recent.sequence == first.sequence
    bench.run(bench.redeeming("programme", 10_000))
    assert bench.spent("programme") == 32_000


def test_the_window_ends_and_other_families_programmes_and_amounts_are_no_repetition():
    bench = Bench()
    bench.sell("programme", 10_000)
    for name, amount_rupiah, programme in (
        ("programme", 11_000, 1),
        ("programme", 10_000, PKH),
        ("one", 10_000, 1),
    ):
        bench.sell(name, amount_rupiah, programme=programme)
    bench.wait_s(bench.ledger.policy.retap_window_s + 1)
    assert bench.run(bench.tapping("programme")).recent is None
    bench.run(bench.redeeming("programme", 10_000))
    assert bench.spent("programme") == 31_000


def test_the_window_survives_a_power_cut():
    bench = Bench()
    first = bench.sell("bank", 10_000)
    bench.power_cycle()
    assert bench.run(bench.tapping("bank")).recent.sequence == first.sequence


# Runs of cards.


def flags(bench):
    return [record.flags for _, record in bench.records(records.REDEMPTION)]


def test_a_run_of_cards_faster_than_families_is_flagged_and_never_refused():
    bench = Bench()
    for name in ("one", "two", "three", "four", "five", "programme"):
        bench.sell(name, 10_000)
    assert flags(bench) == [0, 0, 0, 0, 1, 1]
    bench.wait_s(bench.ledger.policy.rapid_gap_s)
    bench.sell("bank", 10_000)
    assert flags(bench)[-1] == 0


def test_one_card_again_and_again_is_no_run():
    bench = Bench()
    for number in range(3):
        for name in ("one", "two"):
            bench.sell(name, 1_000 + number)
    assert flags(bench) == [0] * 6
    bench.ledger.policy.rapid_run = 2
    bench.sell("one", 5_000)
    assert flags(bench)[-1] == 1
    bench.ledger.policy.rapid_run = 0
    bench.sell("two", 5_000)
    assert flags(bench)[-1] == 0


def test_a_clock_that_stands_still_makes_no_run():
    bench = Bench()
    bench.rtc_epoch_s = 0
    bench.power_cycle()
    for name in ("one", "two", "three", "four", "five", "programme"):
        bench.sell(name, 10_000)
    assert flags(bench) == [0] * 6


def test_a_run_is_seen_over_a_power_cut():
    bench = Bench()
    for name in ("one", "two", "three"):
        bench.sell(name, 10_000)
    bench.power_cycle()
    for name in ("four", "five"):
        bench.sell(name, 10_000)
    assert flags(bench) == [0, 0, 0, 0, 1]


# Looking back.


def test_receipts_are_pages_of_the_newest_first_over_days_and_power_cuts():
    bench = Bench()
    made = []
    for day in range(3):
        for number in range(5):
            made.insert(0, bench.sell("large", 1_000 + 10 * day + number).sequence)
        bench.wait_s(86_400)
        bench.power_cycle()
    for first in (0, 1, 4, 5, 7, 14, 15, 20):
        for count in (1, 4, 16):
            page = [receipt.sequence for receipt in bench.terminal.receipts(first, count)]
            assert page == made[first : first + count], (first, count)
    bench.sell("large", 5_000)
    assert [receipt.amount_rupiah for receipt in bench.terminal.receipts(0, 2)] == [5_000, 1_024]


def test_a_receipt_says_what_was_sold_and_whether_its_time_is_sure():
    bench = Bench()
    items = ((1, 500, 13_500),)
    sold = bench.sell("bank", 67_500, items=items)
    for receipt in (sold, bench.terminal.last_receipt(), bench.terminal.receipts(0, 1)[0]):
        assert receipt.terminal_id == "0000002A" and receipt.sequence == sold.sequence
        assert receipt.items == items and receipt.amount_rupiah == 67_500
        assert receipt.remaining_rupiah == 132_500 and receipt.state == states.RECORDED
        assert receipt.time_s >= NOW_S and receipt.is_time_sure
    bench.rtc_epoch_s = 0
    bench.power_cycle()
    assert bench.terminal.last_receipt().is_time_sure
    assert not bench.sell("one", 1_000).is_time_sure
    assert not bench.terminal.last_receipt().is_time_sure
    assert bench.terminal.now()[1] is False


def test_states_move_as_acknowledgements_arrive():
    bench = Bench()
    sequences = [bench.sell(name, 10_000).sequence for name in ("one", "two", "three", "four")]
    assert [bench.terminal.state_of(sequence) for sequence in sequences] == [states.RECORDED] * 4
    settlement = [0] * sequences[0] + [
        acknowledgement.SETTLED,
        acknowledgement.REFUSED,
        acknowledgement.DISPUTED,
    ]
    acknowledge(bench, sequences[2], settlement[1:])
    for _ in range(2):
        assert [bench.terminal.state_of(sequence) for sequence in sequences] == [
            states.SETTLED,
            states.REFUSED,
            states.DISPUTED,
            states.RECORDED,
        ]
        assert bench.terminal.last_receipt().state == states.RECORDED
        bench.power_cycle()


def by_hand(bench):
    """The day's totals, summed the slow way."""
    offset_s = bench.ledger.policy.utc_offset_minutes * 60
    today = (bench.ledger.now_s() + offset_s) // 86_400
    of_today = [0, 0, 0, 0, 0]
    pending = 0
    for sequence, record in bench.records(records.REDEMPTION):
        state = bench.terminal.state_of(sequence)
        if state == states.RECORDED:
            pending += record.amount_rupiah
        if (record.time_s + offset_s) // 86_400 == today:
            of_today[0] += 1
            of_today[2 if record.tender == CASH else 1] += record.amount_rupiah
            of_today[3] += record.amount_rupiah if state != states.RECORDED else 0
            of_today[4] += record.amount_rupiah if state == states.SETTLED else 0
    return of_today + [pending]


def told(bench):
    totals = bench.terminal.totals()
    return [
        totals.count,
        totals.goods_rupiah,
        totals.cash_rupiah,
        totals.acknowledged_rupiah,
        totals.settled_rupiah,
        totals.pending_rupiah,
    ]


def test_totals_are_those_of_the_day_whatever_happens_in_between():
    bench = Bench()
    counter = 0
    for step in range(24):
        if step % 7 == 6:
            bench.wait_s(9 * 3600)
        elif step % 5 == 4:
            counter += 1
            head = bench.ledger.journal.sequence - step % 3
            acknowledge(bench, head, [0] * (head - 1) + [1], counter)
        elif step % 11 == 10:
            bench.power_cycle()
        else:
            bench.sell("large", 1_000 + step, tender=CASH if step % 2 else 0)
        assert told(bench) == by_hand(bench), step
    assert told(bench)[5] < bench.ledger.entitlements.redeemed_rupiah


def test_totals_of_a_day_with_many_sales_read_the_flash_once():
    bench = Bench()
    for number in range(40):
        bench.sell("large", 1_000 + number)
    bench.terminal.totals()
    reads = bench.flash.reads
    assert told(bench) == by_hand(bench)
    reads = bench.flash.reads
    for _ in range(10):
        bench.terminal.totals()
        bench.terminal.link_state()
        bench.terminal.last_receipt()
        bench.terminal.notices()
    assert bench.flash.reads - reads < 60  # headers for notices; no record is read again


# The operator and the technician.


def test_an_operators_login_is_an_event_and_a_wrong_code_is_none():
    bench = Bench()
    head = bench.ledger.journal.sequence
    assert not bench.run(bench.terminal.check_operator("4321"))
    assert not bench.run(bench.terminal.check_operator(""))
    assert bench.ledger.journal.sequence == head
    assert bench.run(bench.terminal.check_operator("1234"))
    ((_, event),) = bench.records(records.EVENT)
    assert (event.code, event.operator) == (records.EVENT_OPERATOR_LOGIN, 1)


def test_a_full_journal_still_lets_the_operator_in():
    bench = Bench()
    bench.ledger.journal.is_exhausted = True
    assert bench.run(bench.terminal.check_operator("1234"))
    assert refused(bench, "one", 1_000).number == refusals.JOURNAL_FULL


def test_false_cards_are_evidence_but_cannot_fill_the_journal():
    bench = Bench()
    for _ in range(20):
        assert refused(bench, "wrong_ca", 1_000, pin="000000").number == refusals.CARD_NOT_AUTHENTIC
    events = [record for _, record in bench.records(records.EVENT)]
    assert [event.code for event in events] == [records.EVENT_CARD_NOT_AUTHENTIC] * 8
    assert bench.terminal.refusal_counts[refusals.CARD_NOT_AUTHENTIC] == 20
    bench.wait_s(3601)
    refused(bench, "unknown_ca", 1_000, pin="000000")
    assert len(bench.records(records.EVENT)) == 9


class Dead(NoFaults):
    """A reader that hears nothing."""

    def goes_deaf(self, command_count):
        return True


def test_a_dead_reader_is_told_until_a_card_is_read_again():
    bench = Bench()
    assert states.NOTICE_READER not in bench.terminal.notices()
    bench.board.pn532.faults = Dead()
    try:
        bench.run(bench.terminal.wait_for_card(1000))
        raise AssertionError("a card was seen")
    except Refusal as refusal:
        assert refusal.number == refusals.READER_FAULT
    assert states.NOTICE_READER in bench.terminal.notices()
    bench.board.pn532.faults = NoFaults()
    bench.sell("one", 1_000)
    assert states.NOTICE_READER not in bench.terminal.notices()


def test_notices_say_what_is_wrong_and_nothing_else():
    bench = Bench()
    bench.sell("one", 1_000)
    assert bench.terminal.notices() == []
    bench.wait_s(25 * 3600)
    assert bench.terminal.notices() == [states.NOTICE_NO_LINK]
    acknowledge(bench, bench.ledger.journal.sequence, [acknowledgement.DISPUTED, acknowledgement.REFUSED])
    assert bench.terminal.notices() == [states.NOTICE_DISPUTED, states.NOTICE_REFUSED]
    bench.wait_s(27 * 86_400)
    assert states.NOTICE_LEASE_ENDS in bench.terminal.notices()
    bench.ledger.lock(bytes(99))
    bench.ledger.seal_fault = True
    notices = bench.terminal.notices()
    assert states.NOTICE_LOCKED in notices and states.NOTICE_SEAL in notices
    link = bench.terminal.link_state()
    assert (link.word, link.way, link.waiting, link.age_s) == ("down", None, 0, 0)
    assert link.heard_s == bench.ledger.marks.time_s > 0


def test_notices_of_clock_flash_and_entropy():
    bench = Bench()
    bench.rtc_epoch_s = 0
    bench.power_cycle()
    assert bench.terminal.notices() == [states.NOTICE_CLOCK]
    bench.app.signer._entropy.ok = False
    assert states.NOTICE_ENTROPY in bench.terminal.notices()

    def fail(*_):
        raise OSError(5)

    bench.board.board.flash["journal"]._partition.writeblocks = fail
    assert refused(bench, "one", 1_000).number == refusals.FLASH_FAULT
    assert states.NOTICE_FLASH in bench.terminal.notices()
    assert refused(bench, "two", 1_000).number == refusals.FLASH_FAULT


def test_flash_that_cannot_be_read_gives_no_false_sums_in_silence():
    bench = Bench()
    bench.sell("one", 1_000)
    bench.power_cycle()

    def fail(*_):
        raise OSError(5)

    bench.board.board.flash["journal"]._partition.readblocks = fail
    assert bench.terminal.totals().count == 0 and bench.terminal.receipts(0, 4) == []
    assert bench.terminal.last_receipt() is None
    assert bench.terminal.link_state().waiting > 0


def test_work_waits_while_a_card_is_served():
    bench = Bench()
    assert not bench.terminal.busy
    bench.run(bench.tapping("bank"))
    assert bench.terminal.busy
    bench.run(bench.redeeming("bank", 1_000))
    assert not bench.terminal.busy
    assert refused(bench, "stranger", 1_000, pin="000000").number == refusals.CARD_NOT_REGISTERED
    bench.run(bench.terminal.abandon())
    assert not bench.terminal.busy and not bench.board.pn532.field_on


def test_a_nonce_is_worked_out_before_a_card_is_asked():
    bench = Bench()
    assert not bench.app.signer.is_ready
    bench.run(bench.tapping("one"))
    assert bench.app.signer.is_ready
    bench.run(bench.redeeming("one", 1_000))
    bench.app.signer._entropy.ok = False
    bench.app.signer.drop()
    assert bench.sell("two", 1_000).amount_rupiah == 1_000  # from key and message alone


def test_the_card_of_the_sale_before_is_let_go_before_the_next_is_asked():
    """The closing GENERATE AC takes its time; the next card must not lose the field to it."""
    bench = Bench()

    async def hurried():
        await bench.tapping("bank")
        digits = bytearray(family("bank")["pin"].encode())
        await bench.terminal.wait_for_card(100)
        await bench.terminal.redeem(1, 0, 1_000, [], digits)
        assert bench.terminal.busy
        waited = 0
        while not await bench.terminal.wait_for_card(80):
            waited += 1
        view = await bench.terminal.identify(1)
        await bench.settling()
        return waited, view

    waited, view = bench.run(hurried())
    assert waited >= 1 and view.roster_number == family("bank")["index"] + 1
    commands = [header[1:3] for header in bench.card("bank").commands]
    assert b"\xae\x00" in commands  # the card was told that its issuer was not reached
