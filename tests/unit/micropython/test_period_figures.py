"""What a period close counts: by programme, of its newest period, over checkpoints and beyond what the ring still holds."""

from firmware.ledger.period_figures import NOTHING, PeriodFigures
from firmware.ledger.state import State
from protocol import records
from tests.support.mp_books import NOW_S, PERIOD, card_key, make_ledger, make_proof, open_ledger, redeem, void


def record(kind, rupiah, programme=1, period=PERIOD):
    """The octets of a record of money."""
    values = {"programme": programme, "period": period, "amount_rupiah": rupiah, "card_key": card_key(1)}
    values.update({"tender": 0, "lease": 1, "method": 1, "flags": 0, "reason": 0, "items": ()})
    values.update({"reference_sequence": 1, "proof": make_proof()})
    return records.encode(records.Record(kind=kind, version=1, time_s=NOW_S, time_trust=1, **values))


def taken(*octets):
    figures = PeriodFigures()
    for one in octets:
        figures.apply(one[0], one)
    return figures


def test_each_kind_of_money_has_its_count_and_sum():
    figures = taken(
        record(records.REDEMPTION, 10_000),
        record(records.REDEMPTION, 99_999_999),
        record(records.VOID, 10_000),
        record(records.RETURN, 7_000),
    )
    assert figures.of(1, PERIOD) == (2, 100_009_999, 1, 10_000, 1, 7_000)
    assert figures.of(2, PERIOD) == figures.of(1, PERIOD + 1) == NOTHING


def test_programmes_and_periods_are_kept_apart():
    figures = taken(
        record(records.REDEMPTION, 1_000),
        record(records.REDEMPTION, 2_000, 2),
        record(records.REDEMPTION, 4_000, 1, PERIOD + 1),
        record(records.VOID, 1_000, 1, PERIOD),
    )
    assert figures.of(1, PERIOD + 1) == (1, 4_000, 0, 0, 0, 0), "what is late for its period counts no more"
    assert figures.of(2, PERIOD) == (1, 2_000, 0, 0, 0, 0) and figures.of(1, PERIOD) == NOTHING


def test_they_come_back_from_a_checkpoint_and_start_afresh_behind_an_older_one():
    state = State(8, lambda: {1: PERIOD, 2: PERIOD})
    for number in range(3):
        octets = record(records.REDEMPTION, 1_000 + number, 1 + number % 2)
        state.apply(records.REDEMPTION, number + 1, 0, octets)
    again = State(8, lambda: {1: PERIOD, 2: PERIOD})
    assert again.restore(state.snapshot())
    assert again.figures.of(1, PERIOD) == state.figures.of(1, PERIOD) == (2, 2_002, 0, 0, 0, 0)
    assert again.snapshot() == state.snapshot()
    figures = state.figures.pack()
    older = b"\x02" + state.snapshot()[1 : -(4 + 7 + 4 + len(figures))]
    assert again.restore(older) and again.figures.of(1, PERIOD) == NOTHING


def test_the_books_tell_them_after_every_start():
    ledger, flash, _ = make_ledger()
    first = redeem(ledger, 1, 10_000)
    redeem(ledger, 2, 20_000)
    void(ledger, 1, 10_000, first)
    wanted = (2, 30_000, 1, 10_000, 0, 0)
    for books in (ledger, open_ledger(flash)):
        assert books.period_figures(1, PERIOD) == wanted
        assert books.entitlements.net_rupiah(1) == 20_000
