"""What a journal says about one generation of keys (a kid): records in order, proved by chain and seals, marks, gaps.

Sector n of all time lies at place (n - 1) modulo the number of sectors, and one sector always stays free, so the newest
sector's number says which others belong to the ring. Records have no holes in their numbers; a record that stands twice
is a copy that a start has made of what it found last. Every sector header holds the chain's value before the sector's
first record (which may be such a copy), so that the chain can be taken up again behind whatever is missing. A number whose
place took no erase or no header was passed over, as the next header says; nothing in that place counts. In front, places
may have been erased for numbers that no header names yet: that is no trouble where their records were settled.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from tools.forensics import marks, proof
from tools.forensics.sectors import SECTOR_OCTETS, Header, Sector, Slot, SlotClass

CHAIN_OCTETS = 32
SEQUENCE_MAX = (1 << 23) - 1


class Standing(StrEnum):
    """How much is known of a whole record."""

    PROVED = "proved"  # its seal verifies over the chain that leads to it
    LINKED = "linked"  # the chain leads to it; there was no key to verify its seal with
    SEAL_WRONG = "seal wrong"  # the chain leads to it, its seal does not verify
    LOOSE = "loose"  # the chain's value before it is not known


@dataclass(frozen=True, slots=True)
class Held:
    """A record of which at least one slot is whole. `before`, `chain`: the chain around it, None where it is not known.

    `rivals` are whole slots with the same number and other octets, `copies` the addresses of slots with the same.
    `is_in_ring`: the firmware finds it too.
    """

    sequence: int
    slot: Slot
    standing: Standing
    before: bytes | None
    chain: bytes | None
    copies: tuple[int, ...]
    rivals: tuple[Slot, ...]
    is_in_ring: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that are missing; they stood between two addresses (None: not known)."""

    first: int
    last: int
    after: int | None
    before: int | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that cannot be if all had gone well."""

    address: int
    text: str


@dataclass(slots=True)
class Generation:
    """One kid's journal. `slots`: every whole slot of the ring in the order in which they were made.

    `pointers`: sector number -> the checkpoint that its header points to. `passed`: numbers that were never opened.
    """

    kid: int
    oldest: int
    head: int
    sequence: int = 0
    chain: bytes | None = None
    first_sequence: int = 1
    records: list[Held] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    pointers: dict[int, int] = field(default_factory=dict)
    passed: list[int] = field(default_factory=list)

    @property
    def marks(self) -> list[Slot]:
        """Local slots in the order in which they were made."""
        return [slot for slot in self.slots if slot.slot_class is SlotClass.LOCAL]

    @property
    def is_proved(self) -> bool:
        """Whether every record is there and sealed by its terminal."""
        return (
            not self.gaps and not self.troubles and all(r.standing is Standing.PROVED for r in self.records)
        )


@dataclass(slots=True)
class _Walk:
    """What going over the ring in order has found, before anything is proved."""

    in_ring: dict[int, list[Slot]] = field(default_factory=lambda: defaultdict(list))
    elsewhere: dict[int, list[Slot]] = field(default_factory=lambda: defaultdict(list))
    anchors: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    where: dict[int, int] = field(default_factory=dict)


def read(
    sectors: list[Sector], kid: int | None = None, key: bytes | None = None, start: bytes | None = None
) -> list[Generation]:
    """Every generation in the sectors, the one of `kid` first; `key` and `start` (chain_0) are that one's, if known."""
    found = {sector.header.kid for sector in sectors if sector.header}
    order = sorted(found, key=lambda one: (one != kid, one))
    return [
        _generation(sectors, one, key if one == kid else None, start if one == kid else None) for one in order
    ]


def _generation(sectors: list[Sector], kid: int, key: bytes | None, start: bytes | None) -> Generation:
    numbered = {
        sector.header.number: sector
        for sector in sectors
        if sector.header
        and sector.header.kid == kid
        and (sector.header.number - 1) % len(sectors) == sector.place
    }
    # A header with nothing behind it is what a cut left: the next start opens that sector anew.
    opened = [
        number for number, sector in numbered.items() if any(not slot.is_hidden for slot in sector.slots)
    ]
    head = max(opened, default=0)
    generation = Generation(kid, max(1, head - len(sectors) + 2), head)
    front = generation.oldest
    while front not in numbered and front < head:
        front += 1
    walk = _Walk()
    if head:
        _go(sectors, numbered, generation, walk)
        if front > generation.oldest:
            _look_at_front(generation, front, numbered[front], len(sectors))
    ring = {slot.address for slots in walk.in_ring.values() for slot in slots}
    for sector in sectors:
        if sector.header is None or sector.header.kid == kid:
            for slot in sector.slots:
                if slot.slot_class is SlotClass.RECORD and slot.address not in ring:
                    walk.elsewhere[slot.sequence].append(slot)
    _prove(generation, walk, key, start)
    return generation


def _go(sectors: list[Sector], numbered: dict[int, Sector], generation: Generation, walk: _Walk) -> None:
    """Over the ring from its oldest sector to its newest."""
    reached = -1
    for number in range(generation.oldest, generation.head + 1):
        sector = numbered.get(number) or sectors[(number - 1) % len(sectors)]
        base = sector.place * SECTOR_OCTETS
        header = sector.header if number in numbered else None
        if header is None:
            if _is_passed(numbered, number, generation.head):
                generation.passed.append(number)
                continue
            generation.troubles.append(Trouble(base, f"the header of sector {number} does not hold"))
            if sector.header is not None:
                continue  # another generation, or an older round, has taken the place
        else:
            reached = _enter(generation, walk, header, base, reached)
            generation.pointers[number] = header.checkpoint
        for slot in sector.slots:
            if slot.is_hidden:
                continue
            generation.slots.append(slot)
            if slot.slot_class is SlotClass.RECORD and not 1 <= slot.sequence <= SEQUENCE_MAX:
                text = f"a record with the impossible number {slot.sequence}"
                generation.troubles.append(Trouble(slot.address, text))
            elif slot.slot_class is SlotClass.RECORD:
                if reached < 0:  # nothing says what came before
                    generation.first_sequence = 1 if generation.oldest == 1 else slot.sequence
                walk.in_ring[slot.sequence].append(slot)
                reached = max(reached, slot.sequence)
    generation.sequence = max(reached, 0)


def _is_passed(numbered: dict[int, Sector], number: int, head: int) -> bool:
    """Whether the next header says that a number was never opened."""
    for later in range(number + 1, head + 1):
        sector = numbered.get(later)
        if sector is not None and sector.header is not None:
            return later - number <= sector.header.passed
    return False


def _look_at_front(generation: Generation, front: int, sector: Sector, places: int) -> None:
    """The oldest numbers are not there: either their places were erased for numbers to come, or they are lost."""
    header = sector.header
    held = marks.checkpoints(generation.slots)
    is_settled = header is not None and header.sequence <= marks.reclaim_through(generation.slots)
    if is_settled and any(checkpoint.first_sector >= front for checkpoint in held):
        gone = {(number - 1) % places * SECTOR_OCTETS for number in range(generation.oldest, front)}
        generation.troubles = [trouble for trouble in generation.troubles if trouble.address not in gone]
        generation.passed = [number for number in generation.passed if number >= front]
        generation.oldest = front


def _enter(generation: Generation, walk: _Walk, header: Header, base: int, reached: int) -> int:
    """A header says which record comes next and what the chain is before it; returns the record reached."""
    if reached < 0:
        generation.first_sequence = header.sequence + 1 if generation.oldest > 1 else 1
    elif header.sequence < reached - 1:  # one less where a start copied the last record into a new sector
        text = f"the header of sector {header.number} says record {header.sequence + 1} is next, {reached} was there"
        generation.troubles.append(Trouble(base, text))
    known = walk.anchors.get(header.sequence)
    if known is not None and known[0] != header.chain:
        generation.troubles.append(
            Trouble(base, f"two headers differ in the chain behind record {header.sequence}")
        )
    else:
        walk.anchors[header.sequence] = (header.chain, base)
    return max(reached, header.sequence)


def _prove(generation: Generation, walk: _Walk, key: bytes | None, start: bytes | None) -> None:
    """Choose one slot for each number and follow the chain through them."""
    if 0 in walk.anchors and start is not None and walk.anchors[0][0] != start:
        generation.troubles.append(
            Trouble(walk.anchors[0][1], "the chain does not begin with this terminal's keys")
        )
    if start is not None and generation.oldest == 1:
        walk.anchors.setdefault(0, (start, 0))
    chain: bytes | None = None
    is_proved = False
    last = -1
    for sequence in sorted({*walk.in_ring, *walk.elsewhere, *walk.anchors}):
        if sequence < generation.first_sequence - 1:
            continue  # remainders of what was reclaimed
        if last >= 0 and sequence != last + 1:
            chain, is_proved = None, False
        if sequence >= generation.first_sequence and (sequence in walk.in_ring or sequence in walk.elsewhere):
            before = chain
            if before is None and sequence - 1 in walk.anchors:
                before = walk.anchors[sequence - 1][0]
            held = _choose(generation, walk, sequence, before, key)
            if held is not None:
                generation.records.append(held)
                chain, is_proved = held.chain, held.standing is Standing.PROVED
                last = sequence
        anchor = walk.anchors.get(sequence)
        if anchor is not None:
            if chain is not None and last == sequence and chain != anchor[0]:
                text = f"the chain behind record {sequence} is not what the sector's header says"
                generation.troubles.append(Trouble(anchor[1], text))
            # A seal is worth more than a header: only its terminal can have made it.
            chain = chain if is_proved and last == sequence else anchor[0]
            last = sequence
    generation.chain = _chain_at(generation, walk)
    generation.gaps = list(_gaps(generation))
    _add_rival_troubles(generation)


def _choose(
    generation: Generation, walk: _Walk, sequence: int, before: bytes | None, key: bytes | None
) -> Held | None:
    """The slot that the chain and its seal speak for, of all that have this number; first of all the firmware's."""
    ring = walk.in_ring.get(sequence, [])
    best: tuple[Standing, Slot, bytes | None] | None = None
    for slot in [*ring, *walk.elsewhere.get(sequence, [])]:
        standing, after = _stand(generation.kid, sequence, slot, before, key)
        if best is None or (standing is Standing.PROVED and best[0] is not Standing.PROVED):
            best = (standing, slot, after)
    if best is None:
        return None
    standing, slot, after = best
    if not ring and standing is not Standing.PROVED:
        return None  # a remainder from an older round or another terminal, as far as anybody can tell
    same = [other for other in ring if other.octets == slot.octets]
    rivals = tuple(other for other in ring if other.octets != slot.octets)
    copies = tuple(other.address for other in same if other is not slot)
    return Held(sequence, slot, standing, before, after, copies, rivals, bool(same))


def _stand(
    kid: int, sequence: int, slot: Slot, before: bytes | None, key: bytes | None
) -> tuple[Standing, bytes | None]:
    """How a slot stands, and the chain's value behind it."""
    if before is None:
        return Standing.LOOSE, None
    after = proof.extend(before, slot.payload)
    if key is None:
        return Standing.LINKED, after
    return (
        Standing.PROVED if proof.seal_holds(key, kid, sequence, after, slot.seal) else Standing.SEAL_WRONG
    ), after


def _chain_at(generation: Generation, walk: _Walk) -> bytes | None:
    """The chain's value at the head."""
    if generation.records and generation.records[-1].sequence == generation.sequence:
        return generation.records[-1].chain
    anchor = walk.anchors.get(generation.sequence)
    return anchor[0] if anchor else None


def _gaps(generation: Generation) -> Iterator[Gap]:
    """Runs of numbers from the first that should be there to the head for which there is no whole slot."""
    next_one = generation.first_sequence
    after: int | None = None
    for held in generation.records:
        if held.sequence < next_one:
            continue
        if held.sequence > next_one:
            yield Gap(next_one, held.sequence - 1, after, held.slot.address)
        next_one = held.sequence + 1
        after = held.slot.address
    if generation.sequence >= next_one:
        yield Gap(next_one, generation.sequence, after, None)


def _add_rival_troubles(generation: Generation) -> None:
    for held in generation.records:
        for rival in held.rivals:
            text = f"record {held.sequence} stands at 0x{held.slot.address:x} with other octets"
            generation.troubles.append(Trouble(rival.address, text))
        if held.standing is Standing.SEAL_WRONG:
            generation.troubles.append(
                Trouble(held.slot.address, f"the seal of record {held.sequence} does not verify")
            )
