"""What must hold in every run, whatever the dice say."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from firmware import states
from protocol import records
from tests.sim.fleet.district import FAMILIES_EACH, GRANTED_RUPIAH

if TYPE_CHECKING:
    from tests.sim.fleet.seat import Seat
    from tests.sim.fleet.world import World

FINAL = {"settled": states.SETTLED, "refused": states.REFUSED, "disputed": states.DISPUTED}
SUMS = ("settled_rupiah", "refused_rupiah", "disputed_rupiah")
# Counters of the gateway that nothing in the world may cause.
NEVER = (
    "frames_condemned",
    "card_use_repeated",
    "settlement_stopped",
    "settlement_refused",
    "settlement_gaps",
)


def check_marks(world: World, seat: Seat) -> None:
    """What a terminal has heard is true on disk: sealed records are stored, reclaimable ones are the bank's as well."""
    sealed_through, reclaim_through, _ = seat.marks
    if [sealed_through, reclaim_through] == seat.checked:
        return
    seat.checked = [sealed_through, reclaim_through]
    world.clock.note("marks", f"{seat.kid:08x}", *seat.marks)
    row = world.reader.terminal(seat.kid)
    assert row is not None
    assert row.sealed_through >= sealed_through, (
        f"{seat.kid:08x} was told of records that are not stored",
        seat.marks,
    )
    booked = world.bank.books.terminal(seat.kid)
    assert (booked.sequence if booked else 0) >= reclaim_through, (
        f"{seat.kid:08x} may forget what the bank does not have",
        seat.marks,
    )


def is_told(world: World, seat: Seat, books: dict[str, Any]) -> bool:
    """Whether the terminal knows of every redemption how it ended."""
    for (sequence, octets), state in zip(books["records"], books["states"], strict=True):
        if records.decode(bytes.fromhex(octets)).kind == records.REDEMPTION:
            booking = world.bank.books.booking(seat.kid, sequence)
            if booking is None or state not in (FINAL[booking.outcome], states.VOIDED):
                return False
    return True


def check(world: World) -> int:
    """Everything, after the last message has come; returns how many records there were."""
    total = dict.fromkeys(("records", "redeemed_rupiah", "voided_rupiah", *SUMS), 0)
    settled: dict[str, int] = defaultdict(int)
    for seat in world.seats:
        _check_terminal(world, seat, total, settled)
    for place, rupiah in settled.items():
        assert rupiah <= FAMILIES_EACH * GRANTED_RUPIAH, (place, rupiah, "more than was granted there")
    _check_bank(world, total)
    _check_gateway(world, total)
    return total["records"]


def _check_terminal(world: World, seat: Seat, total: dict[str, int], settled: dict[str, int]) -> None:
    """One terminal's chain against what families were told, the gateway's store and the bank's books, record by record."""
    books = seat.books
    row = world.reader.terminal(seat.kid)
    assert books is not None
    assert row is not None
    assert books["locked"] == seat.is_replaced, f"{seat.kid:08x} is locked"
    last_sale = records.SEQUENCE_MAX if seat.locked_at is None else seat.locked_at
    settled_through = row.retired_through if seat.is_replaced else records.SEQUENCE_MAX
    outcomes: dict[int, str] = {}
    spent: dict[bytes, int] = defaultdict(int)
    redeemed: dict[int, int] = {}
    voided: dict[int, int] = {}
    followed = set()
    stored = {row.sequence: row.octets for row in world.reader.records(seat.kid, 1, records.SEQUENCE_MAX)}
    assert sorted(stored) == [sequence for sequence, _ in books["records"]], (
        "the gateway has every record, and once"
    )
    for sequence, octets_hex in books["records"]:
        octets = bytes.fromhex(octets_hex)
        assert stored[sequence] == octets, (f"{seat.kid:08x}", sequence, "is stored as something else")
        record = records.decode(octets)
        outcome = _check_booking(world, seat, sequence, octets, sequence > settled_through)
        if record.kind == records.REDEMPTION:
            assert sequence <= last_sale, (f"{seat.kid:08x}", sequence, "sold after it was told its standing")
            outcomes[sequence] = outcome
            redeemed[sequence] = record.amount_rupiah
            spent[record.card_key] += record.amount_rupiah
        elif record.kind in (records.VOID, records.GOODS_RECEIVED):
            followed.add((sequence, record.kind, record.reference_sequence))
        if record.kind == records.VOID:
            sale = record.reference_sequence
            assert sale not in voided, (f"{seat.kid:08x}", sale, "was voided twice")
            assert record.amount_rupiah == redeemed[sale]
            voided[sale] = record.amount_rupiah
            spent[record.card_key] -= record.amount_rupiah
    assert set(seat.followed) <= followed, (f"{seat.kid:08x}", "was told and is not there", seat.followed)
    _check_own_books(seat, books, redeemed, voided, spent)
    for sequence, outcome in outcomes.items():
        if sequence not in voided:
            total[f"{outcome}_rupiah"] += redeemed[sequence]
            settled[seat.place.families[0]] += redeemed[sequence] if outcome == "settled" else 0
        if sequence > settled_through:
            world.clock.count(f"late sales {outcome} in the end")
    spent_rupiah = world.bank.books.exposure_spent(seat.kid)
    assert spent_rupiah <= seat.exposure_rupiah, (f"{seat.kid:08x}", spent_rupiah, "beyond its exposure")
    settled[seat.place.families[0]] -= spent_rupiah
    total["records"] += len(books["records"])
    total["redeemed_rupiah"] += sum(redeemed.values())
    total["voided_rupiah"] += sum(voided.values())


def _check_booking(world: World, seat: Seat, sequence: int, octets: bytes, is_late: bool) -> str:
    """What the bank has of a record, and how that ended."""
    booking = world.bank.books.booking(seat.kid, sequence)
    assert booking is not None, (f"{seat.kid:08x}", sequence, "is not booked")
    told = (f"{seat.kid:08x}", sequence, booking.outcome, booking.reason)
    assert booking.digest == hashlib.sha256(octets).digest()
    record = records.decode(octets)
    if record.kind == records.REDEMPTION:
        assert booking.outcome in (FINAL if is_late else ("settled",)), told
        assert booking.amount_rupiah == record.amount_rupiah
    elif record.kind in (records.VOID, records.GOODS_RECEIVED):
        assert booking.outcome == "recorded", told
    return booking.outcome


def _check_own_books(
    seat: Seat,
    books: dict[str, Any],
    redeemed: dict[int, int],
    voided: dict[int, int],
    spent: dict[bytes, int],
) -> None:
    """What a terminal says of itself against its records, and against what families were told."""
    for sequence, name, amount_rupiah in seat.sold:
        told = (f"{seat.kid:08x}", sequence, name, "was told and is not there")
        assert redeemed.get(sequence) == amount_rupiah, told
    sums = (sum(redeemed.values()), sum(voided.values()))
    assert (books["redeemed_rupiah"], books["voided_rupiah"]) == sums
    told_rupiah = sorted(rupiah for rupiah in books["spent_rupiah"].values() if rupiah)
    assert sorted(rupiah for rupiah in spent.values() if rupiah) == told_rupiah
    for name, rupiah in books["spent_rupiah"].items():
        assert books["granted_rupiah"][name] >= rupiah, (name, "spent more than was leased")
    leased = {name: rupiah for name, rupiah in books["granted_rupiah"].items() if rupiah}
    due = {name: seat.place.leased.get(name, GRANTED_RUPIAH) for name in seat.place.families}
    assert leased == {name: rupiah for name, rupiah in due.items() if rupiah}


def _check_bank(world: World, total: dict[str, int]) -> None:
    """The bank has booked every record once and nothing else."""
    totals = world.bank.books.totals()
    assert totals["records"] == total["records"]
    assert (totals["redeemed_rupiah"], totals["voided_rupiah"]) == (
        total["redeemed_rupiah"],
        total["voided_rupiah"],
    )
    assert {name: totals[name] for name in SUMS} == {name: total[name] for name in SUMS}
    assert sum(total[name] for name in SUMS) == total["redeemed_rupiah"] - total["voided_rupiah"]


def _check_gateway(world: World, total: dict[str, int]) -> None:
    """The gateway's sums are the bank's; nothing waits, nothing is stopped, nothing forked."""
    reader = world.reader
    totals = reader.totals(None)
    assert totals.records == total["records"]
    assert {name: getattr(totals, name) for name in SUMS} == {name: total[name] for name in SUMS}
    assert totals.pending_rupiah == 0
    assert reader.outbox_count() == 0
    assert reader.conflicts(None) == []
    counters = reader.counters()
    assert not [name for name in NEVER if counters.get(name)], counters
    for row in reader.terminals():
        assert not row.frozen_from, f"{row.kid:08x} is frozen"
        assert not row.settlement_error, row.settlement_error
