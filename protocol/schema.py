"""The layouts a second time, declared with `construct`: for tools and as an independent reading (CPython only).

Strict: every layout ends with `Terminated`, enumerations refuse strangers, numbers have their limits. What only holds
between fields (a second tap has a proof, cash has no items) is left to `protocol.records`; the property tests say where
the two may differ. Nothing in the hot path uses this file.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

from construct import (
    Array,
    Bytes,
    BytesInteger,
    Checksum,
    Const,
    Construct,
    Enum,
    ExprValidator,
    GreedyBytes,
    GreedyRange,
    If,
    Int8ub,
    Int16ub,
    Int24ub,
    Int32ub,
    Int64ub,
    Optional,
    Prefixed,
    PrefixedArray,
    RawCopy,
    Select,
    Struct,
    Switch,
    Terminated,
    this,
)

from protocol import records

AMOUNT_MOST = 99_999_999
SEQUENCE_MOST = 0x7FFFFF
Int48ub = BytesInteger(6)


def between(number: Construct, least: int, most: int) -> Construct:
    """A number with limits."""
    return ExprValidator(number, lambda value, _: least <= value <= most)


def strict(number: Construct, **names: int) -> Construct:
    """An enumeration that refuses what it has no name for."""
    return ExprValidator(Enum(number, **names), lambda value, _: str(value) in names)


def limited(length: Construct, most: int, body: Construct) -> Construct:
    """A part behind a length of at most `most`."""
    return Prefixed(between(length, 0, most), body)


def zeros(length: int) -> Construct:
    """Reserved octets."""
    return Const(bytes(length))


# Canonical records.

Kind = strict(Int8ub, **{records.name(kind): kind for kind in range(1, 10)})
Trust = strict(Int8ub, unset=0, kept=1, operator=2, network=3)
Method = strict(Int8ub, none=0, aid_pin=1, card_pin=2, delegate=3)
Programme = between(Int8ub, 1, 255)
Period = between(Int16ub, 24000, 36000)
Amount = between(Int32ub, 1, AMOUNT_MOST)
Sequence = between(Int32ub, 1, SEQUENCE_MOST)
Total = between(Int64ub, 0, (1 << 48) - 1)
ApplicationIndex = between(Int8ub, 0, 15)

Item = Struct(
    "commodity" / between(Int8ub, 1, 255),
    "quantity_hundredths" / between(Int16ub, 1, 0xFFFF),
    "price_rupiah" / between(Int32ub, 0, AMOUNT_MOST),
)
Items = PrefixedArray(between(Int8ub, 0, 8), Item)
Proof = Struct(
    "application_index" / ApplicationIndex,
    "pan_sequence" / between(Int8ub, 0, 0x99),
    "transaction_date" / Bytes(3),
    "cid" / Int8ub,
    "atc" / Int16ub,
    "ac" / Bytes(8),
    "tvr" / Bytes(5),
    "aip" / Bytes(2),
    "cvm_results" / Bytes(3),
    "un_attempt" / between(Int8ub, 0, 254),
    "iad" / GreedyBytes,
)
SizedProof = Prefixed(between(Int8ub, 27, 59), Proof)
OptionalProof = Switch(this.method, {"second_tap": SizedProof}, default=Const(b"\x00"))
Detail = limited(Int8ub, 32, GreedyBytes)

BODIES = {
    "redemption": Struct(
        "programme" / Programme,
        "period" / Period,
        "tender" / strict(Int8ub, goods=0, cash=1),
        "amount_rupiah" / Amount,
        "card_key" / Bytes(8),
        "lease" / Int32ub,
        "method" / Method,
        "flags" / Int8ub,
        "reason" / Int8ub,
        "proof" / SizedProof,
        "items" / Items,
    ),
    "void": Struct(
        "programme" / Programme,
        "period" / Period,
        "amount_rupiah" / Amount,
        "reference_sequence" / Sequence,
        "card_key" / Bytes(8),
        "reason" / Int8ub,
        "proof" / SizedProof,
    ),
    "goods_received": Struct(
        "reference_sequence" / Sequence,
        "card_key" / Bytes(8),
        "method" / strict(Int8ub, screen=0, second_tap=1),
        "proof" / OptionalProof,
    ),
    "return": Struct(
        "programme" / Programme,
        "period" / Period,
        "amount_rupiah" / Amount,
        "card_key" / Bytes(8),
        "lease" / Int32ub,
    ),
    "period_close": Struct(
        "programme" / Programme,
        "period" / Period,
        "redeemed_count" / Int16ub,
        "redeemed_rupiah" / Total,
        "voided_count" / Int16ub,
        "voided_rupiah" / Total,
        "returned_count" / Int16ub,
        "returned_rupiah" / Total,
    ),
    "enrol": Struct("card_key" / Bytes(8), "application_index" / ApplicationIndex, "verifier" / Bytes(16)),
    "adoption": Struct(
        "subject" / strict(Int8ub, roster=1, grant=2, policy=3),
        "number" / between(Int32ub, 1, 0xFFFFFFFF),
        "digest" / Bytes(32),
    ),
    "stock_received": Struct("supplier" / Int32ub, "items" / Items),
    "event": Struct("code" / between(Int8ub, 1, 255), "operator" / Int16ub, "detail" / Detail),
}
Record = Struct(
    "kind" / Kind,
    "version" / Const(1, Int8ub),
    "time_s" / Int32ub,
    "time_trust" / Trust,
    "body" / Switch(this.kind, BODIES),
    Terminated,
)

# Frames. What the ciphertext holds is no layout; its tag is the last 8 octets.

CLASS_RECORDS = 0
RecordsHeader = Struct(
    "codec" / strict(Int8ub, literal=0, predicted=1),
    "kid" / Int32ub,
    "flagged_first" / ExprValidator(Int24ub, lambda value, _: value & SEQUENCE_MOST > 0),
    "count_less_one" / Int8ub,
    "salt" / Bytes(4),
)
UpHeader = Struct(
    "kind" / strict(Int8ub, status=0x41, bridge=0x42), "kid" / Int32ub, "counter" / Int32ub, "salt" / Bytes(4)
)
DownHeader = Struct(
    "kind" / strict(Int8ub, acknowledgement=0x81, grant=0x82, notice=0x83, part=0x84, roster_delta=0x85),
    "kid" / Int32ub,
    "counter" / Int32ub,
    "salt" / Bytes(4),
)
ClearHeader = Struct(
    "kind" / strict(Int8ub, epoch_certificate=0xC1), "kid" / Int32ub, "counter" / Int32ub, "salt" / zeros(4)
)

# Signed units.

CARD_OCTETS = 28
Card = Struct(
    "card_key" / ExprValidator(Bytes(8), lambda value, _: any(value)),
    "applications" / between(Int8ub, 1, 255),
    "bound_application" / ExprValidator(Int8ub, lambda value, _: value < 8 or value == 255),
    "reserved" / zeros(2),
    "verifier" / Bytes(16),
)
RosterEntry = Struct(
    "state" / strict(Int8ub, removed=0, active=1, blocked=2),
    "hamlet" / Int8ub,
    "slot" / Int8ub,
    "reserved" / zeros(1),
    "delegate" / ExprValidator(Int16ub, lambda value, _: value < 4000 or value == 0xFFFF),
    "reserved_too" / zeros(2),
    "first_card" / Select(zeros(CARD_OCTETS), Card),
    "second_card" / Select(zeros(CARD_OCTETS), Card),
)
RosterHeader = Struct(
    "magic" / Const(b"LRST"),
    "version" / Const(1, Int8ub),
    "reserved" / zeros(1),
    "count" / between(Int16ub, 1, 4000),
    "number" / between(Int32ub, 1, 0xFFFFFFFF),
    "reserved_too" / zeros(4),
)
Roster = Struct("header" / RosterHeader, "entries" / Array(this.header.count, RosterEntry), Terminated)


def text(most: int) -> Construct:
    """Printable ASCII behind its length."""
    return limited(
        Int8ub,
        most,
        ExprValidator(GreedyBytes, lambda value, _: all(0x20 <= octet <= 0x7E for octet in value)),
    )


Application = Struct(
    "kind" / strict(Int8ub, programme=1, bank=2),
    "method" / Method,
    "pan_sequence" / between(Int8ub, 0, 0x99),
    "cid" / Int8ub,
    "aip" / Bytes(2),
    "tvr" / Bytes(5),
    "cvm_results" / Bytes(3),
    "tac_default" / Bytes(5),
    "tac_denial" / Bytes(5),
    "tac_online" / Bytes(5),
    "floor_limit_rupiah" / Int32ub,
    "aid" / Prefixed(between(Int8ub, 5, 16), GreedyBytes),
    "cdol1" / limited(Int8ub, 64, GreedyBytes),
    "iad" / limited(Int8ub, 32, GreedyBytes),
)
Channels = Struct(
    "sms_after_s" / Int32ub,
    "sms_fill" / between(Int16ub, 1, 0xFFFF),
    "sms_per_day" / Int8ub,
    "sms_resend_s" / Int32ub,
    "jitter_s" / Int16ub,
    "provisional_cap_rupiah" / Int32ub,
)
Policy = Struct(
    "version" / between(Int8ub, 1, 2),
    "number" / Int32ub,
    "country_code" / Int16ub,
    "currency_code" / Int16ub,
    "utc_offset_minutes" / between(Int16ub, 0, 840),
    "retap_window_s" / Int16ub,
    "pin_tries" / between(Int8ub, 1, 15),
    "clock_lost_cap_rupiah" / Int32ub,
    "sda_cap_rupiah" / Int32ub,
    "dda_cap_rupiah" / Int32ub,
    "settlement_delay_s" / Int32ub,
    "goods_tap_above_rupiah" / Int32ub,
    "rapid_gap_s" / Int16ub,
    "rapid_run" / Int8ub,
    "programmes" / PrefixedArray(between(Int8ub, 1, 8), Struct("number" / Programme, "name" / text(20))),
    "applications" / PrefixedArray(between(Int8ub, 1, 8), Application),
    "commodities"
    / PrefixedArray(
        between(Int8ub, 0, 32),
        Struct(
            "code" / between(Int8ub, 1, 255),
            "name" / text(16),
            "unit" / text(8),
            "price_rupiah" / between(Int32ub, 0, AMOUNT_MOST),
        ),
    ),
    "baskets"
    / PrefixedArray(between(Int8ub, 0, 24), Struct("weight" / between(Int8ub, 1, 255), "items" / Items)),
    "channels" / If(this.version == 2, Channels),
    Terminated,
)
DeltaEntry = Struct(
    "flagged_index" / Int16ub,
    "state" / strict(Int8ub, removed=0, active=1, blocked=2),
    "hamlet" / Int8ub,
    "slot" / Int8ub,
    "reserved" / zeros(1),
    "delegate" / ExprValidator(Int16ub, lambda value, _: value < 4000 or value == 0xFFFF),
    "reserved_too" / zeros(2),
    "first_card" / Select(zeros(CARD_OCTETS), Card),
    "second_card" / If(this.flagged_index >= 0x8000, Card),
)
RosterDelta = ExprValidator(
    Struct(
        "version" / Const(1, Int8ub),
        "base" / Bytes(4),
        "number" / between(Int32ub, 1, 0xFFFFFFFF),
        "count" / between(Int16ub, 1, 4000),
        "entries"
        / PrefixedArray(
            ExprValidator(Int16ub, lambda value, context: 1 <= value <= context._.count), DeltaEntry
        ),
        Terminated,
    ),
    lambda value, _: all(
        (one.flagged_index & 0x7FFF) < value.count
        and (place == 0 or value.entries[place - 1].flagged_index & 0x7FFF < one.flagged_index & 0x7FFF)
        for place, one in enumerate(value.entries)
    ),
)
GrantHead = Struct(
    "version" / Const(1, Int8ub),
    "number" / between(Int24ub, 1, 0xFFFFFF),
    "programme" / Programme,
    "period" / Period,
    "expiry_s" / Int32ub,
    "hold" / Int32ub,
    "default_thousands" / between(Int16ub, 0, 16383),
    "exceptions" / GreedyBytes,
)
TerminalCertificate = Struct(
    "version" / Const(1, Int8ub),
    "kid" / Int32ub,
    "storage" / strict(Int8ub, software=1, atecc608=2),
    "issued_s" / Int32ub,
    "seal_key" / Bytes(64),
    "agreement_key" / Bytes(64),
    Terminated,
)
EpochCertificate = Struct(
    "version" / Const(1, Int8ub),
    "gateway_key_id" / Int32ub,
    "epoch" / Int16ub,
    "issued_s" / Int32ub,
    "agreement_key" / Bytes(64),
    "acknowledgement_key" / Bytes(64),
    Terminated,
)
Acknowledgement = Struct(
    "epoch" / Int16ub,
    "time_s" / Int32ub,
    "sealed_through" / between(Int24ub, 0, SEQUENCE_MOST),
    "chain_digest" / Bytes(16),
    "reclaim_through" / ExprValidator(Int24ub, lambda value, context: value <= context.sealed_through),
    "gaps"
    / PrefixedArray(
        between(Int8ub, 0, 4),
        Struct(
            "flagged_first" / ExprValidator(Int24ub, lambda value, _: value & SEQUENCE_MOST > 0),
            "count_less_one" / Int8ub,
        ),
    ),
    "states_first" / between(Int24ub, 0, SEQUENCE_MOST),
    "states_count" / Int8ub,
    "states" / ExprValidator(
        Bytes((this.states_count + 3) // 4),
        lambda value, context: not context.states_count % 4 or not value[-1] >> 2 * (context.states_count % 4),
    ),
    Terminated,
)  # fmt: skip
Status = Struct(
    "time_s" / Int32ub,
    "time_trust" / Trust,
    "head" / between(Int24ub, 0, SEQUENCE_MOST),
    "sealed_through" / between(Int24ub, 0, SEQUENCE_MOST),
    "echo_epoch" / Int16ub,
    "echo_counter" / Int32ub,
    "boot_counter" / Int32ub,
    "pending_rupiah" / Int48ub,
    "last_error" / Int16ub,
    "release" / Optional(between(Int32ub, 1, 0xFFFFFFFF)),
    Terminated,
)

Notice = Struct(
    "sequence" / between(Int24ub, 1, SEQUENCE_MOST), "chain" / Bytes(32), "seal" / Bytes(64), Terminated
)
Bridge = Struct(
    "values"
    / ExprValidator(
        GreedyRange(Struct("sequence" / between(Int24ub, 1, SEQUENCE_MOST), "chain" / Bytes(32))),
        lambda value, _: (
            1 <= len(value) <= 3
            and all(value[i].sequence < value[i + 1].sequence for i in range(len(value) - 1))
        ),
    ),
    Terminated,
)
Part = ExprValidator(
    Struct(
        "kind" / between(Int8ub, 1, 63),
        "name" / Bytes(4),
        "count" / between(Int8ub, 2, 64),
        "place" / Int8ub,
        "octets" / GreedyBytes,
    ),
    lambda value, _: (
        len(value.octets) == 112
        if value.place < value.count - 1
        else value.place == value.count - 1 and 1 <= len(value.octets) <= 112
    ),
)
WriteOff = Struct(
    "version" / Const(1, Int8ub),
    "kid" / Int32ub,
    "first" / between(Int24ub, 1, SEQUENCE_MOST),
    "last" / ExprValidator(Int24ub, lambda value, context: context.first <= value <= SEQUENCE_MOST),
    "chain" / Bytes(32),
    "exposure_rupiah" / Int32ub,
    "issued_s" / Int32ub,
    "reason" / strict(Int8ub, terminal_lost=1, flash_damaged=2, other=3),
    Terminated,
)


def _runs() -> Construct:
    """Runs of sequences behind their count, rising and apart."""
    one = Struct(
        "first" / between(Int24ub, 1, SEQUENCE_MOST),
        "last" / ExprValidator(Int24ub, lambda value, context: context.first <= value <= SEQUENCE_MOST),
    )
    return ExprValidator(
        PrefixedArray(Int8ub, one),
        lambda value, _: all(value[i].last < value[i + 1].first for i in range(len(value) - 1)),
    )


def _rising(items: Construct, name: str) -> Construct:
    """A list in the order of a field, without repetition."""
    return ExprValidator(
        items, lambda value, _: all(value[i][name] < value[i + 1][name] for i in range(len(value) - 1))
    )


_StatedFamily = Struct(
    "index" / between(Int16ub, 0, 3999),
    "returned" / between(Int8ub, 0, 1),
    "redeemed_rupiah" / Int48ub,
    "voided_rupiah" / Int48ub,
)
_StatedLease = Struct(
    "grant_digest" / Bytes(32),
    "roster_digest" / Bytes(32),
    "policy_digest" / Bytes(32),
    "number" / between(Int24ub, 1, 0xFFFFFF),
    "programme" / between(Int8ub, 1, 255),
    "period" / between(Int16ub, 24000, 36000),
    "closed" / between(Int8ub, 0, 1),
    "families" / _rising(PrefixedArray(between(Int16ub, 0, 4000), _StatedFamily), "index"),
)
Statement = Struct(
    "version" / Const(1, Int8ub),
    "kid" / Int32ub,
    "gateway_key_id" / Int32ub,
    "epoch" / Int16ub,
    "made_s" / Int32ub,
    "sealed_through" / between(Int24ub, 0, SEQUENCE_MOST),
    "chain" / Bytes(32),
    "head" / between(Int24ub, 0, SEQUENCE_MOST),
    "doubts" / between(Int8ub, 0, 7),
    "gaps" / _runs(),
    "kept" / _runs(),
    "leases" / _rising(PrefixedArray(between(Int8ub, 0, 8), _StatedLease), "programme"),
    Terminated,
)
Takeover = Struct(
    "version" / Const(1, Int8ub),
    "old" / Int32ub,
    "new" / ExprValidator(Int32ub, lambda value, context: value != context.old),
    "statement" / Bytes(32),
    "sealed_through" / between(Int24ub, 0, SEQUENCE_MOST),
    "chain" / Bytes(32),
    "exposure_rupiah" / BytesInteger(5),
    "issued_s" / Int32ub,
    "reason" / strict(Int8ub, terminal_lost=1, terminal_broken=2, rolled_back=3, other=4),
    Terminated,
)
# Of a carry file; the text of a QR code is base 45, which is no layout.
CarryEntry = Struct(
    "entry"
    / RawCopy(
        Struct(
            "magic" / Const(b"LMBG"),
            "version" / Const(1, Int8ub),
            "frame"
            / Prefixed(Int24ub, ExprValidator(GreedyBytes, lambda value, _: 13 <= len(value) <= 65536)),
        )
    ),
    "check" / Checksum(Int32ub, crc32, this.entry.data),
    Terminated,
)


def read(layout: Construct, data: bytes) -> Any:
    """What `data` says under `layout`; raises `construct.ConstructError` otherwise."""
    return layout.parse(data)
