"""Spent amounts, tries, attempts, enrolments and marks follow from the slots alone, by any road."""

from firmware.ledger import slots
from firmware.ledger.entitlements import RECENT_MIN, Entitlements
from firmware.ledger.marks import Marks
from firmware.ledger.state import FORMAT, State, store_acknowledgement, store_sms, stored_acknowledgement
from protocol import acknowledgement, records
from tests.support import mp
from tests.support.mp_books import NOW_S, PERIOD, card_key, make_proof

HEAD = {"version": 1, "time_s": NOW_S, "time_trust": records.TRUST_KEPT}


def made(**fields):
    values = dict(HEAD)
    values.update(fields)
    return records.encode(records.Record(**values))


def redemption(family, rupiah, programme=1, period=PERIOD, **other):
    values = {
        "kind": records.REDEMPTION,
        "programme": programme,
        "period": period,
        "tender": 0,
        "amount_rupiah": rupiah,
        "card_key": card_key(family),
        "lease": 1,
        "method": 1,
        "flags": 0,
        "reason": 0,
        "proof": make_proof(),
        "items": (),
    }
    values.update(other)
    return made(**values)


def void(family, rupiah, reference, programme=1, period=PERIOD):
    return made(
        kind=records.VOID,
        programme=programme,
        period=period,
        amount_rupiah=rupiah,
        reference_sequence=reference,
        card_key=card_key(family),
        reason=0,
        proof=make_proof(),
    )


def fresh(families=8, periods=None, rapid_run=0):
    return Entitlements(families, dict(periods or {1: PERIOD}), rapid_run)


def test_what_is_redeemed_is_spent_and_what_is_voided_is_not():
    books = fresh()
    books.apply(records.REDEMPTION, 1, 3, redemption(3, 50_000))
    books.apply(records.REDEMPTION, 2, 3, redemption(3, 20_000))
    assert books.spent_rupiah(1, 3) == 70_000
    books.apply(records.VOID, 3, 3, void(3, 20_000, 2))
    assert books.spent_rupiah(1, 3) == 50_000
    assert (books.redeemed_count, books.redeemed_rupiah, books.voided_rupiah) == (2, 70_000, 20_000)
    assert [entry[4] for entry in books.recent] == [1]
    assert books.spent_rupiah(1, 2) == books.spent_rupiah(9, 3) == 0


def test_other_periods_and_other_programmes_do_not_count():
    books = fresh()
    books.apply(records.REDEMPTION, 1, 3, redemption(3, 50_000, period=PERIOD - 1))
    books.apply(records.REDEMPTION, 2, 3, redemption(3, 50_000, programme=2))
    assert books.spent_rupiah(1, 3) == 0
    assert books.redeemed_rupiah == 100_000


def test_a_later_period_begins_with_nothing_spent():
    books = fresh()
    books.apply(records.REDEMPTION, 1, 3, redemption(3, 50_000))
    books.start_period(1, PERIOD)
    assert books.spent_rupiah(1, 3) == 50_000
    books.start_period(1, PERIOD + 1)
    assert books.spent_rupiah(1, 3) == 0
    books.start_period(2, PERIOD)
    books.apply(records.REDEMPTION, 2, 3, redemption(3, 7_000, programme=2))
    assert books.spent_rupiah(2, 3) == 7_000


def test_a_return_takes_the_rest_away_and_a_close_is_remembered():
    books = fresh()
    returned = made(
        kind=records.RETURN, programme=1, period=PERIOD, amount_rupiah=30_000, card_key=card_key(2), lease=1
    )
    books.apply(records.RETURN, 1, 2, returned)
    assert books.spent_rupiah(1, 2) == 30_000
    counts = {}
    for name in ("redeemed", "voided", "returned"):
        counts[name + "_count"] = 0
        counts[name + "_rupiah"] = 0
    closing = made(kind=records.PERIOD_CLOSE, programme=1, period=PERIOD, **counts)
    books.apply(records.PERIOD_CLOSE, 2, slots.NO_INDEX, closing)
    assert (1, PERIOD) in books.closed
    other = made(kind=records.PERIOD_CLOSE, programme=1, period=PERIOD - 1, **counts)
    books.apply(records.PERIOD_CLOSE, 3, slots.NO_INDEX, other)
    assert books.closed == {(1, PERIOD)}


def test_tries_hold_the_value_so_that_a_mark_read_twice_costs_nothing():
    books = fresh()
    for _ in range(3):
        books.apply(slots.LOCAL_PIN_TRIES, 0, 4, b"\x01\x02")
    assert (books.tries(4, 1), books.tries(4, 0)) == (2, 0)
    books.apply(slots.LOCAL_PIN_TRIES, 0, 4, b"\x01\x00")
    assert books.tries(4, 1) == 0


def test_attempts_belong_to_one_sequence():
    books = fresh()
    mark = (1).to_bytes(3, "big") + b"\x00"
    books.apply(slots.LOCAL_UN_ATTEMPT, 0, slots.NO_INDEX, mark)
    books.apply(slots.LOCAL_UN_ATTEMPT, 0, slots.NO_INDEX, mark)
    assert books.un_attempts == 1
    books.apply(records.REDEMPTION, 1, 0, redemption(0, 1_000))
    assert books.un_attempts == 0
    # One that is read again behind its record, because it was the last slot before a cut, says nothing any more.
    books.apply(slots.LOCAL_UN_ATTEMPT, 0, slots.NO_INDEX, mark)
    assert books.un_attempts == 0


def test_spending_without_a_trusted_time_adds_up_until_the_time_is_known_again():
    books = fresh()
    for sequence in (1, 2):
        books.apply(records.REDEMPTION, sequence, 0, redemption(0, 10_000, time_trust=records.TRUST_UNSET))
    assert books.untrusted_rupiah == 20_000
    login = made(kind=records.EVENT, code=records.EVENT_OPERATOR_LOGIN, operator=1, detail=b"")
    books.apply(records.EVENT, 3, slots.NO_INDEX, login)
    assert books.untrusted_rupiah == 0


def test_the_last_redemptions_are_kept_and_no_more():
    books = fresh()
    for sequence in range(1, RECENT_MIN + 4):
        books.apply(records.REDEMPTION, sequence, 0, redemption(0, sequence))
    assert [entry[4] for entry in books.recent] == list(range(4, RECENT_MIN + 4))
    assert books.last_sale == RECENT_MIN + 3
    books.forget_before(RECENT_MIN + 2)
    assert [entry[4] for entry in books.recent] == [RECENT_MIN + 2, RECENT_MIN + 3]
    books.forget_before(RECENT_MIN + 9)
    assert (books.recent, books.last_sale) == ([], 0)


def test_as_many_redemptions_are_kept_as_policy_looks_back_at():
    books = fresh(rapid_run=20)
    for sequence in range(1, 30):
        books.apply(records.REDEMPTION, sequence, 0, redemption(0, sequence))
    assert len(books.recent) == 20


def enrol(books, sequence, family, place):
    octets = made(
        kind=records.ENROL, card_key=card_key(family, place), application_index=0, verifier=bytes(16)
    )
    books.apply(records.ENROL, sequence, family | (slots.SECOND_CARD if place else 0), octets)


def test_an_enrolment_is_known_by_card_until_its_record_is_reclaimed():
    books = fresh()
    enrol(books, 9, 5, 0)
    enrol(books, 11, 5, 1)
    assert [books.enrolment(5, place) for place in (0, 1)] == [9, 11]
    assert (books.enrolment(4, 0), books.enrolment(4, 1)) == (0, 0)
    books.forget_before(9)
    assert books.enrolment(5, 0) == 9
    books.forget_before(10)
    assert [books.enrolment(5, place) for place in (0, 1)] == [0, 11]


def test_adoptions_are_known_by_subject_and_programme():
    books = fresh()
    digest = bytes(range(32))
    adoption = made(kind=records.ADOPTION, subject=records.SUBJECT_GRANT, number=4, digest=digest)
    books.apply(records.ADOPTION, 6, 2, adoption)
    assert books.is_adopted(records.SUBJECT_GRANT, 2, digest)
    assert not books.is_adopted(records.SUBJECT_GRANT, 1, digest)
    assert not books.is_adopted(records.SUBJECT_POLICY, slots.NO_INDEX, digest)
    assert books.last_adoption == 6


def test_time_never_goes_below_a_record():
    books = fresh()
    books.apply(records.REDEMPTION, 1, 0, redemption(0, 1, time_s=NOW_S + 50))
    books.apply(records.REDEMPTION, 2, 0, redemption(0, 1, time_s=NOW_S + 20))
    assert books.last_time_s == NOW_S + 50


def everything(books):
    """A state in which no field is at its default."""
    books.apply(records.REDEMPTION, 1, 3, redemption(3, 99_999_999, time_trust=records.TRUST_UNSET))
    books.apply(records.VOID, 2, 3, void(3, 5, 1))
    books.apply(records.REDEMPTION, 3, 2, redemption(2, 70_000, time_trust=records.TRUST_UNSET))
    books.apply(slots.LOCAL_PIN_TRIES, 0, 4, b"\x01\x02")
    books.apply(slots.LOCAL_COUNTER_BLOCK, 0, slots.NO_INDEX, (0xFFFFFFF0).to_bytes(4, "big"))
    adoption = made(kind=records.ADOPTION, subject=records.SUBJECT_POLICY, number=4, digest=b"d" * 32)
    books.apply(records.ADOPTION, 4, slots.NO_INDEX, adoption)
    enrol(books, 5, 5, 0)
    enrol(books, 5, 3, 1)
    books.apply(records.REDEMPTION, 6, 7, redemption(7, 80_000, time_trust=records.TRUST_UNSET))
    ahead = made(
        kind=records.EVENT, code=records.EVENT_ACKNOWLEDGEMENT_AHEAD, operator=0, detail=b"\x00\x10\x00"
    )
    books.apply(records.EVENT, 7, slots.NO_INDEX, ahead)
    books.apply(slots.LOCAL_UN_ATTEMPT, 0, slots.NO_INDEX, (8).to_bytes(3, "big") + b"\xfe")
    books.closed.add((1, PERIOD))
    return books


def test_a_checkpoint_holds_all_of_it():
    books = everything(fresh())
    again = fresh()
    again.unpack(books.pack())
    assert again.pack() == books.pack()
    assert again.spent_rupiah(1, 3) == 99_999_994
    assert (again.tries(4, 1), again.un_attempts, again.counter_next) == (2, 255, 0xFFFFFFF0)
    assert (again.enrolment(5, 0), again.enrolment(3, 1)) == (5, 5)
    assert (again.ahead, again.last_sale, again.last_adoption) == (4096, 6, 4)
    assert again.is_adopted(records.SUBJECT_POLICY, slots.NO_INDEX, b"d" * 32)
    assert (again.closed, again.recent) == (books.closed, books.recent)
    assert (again.redeemed_count, again.redeemed_rupiah) == (3, 99_999_999 + 150_000)


def test_a_checkpoint_serves_a_longer_roster_and_drops_what_a_new_period_ended():
    books = everything(fresh())
    longer = fresh(20)
    longer.unpack(books.pack())
    assert (longer.spent_rupiah(1, 3), longer.enrolment(5, 0), longer.spent_rupiah(1, 19)) == (
        99_999_994,
        5,
        0,
    )
    later = fresh(periods={1: PERIOD + 1})
    later.unpack(books.pack())
    assert (later.spent_rupiah(1, 3), later.closed) == (0, set())
    assert later.redeemed_rupiah == books.redeemed_rupiah


def acknowledged(sealed, reclaim=0, states_first=0, states=(), epoch=1, counter=1, time_s=NOW_S):
    body = acknowledgement.Acknowledgement()
    body.epoch = epoch
    body.time_s = time_s
    body.sealed_through = sealed
    body.chain_digest = bytes(16)
    body.reclaim_through = reclaim
    body.gaps = ()
    body.states_first = states_first
    body.states = states
    return store_acknowledgement(acknowledgement.encode(body), counter)


def applied(marks, payload, head=100):
    marks.apply(stored_acknowledgement(payload), head)


def test_marks_only_rise():
    marks = Marks()
    applied(marks, acknowledged(10, 5, counter=2))
    applied(marks, acknowledged(7, 3, counter=3))
    assert (marks.sealed_through, marks.reclaim_through, marks.counter) == (10, 5, 3)
    assert marks.is_newer(1, 4)
    assert not marks.is_newer(1, 3)
    assert marks.is_newer(2, 0)


def test_a_new_epoch_asks_for_what_settlement_does_not_have():
    marks = Marks()
    applied(marks, acknowledged(10, 4, counter=9))
    marks.begin_epoch(1)
    assert marks.sealed_through == 10
    marks.begin_epoch(2)
    assert (marks.sealed_through, marks.epoch, marks.counter) == (4, 1, 9)
    applied(marks, acknowledged(6, 4, epoch=2, counter=0))
    assert (marks.sealed_through, marks.epoch, marks.counter) == (6, 2, 0)


def test_a_restored_gateway_gets_even_what_settlement_has_and_nothing_more_is_kept_for_it():
    """ACK-07."""
    marks = Marks()
    applied(marks, acknowledged(9, 7, epoch=1, counter=5))
    marks.begin_epoch(2)
    applied(marks, acknowledged(4, 3, epoch=2, counter=1))
    assert (marks.sealed_through, marks.reclaim_through) == (4, 7)
    applied(marks, acknowledged(3, 3, epoch=2, counter=2))
    assert (marks.sealed_through, marks.reclaim_through) == (4, 7)
    applied(marks, acknowledged(9, 8, epoch=2, counter=3))
    assert (marks.sealed_through, marks.reclaim_through) == (9, 8)


def test_what_was_settled_stays_settled_and_pending_says_nothing():
    marks = Marks()
    states = (
        acknowledgement.SETTLED,
        acknowledgement.REFUSED,
        acknowledgement.DISPUTED,
        acknowledgement.PENDING,
    )
    applied(marks, acknowledged(10, 0, 3, states))
    assert [marks.settlement(sequence) for sequence in range(2, 8)] == [0, 1, 2, 3, 0, 0]
    applied(marks, acknowledged(10, 0, 3, (0, 0, acknowledgement.SETTLED)))
    assert [marks.settlement(sequence) for sequence in (3, 4, 5)] == [1, 2, 1]


def test_states_of_records_that_do_not_exist_take_no_memory():
    marks = Marks()
    applied(marks, acknowledged(10, 0, 0x7FFF00, (1,) * 200), head=10)
    assert len(marks.pack()) < 40


def test_states_are_those_that_a_list_of_them_would_hold():
    value = mp.seed() % 65537
    marks, plain, first_held, head = Marks(), {}, 0, 0
    for turn in range(60):
        value = (value * 75 + 74) % 65537
        head += value % 23
        first = max(0, head - value % 120)
        states = tuple([(value >> place % 13) & 3 for place in range(value % 70)])
        applied(marks, acknowledged(head, 0, first, states), head)
        for place in range(len(states)):
            if states[place] and first_held <= first + place <= head:
                plain[first + place] = states[place]
        if turn % 9 == 8:
            first_held = max(first_held, (head - 150) // 4 * 4)
            marks.forget_before(max(0, head - 150))
        for sequence in range(first_held, head + 80):
            assert marks.settlement(sequence) == plain.get(sequence, 0), (turn, sequence)


def test_states_of_reclaimed_records_are_forgotten():
    marks = Marks()
    applied(marks, acknowledged(90, 0, 1, (1,) * 90))
    marks.forget_before(50)
    assert marks.settlement(50) == marks.settlement(90) == 1
    assert marks.settlement(10) == 0
    assert len(marks.pack()) < 40
    again = Marks()
    again.unpack(marks.pack())
    assert again.settlement(90) == 1
    applied(again, acknowledged(90, 0, 1, (2,) * 90))
    assert (again.settlement(90), again.settlement(3)) == (2, 0)


def test_a_state_comes_back_whole_from_its_checkpoint():
    state = State(8, lambda: {1: PERIOD})
    everything(state.entitlements)
    state.apply(slots.LOCAL_ACKNOWLEDGEMENT, 0, slots.NO_INDEX, acknowledged(5, 2, 1, (1, 2)))
    state.apply(slots.LOCAL_CRASH, 0, slots.NO_INDEX, b"crash")
    state.apply(slots.LOCAL_SMS, 0, slots.NO_INDEX, store_sms((20600, 7, 300)))
    again = State(8, lambda: {1: PERIOD})
    assert again.restore(state.snapshot())
    assert again.snapshot() == state.snapshot()
    assert again.sms == (20600, 7, 300)
    assert (again.crash, again.marks.sealed_through, again.reclaim_through) == (b"crash", 5, 2)
    again.reset()
    assert again.entitlements.redeemed_rupiah == 0


def test_a_checkpoint_of_an_older_format_is_read():
    octets = State(8, lambda: {1: PERIOD}).snapshot()
    second = b"\x02" + octets[1:-15]
    again = State(8, lambda: {1: PERIOD})
    assert again.restore(second)
    assert (again.sms, again.lock) == ((0, 0, 0), b"")
    assert again.restore(b"\x01" + second[1:-4])


def test_a_checkpoint_of_another_format_is_not_believed():
    state = State(8, lambda: {1: PERIOD})
    assert not state.restore(bytes((FORMAT + 1,)) + state.snapshot()[1:])
    assert state.entitlements.redeemed_rupiah == 0


def test_an_acknowledgement_that_cannot_be_read_any_more_is_counted():
    state = State(8, lambda: {1: PERIOD})
    state.apply(slots.LOCAL_ACKNOWLEDGEMENT, 0, slots.NO_INDEX, b"\x00" * 9)
    assert state.unreadable_marks == 1
