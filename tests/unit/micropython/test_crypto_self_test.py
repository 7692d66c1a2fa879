"""The self-test passes on a sound interpreter and names what is broken on one that is not."""

import hashlib

from firmware.crypto import (
    ccm,
    hmac_sha256,
    p256,
    p256_comb,
    p256_curve,
    p256_table,
    rfc6979,
    self_test,
    signing,
)
from tests.support.mp import raises


def failure_with(module, name, replacement):
    """The name that the self-test gives while `module.name` is replaced."""
    original = getattr(module, name)
    setattr(module, name, replacement)
    try:
        return str(raises(self_test.SelfTestFailed, self_test.run))
    finally:
        setattr(module, name, original)


class FakeHashlib:
    """SHA-256 that is another function, as of a runtime built wrongly."""

    sha256 = hashlib.sha1


class FakeAes:
    """AES that encrypts nothing."""

    def __init__(self, key, mode, iv=None):
        pass

    def encrypt(self, data, out=None):
        return data


class FakeCryptolib:
    """The module that has it."""

    aes = FakeAes


def test_it_passes_here():
    self_test.run()


def test_each_broken_part_is_named():
    assert failure_with(self_test, "hashlib", FakeHashlib) == "sha-256"
    assert failure_with(hmac_sha256, "_OUTER", hmac_sha256._OUTER ^ 1) == "hmac-sha-256"
    assert failure_with(self_test, "cryptolib", FakeCryptolib) == "aes-128"
    assert failure_with(ccm, "cryptolib", FakeCryptolib) == "aes-128-ccm"
    assert failure_with(ccm.constant_time, "equal", lambda a, b: True) == "aes-128-ccm"
    assert failure_with(rfc6979, "draw_scalar", lambda drbg: 1) == "hmac-drbg"
    assert failure_with(signing, "N", p256_curve.N - 2) == "p-256 sign"
    assert failure_with(p256_table, "TABLE", p256_table.TABLE[:-1] + b"\x00") == "p-256 table"
    assert failure_with(p256_comb, "double", lambda x, y, z: (x, y, z)) == "p-256 verify"
    assert failure_with(p256, "N", p256_curve.N - 2) == "p-256 verify"


def test_whatever_a_broken_part_raises_is_a_failed_test():
    def broken(*arguments):
        raise MemoryError("out of memory")

    assert failure_with(p256_comb, "add_affine", broken) == "p-256 verify"
