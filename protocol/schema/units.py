"""The other units that are signed or travel whole, from grant to write-off (CPython only)."""

from __future__ import annotations

from construct import (
    Bytes,
    Const,
    ExprValidator,
    GreedyBytes,
    GreedyRange,
    Int8ub,
    Int16ub,
    Int24ub,
    Int32ub,
    Optional,
    PrefixedArray,
    Struct,
    Terminated,
    this,
)

from protocol.schema.fields import SEQUENCE_MOST, Int48ub, Period, Programme, Trust, between, strict

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
Standing = Struct("epoch" / Int16ub, "why" / between(Int8ub, 1, 3), Terminated)
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
