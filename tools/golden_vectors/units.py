"""The vectors of each unit that is signed or travels whole: its fields, its octets, its digest, the message that is signed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from protocol import (
    acknowledgement,
    bridge,
    certificates,
    grant,
    notice,
    parts,
    policy,
    renewal,
    roster,
    roster_delta,
    status,
    takeover,
    write_off,
)
from tools.golden_vectors import corpus, samples
from tools.golden_vectors.corpus import KID
from tools.golden_vectors.reference import plain


def make_units() -> Any:
    """Every unit by its name; grants and parts are lists."""
    held_policy = corpus.held_context().policy
    given_up = write_off.encode(samples.sample_write_off())
    stated = takeover.encode_statement(samples.sample_statement())
    taken = takeover.encode_takeover(samples.sample_takeover())
    return {
        "roster": _roster(),
        "policy": _unit(held_policy, policy.encode, policy.signed_message),
        "policy_with_channels": _unit(corpus.sample_policy_with_channels(), policy.encode),
        "grants": _grants(),
        "terminal_certificate": _unit(
            samples.sample_terminal(), certificates.encode_terminal, certificates.terminal_message
        ),
        "epoch_certificate": _unit(
            samples.sample_epoch(), certificates.encode_epoch, certificates.epoch_message
        ),
        "acknowledgement": _counted(
            samples.sample_acknowledgement(), acknowledgement.encode, acknowledgement.signed_message
        ),
        "status": _unit(samples.sample_status(), status.encode),
        "notice": _unit(samples.sample_notice(), notice.encode),
        "standing": _counted(samples.sample_standing(), notice.encode_standing, notice.standing_message),
        "bridge": _unit(samples.sample_bridge(), bridge.encode),
        "roster_delta": _roster_delta(),
        "renewal": _unit(samples.sample_renewal(), renewal.encode),
        "renewal_piece": _unit(
            renewal.pieces(renewal.encode(samples.sample_renewal()))[-1], renewal.encode_piece
        ),
        "parts": [_unit(part, parts.encode) for part in samples.sample_parts()],
        "write_off": _unit(write_off.decode(given_up), write_off.encode, write_off.signed_message),
        "statement": _unit(
            takeover.decode_statement(stated), takeover.encode_statement, takeover.statement_message
        ),
        "takeover": _unit(
            takeover.decode_takeover(taken), takeover.encode_takeover, takeover.takeover_message
        ),
    }


def _unit(
    value: Any, encode: Callable[[Any], bytes], message_of: Callable[[bytes], bytes] | None = None
) -> dict[str, Any]:
    """A unit whose message, where it is signed, follows from its octets alone."""
    octets = encode(value)
    made = {"fields": plain(value), "hex": octets.hex()}
    if message_of is not None:
        made["message"] = message_of(octets).hex()
    return made


def _roster() -> Any:
    """A roster, signed by its digest."""
    entries = samples.sample_roster()
    octets = roster.encode(5, entries)
    digest = roster.digest(octets)
    return {
        "number": 5,
        "entries": plain(entries),
        "hex": octets.hex(),
        "digest": digest.hex(),
        "message": roster.signed_message(digest).hex(),
    }


def _roster_delta() -> Any:
    """What is new in a roster, and the roster that it leads to."""
    delta = samples.sample_roster_delta()
    base = roster.encode(5, samples.sample_roster())
    return _unit(delta, roster_delta.encode) | {"result": roster_delta.apply(base, delta).hex()}


def _grants() -> Any:
    """Grants, signed together with the roster and the policy that they are for."""
    held = corpus.held_context()
    made = []
    for number in sorted(held.grants):
        one = held.grants[number]
        octets = grant.encode(one)
        message = grant.signed_message(KID, held.roster.digest, held.policy.digest, octets)
        made.append({"fields": plain(one), "hex": octets.hex(), "roster_digest": held.roster.digest.hex(),
                     "policy_digest": held.policy.digest.hex(), "message": message.hex()})  # fmt: skip
    return made


def _counted(
    value: Any, encode: Callable[[Any], bytes], message_of: Callable[[int, int, bytes], bytes]
) -> Any:
    """A unit that is signed together with kid and counter of its frame."""
    counter = 77
    made = _unit(value, encode)
    message = message_of(KID, counter, bytes.fromhex(made["hex"]))
    return made | {"kid": KID, "counter": counter, "message": message.hex()}
