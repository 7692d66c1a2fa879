"""What is left of a replaced terminal, and who has it now (CPython only)."""

from __future__ import annotations

from construct import (
    Bytes,
    BytesInteger,
    Const,
    Construct,
    ExprValidator,
    Int8ub,
    Int16ub,
    Int24ub,
    Int32ub,
    PrefixedArray,
    Struct,
    Terminated,
)

from protocol.schema.fields import SEQUENCE_MOST, Int48ub, Period, Programme, between, strict


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
    "programme" / Programme,
    "period" / Period,
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
