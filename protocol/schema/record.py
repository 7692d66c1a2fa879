"""The canonical record of each kind (CPython only)."""

from __future__ import annotations

from construct import (
    Bytes,
    Const,
    GreedyBytes,
    Int8ub,
    Int16ub,
    Int32ub,
    Int64ub,
    Prefixed,
    Struct,
    Switch,
    Terminated,
    this,
)

from protocol import records
from protocol.schema.fields import (
    SEQUENCE_MOST,
    Amount,
    Items,
    Method,
    Period,
    Programme,
    Trust,
    between,
    limited,
    strict,
)

Kind = strict(Int8ub, **{records.name(kind): kind for kind in range(1, 10)})
Sequence = between(Int32ub, 1, SEQUENCE_MOST)
Total = between(Int64ub, 0, (1 << 48) - 1)
ApplicationIndex = between(Int8ub, 0, 15)
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
