"""Makes the golden vectors of the protocol, or checks that the code still makes the same.

Run as `python -m tools.golden_vectors` to write `protocol/vectors/*.json`, with `--check` to compare and exit 1 where
anything differs: encoder output over the corpus may not change without a new codec number. Everything is deterministic;
frames are encrypted with a cipher that is not ours.
"""

from __future__ import annotations

import argparse
import hmac
import json
import sys
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from protocol import (
    acknowledgement,
    aid_pin,
    bridge,
    card_key,
    certificates,
    chain,
    civil_date,
    codec,
    context,
    domains,
    frame,
    grant,
    link_keys,
    notice,
    parts,
    policy,
    records,
    roster,
    roster_delta,
    status,
    takeover,
    unpredictable_number,
    write_off,
)
from protocol.errors import ProtocolError
from tools import golden_corpus
from tools.golden_corpus import KID, Draw
from tools.setup.checkout import ROOT

FOLDER = ROOT / "protocol" / "vectors"
CCM_KEY = bytes(range(16))
SALT_KEY = bytes(range(32, 64))
UN_KEY = bytes(range(64, 80))
ROSTER_KEY = bytes(range(96, 128))


class ReferenceCipher(frame.LinkCipher):
    """The link cipher from the `cryptography` package and the standard library."""

    def salt(self, message: bytes) -> bytes:
        """See `LinkCipher`."""
        return hmac.digest(SALT_KEY, message, "sha256")[:4]

    def encrypt(self, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        """See `LinkCipher`."""
        return AESCCM(CCM_KEY, tag_length=8).encrypt(nonce, plaintext, associated_data)


def encrypt_block(block: bytes) -> bytes:
    """One block under the UN key."""
    encryptor = Cipher(algorithms.AES(UN_KEY), modes.ECB()).encryptor()  # noqa: S305 - one block, as the protocol says
    return encryptor.update(block) + encryptor.finalize()


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC of the standard library."""
    return hmac.digest(key, message, "sha256")


def plain(value: Any) -> Any:
    """A unit as JSON has it: octets in hex, objects by their fields in order of name."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if hasattr(value, "__dict__"):
        return {name: plain(vars(value)[name]) for name in sorted(vars(value))}
    return value


def make_records() -> Any:
    """Canonical records of each kind, with their fields."""
    held = golden_corpus.held_context()
    out = []
    for kind in range(records.REDEMPTION, records.EVENT + 1):
        for number in range(4):
            draw = Draw(f"golden record {kind} {number}")
            record = golden_corpus.any_record(draw, held, kind, golden_corpus.OPENING_S, 1000)
            out.append(
                {"kind": records.name(kind), "fields": plain(record), "hex": records.encode(record).hex()}
            )
    return out


def make_chain() -> Any:
    """A chain of three records and the seal messages."""
    batch = [bytes.fromhex(one["hex"]) for one in make_records()[:3]]
    value = chain.start(KID, golden_corpus.KEY_A, golden_corpus.KEY_B, UN_KEY)
    values = [value]
    for octets in batch:
        value = chain.extend(value, octets)
        values.append(value)
    return {
        "kid": KID,
        "seal_key": golden_corpus.KEY_A.hex(),
        "agreement_key": golden_corpus.KEY_B.hex(),
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
        (golden_corpus.OPENING_S, 420),
        (951_782_399, 0),
        (951_782_400, 0),
        (0xFFFFFFFF, 0),
    )
    return {
        "hkdf_salt": {
            "terminal": golden_corpus.KEY_A.hex(),
            "gateway": golden_corpus.KEY_B.hex(),
            "salt": link_keys.salt(golden_corpus.KEY_A, golden_corpus.KEY_B).hex(),
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
            "binding": golden_corpus.KEY_A[:32].hex(),
            "application_index": 1,
            "unbound": aid_pin.unbound(hmac_sha256, ROSTER_KEY, derived, b"271828").hex(),
            "bound": aid_pin.bound(hmac_sha256, golden_corpus.KEY_A[:32], derived, 1, b"271828").hex(),
        },
        "transaction_dates": [
            [time_s, offset, civil_date.transaction_date(time_s, offset).hex()] for time_s, offset in moments
        ],
    }


def _context(held: context.Context) -> Any:
    """A context as vectors carry it."""
    return {
        "roster": plain(held.roster.entries),  # type: ignore[attr-defined]
        "roster_digest": held.roster.digest.hex(),
        "policy": policy.encode(held.policy).hex(),
        "kid": KID,
        "grants": [grant.encode(held.grants[number]).hex() for number in sorted(held.grants)],
        "digest": held.digest.hex(),
    }


def make_codec() -> Any:
    """Batches under both codecs."""
    held = golden_corpus.held_context()
    batches = [
        {
            "first": first,
            "records": plain(batch),
            "literal": codec.encode(codec.LITERAL, batch, None).hex(),
            "predicted": codec.encode(codec.PREDICTED, batch, held, first).hex(),
        }
        for first, batch in golden_corpus.batches(held)
    ]
    return {"context": _context(held), "batches": batches}


def make_frames() -> Any:
    """Frames of each class."""
    held = golden_corpus.held_context()
    cipher = ReferenceCipher()
    first, batch = golden_corpus.batches(held)[12]
    out = []
    for number in (codec.LITERAL, codec.PREDICTED):
        for seal in (b"", golden_corpus.SIGNATURE):
            octets = frame.encode_records(KID, first, batch, seal, number, held, cipher)
            out.append({"class": "records", "codec": number, "first": first, "seal": seal.hex(), "records": plain(batch),
                        "frame": octets.hex()})  # fmt: skip
    for name, frame_class, kind, body in (
        ("up", frame.CLASS_UP, frame.UP_STATUS, status.encode(golden_corpus.sample_status())),
        (
            "down",
            frame.CLASS_DOWN,
            frame.DOWN_ACKNOWLEDGEMENT,
            acknowledgement.encode(golden_corpus.sample_acknowledgement()) + golden_corpus.SIGNATURE,
        ),
        ("down", frame.CLASS_DOWN, frame.DOWN_GRANT, grant.encode(held.grants[1]) + golden_corpus.SIGNATURE),
        ("down", frame.CLASS_DOWN, frame.DOWN_NOTICE, notice.encode(golden_corpus.sample_notice())),
        ("up", frame.CLASS_UP, frame.UP_BRIDGE, bridge.encode(golden_corpus.sample_bridge())),
        ("down", frame.CLASS_DOWN, frame.DOWN_PART, parts.encode(golden_corpus.sample_parts()[0])),
    ):
        octets = frame.encode_counter(frame_class, kind, KID, 77, body, cipher)
        out.append({"class": name, "kind": kind, "counter": 77, "body": body.hex(), "frame": octets.hex()})
    body = certificates.encode_epoch(golden_corpus.sample_epoch()) + golden_corpus.SIGNATURE
    octets = frame.encode_clear(frame.CLEAR_EPOCH_CERTIFICATE, KID, 78, body)
    out.append({"class": "clear", "kind": 1, "counter": 78, "body": body.hex(), "frame": octets.hex()})
    return {
        "kid": KID,
        "ccm_key": CCM_KEY.hex(),
        "salt_key": SALT_KEY.hex(),
        "context": _context(held),
        "frames": out,
    }


def make_units() -> Any:
    """Roster, policy, grants, certificates, acknowledgement, status, notice, bridge, parts, write-off, roster delta: fields, octets,
    digests, signed messages.
    """
    held = golden_corpus.held_context()
    entries = golden_corpus.sample_roster()
    octets = roster.encode(5, entries)
    body = acknowledgement.encode(golden_corpus.sample_acknowledgement())
    grants = []
    for number in sorted(held.grants):
        out = held.grants[number]
        encoded = grant.encode(out)
        message = grant.signed_message(KID, held.roster.digest, held.policy.digest, encoded)
        grants.append({"fields": plain(out), "hex": encoded.hex(), "roster_digest": held.roster.digest.hex(),
                       "policy_digest": held.policy.digest.hex(), "message": message.hex()})  # fmt: skip
    terminal = certificates.encode_terminal(golden_corpus.sample_terminal())
    epoch = certificates.encode_epoch(golden_corpus.sample_epoch())
    encoded_policy = policy.encode(held.policy)
    given_up = write_off.encode(golden_corpus.sample_write_off())
    stated = takeover.encode_statement(golden_corpus.sample_statement())
    taken = takeover.encode_takeover(golden_corpus.sample_takeover())
    channelled = golden_corpus.sample_policy_with_channels()
    return {
        "roster": {
            "number": 5,
            "entries": plain(entries),
            "hex": octets.hex(),
            "digest": roster.digest(octets).hex(),
            "message": roster.signed_message(roster.digest(octets)).hex(),
        },
        "policy": {
            "fields": plain(held.policy),
            "hex": encoded_policy.hex(),
            "message": policy.signed_message(encoded_policy).hex(),
        },
        "policy_with_channels": {"fields": plain(channelled), "hex": policy.encode(channelled).hex()},
        "grants": grants,
        "terminal_certificate": {
            "fields": plain(golden_corpus.sample_terminal()),
            "hex": terminal.hex(),
            "message": certificates.terminal_message(terminal).hex(),
        },
        "epoch_certificate": {
            "fields": plain(golden_corpus.sample_epoch()),
            "hex": epoch.hex(),
            "message": certificates.epoch_message(epoch).hex(),
        },
        "acknowledgement": {
            "fields": plain(golden_corpus.sample_acknowledgement()),
            "hex": body.hex(),
            "kid": KID,
            "counter": 77,
            "message": acknowledgement.signed_message(KID, 77, body).hex(),
        },
        "status": {
            "fields": plain(golden_corpus.sample_status()),
            "hex": status.encode(golden_corpus.sample_status()).hex(),
        },
        "notice": {
            "fields": plain(golden_corpus.sample_notice()),
            "hex": notice.encode(golden_corpus.sample_notice()).hex(),
        },
        "bridge": {
            "fields": plain(golden_corpus.sample_bridge()),
            "hex": bridge.encode(golden_corpus.sample_bridge()).hex(),
        },
        "roster_delta": {
            "fields": plain(golden_corpus.sample_roster_delta()),
            "hex": roster_delta.encode(golden_corpus.sample_roster_delta()).hex(),
            "result": roster_delta.apply(octets, golden_corpus.sample_roster_delta()).hex(),
        },
        "parts": [
            {"fields": plain(part), "hex": parts.encode(part).hex()} for part in golden_corpus.sample_parts()
        ],
        "write_off": {
            "fields": plain(write_off.decode(given_up)),
            "hex": given_up.hex(),
            "message": write_off.signed_message(given_up).hex(),
        },
        "statement": {
            "fields": plain(takeover.decode_statement(stated)),
            "hex": stated.hex(),
            "message": takeover.statement_message(stated).hex(),
        },
        "takeover": {
            "fields": plain(takeover.decode_takeover(taken)),
            "hex": taken.hex(),
            "message": takeover.takeover_message(taken).hex(),
        },
    }


def decoders() -> dict[str, Callable[[bytes], Any]]:
    """Decoders by the name of a unit, as `refusals.json` names them."""
    held = golden_corpus.held_context()
    return {
        "record": records.decode,
        "codec 0, one record": lambda data: codec.decode(codec.LITERAL, data, 1, None),
        "codec 1, one record": lambda data: codec.decode(codec.PREDICTED, data, 1, held, 5),
        "roster": roster.decode,
        "policy": policy.decode,
        "grant": lambda data: grant.decode(data, KID, held.roster.digest, held.policy.digest),
        "terminal certificate": certificates.decode_terminal,
        "epoch certificate": certificates.decode_epoch,
        "acknowledgement": acknowledgement.decode,
        "status": status.decode,
        "notice": notice.decode,
        "bridge": bridge.decode,
        "part": parts.decode,
        "write-off": write_off.decode,
        "roster delta": roster_delta.decode,
        "header": frame.read_header,
    }


def make_refusals() -> Any:
    """Octets that must be refused, with the class, the field and the offset."""
    units = make_units()
    codes = make_codec()
    first_records = {one["kind"]: bytes.fromhex(one["hex"]) for one in reversed(make_records())}
    single = bytes.fromhex(next(one for one in codes["batches"] if len(one["records"]) == 1)["predicted"])
    good = {
        "roster": bytes.fromhex(units["roster"]["hex"]),
        "policy": bytes.fromhex(units["policy"]["hex"]),
        "grant": bytes.fromhex(units["grants"][0]["hex"]),
        "terminal certificate": bytes.fromhex(units["terminal_certificate"]["hex"]),
        "epoch certificate": bytes.fromhex(units["epoch_certificate"]["hex"]),
        "acknowledgement": bytes.fromhex(units["acknowledgement"]["hex"]),
        "status": bytes.fromhex(units["status"]["hex"]),
        "notice": bytes.fromhex(units["notice"]["hex"]),
        "bridge": bytes.fromhex(units["bridge"]["hex"]),
        "part": bytes.fromhex(units["parts"][-1]["hex"]),
        "write-off": bytes.fromhex(units["write_off"]["hex"]),
        "roster delta": bytes.fromhex(units["roster_delta"]["hex"]),
        "codec 1, one record": single,
        "header": bytes.fromhex("00102030400000010000000000"),
    }
    cases: list[tuple[str, bytes]] = [
        ("record", b""),
        ("codec 0, one record", b""),
        ("codec 0, one record", b"\x05\x01"),
    ]
    for octets in first_records.values():
        cases += [("record", change) for change in _changes(octets)]
    for unit, octets in good.items():
        cases += [(unit, change) for change in _changes(octets)]
    decode = decoders()
    out = []
    for unit, octets in cases:
        try:
            decode[unit](octets)
        except ProtocolError as error:
            out.append({"unit": unit, "hex": octets.hex(), "error": type(error).__name__, "field": error.field,
                        "offset": error.offset})  # fmt: skip
    return out


def _changes(octets: bytes) -> list[bytes]:
    """Cut, lengthened, and each of the first octets set to its extremes."""
    out = [octets[:at] for at in (1, 2, 3, 7, len(octets) // 2, len(octets) - 1)]
    out += [octets + b"\x00", b"\x00" + octets]
    for at in range(min(len(octets), 44)):
        out += [
            octets[:at] + bytes((value,)) + octets[at + 1 :] for value in (0x00, 0xFF) if octets[at] != value
        ]
    return out


FILES: dict[str, Callable[[], Any]] = {
    "records.json": make_records,
    "chain.json": make_chain,
    "keys.json": make_keys,
    "codec.json": make_codec,
    "frames.json": make_frames,
    "units.json": make_units,
    "refusals.json": make_refusals,
}


def text_of(made: Any) -> str:
    """JSON with one entry per line at the top, so that a change shows where it is."""
    if isinstance(made, list):
        return "[\n" + ",\n".join(_compact(one) for one in made) + "\n]\n"
    return (
        "{\n" + ",\n".join(f"{_compact(name)}: {_compact(value)}" for name, value in made.items()) + "\n}\n"
    )


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def stale() -> list[str]:
    """The names of vector files that are not what the code makes today."""
    return [
        name
        for name, make in FILES.items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != text_of(make())
    ]


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="compare, write nothing, exit 1 where anything differs"
    )
    if parser.parse_args().check:
        names = stale()
        for name in names:
            print(
                f"golden vectors: protocol/vectors/{name} differs: a wire change needs a new codec number or version"
            )
        if not names:
            print(f"golden vectors: all {len(FILES)} files are what the code makes")
        return 1 if names else 0
    FOLDER.mkdir(exist_ok=True)
    for name, make in FILES.items():
        (FOLDER / name).write_text(text_of(make()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
