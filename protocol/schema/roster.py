"""The roster, what is new in one, and that on its way to a terminal (CPython only)."""

from __future__ import annotations

from construct import (
    Array,
    Bytes,
    Const,
    ExprValidator,
    FocusedSeq,
    GreedyBytes,
    If,
    Int8ub,
    Int16ub,
    Int24ub,
    Int32ub,
    Prefixed,
    PrefixedArray,
    Select,
    Struct,
    Terminated,
    this,
)

from protocol.schema.fields import between, strict, zeros

CARD_OCTETS = 28
Card = Struct(
    "card_key" / ExprValidator(Bytes(8), lambda value, _: any(value)),
    "applications" / between(Int8ub, 1, 255),
    "bound_application" / ExprValidator(Int8ub, lambda value, _: value < 8 or value == 255),
    "reserved" / zeros(2),
    "verifier" / Bytes(16),
)
# What an entry has in front of its second card, in a roster and in a delta.
_ENTRY = (
    "state" / strict(Int8ub, removed=0, active=1, blocked=2),
    "hamlet" / Int8ub,
    "slot" / Int8ub,
    "reserved" / zeros(1),
    "delegate" / ExprValidator(Int16ub, lambda value, _: value < 4000 or value == 0xFFFF),
    "reserved_too" / zeros(2),
    "first_card" / Select(zeros(CARD_OCTETS), Card),
)
RosterEntry = Struct(*_ENTRY, "second_card" / Select(zeros(CARD_OCTETS), Card))
RosterHeader = Struct(
    "magic" / Const(b"LRST"),
    "version" / Const(1, Int8ub),
    "reserved" / zeros(1),
    "count" / between(Int16ub, 1, 4000),
    "number" / between(Int32ub, 1, 0xFFFFFFFF),
    "reserved_too" / zeros(4),
)
Roster = Struct("header" / RosterHeader, "entries" / Array(this.header.count, RosterEntry), Terminated)
DeltaEntry = Struct(
    "flagged_index" / Int16ub,
    *_ENTRY,
    "second_card" / If(this.flagged_index >= 0x8000, Card),
)
_Delta = ExprValidator(
    Struct(
        "version" / Const(1, Int8ub),
        "base" / Bytes(4),
        "number" / between(Int32ub, 1, 0xFFFFFFFF),
        "count" / between(Int16ub, 1, 4000),
        "entries"
        / PrefixedArray(
            ExprValidator(Int16ub, lambda value, context: 1 <= value <= context._.count), DeltaEntry
        ),
    ),
    lambda value, _: (
        (any(value.base) or len(value.entries) == value.count)
        and all(
            (one.flagged_index & 0x7FFF) < value.count
            and (place == 0 or value.entries[place - 1].flagged_index & 0x7FFF < one.flagged_index & 0x7FFF)
            for place, one in enumerate(value.entries)
        )
    ),
)
RosterDelta = FocusedSeq("delta", "delta" / _Delta, Terminated)
Renewal = Struct(
    "version" / Const(1, Int8ub),
    "roster_digest" / Bytes(32),
    "grants" / PrefixedArray(between(Int8ub, 1, 8), Prefixed(between(Int16ub, 65, 8192), GreedyBytes)),
    "delta" / _Delta,
    "signature" / Bytes(64),
    Terminated,
)
RenewalPiece = ExprValidator(
    Struct(
        "name" / Bytes(8),
        "unit_octets" / between(Int24ub, 1, 400_000),
        "offset" / ExprValidator(Int24ub, lambda value, context: value < context.unit_octets),
        "octets" / GreedyBytes,
    ),
    lambda value, _: (
        value.offset % 1024 == 0 and len(value.octets) == min(1024, value.unit_octets - value.offset)
    ),
)
