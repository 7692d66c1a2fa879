"""The vectors of what a terminal makes before anything travels: records, their chain, derived keys and numbers."""

from __future__ import annotations

from typing import Any

from protocol import aid_pin, card_key, chain, civil_date, domains, link_keys, records, unpredictable_number
from tools.golden_vectors import corpus
from tools.golden_vectors.corpus import KID
from tools.golden_vectors.reference import ROSTER_KEY, UN_KEY, encrypt_block, hmac_sha256, plain
from tools.golden_vectors.world import Draw


def make_records() -> Any:
    """Canonical records of each kind, with their fields."""
    held = corpus.held_context()
    out = []
    for kind in range(records.REDEMPTION, records.EVENT + 1):
        for number in range(4):
            draw = Draw(f"golden record {kind} {number}")
            record = corpus.any_record(draw, held, kind, corpus.OPENING_S, 1000)
            out.append(
                {"kind": records.name(kind), "fields": plain(record), "hex": records.encode(record).hex()}
            )
    return out


def make_chain() -> Any:
    """A chain of three records and the seal messages."""
    batch = [bytes.fromhex(one["hex"]) for one in make_records()[:3]]
    value = chain.start(KID, corpus.KEY_A, corpus.KEY_B, UN_KEY)
    values = [value]
    for octets in batch:
        value = chain.extend(value, octets)
        values.append(value)
    return {
        "kid": KID,
        "seal_key": corpus.KEY_A.hex(),
        "agreement_key": corpus.KEY_B.hex(),
        "un_key": UN_KEY.hex(),
        "records": plain(batch),
        "chain": plain(values),
        "seal_messages": [chain.seal_message(KID, n, values[n]).hex() for n in range(1, 4)],
        "domains": plain(domains.ALL),
    }


def make_keys() -> Any:
    """Key derivation strings, Unpredictable Numbers, card key and verifiers, dates."""
    numbers = ((1, 0), (1, 1), (2, 0), (255, 254), (256, 0), (8_388_607, 254), ((1 << 24) - 1, 7))
    labels = link_keys.LASTING + link_keys.PER_EPOCH
    pan = bytes.fromhex("6013011234567890123f")
    derived = card_key.derive(hmac_sha256, ROSTER_KEY, pan, 1, bytes.fromhex("291231"))
    moments = (
        (0, 0),
        (0, 840),
        (corpus.OPENING_S, 420),
        (951_782_399, 0),
        (951_782_400, 0),
        (0xFFFFFFFF, 0),
    )
    return {
        "hkdf_salt": {
            "terminal": corpus.KEY_A.hex(),
            "gateway": corpus.KEY_B.hex(),
            "salt": link_keys.salt(corpus.KEY_A, corpus.KEY_B).hex(),
        },
        "hkdf_info": [
            {
                "label": label.decode(),
                "octets": width,
                "kid": KID,
                "gateway_key_id": 3,
                "epoch": epoch,
                "info": link_keys.info(label, KID, 3, epoch).hex(),
            }
            for label, width in labels
            for epoch in (0, 0xFFFF)
        ],
        "unpredictable_numbers": {
            "un_key": UN_KEY.hex(),
            "numbers": [
                [sequence, attempt, unpredictable_number.derive(encrypt_block, sequence, attempt).hex()]
                for sequence, attempt in numbers
            ],
        },
        "card_key": {
            "roster_key": ROSTER_KEY.hex(),
            "pan": pan.hex(),
            "sequence": 1,
            "expiry": "291231",
            "key": derived.hex(),
        },
        "verifiers": {
            "pin": "271828",
            "binding": corpus.KEY_A[:32].hex(),
            "application_index": 1,
            "unbound": aid_pin.unbound(hmac_sha256, ROSTER_KEY, derived, b"271828").hex(),
            "bound": aid_pin.bound(hmac_sha256, corpus.KEY_A[:32], derived, 1, b"271828").hex(),
        },
        "transaction_dates": [
            [time_s, offset, civil_date.transaction_date(time_s, offset).hex()] for time_s, offset in moments
        ],
    }
