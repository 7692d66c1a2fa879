"""Local marks and checkpoints: what a terminal kept for itself, as plain values that may be shown."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from protocol import acknowledgement, notice
from protocol.errors import ProtocolError
from tools.forensics.sectors import SECTOR_OCTETS, Slot, SlotClass

BOOT = 0x81
PIN_TRIES = 0x82
UN_ATTEMPT = 0x83
ACKNOWLEDGEMENT = 0x84
COUNTER_BLOCK = 0x85
CRASH = 0x86
CHECKPOINT = 0x87
CHECKPOINT_END = 0x88
LOCK = 0x89
SMS = 0x8A
RETIRED = 0x8C
AHEAD = 0x8D
ERASED = 0x8E
CARD_CLOSING = 0x8F

_SETTLEMENT = ("pending", "settled", "refused", "disputed")
_PIECE_NUMBER_OCTETS = 2
_MARKS = struct.Struct(">HIIIII")
_TOTALS = struct.Struct(">IIBIIQQQQBIIII")
_RECENT = struct.Struct(">HBIII")
_DIGEST_OCTETS = 32
# Parts of a checkpoint's state by its format: crash, marks, entitlements; then the lock; then short messages and figures;
# then retired sectors.
_STATE_PARTS = {1: 3, 2: 4, 3: 6, 4: 7}
_FIGURES = struct.Struct(">BHIQIQIQ")
_FIGURE_NAMES = ("programme", "period", "redeemed_count", "redeemed_rupiah", "voided_count", "voided_rupiah",
                 "returned_count", "returned_rupiah")  # fmt: skip


def _number(payload: bytes, *_: object) -> dict[str, Any]:
    return {"value": int.from_bytes(payload, "big")}


def _pin_tries(payload: bytes, index: int) -> dict[str, Any]:
    place, tries = payload
    return {"family": index, "card": place, "tries": tries}


def _un_attempt(payload: bytes, _: int) -> dict[str, Any]:
    return {"sequence": int.from_bytes(payload[:3], "big"), "attempt": payload[3]}


def _card_closing(payload: bytes, _: int) -> dict[str, Any]:
    return {"sequence": int.from_bytes(payload[:3], "big"), "cid": payload[3]}


def _acknowledgement(payload: bytes, _: int) -> dict[str, Any]:
    told = acknowledgement.decode(payload[4:])
    states = [_SETTLEMENT[state] for state in told.states]
    return {
        "counter": int.from_bytes(payload[:4], "big"),
        "epoch": told.epoch,
        "time_s": told.time_s,
        "sealed_through": told.sealed_through,
        "chain_digest": told.chain_digest.hex(),
        "reclaim_through": told.reclaim_through,
        "gaps": [list(gap) for gap in told.gaps],
        "states_first": told.states_first,
        "states": states,
    }


def crash(payload: bytes, *_: object) -> dict[str, Any]:
    """Code, uptime in seconds, and what was said."""
    code, uptime_s = struct.unpack(">HI", payload[:6])
    return {"code": code, "uptime_s": uptime_s, "detail": payload[6:].decode("ascii", "replace")}


def _piece(payload: bytes, *_: object) -> dict[str, Any]:
    return {"piece": int.from_bytes(payload[:2], "big"), "octets": len(payload) - _PIECE_NUMBER_OCTETS}


def _end(payload: bytes, *_: object) -> dict[str, Any]:
    return {"pieces": int.from_bytes(payload[:2], "big"), "first_sector": int.from_bytes(payload[2:6], "big")}


def why_locked(payload: bytes) -> int:
    """`notice.REPLACED`, REVOKED or FORKED, 0 where its own seal locked the terminal."""
    return notice.decode_standing(payload).why if len(payload) == notice.STANDING_OCTETS else 0


def lock(payload: bytes, *_: object) -> dict[str, Any]:
    """What locked the terminal: its own seal, ahead of its head or beside its chain; or why the gateway withdrew it."""
    why = why_locked(payload)
    if why:
        return {"withdrawn": WITHDRAWN[why]}
    told = notice.decode(payload)
    return {"sequence": told.sequence, "chain": told.chain.hex()}


def sms(payload: bytes, *_: object) -> dict[str, Any]:
    """Short messages that were sent on a day since 1970, and the last sequence that one carried."""
    day, count = struct.unpack(">HH", payload[:4])
    return {"day": day, "messages": count, "through": int.from_bytes(payload[4:7], "big")}


def retired(payload: bytes, *_: object) -> dict[str, Any]:
    """The places of the journal's bad sectors, and where they begin."""
    places = [number for (number,) in struct.iter_unpack(">H", payload)]
    return {"places": places, "addresses": [place * SECTOR_OCTETS for place in places]}


WITHDRAWN = {notice.REPLACED: "replaced", notice.REVOKED: "revoked", notice.FORKED: "forked"}

_KINDS: dict[int, tuple[str, Callable[[bytes, int], dict[str, Any]]]] = {
    BOOT: ("boot", _number),
    PIN_TRIES: ("pin tries", _pin_tries),
    UN_ATTEMPT: ("un attempt", _un_attempt),
    ACKNOWLEDGEMENT: ("acknowledgement", _acknowledgement),
    COUNTER_BLOCK: ("counter block", _number),
    CRASH: ("crash", crash),
    CHECKPOINT: ("checkpoint piece", _piece),
    CHECKPOINT_END: ("checkpoint end", _end),
    LOCK: ("lock", lock),
    CARD_CLOSING: ("card closing", _card_closing),
    SMS: ("short messages", sms),
    RETIRED: ("retired sectors", retired),
    AHEAD: ("acknowledgement from ahead", _number),
    ERASED: ("sector erased ahead", _number),
}


def describe(slot: Slot) -> tuple[str, dict[str, Any]]:
    """The name of a mark and its values; octets that are not what the kind says are told by their number only."""
    name, decode = _KINDS.get(slot.kind, (f"kind {slot.kind:02x}", _unknown))
    try:
        return name, decode(slot.payload, slot.index)
    except (ProtocolError, ValueError, IndexError, struct.error):
        return name, _unknown(slot.payload) | {"unreadable": True}


def _unknown(payload: bytes, *_: object) -> dict[str, Any]:
    return {"octets": len(payload)}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint: where its first piece and its end stand, the boot counter at its time, and the state."""

    address: int
    end: int
    first_sector: int
    boots: int
    state: bytes


def checkpoints(slots: Iterable[Slot]) -> list[Checkpoint]:
    """The whole checkpoints among slots in the order in which they were made, records included."""
    found = []
    pieces: list[Slot] = []
    for slot in slots:
        number = int.from_bytes(slot.payload[:2], "big")
        is_local = slot.slot_class is SlotClass.LOCAL
        if is_local and slot.kind == ERASED:
            continue  # may stand between the pieces
        if is_local and slot.kind == CHECKPOINT and number in (0, len(pieces)):
            pieces = [*(pieces if number else []), slot]
            continue
        if is_local and slot.kind == CHECKPOINT_END and pieces and number == len(pieces):
            octets = b"".join(piece.payload[_PIECE_NUMBER_OCTETS:] for piece in pieces)
            first_sector = int.from_bytes(slot.payload[2:6], "big")
            boots = int.from_bytes(octets[:4], "big")
            found.append(Checkpoint(pieces[0].address, slot.address, first_sector, boots, octets[4:]))
        pieces = []
    return found


def reclaim_through(slots: Iterable[Slot]) -> int:
    """Up to which record settlement has taken all, as acknowledgements and checkpoints in these slots tell."""
    ordered = list(slots)
    through = 0
    for slot in ordered:
        if slot.slot_class is SlotClass.LOCAL and slot.kind == ACKNOWLEDGEMENT:
            through = max(through, describe(slot)[1].get("reclaim_through", 0))
    for checkpoint in checkpoints(ordered):
        state = open_state(checkpoint.state)
        if "marks" in state:
            through = max(through, state["marks"]["reclaim_through"])
    return through


@dataclass(slots=True)
class Known:
    """What a terminal knows of its records' way, as its marks tell: `states` (protocol.acknowledgement) by sequence."""

    epoch: int = 0
    counter: int = 0
    sealed_through: int = 0
    reclaim_through: int = 0
    time_s: int = 0
    states: dict[int, int] = field(default_factory=dict)

    def settlement(self, sequence: int) -> str:
        """One of "pending", "settled", "refused", "disputed"."""
        return _SETTLEMENT[self.states.get(sequence, acknowledgement.PENDING)]

    def hear(self, marks: tuple[int, ...], first: int, states: Iterable[int]) -> None:
        """Take in (epoch, counter, sealed_through, reclaim_through, time_s) and the states from `first` on, unless older."""
        epoch, counter, sealed, reclaim, time_s = marks
        if (epoch, counter) < (self.epoch, self.counter):
            return
        # A gateway that was restored says what it has, even if it is less.
        self.sealed_through = sealed if epoch > self.epoch else max(self.sealed_through, sealed)
        self.epoch, self.counter, self.time_s = epoch, counter, max(self.time_s, time_s)
        self.reclaim_through = max(self.reclaim_through, reclaim)
        for sequence, state in enumerate(states, first):
            if state:
                self.states[sequence] = state

    def begin_epoch(self, epoch: int) -> None:
        """The authority certified newer gateway keys: what the gateway before them may have lost is not counted on."""
        if epoch > self.epoch:
            self.sealed_through = self.reclaim_through


def known(slots: Iterable[Slot]) -> Known:
    """How far the gateway had a terminal's records, from acknowledgements and checkpoints in these slots."""
    ordered = list(slots)
    states = {checkpoint.end: checkpoint.state for checkpoint in checkpoints(ordered)}
    found = Known()
    for slot in ordered:
        try:
            if slot.address in states:
                octets = _parts(states[slot.address])[1]
                epoch, counter, sealed, reclaim, time_s, first = _MARKS.unpack(octets[: _MARKS.size])
                found.hear((epoch, counter, sealed, reclaim, time_s), first, _unpacked(octets[_MARKS.size :]))
            elif slot.slot_class is SlotClass.LOCAL and slot.kind == ACKNOWLEDGEMENT:
                told = acknowledgement.decode(slot.payload[4:])
                counter = int.from_bytes(slot.payload[:4], "big")
                through = told.sealed_through, told.reclaim_through, told.time_s
                found.hear((told.epoch, counter, *through), told.states_first, told.states)
        except (ProtocolError, struct.error, IndexError, ValueError):
            continue  # of another version, or damaged: what is not known is not counted on
    return found


def _unpacked(octets: bytes) -> list[int]:
    """Settlement states, four to an octet."""
    return [octet >> shift & 3 for octet in octets for shift in (0, 2, 4, 6)]


def retired_places(slots: Iterable[Slot]) -> list[int]:
    """Places of bad sectors, as the last mark or the last checkpoint in these slots tells."""
    ordered = list(slots)
    places: list[int] = []
    states = {checkpoint.end: open_state(checkpoint.state) for checkpoint in checkpoints(ordered)}
    for slot in ordered:
        if slot.slot_class is SlotClass.LOCAL and slot.kind == RETIRED:
            places = retired(slot.payload)["places"]
        places = states.get(slot.address, {}).get("retired", {}).get("places", places)
    return places


def boots(slots: Iterable[Slot]) -> int:
    """The boot counter as the slots of a generation leave it."""
    last = 0
    ordered = list(slots)
    ends = {checkpoint.end: checkpoint.boots for checkpoint in checkpoints(ordered)}
    for slot in ordered:
        if slot.slot_class is SlotClass.LOCAL and slot.kind == BOOT:
            last = int.from_bytes(slot.payload, "big")
        last = max(last, ends.get(slot.address, 0))
    return last


def open_state(state: bytes) -> dict[str, Any]:
    """A checkpoint's state in plain values; `{"unreadable": True}` where it is of another version."""
    try:
        parts = _parts(state)
        return {
            "crash": crash(parts[0]) if parts[0] else None,
            "marks": _open_marks(parts[1]),
            "entitlements": _open_entitlements(parts[2]),
            "lock": lock(parts[3]) if parts[3] else None,
            "sms": sms(parts[4]) if parts[4] else None,
            "figures": [
                dict(zip(_FIGURE_NAMES, held, strict=True)) for held in _FIGURES.iter_unpack(parts[5])
            ],
            "retired": retired(parts[6]),
        }
    except (ProtocolError, struct.error, IndexError, ValueError):
        return {"unreadable": True, "octets": len(state)}


def _parts(state: bytes) -> tuple[bytes, ...]:
    if state[0] not in _STATE_PARTS:
        raise ValueError("unknown format")
    parts = []
    at = 1
    while at < len(state):
        length = int.from_bytes(state[at : at + 4], "big")
        parts.append(state[at + 4 : at + 4 + length])
        at += 4 + length
    if at != len(state) or len(parts) != _STATE_PARTS[state[0]]:
        raise ValueError("not as many parts as its format has")
    return (*parts, b"", b"", b"", b"")[: max(_STATE_PARTS.values())]


def _open_marks(octets: bytes) -> dict[str, Any]:
    epoch, counter, sealed, reclaim, time_s, first = _MARKS.unpack(octets[: _MARKS.size])
    states = _unpacked(octets[_MARKS.size :])
    counts = {name: states.count(value) for value, name in enumerate(_SETTLEMENT) if value}
    return {
        "epoch": epoch,
        "counter": counter,
        "sealed_through": sealed,
        "reclaim_through": reclaim,
        "time_s": time_s,
        "states_from": first,
        "states": counts,
    }


def _open_entitlements(octets: bytes) -> dict[str, Any]:
    fields = _TOTALS.unpack(octets[: _TOTALS.size])
    names = (
        "sequence", "time_s", "trust", "last_sale", "last_adoption", "redeemed_count", "redeemed_rupiah",
        "voided_rupiah", "untrusted_rupiah", "recent", "un_sequence", "un_next", "counter_next", "ahead",
    )  # fmt: skip
    told: dict[str, Any] = dict(zip(names, fields, strict=True))
    at = _TOTALS.size + told.pop("recent") * _RECENT.size
    adopted = octets[at]
    at += 1
    told["adopted"] = []
    for _ in range(adopted):
        digest = octets[at + 2 : at + 2 + _DIGEST_OCTETS]
        told["adopted"].append({"subject": octets[at], "programme": octets[at + 1], "digest": digest.hex()})
        at += 2 + _DIGEST_OCTETS
    cards = int.from_bytes(octets[at : at + 2], "big")
    at += 2
    tries = [octets[at + 3 * card : at + 3 * card + 3] for card in range(cards)]
    told["cards_with_tries"] = [
        {"family": int.from_bytes(one[:2], "big") // 2, "card": one[1] % 2, "tries": one[2]} for one in tries
    ]
    at += 3 * cards
    families = int.from_bytes(octets[at : at + 2], "big")
    at += 2
    told["families"] = families
    told["enrolled"] = sum(value > 0 for value in _array(octets, at, families))
    at += 4 * families
    second_cards = int.from_bytes(octets[at : at + 2], "big")
    told["enrolled"] += second_cards
    at += 2 + 6 * second_cards
    told["programmes"] = []
    while at < len(octets):
        programme, closed, period = struct.unpack(">BBH", octets[at : at + 4])
        spent = _array(octets, at + 4, families)
        told["programmes"].append(
            {"programme": programme, "period": period, "closed": bool(closed), "spent_rupiah": sum(spent)}
        )
        at += 4 + 4 * families
    return told


def _array(octets: bytes, at: int, count: int) -> tuple[int, ...]:
    """Numbers as they lie in a terminal's memory: low octet first."""
    return struct.unpack(f"<{count}I", octets[at : at + 4 * count])
