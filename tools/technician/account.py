"""What a rescue recovered and what is missing, number by number, and what of it the gateway has already: a pure reckoning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any

from protocol import frame, records
from protocol.errors import ProtocolError
from tools.forensics import marks
from tools.forensics.generation import Generation, Held, Standing
from tools.forensics.marks import Known
from tools.forensics.sectors import Sector


class Found(StrEnum):
    """What became of a record."""

    PROVED = "proved"  # whole; a seal of its terminal proves it
    CARRIED = (
        "carried"  # whole; the terminal itself read it, and encrypted it for the gateway, which proves it
    )
    OPEN = "gateway proves it"  # whole; what would prove it is not here, but the gateway has that
    UNPROVED = "not proved"  # whole, but the chain to it is broken, or its seal does not hold
    TORN = "torn"  # begun, never whole
    MISSING = "missing"
    LEFT = "left there"  # the gateway has it, so the terminal was not asked for it
    LET_GO = "let go"  # settlement has it, so the terminal made room


class Gateway(StrEnum):
    """How far the gateway has it, as the terminal was told under the gateway's signature."""

    WAITING = "no"
    SEALED = "sealed"
    SETTLED = "settled"
    REFUSED = "refused"
    DISPUTED = "disputed"


RECOVERED = (Found.PROVED, Found.CARRIED, Found.OPEN, Found.UNPROVED)


@dataclass(frozen=True, slots=True)
class Sum:
    """Redemptions and voids of some records."""

    redeemed_count: int = 0
    redeemed_rupiah: int = 0
    voided_count: int = 0
    voided_rupiah: int = 0

    @property
    def net_rupiah(self) -> int:
        """What stands redeemed."""
        return self.redeemed_rupiah - self.voided_rupiah

    def plus(self, other: Sum) -> Sum:
        """Both together."""
        return Sum(
            self.redeemed_count + other.redeemed_count,
            self.redeemed_rupiah + other.redeemed_rupiah,
            self.voided_count + other.voided_count,
            self.voided_rupiah + other.voided_rupiah,
        )


@dataclass(frozen=True, slots=True)
class Span:
    """Records `first` .. `last`, of which all the same is so; `sum` None where their amounts cannot be read here."""

    first: int
    last: int
    found: Found
    gateway: Gateway
    sum: Sum | None

    @property
    def count(self) -> int:
        """How many."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Account:
    """One generation of one terminal. `waiting_rupiah`: redeemed in records that the gateway lacks, None where it is not known.

    `cut_off`: begun behind the last record and not whole, as a power cut leaves it before anything is said to be made. `known`: the terminal's own marks.
    """

    kid: int
    head: int
    known: Known
    spans: tuple[Span, ...]
    troubles: tuple[str, ...]
    cut_off: int
    waiting_rupiah: int | None

    def count(self, *found: Found, is_waiting: bool = False) -> int:
        """Records of these sorts, all of them or only those that the gateway lacks."""
        return sum(
            span.count
            for span in self.spans
            if span.found in found and not (is_waiting and span.gateway is not Gateway.WAITING)
        )

    @property
    def lost(self) -> list[Span]:
        """What neither this rescue nor the gateway has."""
        return self._waiting(Found.MISSING, Found.TORN)

    @property
    def unproved(self) -> list[Span]:
        """What the gateway lacks and will keep, but cannot book as it is."""
        return self._waiting(Found.UNPROVED)

    def _waiting(self, *found: Found) -> list[Span]:
        return [span for span in self.spans if span.found in found and span.gateway is Gateway.WAITING]

    @property
    def sum(self) -> Sum | None:
        """Of all that was recovered; None where it cannot be read here."""
        sums = [span.sum for span in self.spans if span.found in RECOVERED]
        total = Sum()
        for one in sums:
            if one is None:
                return None
            total = total.plus(one)
        return total

    def as_json(self) -> dict[str, Any]:
        """A stable form for programs; no card, key or person is in it."""
        total = self.sum
        return {
            "kid": f"{self.kid:08x}",
            "head": self.head,
            "sealed_through": self.known.sealed_through,
            "reclaim_through": self.known.reclaim_through,
            "recovered": self.count(*RECOVERED),
            "at_stake": self.count(*RECOVERED, is_waiting=True),
            "at_stake_rupiah": self.waiting_rupiah,
            "lost": sum(span.count for span in self.lost),
            "unproved": sum(span.count for span in self.unproved),
            "cut_off": self.cut_off,
            "sum": asdict(total) if total is not None else None,
            "spans": [
                {
                    "first": span.first,
                    "last": span.last,
                    "found": span.found.value,
                    "gateway": span.gateway.value,
                    "sum": asdict(span.sum) if span.sum is not None else None,
                }
                for span in self.spans
            ],
            "troubles": list(self.troubles),
        }


_Entry = tuple[int, Found, Gateway, Sum | None]


def of_dump(generation: Generation, sectors: Iterable[Sector], epoch: int = 0) -> Account:
    """Reckon up what a dump holds of one generation; `epoch`: the newest that its documents certify."""
    known = marks.known(generation.slots)
    known.begin_epoch(epoch)
    proved = _proved(generation.records)
    held = {record.sequence: record for record in generation.records}
    torn = {
        item.claim[1]
        for sector in sectors
        for item in sector.remains
        if item.claim is not None and 1 <= item.claim[0] <= records.EVENT
    }
    entries: list[_Entry] = []
    behind_gateway = True
    for sequence in range(1, generation.sequence + 1):
        record = held.get(sequence)
        behind_gateway = sequence <= known.sealed_through or (behind_gateway and record is not None)
        gateway = _gateway(known, sequence)
        if record is not None:
            entries.append((sequence, _standing(record, proved, behind_gateway), gateway, _sum(record)))
        elif sequence < generation.first_sequence and sequence <= known.reclaim_through:
            entries.append((sequence, Found.LET_GO, gateway, None))
        else:
            entries.append((sequence, Found.TORN if sequence in torn else Found.MISSING, gateway, None))
    spans = tuple(_spans(entries))
    waiting = sum(
        span.sum.net_rupiah for span in spans if span.gateway is Gateway.WAITING and span.sum is not None
    )
    return Account(
        generation.kid,
        generation.sequence,
        known,
        spans,
        tuple(trouble.text for trouble in generation.troubles),
        sum(sequence == generation.sequence + 1 for sequence in torn),
        waiting,
    )


def of_frames(
    kid: int, frames: Iterable[bytes], first: int, head: int, known: Known, waiting_rupiah: int | None
) -> Account:
    """Reckon up what a terminal carried out itself; only the gateway can open it, so the frames' headers are what is known.

    `first`: the oldest record that the terminal holds.
    """
    carried: set[int] = set()
    for octets in frames:
        header = frame.read_header(octets)
        if header.frame_class == frame.CLASS_RECORDS and header.kid == kid:
            carried.update(range(header.first, header.first + header.count))
    head = max([head, *carried])
    entries: list[_Entry] = []
    for sequence in range(1, head + 1):
        gateway = _gateway(known, sequence)
        if sequence in carried:
            entries.append((sequence, Found.CARRIED, gateway, None))
        elif gateway is not Gateway.WAITING:
            entries.append((sequence, Found.LET_GO if sequence < first else Found.LEFT, gateway, None))
        else:
            entries.append((sequence, Found.MISSING, gateway, None))
    return Account(kid, head, known, tuple(_spans(entries)), (), 0, waiting_rupiah)


def _proved(held: list[Held]) -> set[int]:
    """Sequences that a seal proves: their own, or that of a later one to which the chain leads without a break."""
    proved: set[int] = set()
    after: Held | None = None
    for record in reversed(held):
        is_followed = (
            after is not None
            and after.sequence in proved
            and after.sequence == record.sequence + 1
            and record.chain is not None
            and record.chain == after.before
        )
        if record.standing is Standing.PROVED or is_followed:
            proved.add(record.sequence)
        after = record
    return proved


def _standing(record: Held, proved: set[int], is_behind_gateway: bool) -> Found:
    """How a whole record stands; `is_behind_gateway`: no record is lacking between it and what the gateway has."""
    if record.sequence in proved:
        return Found.PROVED
    is_loose = record.standing is Standing.LOOSE and is_behind_gateway
    return Found.OPEN if is_loose or record.standing is Standing.LINKED else Found.UNPROVED


def _gateway(known: Known, sequence: int) -> Gateway:
    settlement = known.settlement(sequence)
    if settlement != "pending":
        return Gateway(settlement)
    if sequence <= known.reclaim_through:
        return Gateway.SETTLED
    return Gateway.SEALED if sequence <= known.sealed_through else Gateway.WAITING


def _sum(record: Held) -> Sum:
    """What a record redeems or takes back."""
    try:
        decoded = records.decode(record.slot.payload)
    except ProtocolError:
        return Sum()
    if decoded.kind == records.REDEMPTION:
        return Sum(redeemed_count=1, redeemed_rupiah=decoded.amount_rupiah)
    if decoded.kind == records.VOID:
        return Sum(voided_count=1, voided_rupiah=decoded.amount_rupiah)
    return Sum()


def _spans(entries: list[_Entry]) -> Iterator[Span]:
    """Neighbours of which the same is so as one."""
    for (found, gateway), run in groupby(entries, key=lambda entry: entry[1:3]):
        members = list(run)
        total: Sum | None = Sum()
        for entry in members:
            total = None if total is None or entry[3] is None else total.plus(entry[3])
        yield Span(members[0][0], members[-1][0], found, gateway, total)
