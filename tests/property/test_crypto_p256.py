"""P-256 of the firmware, on real MicroPython, agrees with OpenSSL on keys, signatures and shared secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.crypto import p256_table
from tests.property.drivers.chunks import packed
from tests.support.worker import DriverError, MicroPythonWorker

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
ECDSA = ec.ECDSA(hashes.SHA256())

near_powers = st.builds(
    lambda power, offset: (1 << power) + offset, st.integers(1, 255), st.integers(-3, 3)
).filter(lambda scalar: 0 < scalar < N)
privates = st.one_of(st.integers(1, N - 1), st.integers(1, 40), st.integers(N - 40, N - 1), near_powers)
messages = st.binary(max_size=100)


Firmware = Callable[..., bytes]


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def firmware(request: pytest.FixtureRequest) -> Iterator[Firmware]:
    """Call an operation of the driver by its name."""
    with MicroPythonWorker("tests/property/drivers/crypto_primitives.py", request.param) as worker:

        def call(operation: str, *arguments: bytes) -> bytes:
            fields = [operation.encode(), *arguments]
            return worker.call(packed(fields))

        yield call


def octets(number: int) -> bytes:
    return number.to_bytes(32, "big")


def openssl_key(private: int) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(private, ec.SECP256R1())


def openssl_public(private: int) -> bytes:
    numbers = openssl_key(private).public_key().public_numbers()
    return octets(numbers.x) + octets(numbers.y)


def openssl_accepts(private: int, message: bytes, signature: bytes) -> bool:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        openssl_key(private).public_key().verify(encode_dss_signature(r, s), message, ECDSA)
    except InvalidSignature:
        return False
    return True


def test_every_point_of_the_stored_comb_is_recomputed() -> None:
    half = 1 << (p256_table.TEETH - 1)
    spacing = p256_table.BLOCKS * p256_table.COLUMNS
    assert p256_table.TEETH * spacing >= 257
    expected = b""
    for block in range(p256_table.BLOCKS):
        for index in range(half):
            scalar = 1 << (p256_table.TEETH - 1) * spacing
            for tooth in range(p256_table.TEETH - 1):
                scalar += (1 if index >> tooth & 1 else -1) << tooth * spacing
            expected += openssl_public((scalar << block * p256_table.COLUMNS) % N)
    assert expected == p256_table.TABLE


@given(private=privates)
def test_public_keys(firmware: Firmware, private: int) -> None:
    public = firmware("public key", octets(private))
    assert public == openssl_public(private)
    assert firmware("is public key", public) == b"\x01"


@given(private=privates, message=messages)
def test_openssl_accepts_what_the_firmware_signs(firmware: Firmware, private: int, message: bytes) -> None:
    signature = firmware("sign", octets(private), message)
    assert openssl_accepts(private, message, signature)
    assert int.from_bytes(signature[32:], "big") <= N // 2


@given(private=privates, message=messages)
def test_nonces_are_those_of_openssl_without_a_pool(firmware: Firmware, private: int, message: bytes) -> None:
    r, s = decode_dss_signature(
        openssl_key(private).sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    )
    assert firmware("sign", octets(private), message) == octets(r) + octets(min(s, N - s))


@given(
    private=privates, message=messages, entropy=st.binary(max_size=64), boot_counter=st.integers(0, 2**64 - 1)
)
def test_openssl_accepts_what_is_signed_from_the_pool(
    firmware: Firmware, private: int, message: bytes, entropy: bytes, boot_counter: int
) -> None:
    signature = firmware("sign from pool", octets(private), entropy, boot_counter.to_bytes(8, "big"), message)
    assert openssl_accepts(private, message, signature)
    assert int.from_bytes(signature[32:], "big") <= N // 2


@given(private=privates, message=messages)
def test_the_firmware_accepts_what_openssl_signs(firmware: Firmware, private: int, message: bytes) -> None:
    r, s = decode_dss_signature(openssl_key(private).sign(message, ECDSA))
    assert firmware("verify", openssl_public(private), message, octets(r) + octets(s)) == b"\x01"
    assert firmware("verify", openssl_public(private), message + b"\x00", octets(r) + octets(s)) == b"\x00"


@given(
    private=privates,
    message=messages,
    signature=st.binary(min_size=64, max_size=64),
    flip=st.integers(0, 511),
)
def test_both_judge_any_signature_alike(
    firmware: Firmware, private: int, message: bytes, signature: bytes, flip: int
) -> None:
    r, s = decode_dss_signature(openssl_key(private).sign(message, ECDSA))
    good = int.from_bytes(octets(r) + octets(s), "big")
    for candidate in (signature, (good ^ 1 << flip).to_bytes(64, "big")):
        expected = openssl_accepts(private, message, candidate)
        assert firmware("verify", openssl_public(private), message, candidate) == bytes([expected])


@given(private=privates, peer=privates)
@settings(max_examples=40)
def test_key_agreement(firmware: Firmware, private: int, peer: int) -> None:
    expected = openssl_key(private).exchange(ec.ECDH(), openssl_key(peer).public_key())
    assert firmware("shared x", octets(private), openssl_public(peer)) == expected


@given(x=st.integers(0, 2**256 - 1), y=st.integers(0, 2**256 - 1), private=privates)
def test_no_other_pair_is_taken_for_a_public_key(firmware: Firmware, x: int, y: int, private: int) -> None:
    good = openssl_public(private)
    for public in (octets(x) + octets(y), good[:32] + octets(y), octets(x) + good[32:]):
        try:
            ec.EllipticCurvePublicNumbers(
                int.from_bytes(public[:32], "big"), int.from_bytes(public[32:], "big"), ec.SECP256R1()
            ).public_key()
        except ValueError:
            with pytest.raises(DriverError) as error:
                firmware("shared x", octets(private), public)
            assert error.value.type_name == "InvalidPublicKey"
        else:
            assert firmware("is public key", public) == b"\x01"
