"""ECDSA verification, key agreement and public keys on P-256 (FIPS 186-5, SP 800-56A); keys and signatures are raw.

A public key is 64 octets x || y, a signature 64 octets r || s, a digest 32 octets, all big-endian; a private key is an
integer in 1..n-1. What ends in `_steps` is a generator for use in idle time: it yields after each point operation
(120,000 to 190,000 instructions) and each inversion (760,000), and returns its result.
"""

from firmware.crypto.p256_comb import GENERATOR, comb_steps, finish, multiply_steps
from firmware.crypto.p256_curve import GENERATOR_X, GENERATOR_Y, N, P, inverse, is_on_curve, to_affine_steps

PUBLIC_KEY_OCTETS = 64
SIGNATURE_OCTETS = 64
DIGEST_OCTETS = 32

# Combs of public keys that were used lately: building one costs more than a verification with it. A terminal meets its
# own key, the gateway's and the authority's; the generator's serves the self-test.
_COMBS_KEPT = 3
_GENERATOR_OCTETS = GENERATOR_X.to_bytes(32, "big") + GENERATOR_Y.to_bytes(32, "big")
_kept = []


class InvalidPublicKey(Exception):
    """Not a point of the curve, so not a public key."""


class InvalidPrivateKey(Exception):
    """Not an integer in 1..n-1."""


def public_key(private: int) -> bytes:
    """The public key of a private key."""
    return finish(public_key_steps(private))


def public_key_steps(private: int):
    """Generate `public_key`."""
    check_private_key(private)
    point = yield from multiply_steps([(GENERATOR, private)])
    affine = yield from to_affine_steps([point])
    x, y = affine[0]
    return x.to_bytes(32, "big") + y.to_bytes(32, "big")


def check_private_key(private: int) -> None:
    """Raise `InvalidPrivateKey` unless 1 <= private < n."""
    if private < 1 or private >= N:
        raise InvalidPrivateKey("a private key is in 1..n-1")


def decode_public_key(public: bytes) -> tuple:
    """(x, y) of a public key after full validation (SP 800-56A, 5.6.2.3.3; the cofactor is 1).

    Raises `InvalidPublicKey`. The point at infinity has no encoding of 64 octets, and 0, 0 is not on the curve.
    """
    if len(public) != PUBLIC_KEY_OCTETS:
        raise InvalidPublicKey("public key of %d octets, not %d" % (len(public), PUBLIC_KEY_OCTETS))
    x = int.from_bytes(public[:32], "big")
    y = int.from_bytes(public[32:], "big")
    if x >= P:
        raise InvalidPublicKey("public key, offset 0: x is not below p")
    if y >= P:
        raise InvalidPublicKey("public key, offset 32: y is not below p")
    if not is_on_curve(x, y):
        raise InvalidPublicKey("public key, offset 0: not a point of the curve")
    return x, y


def generator_multiply_x(scalar: int) -> int:
    """The affine x coordinate of scalar * G, for a scalar in 1..n-1."""
    return finish(generator_multiply_x_steps(scalar))


def generator_multiply_x_steps(scalar: int):
    """Generate `generator_multiply_x`."""
    x, _, z = yield from multiply_steps([(GENERATOR, scalar)])
    return _affine_x(x, z)


def verify(public: bytes, digest: bytes, signature: bytes, low_s: bool = False) -> bool:
    """Whether `signature` is the key's over `digest` (FIPS 186-5, 6.4.2).

    With `low_s` also s <= n/2, which seals obey so that each has one form. A signature of a wrong length or range is
    merely false; otherwise a public key that is none raises `InvalidPublicKey`.
    """
    return finish(verify_steps(public, digest, signature, low_s))


def verify_steps(public: bytes, digest: bytes, signature: bytes, low_s: bool = False):
    """Generate `verify`."""
    if len(digest) != DIGEST_OCTETS:
        raise ValueError("digest of %d octets, not %d" % (len(digest), DIGEST_OCTETS))
    if len(signature) != SIGNATURE_OCTETS:
        return False
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:], "big")
    if r == 0 or r >= N or s == 0 or s >= N or (low_s and s > N >> 1):
        return False
    comb = yield from _comb_of_steps(bytes(public))
    s_inverse = inverse(s, N)
    yield
    terms = [(comb, r * s_inverse % N)]
    of_generator = int.from_bytes(digest, "big") * s_inverse % N
    if of_generator:
        terms.append((GENERATOR, of_generator))
    x, _, z = yield from multiply_steps(terms)
    if z == 0:
        return False
    # x/z^2 mod n = r, without an inversion: x/z^2 is r or, as p > n, r + n.
    z_squared = z * z % P
    return r * z_squared % P == x or (r + N < P and (r + N) * z_squared % P == x)


def _comb_of_steps(public: bytes):
    """Generate the comb of a validated public key, from those kept if it is there; it is kept."""
    comb = _kept_comb(public)
    if comb is None:
        comb = yield from comb_steps(*decode_public_key(public))
        if _kept_comb(public) is None:  # another generator may have been faster
            if len(_kept) == _COMBS_KEPT:
                _kept.pop(0)
            _kept.append((public, comb))
    return comb


def _kept_comb(public: bytes):
    """The comb that is there already, or None; the one that was used longest ago stands first."""
    if public == _GENERATOR_OCTETS:
        return GENERATOR
    for position in range(len(_kept)):
        if _kept[position][0] == public:
            _kept.append(_kept.pop(position))
            return _kept[-1][1]
    return None


def shared_x(private: int, public: bytes) -> bytes:
    """The 32 octets of x of private * public: ECDH's secret (SP 800-56A, 5.7.1.2); only for `signer` to derive from.

    Raises `InvalidPublicKey` or `InvalidPrivateKey`. The product is never at infinity: the group has prime order.
    """
    return finish(shared_x_steps(private, public))


def shared_x_steps(private: int, public: bytes):
    """Generate `shared_x`."""
    check_private_key(private)
    # Its comb is not kept: one agreement gives all keys of a gateway's epoch.
    comb = yield from comb_steps(*decode_public_key(public))
    x, _, z = yield from multiply_steps([(comb, private)])
    return _affine_x(x, z).to_bytes(32, "big")


def _affine_x(x: int, z: int) -> int:
    z_inverse = inverse(z, P)
    return x * (z_inverse * z_inverse % P) % P
