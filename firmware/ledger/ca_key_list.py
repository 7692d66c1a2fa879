"""The CA public keys as one section of the documents: each key's fields one after the other, checked when read."""

from firmware.card.ca_keys import CaKey, CaKeys
from protocol.octets import Reader, Writer


def decode(octets: bytes) -> CaKeys:
    """The keys in a section; raises a `ProtocolError` for lengths and an `AuthenticationError` for a wrong checksum."""
    source = Reader(octets)
    keys = []
    while source.offset < len(octets):
        rid = source.octets("rid", 5)
        index = source.number("index", 1)
        expiry = source.counted("expiry", 2)
        exponent = source.counted("exponent", 3)
        modulus = source.counted("modulus", 248)
        keys.append(CaKey(rid, index, modulus, exponent, source.octets("checksum", 20), expiry))
    return CaKeys(tuple(keys))


def encode(keys: list) -> bytes:
    """A section from (rid, index, expiry MMYY or b"", exponent, modulus, SHA-1 checksum) of each key."""
    out = Writer()
    for rid, index, expiry, exponent, modulus, checksum in keys:
        out.octets("rid", rid, 5)
        out.number("index", index, 1)
        out.counted("expiry", expiry, 2)
        out.counted("exponent", exponent, 3)
        out.counted("modulus", modulus, 248)
        out.octets("checksum", checksum, 20)
    return bytes(out.data)
