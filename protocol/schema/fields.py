"""Numbers with limits, enumerations that refuse strangers, and the fields that several layouts share (CPython only)."""

from __future__ import annotations

from construct import (
    BytesInteger,
    Const,
    Construct,
    Enum,
    ExprValidator,
    GreedyBytes,
    Int8ub,
    Int16ub,
    Int32ub,
    Prefixed,
    PrefixedArray,
    Struct,
)

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


def text(most: int) -> Construct:
    """Printable ASCII behind its length."""
    return limited(
        Int8ub,
        most,
        ExprValidator(GreedyBytes, lambda value, _: all(0x20 <= octet <= 0x7E for octet in value)),
    )


Trust = strict(Int8ub, unset=0, kept=1, operator=2, network=3)
Method = strict(Int8ub, none=0, aid_pin=1, card_pin=2, delegate=3)
Programme = between(Int8ub, 1, 255)
Period = between(Int16ub, 24000, 36000)
Amount = between(Int32ub, 1, AMOUNT_MOST)

Item = Struct(
    "commodity" / between(Int8ub, 1, 255),
    "quantity_hundredths" / between(Int16ub, 1, 0xFFFF),
    "price_rupiah" / between(Int32ub, 0, AMOUNT_MOST),
)
Items = PrefixedArray(between(Int8ub, 0, 8), Item)
