"""The vectors of what travels: batches under both codecs, and frames of each class."""

from __future__ import annotations

from typing import Any

from protocol import (
    acknowledgement,
    bridge,
    certificates,
    codec,
    context,
    frame,
    grant,
    notice,
    parts,
    policy,
    status,
)
from tools.golden_vectors import corpus, samples
from tools.golden_vectors.corpus import KID
from tools.golden_vectors.reference import CCM_KEY, SALT_KEY, ReferenceCipher, plain


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


def _bare(held: context.Context) -> context.Context:
    """Its roster and policy without its grants."""
    return context.Context(held.roster, held.policy, {})


def make_codec() -> Any:
    """Batches under both codecs."""
    held = corpus.held_context()
    batches = [
        {
            "first": first,
            "records": plain(batch),
            "literal": codec.encode(codec.LITERAL, batch, None).hex(),
            "predicted": codec.encode(codec.PREDICTED, batch, held, first).hex(),
        }
        for first, batch in corpus.batches(held)
    ]
    return {"context": _context(held), "batches": batches}


def make_frames() -> Any:
    """Frames of each class."""
    held = corpus.held_context()
    cipher = ReferenceCipher()
    first, batch = corpus.batches(held)[12]
    out = []
    for number in (codec.LITERAL, codec.PREDICTED):
        for seal in (b"", corpus.SIGNATURE):
            octets = frame.encode_records(KID, first, batch, seal, number, held, cipher)
            out.append({"class": "records", "codec": number, "first": first, "seal": seal.hex(), "records": plain(batch),
                        "frame": octets.hex()})  # fmt: skip
    long = frame.encode_records(KID, first, batch[:1], corpus.SIGNATURE, codec.LITERAL, None, cipher)
    # Of roster and policy alone ([CTX-04]).
    octets = frame.encode_records(KID, first, batch, b"", codec.PREDICTED, _bare(held), cipher)
    out.append({"class": "records", "codec": codec.PREDICTED, "bare": True, "first": first, "seal": "",
                "records": plain(batch), "frame": octets.hex()})  # fmt: skip
    for name, frame_class, kind, body in (
        ("up", frame.CLASS_UP, frame.UP_STATUS, status.encode(samples.sample_status())),
        (
            "down",
            frame.CLASS_DOWN,
            frame.DOWN_ACKNOWLEDGEMENT,
            acknowledgement.encode(samples.sample_acknowledgement()) + corpus.SIGNATURE,
        ),
        ("down", frame.CLASS_DOWN, frame.DOWN_GRANT, grant.encode(held.grants[1]) + corpus.SIGNATURE),
        ("down", frame.CLASS_DOWN, frame.DOWN_NOTICE, notice.encode(samples.sample_notice())),
        ("up", frame.CLASS_UP, frame.UP_BRIDGE, bridge.encode(samples.sample_bridge())),
        ("up", frame.CLASS_UP, frame.UP_PART, parts.encode(parts.split(parts.RECORDS_FRAME, long)[0])),
        (
            "down",
            frame.CLASS_DOWN,
            frame.DOWN_STANDING,
            notice.encode_standing(samples.sample_standing()) + corpus.SIGNATURE,
        ),
        ("down", frame.CLASS_DOWN, frame.DOWN_PART, parts.encode(samples.sample_parts()[0])),
    ):
        octets = frame.encode_counter(frame_class, kind, KID, 77, body, cipher)
        out.append({"class": name, "kind": kind, "counter": 77, "body": body.hex(), "frame": octets.hex()})
    body = certificates.encode_epoch(samples.sample_epoch()) + corpus.SIGNATURE
    octets = frame.encode_clear(frame.CLEAR_EPOCH_CERTIFICATE, KID, 78, body)
    out.append({"class": "clear", "kind": 1, "counter": 78, "body": body.hex(), "frame": octets.hex()})
    return {
        "kid": KID,
        "ccm_key": CCM_KEY.hex(),
        "salt_key": SALT_KEY.hex(),
        "context": _context(held),
        "bare_digest": _bare(held).digest.hex(),
        "frames": out,
    }
