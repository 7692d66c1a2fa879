"""The card CAs in their section come back whole, and a damaged section is refused by field."""

import hashlib

from firmware.card.errors import AuthenticationError
from firmware.ledger import ca_key_list
from protocol.errors import ProtocolError
from tests.support.mp import raises


def key(index, octets=96, expiry=b"\x12\x31", exponent=b"\x03"):
    """A made-up CA key with the checksum of EMV Book 2, B2.1."""
    rid = bytes.fromhex("A000000602")
    modulus = b"\xc5" * octets
    checksum = hashlib.sha1(rid + bytes((index,)) + modulus + exponent).digest()
    return rid, index, expiry, exponent, modulus, checksum


def test_keys_come_back():
    given = [key(1), key(9, 248, b"", b"\x01\x00\x01")]
    keys = ca_key_list.decode(ca_key_list.encode(given))
    for rid, index, _, exponent, modulus, _ in given:
        found = keys.find(rid, index, b"\x26\x11\x21")
        assert found.modulus == int.from_bytes(modulus, "big")
        assert found.exponent == int.from_bytes(exponent, "big")


def test_no_keys_are_no_error():
    assert ca_key_list.encode([]) == b""
    ca_key_list.decode(b"")


def test_a_section_that_ends_early_is_refused():
    octets = ca_key_list.encode([key(1)])
    for length in range(1, len(octets)):
        raises(ProtocolError, ca_key_list.decode, octets[:length])


def test_a_key_with_a_wrong_checksum_is_refused():
    octets = bytearray(ca_key_list.encode([key(1)]))
    octets[-1] ^= 1
    raises(AuthenticationError, ca_key_list.decode, bytes(octets))


def test_a_key_that_is_too_long_is_not_written():
    raises(ProtocolError, ca_key_list.encode, [key(1, 249)])
