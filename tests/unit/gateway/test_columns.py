"""Derived columns agree with the decoder, for every kind of record."""

from gateway import columns
from protocol import records
from tests.support.gateway_rig import Rig

PROOF = records.CardProof(
    application_index=3, pan_sequence=1, transaction_date=b"\x26\x11\x01", cid=0x40, atc=0x1234, ac=b"cryptogr",
    tvr=bytes(5), aip=bytes(2), cvm_results=bytes(3), un_attempt=5, iad=bytes(9),
)  # fmt: skip
HEAD = {"version": 1, "time_s": 1_795_000_123, "time_trust": 3}
SAMPLES = [
    {"kind": records.REDEMPTION, "programme": 1, "period": 24322, "tender": 1, "amount_rupiah": 123_000,
     "card_key": b"cardkey1", "lease": 7, "method": 1, "flags": 0, "reason": 0, "proof": PROOF, "items": ()},
    {"kind": records.VOID, "programme": 1, "period": 24322, "amount_rupiah": 77_000, "reference_sequence": 9,
     "card_key": b"cardkey2", "reason": 1, "proof": PROOF},
    {"kind": records.GOODS_RECEIVED, "reference_sequence": 9, "card_key": b"cardkey3", "method": 1, "proof": PROOF},
    {"kind": records.GOODS_RECEIVED, "reference_sequence": 9, "card_key": b"cardkey3", "method": 0, "proof": None},
    {"kind": records.RETURN, "programme": 1, "period": 24322, "amount_rupiah": 5000, "card_key": b"cardkey4", "lease": 1},
    {"kind": records.PERIOD_CLOSE, "programme": 1, "period": 24322, "redeemed_count": 1, "redeemed_rupiah": 2,
     "voided_count": 3, "voided_rupiah": 4, "returned_count": 5, "returned_rupiah": 6},
    {"kind": records.ENROL, "card_key": b"cardkey5", "application_index": 1, "verifier": bytes(16)},
    {"kind": records.ADOPTION, "subject": 1, "number": 5, "digest": bytes(32)},
    {"kind": records.STOCK_RECEIVED, "supplier": 5, "items": ((1, 100, 1000),)},
    {"kind": records.EVENT, "code": 1, "operator": 2, "detail": b"x"},
]  # fmt: skip


def test_every_kind():
    assert {sample["kind"] for sample in SAMPLES} == set(records.LAYOUTS)
    for sample in SAMPLES:
        record = records.Record(**HEAD, **sample)
        derived = columns.derive(records.encode(record))
        assert derived.kind == record.kind
        assert derived.time_s == record.time_s
        assert derived.amount_rupiah == getattr(record, "amount_rupiah", 0)
        assert derived.reference == getattr(record, "reference_sequence", 0)
        proof = getattr(record, "proof", None)
        expected = None
        if proof is not None:
            expected = record.card_key + bytes((proof.application_index,)) + proof.atc.to_bytes(2, "big")
        assert derived.card_use == expected


def test_card_uses_of_a_terminal_are_distinct():
    terminal = Rig().terminal()
    sequences = [terminal.redeem(3) for _ in range(5)]
    uses = {columns.card_use(terminal.octets[sequence]) for sequence in sequences}
    assert len(uses) == 5
