"""The columns that the gateway derives from a canonical record, cut out by offset; the octets stay the truth."""

from __future__ import annotations

import struct
from typing import NamedTuple

from protocol import records

_KIND_AT = 0
_CARD_KEY_OCTETS = 8
_WIDTHS = {"B": 1, "H": 2, "I": 4, "Q": 8}
_HEAD_OCTETS = 7
_NUMBER = struct.Struct(">I")
_TIME_AT = 2
_WITH_PROOF = (records.REDEMPTION, records.VOID, records.GOODS_RECEIVED)
# Inside a proof: the application index, then PAN sequence (1), date (3) and CID (1), then the ATC (2).
_ATC_AT = 6


class Columns(NamedTuple):
    """`amount_rupiah` and `reference` (the redemption that a void or receipt names) are 0 where the kind has none.

    `card_use` is card key ‖ application ‖ ATC, or None.
    """

    kind: int
    time_s: int
    amount_rupiah: int
    reference: int
    card_use: bytes | None


def _offsets(kind: int) -> dict[str, int]:
    """Octet offset of every fixed field of a kind, and "parts" for what follows them."""
    found = {}
    offset = _HEAD_OCTETS
    for name, code, _, _ in records.LAYOUTS[kind][1]:
        found[name] = offset
        offset += _WIDTHS[code] if code in _WIDTHS else int(code[:-1])
    found["parts"] = offset
    return found


_AT = {kind: _offsets(kind) for kind in records.LAYOUTS}
_AMOUNT_AT = {kind: at["amount_rupiah"] for kind, at in _AT.items() if "amount_rupiah" in at}
_REFERENCE_AT = {kind: at["reference_sequence"] for kind, at in _AT.items() if "reference_sequence" in at}
_CARD_AT = {kind: (_AT[kind]["card_key"], _AT[kind]["parts"]) for kind in _WITH_PROOF}


def derive(octets: bytes) -> Columns:
    """The columns of a canonical record."""
    kind = octets[_KIND_AT]
    amount_at = _AMOUNT_AT.get(kind)
    amount_rupiah = _NUMBER.unpack_from(octets, amount_at)[0] if amount_at else 0
    reference_at = _REFERENCE_AT.get(kind)
    reference = _NUMBER.unpack_from(octets, reference_at)[0] if reference_at else 0
    return Columns(kind, _NUMBER.unpack_from(octets, _TIME_AT)[0], amount_rupiah, reference, card_use(octets))


def card_use(octets: bytes) -> bytes | None:
    """Card key, application index and ATC: what a card gives out once; None where a record has no card proof."""
    at = _CARD_AT.get(octets[_KIND_AT])
    if at is None:
        return None
    key_at, proof_at = at
    if not octets[proof_at]:
        return None
    atc_at = proof_at + 1 + _ATC_AT
    return (
        octets[key_at : key_at + _CARD_KEY_OCTETS]
        + octets[proof_at + 1 : proof_at + 2]
        + octets[atc_at : atc_at + 2]
    )
