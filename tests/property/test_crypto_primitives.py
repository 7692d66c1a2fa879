"""HMAC, HKDF, HMAC-DRBG and CCM of the firmware, on real MicroPython, answer as independent implementations do."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.property.drivers.chunks import packed
from tests.support.worker import DriverError, MicroPythonWorker

octets_max = st.binary(max_size=300)


Firmware = Callable[..., bytes]


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def firmware(request: pytest.FixtureRequest) -> Iterator[Firmware]:
    """Call an operation of the driver by its name."""
    with MicroPythonWorker("tests/property/drivers/crypto_primitives.py", request.param) as worker:

        def call(operation: str, *arguments: bytes) -> bytes:
            fields = [operation.encode(), *arguments]
            return worker.call(packed(fields))

        yield call


@given(key=octets_max, message=octets_max)
def test_hmac(firmware: Firmware, key: bytes, message: bytes) -> None:
    assert firmware("hmac", key, message) == hmac.digest(key, message, "sha256")


@given(secret=octets_max, salt=octets_max, info=octets_max, length=st.integers(1, 600))
def test_hkdf(firmware: Firmware, secret: bytes, salt: bytes, info: bytes, length: int) -> None:
    expected = HKDF(hashes.SHA256(), length, salt, info).derive(secret)
    assert firmware("hkdf", secret, salt, info, length.to_bytes(2, "big")) == expected


class ReferenceDrbg:
    """SP 800-90A, 10.1.2, written down a second time."""

    def __init__(self, seed: bytes) -> None:
        self.state = (bytes(32), b"\x01" * 32)
        self.update(seed)

    def update(self, provided: bytes) -> None:
        """Reseed, too: it is the same operation."""
        key, value = self.state
        for mark in (b"\x00", b"\x01") if provided else (b"\x00",):
            key = hmac.digest(key, value + mark + provided, hashlib.sha256)
            value = hmac.digest(key, value, hashlib.sha256)
        self.state = key, value

    def generate(self, length: int, additional: bytes) -> bytes:
        """Return `length` octets."""
        if additional:
            self.update(additional)
        key, value = self.state
        blocks = []
        for _ in range(-(-length // 32)):
            value = hmac.digest(key, value, hashlib.sha256)
            blocks.append(value)
        self.state = key, value
        self.update(additional)
        return b"".join(blocks)[:length]


@given(
    entropy=st.binary(max_size=80),
    nonce=st.binary(max_size=20),
    personalization=st.binary(max_size=80),
    requests=st.lists(st.tuples(st.sampled_from("gr"), st.binary(max_size=100)), max_size=6),
)
def test_drbg(
    firmware: Firmware,
    entropy: bytes,
    nonce: bytes,
    personalization: bytes,
    requests: list[tuple[str, bytes]],
) -> None:
    reference = ReferenceDrbg(entropy + nonce + personalization)
    expected = b""
    script = b""
    for letter, given_octets in requests:
        script += letter.encode() + len(given_octets).to_bytes(2, "big") + given_octets
        if letter == "r":
            reference.update(given_octets)
        else:
            expected += reference.generate(len(given_octets), given_octets)
    assert firmware("drbg", script, entropy, nonce, personalization) == expected


keys = st.binary(min_size=16, max_size=16)
nonces = st.binary(min_size=13, max_size=13)


@given(key=keys, nonce=nonces, plaintext=st.binary(max_size=400), associated_data=st.binary(max_size=60))
def test_ccm(firmware: Firmware, key: bytes, nonce: bytes, plaintext: bytes, associated_data: bytes) -> None:
    sent = AESCCM(key, tag_length=8).encrypt(nonce, plaintext, associated_data)
    assert firmware("ccm encrypt", key, nonce, plaintext, associated_data) == sent
    assert firmware("ccm decrypt", key, nonce, sent, associated_data) == plaintext


@given(
    key=keys,
    nonce=nonces,
    plaintext=st.binary(max_size=60),
    associated_data=st.binary(max_size=30),
    data=st.data(),
)
def test_ccm_opens_nothing_that_was_changed(
    firmware: Firmware,
    key: bytes,
    nonce: bytes,
    plaintext: bytes,
    associated_data: bytes,
    data: st.DataObject,
) -> None:
    sent = AESCCM(key, tag_length=8).encrypt(nonce, plaintext, associated_data)
    other = data.draw(
        st.one_of(st.binary(max_size=80), st.integers(0, len(sent) - 1).map(lambda at: _flipped(sent, at)))
    )
    assume(other != sent)
    with pytest.raises(DriverError) as error:
        firmware("ccm decrypt", key, nonce, other, associated_data)
    assert error.value.type_name == "AuthenticationError"


def _flipped(octets: bytes, place: int) -> bytes:
    changed = bytearray(octets)
    changed[place] ^= 1
    return bytes(changed)
