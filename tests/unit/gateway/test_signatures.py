"""Raw signatures: what is accepted, what is refused although the curve would allow it."""

import pytest

from gateway import signatures
from gateway.errors import PublicKeyError
from tests.support import mp
from tests.support.frames import key_of

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
KEY = key_of("signer")
PUBLIC = signatures.load_public(signatures.public_octets(KEY))


def test_own_signature_verifies_and_has_a_low_s():
    for number in range(40):
        message = b"message %d" % number
        signature = signatures.sign(KEY, message)
        assert len(signature) == 64
        assert int.from_bytes(signature[32:], "big") <= ORDER // 2
        assert signatures.verify(PUBLIC, signature, message)
        assert not signatures.verify(PUBLIC, signature, message + b"!")


def test_the_mirrored_signature_is_refused():
    signature = signatures.sign(KEY, b"m")
    mirrored = signature[:32] + (ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    assert not signatures.verify(PUBLIC, mirrored, b"m")


@pytest.mark.parametrize(
    "signature", [b"", bytes(63), bytes(64), b"\xff" * 64, bytes(31) + b"\x01" + bytes(32)]
)
def test_numbers_out_of_range_are_refused(signature):
    assert not signatures.verify(PUBLIC, signature, b"m")


@pytest.mark.parametrize("octets", [b"", bytes(64), b"\x01" * 64, bytes(63)])
def test_a_key_off_the_curve_is_a_typed_error(octets):
    with pytest.raises(PublicKeyError):
        signatures.load_public(octets)


def test_wycheproof_raw_signatures():
    """Every case is decided as the vectors say, but that a high s is always refused."""
    try:
        groups = mp.vectors("ecdsa_secp256r1_sha256_p1363_test.json")["testGroups"]
    except mp.Skip as why:
        pytest.skip(str(why))
    checked = 0
    for group in groups:
        public = signatures.load_public(bytes.fromhex(group["publicKey"]["uncompressed"])[1:])
        for case in group["tests"]:
            signature = bytes.fromhex(case["sig"])
            is_high = int.from_bytes(signature[32:], "big") > ORDER // 2
            expected = case["result"] == "valid" and not is_high
            assert signatures.verify(public, signature, bytes.fromhex(case["msg"])) == expected, case["tcId"]
            checked += 1
    assert checked > 200
