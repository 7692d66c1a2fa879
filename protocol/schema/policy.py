"""The policy (CPython only)."""

from __future__ import annotations

from construct import (
    Bytes,
    GreedyBytes,
    If,
    Int8ub,
    Int16ub,
    Int32ub,
    Prefixed,
    PrefixedArray,
    Struct,
    Terminated,
    this,
)

from protocol.schema.fields import AMOUNT_MOST, Items, Method, Programme, between, limited, strict, text

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
