"""Certificate chains made here with `cryptography` verify on the firmware's own code; one changed octet never does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from tests.property.drivers.chunks import packed
from tests.support.worker import MicroPythonWorker

DRIVER = "tests/property/drivers/card_fuzz.py"
RID = bytes.fromhex("A000000602")
PAN = "6013010123456784"
UN = bytes.fromhex("01020304")
BITS = {"ca": 1984, "issuer": 1408, "icc": 1024}


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def card_room(request: pytest.FixtureRequest) -> Iterator[MicroPythonWorker]:
    with MicroPythonWorker(DRIVER, request.param, timeout_s=60) as worker:
        yield worker


class Key:
    """An RSA key with the raw operation that EMV signs with."""

    def __init__(self, exponent: int, bits: int) -> None:
        numbers = rsa.generate_private_key(public_exponent=exponent, key_size=bits).private_numbers()
        self.n = numbers.public_numbers.n
        self.d = numbers.d
        self.octets = bits // 8
        self.modulus = self.n.to_bytes(self.octets, "big")
        self.exponent = exponent.to_bytes(1 if exponent == 3 else 3, "big")

    def sign(self, body: bytes, more: bytes) -> bytes:
        """Sign header, body and hash over body and `more`, which fill the modulus exactly."""
        message = b"\x6a" + body + hashlib.sha1(body + more).digest() + b"\xbc"
        assert len(message) == self.octets
        return pow(int.from_bytes(message, "big"), self.d, self.n).to_bytes(self.octets, "big")


@cache
def key(role: str, exponent: int, bits: int) -> Key:
    """One key per role, exponent and size in this run."""
    assert role
    return Key(exponent, bits)


def certificate(signer: Key, form: int, subject: bytes, signed: Key, more: bytes) -> tuple[bytes, bytes]:
    """Book 2, tables 6 and 14."""
    head = bytes((form,)) + subject + bytes.fromhex("1230") + b"\x00\x00\x01" + b"\x01\x01"
    head += bytes((signed.octets, len(signed.exponent)))
    room = signer.octets - 22 - len(head)
    inside = signed.modulus[:room].ljust(room, b"\xbb")
    remainder = signed.modulus[room:]
    return signer.sign(head + inside, remainder + signed.exponent + more), remainder


def chain(
    exponents: tuple[int, int, int], bits: tuple[int, int, int], static: bytes, iad: bytes
) -> list[bytes]:
    """All parts that the driver's `chain` takes, in order."""
    ca, issuer, icc = (key(*parts) for parts in zip(("ca", "issuer", "icc"), exponents, bits, strict=True))
    pan = bytes.fromhex(PAN.ljust(20, "F"))
    certificate_90, remainder_92 = certificate(ca, 2, bytes.fromhex("601301FF"), issuer, b"")
    certificate_9f46, remainder_9f48 = certificate(issuer, 4, pan, icc, static)
    dynamic = b"\x08" + bytes(range(8)) + b"\x80" + b"CRYPTOGM" + hashlib.sha1(iad).digest()
    body = b"\x05\x01" + bytes((len(dynamic),)) + dynamic
    sdad = icc.sign(body.ljust(icc.octets - 22, b"\xbb"), UN)
    return [
        RID, ca.modulus, ca.exponent, certificate_90, remainder_92, issuer.exponent, certificate_9f46, remainder_9f48,
        icc.exponent, static, pan, UN, b"\x80", sdad, iad,
    ]  # fmt: skip


def ask(worker: MicroPythonWorker, parts: list[bytes]) -> bytes:
    return worker.call(b"c" + packed(parts))


def good_answer(parts: list[bytes], icc: Key) -> bytes:
    assert parts
    return b"+" + icc.modulus + bytes(range(8)) + b"CRYPTOGM"


SIZES = ((1984, 1408, 1024), (1984, 1984, 1984), (1408, 1152, 1024), (1024, 1024, 1024), (1984, 1152, 1152))


@pytest.mark.parametrize("exponent", [3, 65537])
@pytest.mark.parametrize("bits", SIZES)
def test_fresh_chains_of_many_sizes_verify(card_room, exponent, bits):
    parts = chain((exponent,) * 3, bits, b"static data", b"")
    assert ask(card_room, parts) == good_answer(parts, key("icc", exponent, bits[2]))


@given(
    static=st.binary(max_size=600),
    iad=st.binary(max_size=60),
    exponents=st.tuples(*[st.sampled_from((3, 65537))] * 3),
)
def test_whatever_the_static_and_transaction_data(card_room, static, iad, exponents):
    parts = chain(exponents, SIZES[0], static, iad)
    assert ask(card_room, parts) == good_answer(parts, key("icc", exponents[2], SIZES[0][2]))


# Places in the parts: everything but the CA key's own RID and modulus, which are hashed into the checksum by the driver.
CHANGEABLE = (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)


@given(part=st.sampled_from(CHANGEABLE), at=st.integers(0, 300), bit=st.integers(0, 7))
def test_one_changed_bit_never_verifies(card_room, part, at, bit):
    parts = chain((3, 3, 3), SIZES[0], b"static data", b"transaction data")
    if not parts[part]:
        return
    changed = bytearray(parts[part])
    changed[at % len(changed)] ^= 1 << bit
    parts[part] = bytes(changed)
    assert ask(card_room, parts)[:1] == b"!"


@given(part=st.sampled_from(CHANGEABLE), length=st.integers(0, 250))
def test_parts_of_another_length_never_verify(card_room, part, length):
    parts = chain((3, 65537, 3), SIZES[0], b"static data", b"transaction data")
    if part in {10, 12}:  # the PAN and the CID are of fixed length wherever they come from
        return
    if length == len(parts[part]):
        return
    parts[part] = (parts[part] * 2 + bytes(250))[:length]
    assert ask(card_room, parts)[:1] == b"!"


def test_a_ca_key_of_another_modulus_does_not_verify(card_room):
    parts = chain((3, 3, 3), SIZES[0], b"static data", b"")
    parts[1] = Key(3, 1984).modulus
    assert ask(card_room, parts)[:1] == b"!"
