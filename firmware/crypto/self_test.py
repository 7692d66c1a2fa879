"""Known answers that the terminal's cryptography must give at every boot, before it signs or opens anything.

About 14 million instructions, nearly all of them the one multiplication of points, whose sums are those of every
signature, agreement and verification.
"""

import hashlib

import cryptolib

from firmware.crypto import ccm, constant_time, hmac_sha256, p256, p256_table, rfc6979, signing
from firmware.crypto.p256_curve import GENERATOR_X, GENERATOR_Y, N, inverse

# RFC 6979, A.2.5, "sample": private key, nonce, r; s is n minus the one printed there, as signatures are low-s.
_D = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
_K = 0xA6E3C57DD01ABE90086538398355DD4C3B17AA873382B0F24D6129493D8AAD60
_R = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
_S_LOW = 0x0834E36AD29A83BF2BC9385E491D6099C8FDF9D1ED67AA7EA5F51F93782857A9


class SelfTestFailed(Exception):
    """The named computation gave another answer than the published one: this terminal must not work."""


def run() -> None:
    """Compute every known answer; raises `SelfTestFailed` with the name of the first that is wrong."""
    for name, is_right in _TESTS:
        try:
            passed = is_right()
        except Exception:  # lumbung: catch-all - raised again two lines below as the failed test
            passed = False
        if not passed:
            raise SelfTestFailed(name)


def _sha256() -> bool:
    """FIPS 180-4, the example "abc"."""
    wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    return hashlib.sha256(b"abc").digest() == bytes.fromhex(wanted)


def _hmac() -> bool:
    """RFC 4231, test case 2."""
    wanted = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    tag = hmac_sha256.hmac_sha256(b"Jefe", b"what do ya want for nothing?")
    return constant_time.equal(tag, bytes.fromhex(wanted))


def _aes() -> bool:
    """FIPS 197, appendix C.1."""
    block = bytes.fromhex("00112233445566778899aabbccddeeff")
    encrypted = bytes.fromhex("69c4e0d86a7b0430d8cdb78070b4c55a")
    return cryptolib.aes(bytes(range(16)), 1).encrypt(block) == encrypted


def _ccm() -> bool:
    """RFC 3610, packet vector 1, both ways, and with the last bit of the tag changed."""
    cipher = ccm.AesCcm(bytes(range(0xC0, 0xD0)))
    nonce = bytes.fromhex("00000003020100a0a1a2a3a4a5")
    associated_data = bytes(range(8))
    plaintext = bytes(range(8, 31))
    wanted = bytes.fromhex("588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0")
    if cipher.encrypt(nonce, plaintext, associated_data) != wanted:
        return False
    if cipher.decrypt(nonce, wanted, associated_data) != plaintext:
        return False
    try:
        cipher.decrypt(nonce, wanted[:-1] + bytes((wanted[-1] ^ 1,)), associated_data)
    except ccm.AuthenticationError:
        return True
    return False


def _drbg() -> bool:
    """The nonce of RFC 6979, A.2.5: HMAC-DRBG, instantiated and asked once."""
    return next(rfc6979.nonces(_D, hashlib.sha256(b"sample").digest())) == _K


def _p256_sign() -> bool:
    """RFC 6979, A.2.5, from its nonce and r on; r itself takes the sums that `_p256_verify` makes."""
    k_inverse = inverse(_K, N)
    entry = _R.to_bytes(32, "big"), k_inverse, k_inverse * _R % N * _D % N
    wanted = _R.to_bytes(32, "big") + _S_LOW.to_bytes(32, "big")
    return signing.finish_signature(entry, hashlib.sha256(b"sample").digest()) == wanted


def _p256_table() -> bool:
    """The generator's comb is the one whose every point a test recomputes."""
    wanted = "3d67381b7a6d98f1da26e4db849308d3cc2c271bd8a8a97e784bb2236352ae56"
    return hashlib.sha256(p256_table.TABLE).digest() == bytes.fromhex(wanted)


def _p256_verify() -> bool:
    """RFC 6979's r as the x of its nonce times G: a digest of zeros signed by the private key 1 with that nonce.

    Of the verification's two terms the digest's falls away, which halves the work, and the generator's comb serves for
    the key. The same signature with the other s must be refused.
    """
    public = GENERATOR_X.to_bytes(32, "big") + GENERATOR_Y.to_bytes(32, "big")
    r = _R.to_bytes(32, "big")
    s = _R * inverse(_K, N) % N
    s_low, s_high = min(s, N - s), max(s, N - s)
    if p256.verify(public, bytes(32), r + s_high.to_bytes(32, "big"), True):
        return False
    return p256.verify(public, bytes(32), r + s_low.to_bytes(32, "big"), True)


_TESTS = (
    ("sha-256", _sha256),
    ("hmac-sha-256", _hmac),
    ("aes-128", _aes),
    ("aes-128-ccm", _ccm),
    ("hmac-drbg", _drbg),
    ("p-256 sign", _p256_sign),
    ("p-256 table", _p256_table),
    ("p-256 verify", _p256_verify),
)
