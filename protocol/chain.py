"""The hash chain over the records and the seal's message: the last seal proves all records before it."""

import hashlib

from protocol import domains
from protocol.octets import fixed, number

DIGEST_OCTETS = 32
KEY_OCTETS = 64


def start(kid: int, seal_key: bytes, agreement_key: bytes, un_key: bytes) -> bytes:
    """`chain_0`, 32 octets, from the terminal's kid, its two public keys (64 octets each) and its UN key."""
    return start_from_commitment(kid, seal_key, agreement_key, hashlib.sha256(un_key).digest())


def start_from_commitment(kid: int, seal_key: bytes, agreement_key: bytes, commitment: bytes) -> bytes:
    """`chain_0` for who knows only SHA-256 of the UN key: the settlement service."""
    return hashlib.sha256(
        domains.CHAIN_START
        + number("kid", kid, 4)
        + fixed("seal key", seal_key, KEY_OCTETS)
        + fixed("agreement key", agreement_key, KEY_OCTETS)
        + fixed("commitment", commitment, DIGEST_OCTETS)
    ).digest()


def extend(chain: bytes, record: bytes) -> bytes:
    """`chain_n` from `chain_{n-1}` (32 octets) and the canonical record n."""
    return hashlib.sha256(fixed("chain", chain, DIGEST_OCTETS) + record).digest()


def seal_message(kid: int, sequence: int, chain: bytes) -> bytes:
    """The octets that `seal_n` signs: domain, kid, n, chain_n; all of fixed width."""
    return (
        domains.SEAL
        + number("kid", kid, 4)
        + number("sequence", sequence, 4)
        + fixed("chain", chain, DIGEST_OCTETS)
    )
