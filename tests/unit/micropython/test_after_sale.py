"""What follows a sale: void, goods received, return, period close; each once, each refused by number where it must be."""

from firmware import refusals, states
from firmware.refusals import Refusal
from protocol import acknowledgement, records
from tests.support.mp_terminal import CASH, PKH, SEMBAKO, Bench, family

HEAP = "16m"
TIMEOUT_S = 120


def number_of(work, *values, **more):
    """The refusal of a call that must not succeed: (number, detail)."""
    try:
        work(*values, **more)
    except Refusal as refusal:
        return refusal.number, refusal.detail
    raise AssertionError("done")


def acknowledge(bench, settlement=(), counter=1):
    """The gateway has everything; `settlement`: states from sequence 1 on."""
    told = acknowledgement.Acknowledgement()
    told.epoch = 1
    told.time_s = bench.ledger.now_s()
    told.sealed_through = bench.ledger.journal.sequence
    told.chain_digest = bench.ledger.journal.chain_at(told.sealed_through)[:16]
    told.reclaim_through = 0
    told.gaps = ()
    told.states_first = 1
    told.states = tuple(settlement)
    bench.ledger.apply_acknowledgement(acknowledgement.encode(told), counter)


def apdus_of(bench):
    """Every command APDU that a card gets from here on."""
    sent = []
    kernel_reader = bench.app.reader
    exchange = kernel_reader.transceive

    async def listening(apdu, *more):
        sent.append(bytes(apdu))
        return await exchange(apdu, *more)

    kernel_reader.transceive = listening
    return sent


# Void.


def test_a_void_gives_the_entitlement_back_and_holds_the_cards_refusal_of_zero():
    for name in ("programme", "bank", "bank_dda"):
        bench = Bench()
        sale = bench.sell(name, 30_000)
        sent = apdus_of(bench)
        receipt = bench.void(name, sale.sequence, states.VOID_NO_GOODS)
        assert (receipt.kind, receipt.reference, receipt.amount_rupiah) == (
            records.VOID,
            sale.sequence,
            30_000,
        )
        assert receipt.remaining_rupiah == 200_000 and bench.spent(name) == 0
        ((sequence, record),) = bench.records(records.VOID)
        assert sequence == receipt.sequence and record.reason == states.VOID_NO_GOODS
        assert record.proof.cid == 0 and len(record.proof.ac) == 8
        generate = [apdu for apdu in sent if apdu[1] == 0xAE]
        assert len(generate) == 1 and generate[0][2] & 0xC0 == 0, "one AAC"
        assert not [apdu for apdu in sent if apdu[1] == 0x20], "no PIN"
        bench.check_conservation()
        bench.power_cycle()
        bench.check_conservation()
        assert bench.sell(name, 30_000).remaining_rupiah == 170_000, "no repetition of what was voided"
        bench.check_conservation()


def test_a_void_is_made_once():
    bench = Bench()
    sale = bench.sell("bank", 30_000)
    receipt = bench.void("bank", sale.sequence)
    wanted = (refusals.ALREADY_VOIDED, receipt.sequence)
    assert number_of(bench.void, "bank", sale.sequence) == wanted
    bench.power_cycle()
    assert number_of(bench.void, "bank", sale.sequence) == wanted
    assert number_of(bench.run, bench.terminal.check_void(sale.sequence)) == wanted
    assert len(bench.records(records.VOID)) == 1 and bench.spent("bank") == 0
    looked = bench.run(bench.terminal.look(sale.sequence))
    assert (looked.voided_by, looked.state) == (receipt.sequence, states.VOIDED)


def test_only_the_card_that_was_debited_takes_back():
    bench = Bench()
    sale = bench.sell("old_and_new", 30_000)
    for other in ("old_and_new_2", "bank"):
        assert number_of(bench.void, other, sale.sequence) == (refusals.NOT_THE_CARD, sale.sequence)
    assert not bench.records(records.VOID) and bench.ledger.entitlements.un_attempts == 0
    bench.void("old_and_new", sale.sequence)


def test_no_void_after_the_goods_were_received():
    bench = Bench()
    sale = bench.sell("bank", 30_000)
    received = bench.receive("bank", sale.sequence)
    wanted = (refusals.GOODS_WERE_RECEIVED, received.sequence)
    assert number_of(bench.void, "bank", sale.sequence) == wanted
    assert number_of(bench.run, bench.terminal.check_void(sale.sequence)) == wanted
    assert bench.spent("bank") == 30_000


def test_no_void_after_the_lease_was_returned_or_the_period_closed():
    bench = Bench()
    sale = bench.sell("bank", 30_000)
    other = bench.sell("one", 10_000)
    back = bench.give_back("bank")
    assert number_of(bench.void, "bank", sale.sequence) == (refusals.LEASE_RETURNED, back.sequence)
    bench.close_period()
    assert number_of(bench.void, "one", other.sequence) == (refusals.PERIOD_CLOSED, 0)
    bench.check_conservation()


def test_no_void_of_what_settlement_found_against():
    for state in (acknowledgement.REFUSED, acknowledgement.DISPUTED):
        bench = Bench()
        sale = bench.sell("bank", 30_000)
        acknowledge(bench, [0] * (sale.sequence - 1) + [state])
        assert number_of(bench.void, "bank", sale.sequence) == (refusals.SETTLED_OTHERWISE, 0)
    bench = Bench()
    sale = bench.sell("bank", 30_000)
    acknowledge(bench, [0] * (sale.sequence - 1) + [acknowledgement.SETTLED])
    bench.void("bank", sale.sequence)  # a claim of the bank's


def test_only_a_redemption_of_this_journal_is_voided():
    bench = Bench()
    for sequence in (1, 99):
        assert number_of(bench.void, "bank", sequence) == (refusals.NO_SUCH_RECORD, 0)
    assert number_of(bench.receive, "bank", 1) == (refusals.NO_SUCH_RECORD, 0)


def test_a_card_that_is_no_party_or_lies_voids_nothing():
    bench = Bench()
    sale = bench.sell("bank", 30_000)
    assert number_of(bench.void, "wrong_ca", sale.sequence)[0] == refusals.CARD_NOT_AUTHENTIC
    assert bench.terminal.refusal_counts[refusals.CARD_NOT_AUTHENTIC] == 1
    assert not bench.records(records.VOID) and bench.spent("bank") == 30_000


def test_what_follows_a_sale_has_room_when_no_sale_has():
    bench = Bench()
    sale = bench.sell("bank", 30_000)
    goods = bench.sell("one", 10_000)
    bench.ledger.journal.reserve_sectors = 1 << 20
    assert number_of(bench.sell, "two", 1_000)[0] == refusals.JOURNAL_FULL
    bench.void("bank", sale.sequence)
    bench.receive("one", goods.sequence)
    bench.give_back("two")
    bench.close_period()
    bench.ledger.journal.is_exhausted = True
    assert number_of(bench.receive, None, goods.sequence, False)[0] == refusals.JOURNAL_FULL


def test_a_locked_terminal_and_one_without_seals_record_nothing_more():
    for number in (refusals.TERMINAL_LOCKED, refusals.SEAL_FAULT):
        bench = Bench()
        sale = bench.sell("bank", 30_000)
        if number == refusals.TERMINAL_LOCKED:
            bench.ledger.lock(bytes(99))
        else:
            bench.ledger.seal_fault = True
        for work, values in (
            (bench.void, ("bank", sale.sequence)),
            (bench.receive, ("bank", sale.sequence)),
            (bench.give_back, ("bank",)),
            (bench.close_period, ()),
        ):
            assert number_of(work, *values) == (number, 0)


# Goods received.


def test_goods_are_confirmed_by_the_card_or_on_the_screen_once():
    bench = Bench()
    for name, with_card in (("programme", True), ("bank", True), ("one", False)):
        sale = bench.sell(name, 30_000)
        receipt = bench.receive(name, sale.sequence, with_card)
        assert (receipt.kind, receipt.reference, receipt.amount_rupiah) == (3, sale.sequence, 30_000)
        record = bench.records(records.GOODS_RECEIVED)[-1][1]
        assert (record.method, record.proof is not None) == (with_card, with_card)
        assert bench.run(bench.terminal.look(sale.sequence)).received_by == receipt.sequence
        wanted = (refusals.GOODS_WERE_RECEIVED, receipt.sequence)
        assert number_of(bench.receive, name, sale.sequence, with_card) == wanted
        bench.power_cycle()
        assert number_of(bench.receive, name, sale.sequence, with_card) == wanted
        assert bench.spent(name) == 30_000
    bench.check_conservation()


def test_policy_says_from_which_amount_the_card_is_wanted():
    bench = Bench()
    bench.ledger.policy.goods_tap_above_rupiah = 30_000
    more, less = bench.sell("one", 30_001), bench.sell("two", 30_000)
    assert bench.run(bench.terminal.look(more.sequence)).goods_tap
    assert not bench.run(bench.terminal.look(less.sequence)).goods_tap
    assert number_of(bench.receive, None, more.sequence, False) == (refusals.CARD_REMOVED, 0)
    bench.receive(None, less.sequence, False)
    bench.receive("one", more.sequence)


def test_cash_and_what_was_voided_have_no_goods():
    bench = Bench()
    cash, goods = bench.sell("one", 1_000, tender=CASH), bench.sell("two", 1_000)
    assert number_of(bench.receive, "one", cash.sequence) == (refusals.NO_SUCH_RECORD, 0)
    void = bench.void("two", goods.sequence)
    assert number_of(bench.receive, "two", goods.sequence) == (refusals.ALREADY_VOIDED, void.sequence)


# Return.


def test_a_return_hands_back_what_is_left_and_ends_the_cards_lease():
    bench = Bench()
    bench.sell("bank", 30_000)
    receipt = bench.give_back("bank")
    assert (receipt.kind, receipt.amount_rupiah, receipt.remaining_rupiah) == (records.RETURN, 170_000, 0)
    ((_, record),) = bench.records(records.RETURN)
    assert record.lease == bench.ledger.grants[SEMBAKO].number
    assert number_of(bench.sell, "bank", 1_000)[0] == refusals.NO_ENTITLEMENT
    bench.power_cycle()
    assert number_of(bench.give_back, "bank")[0] == refusals.NO_ENTITLEMENT
    bench.run(bench.tapping("bank"))
    assert bench.run(bench.terminal.returned(SEMBAKO)).sequence == receipt.sequence
    assert bench.run(bench.terminal.returned(PKH)) is None
    assert bench.sell("bank", 10_000, programme=PKH).remaining_rupiah == 740_000
    bench.check_conservation()


def test_a_return_needs_the_card_itself_not_its_data():
    bench = Bench()
    sent = apdus_of(bench)
    bench.give_back("bank")
    assert len([apdu for apdu in sent if apdu[1] == 0xAE and apdu[2] & 0xC0 == 0]) == 1
    for trick in ("cda_signature_flipped", "atc_not_the_signed"):
        bench = Bench()
        sale = bench.sell("one", 5_000)
        bench.run(bench.tapping("bank", trick=trick))
        number, _ = number_of(bench.run, bench.terminal.give_back(SEMBAKO))
        assert number == refusals.CARD_NOT_AUTHENTIC, (trick, number)
        bench.run(bench.tapping("one", trick=trick))
        number, _ = number_of(bench.run, bench.terminal.void(sale.sequence, 1))
        assert number == refusals.CARD_NOT_AUTHENTIC, (trick, number)
        assert not bench.records(records.RETURN) and not bench.records(records.VOID)
        assert bench.sell("two", 1_000).remaining_rupiah == 199_000


# Period close.


def test_a_close_counts_the_period_and_ends_it():
    bench = Bench()
    sale = bench.sell("one", 10_000)
    bench.sell("two", 20_000, tender=CASH)
    bench.sell("two", 5_000, programme=PKH)
    bench.void("one", sale.sequence)
    bench.give_back("three")
    figures = bench.terminal.period_figures(SEMBAKO)
    assert (figures.redeemed_count, figures.redeemed_rupiah) == (2, 30_000)
    assert (figures.voided_count, figures.voided_rupiah) == (1, 10_000)
    assert (figures.returned_count, figures.returned_rupiah) == (1, 200_000)
    assert figures.net_rupiah == 20_000 and figures.is_whole
    assert bench.run(bench.terminal.closed(SEMBAKO)) is None
    receipt = bench.close_period()
    assert (receipt.kind, receipt.amount_rupiah, receipt.roster_number) == (records.PERIOD_CLOSE, 20_000, 0)
    assert receipt.figures.returned_rupiah == 200_000
    for _ in range(2):
        assert number_of(bench.sell, "one", 1_000)[0] == refusals.PERIOD_CLOSED
        assert number_of(bench.close_period) == (refusals.PERIOD_CLOSED, 0)
        assert number_of(bench.give_back, "four")[0] == refusals.PERIOD_CLOSED
        assert bench.run(bench.terminal.closed(SEMBAKO)).sequence == receipt.sequence
        bench.sell("one", 1_000, programme=PKH)
        bench.check_conservation()
        bench.power_cycle()
        bench.wait_s(700)
    assert len(bench.records(records.PERIOD_CLOSE)) == 1


def test_figures_that_do_not_begin_with_the_period_are_not_called_whole():
    bench = Bench()
    bench.sell("one", 10_000)
    bench.ledger._state.figures.unpack(b"")  # as behind a checkpoint of older firmware
    bench.sell("one", 11_000)
    figures = bench.terminal.period_figures(SEMBAKO)
    assert (figures.redeemed_count, figures.is_whole) == (1, False)


# Looking back.


def test_lists_totals_and_the_last_transaction_know_of_all_kinds():
    bench = Bench()
    assert bench.terminal.last_receipt() is None
    first = bench.sell("one", 10_000)
    second = bench.sell("two", 20_000, tender=CASH)
    void = bench.void("one", first.sequence)
    assert bench.terminal.last_receipt().sequence == void.sequence
    received = bench.receive("three", bench.sell("three", 30_000).sequence)
    back = bench.give_back("four")
    close = bench.close_period(PKH)
    kinds = [(r.sequence, r.kind, r.state) for r in bench.terminal.receipts(0, 9)]
    assert [kind for _, kind, _ in kinds] == [5, 4, 3, 1, 2, 1, 1]
    assert kinds[-1] == (first.sequence, records.REDEMPTION, states.VOIDED)
    assert [r.sequence for r in bench.terminal.receipts(0, 9, (records.RETURN, records.VOID))] == [
        back.sequence,
        void.sequence,
    ]
    totals = bench.terminal.totals()
    assert (totals.count, totals.goods_rupiah, totals.cash_rupiah) == (2, 30_000, 20_000)
    assert (totals.voided_count, totals.voided_rupiah) == (1, 10_000)
    assert bench.terminal.last_receipt().sequence == close.sequence
    before = [(r.sequence, r.kind, r.state, r.amount_rupiah) for r in bench.terminal.receipts(0, 9)]
    bench.power_cycle()
    assert [(r.sequence, r.kind, r.state, r.amount_rupiah) for r in bench.terminal.receipts(0, 9)] == before
    bench.wait_s(86_400)
    assert [(r.sequence, r.kind, r.state, r.amount_rupiah) for r in bench.terminal.receipts(0, 9)] == before
    void = bench.void("two", second.sequence)
    assert bench.terminal.totals().count == 0 and bench.terminal.totals().voided_rupiah == 20_000
    listed = bench.terminal.receipts(0, 9)
    assert [r.state for r in listed if r.sequence == second.sequence] == [states.VOIDED]
    assert received.programme == SEMBAKO


def test_a_rapid_run_of_cards_asks_for_a_reason_and_records_the_answer():
    bench = Bench()
    asked = []
    for name in ("one", "two", "three", "four", "five", "programme"):
        view = bench.run(bench.tapping(name))
        asked.append(view.asks_reason)
        bench.run(
            bench.redeeming(name, 10_000)
            if name != "programme"
            else bench.with_card(
                name,
                lambda: bench.terminal.redeem(
                    1, 0, 10_000, [], bytearray(family("programme")["pin"].encode()), states.REASON_HELPED
                ),
            )
        )
    assert asked == [False] * 4 + [True, True]
    said = [(record.flags, record.reason) for _, record in bench.records(records.REDEMPTION)]
    assert said == [(0, 0)] * 4 + [(1, 0), (1, states.REASON_HELPED)], "a missing answer refuses nobody"


def test_the_cards_second_answer_is_kept_beside_the_chain():
    bench = Bench()
    marks = []
    burn = bench.ledger.record_card_closing

    def keep(sequence, cid):
        marks.append((sequence, cid))
        burn(sequence, cid)

    bench.ledger.record_card_closing = keep
    bank = bench.sell("bank", 10_000)
    bench.sell("programme", 10_000)
    assert marks == [(bank.sequence, 0x00)], "an AAC, and a TC needs no second answer"
    assert len(bench.records(records.REDEMPTION)) == 2


def test_a_lock_that_power_hid_is_told_at_the_next_tap_once():
    bench = Bench()
    for _ in range(3):
        bench.ledger.burn_pin_try(family("bank")["index"], 0)
    bench.power_cycle()
    for _ in range(2):
        assert bench.run(bench.tapping("bank")).pin_tries_left == 0
        bench.run(bench.terminal.abandon())
        events = [r for _, r in bench.records(records.EVENT) if r.code == records.EVENT_PIN_LOCKED]
        assert [event.detail.hex() for event in events] == family("bank")["card_keys"]
    bench.run(bench.tapping("one"))
    assert len(bench.records(records.EVENT)) == 1
