"""The ATECC608 driver and key maker, on MicroPython, against chips that say anything; their seals against OpenSSL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.worker import MicroPythonWorker

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ERRORS = {b"ChipSilent", b"AnswerDamaged", b"CommandFailed", b"OutcomeUnknown", b"WrongChip"}

octets = st.binary(max_size=80)
# What looks like an answer finds more than what does not.
answer_like = st.one_of(
    octets,
    st.sampled_from(
        [
            bytes.fromhex(text)
            for text in ("04113343", "0407c440", "04000340", "040f2342", "07000060028038", "")
        ]
    ),
    st.builds(lambda count, rest: bytes([count]) + rest, st.sampled_from([4, 7, 35, 67, 155]), octets),
)
numbers = st.integers(0, 255)
scalars = st.one_of(st.integers(0, 3), st.integers(N - 2, N + 2), st.integers(0, (1 << 256) - 1))
pairs = st.builds(lambda one, two: one.to_bytes(32, "big") + two.to_bytes(32, "big"), scalars, scalars)


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def worker(request: pytest.FixtureRequest) -> Iterator[MicroPythonWorker]:
    """One interpreter for the whole file."""
    with MicroPythonWorker("tests/property/drivers/atecc608.py", request.param) as running:
        yield running


def packed(parts: list[bytes]) -> bytes:
    """Strings behind their lengths."""
    return b"".join(bytes([len(part)]) + part for part in parts)


@given(wakes=st.booleans(), operation=numbers, answers=st.lists(answer_like, max_size=12))
def test_whatever_a_chip_says_is_an_answer_or_a_typed_error(worker, wakes, operation, answers):
    """What is raised and not typed would arrive here as DriverError."""
    told = worker.call(b"b" + bytes([wakes, operation]) + packed(answers))
    assert told in ERRORS | {b"answered"}


@given(
    operation=numbers,
    answers=st.lists(
        st.one_of(st.binary(min_size=1, max_size=1), octets, st.sampled_from([bytes(32), bytes(64)])),
        max_size=12,
    ),
)
def test_whatever_stands_in_good_groups_is_an_answer_or_a_typed_error(worker, operation, answers):
    told = worker.call(b"b" + bytes([3, operation]) + packed(answers))
    assert told in ERRORS | {b"answered"}


@settings(max_examples=40)
@given(signature=pairs, public=st.one_of(pairs, octets), shared=st.binary(min_size=32, max_size=32))
def test_a_lying_chip_gives_typed_errors(worker, signature, public, shared):
    told = worker.call(b"l" + packed([signature, public, shared])).split()
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    assert told[0] == (b"ok" if 0 < r < N and 0 < s < N else b"SignatureRefused")
    assert told[1] == told[2]
    assert told[3] == b"ok"


@settings(max_examples=25)
@given(
    kid=st.integers(0, 2**32 - 1),
    sequence=st.integers(0, 2**32 - 1),
    chain=st.binary(min_size=32, max_size=32),
)
def test_openssl_accepts_every_seal_and_all_are_low(worker, kid, sequence, chain):
    answer = worker.call(b"s" + kid.to_bytes(4, "big") + sequence.to_bytes(4, "big") + chain)
    public, seal = answer[:64], answer[64:]
    r, s = int.from_bytes(seal[:32], "big"), int.from_bytes(seal[32:], "big")
    assert s <= N // 2
    message = b"lumbung/seal/1\x00\x00" + kid.to_bytes(4, "big") + sequence.to_bytes(4, "big") + chain
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + public)
    key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))


@given(start=st.integers(1, 2**30 - 1), losses=numbers, flips=numbers, refusals=numbers, operation=numbers)
def test_a_bad_wire_never_gives_a_wrong_answer(worker, start, losses, flips, refusals, operation):
    told = worker.call(b"w" + start.to_bytes(4, "big") + bytes([losses, flips, refusals, operation]))
    assert told in ERRORS | {b"right"}
