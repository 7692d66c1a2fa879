"""A redemption as anybody's format would have it: the values of a record, and its card data as EMV tags."""

from __future__ import annotations

from dataclasses import dataclass

from gateway import keys
from protocol import policy, records, unpredictable_number
from protocol.records import Record
from tests.bench import reference_day

MINOR_UNITS = 100
TENDERS = ("goods", "cash")
METHODS = ("none", "aid_pin", "card_pin", "delegate")


@dataclass(frozen=True)
class Sale:
    """One redemption; `emv` are (tag, value) as a card reader gives them, `time_s` is seconds since 1970."""

    kid: int
    sequence: int
    time_s: int
    time_trust: int
    programme: int
    period: int
    tender: int
    amount_rupiah: int
    card_key: bytes
    lease: int
    method: int
    flags: int
    reason: int
    application_index: int
    items: tuple[tuple[int, int, int], ...]
    emv: tuple[tuple[int, bytes], ...]

    @property
    def field_55(self) -> bytes:
        """The card data as BER-TLV."""
        return b"".join(
            tag.to_bytes(2 if tag > 0xFF else 1, "big") + bytes((len(value),)) + value
            for tag, value in self.emv
        )


def sales() -> list[Sale]:
    """The 300 redemptions of the reference day, with sequences that follow each other."""
    day = reference_day.build()
    found = [records.decode(octets) for octets in day.batch if octets[0] == records.REDEMPTION]
    return [
        _sale(record, day.first + place, day.kid, day.context.policy) for place, record in enumerate(found)
    ]


def _sale(record: Record, sequence: int, kid: int, held: policy.Policy) -> Sale:
    proof = record.proof
    assert proof is not None
    minor = bytes.fromhex(f"{record.amount_rupiah * MINOR_UNITS:012d}")
    # Whoever does not know the link keys cannot recompute the Unpredictable Number, so it travels.
    number = unpredictable_number.derive(keys.aes_block(bytes(16)), sequence, proof.un_attempt)
    emv = (
        (0x9F26, proof.ac),
        (0x9F27, bytes((proof.cid,))),
        (0x9F10, proof.iad),
        (0x9F37, number),
        (0x9F36, proof.atc.to_bytes(2, "big")),
        (0x95, proof.tvr),
        (0x9A, proof.transaction_date),
        (0x9C, bytes((record.tender,))),
        (0x9F02, minor),
        (0x5F2A, held.currency_code.to_bytes(2, "big")),
        (0x82, proof.aip),
        (0x9F1A, held.country_code.to_bytes(2, "big")),
        (0x9F34, proof.cvm_results),
        (0x5F34, bytes((proof.pan_sequence,))),
    )
    return Sale(
        kid,
        sequence,
        record.time_s,
        record.time_trust,
        record.programme,
        record.period,
        record.tender,
        record.amount_rupiah,
        record.card_key,
        record.lease,
        record.method,
        record.flags,
        record.reason,
        proof.application_index,
        record.items,
        emv,
    )
