"""The aid PIN's verifiers: what roster and terminal keep instead of the PIN that the programme assigned.

Unbound (until first use) a verifier is keyed with the roster key, so a flash dump reveals the PIN; bound, it is keyed
with the hash of the card's own certificate, so a dump alone does not (threat model, protocol/README.md).
"""

VERIFIER_OCTETS = 16
PIN_DIGITS = 6
UNBOUND = 255


def unbound(hmac_sha256, roster_key: bytes, card_key: bytes, pin: bytes) -> bytes:  # type: ignore[no-untyped-def]
    """The verifier that the authority can make: `pin` is six ASCII digits, `card_key` 8 octets."""
    return _verifier(hmac_sha256, roster_key, b"aid pin" + card_key, pin)


def bound(hmac_sha256, binding: bytes, card_key: bytes, application_index: int, pin: bytes) -> bytes:  # type: ignore[no-untyped-def]
    """The verifier that a terminal makes at first use: `binding` is SHA-256 of the card's certificate (tag 9F46)."""
    return _verifier(hmac_sha256, binding, b"aid pin" + card_key + bytes((application_index,)), pin)


def _verifier(hmac_sha256, key: bytes, front: bytes, pin: bytes) -> bytes:  # type: ignore[no-untyped-def]
    """The tag's first octets; what was joined with the PIN is overwritten. The hash's own block is out of reach."""
    message = bytearray(front)
    message.extend(pin)
    tag = bytes(hmac_sha256(key, message)[:VERIFIER_OCTETS])
    for i in range(len(message)):
        message[i] = 0
    return tag
