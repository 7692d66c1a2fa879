"""The hash chain over the records and the seal's message: the last seal proves all records before it."""

import hashlib

from protocol import domains


def start(kid: int, seal_key: bytes, agreement_key: bytes, un_key: bytes) -> bytes:
    """`chain_0`, 32 octets, from the terminal's kid, its two public keys (64 octets each) and its UN key."""
    return start_from_commitment(kid, seal_key, agreement_key, hashlib.sha256(un_key).digest())


def start_from_commitment(kid: int, seal_key: bytes, agreement_key: bytes, commitment: bytes) -> bytes:
    """`chain_0` for who knows only SHA-256 of the UN key: the settlement service."""
    return hashlib.sha256(
        domains.CHAIN_START + kid.to_bytes(4, "big") + seal_key + agreement_key + commitment
    ).digest()


def extend(chain: bytes, record: bytes) -> bytes:
    """`chain_n` from `chain_{n-1}` (32 octets) and the canonical record n."""
    return hashlib.sha256(chain + record).digest()


def seal_message(kid: int, sequence: int, chain: bytes) -> bytes:
    """The octets that `seal_n` signs: domain, kid, n, chain_n; all of fixed width."""
    return domains.SEAL + kid.to_bytes(4, "big") + sequence.to_bytes(4, "big") + chain
