"""P-256 on the terminal: published answers, and keys and signatures that must be refused."""

import hashlib

from firmware.crypto import p256
from firmware.crypto.p256_comb import GENERATOR, comb_steps, finish, multiply_steps
from firmware.crypto.p256_curve import (
    GENERATOR_X,
    GENERATOR_Y,
    B,
    N,
    P,
    add_affine,
    double,
    inverse,
    to_affine_steps,
)
from firmware.crypto.rfc6979 import nonces
from firmware.crypto.signing import entry_steps, finish_signature
from tests.support.mp import raises, vectors

TIMEOUT_S = 120

# RFC 6979, A.2.5
PRIVATE = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
PUBLIC = bytes.fromhex(
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
RFC_6979 = (
    (
        b"sample",
        0xA6E3C57DD01ABE90086538398355DD4C3B17AA873382B0F24D6129493D8AAD60,
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    ),
    (
        b"test",
        0xD16B6AE827F17175E040871A1C7EC3500192C4C92677336EC2537ACAEE0008E0,
        0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
        0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
    ),
)


def number(text):
    return int(text, 16)


def octets(value):
    return value.to_bytes(32, "big")


def digest_of(message):
    return hashlib.sha256(message).digest()


def low(s):
    return min(s, N - s)


def slow_multiply(scalar, x, y):
    """Double and add, bit by bit: the comb's independent reading."""
    total = 1, 1, 0
    for position in range(255, -1, -1):
        total = double(*total)
        if scalar >> position & 1:
            total = add_affine(*total, x, y)
    return total


def affine(point):
    return finish(to_affine_steps([point]))[0]


def test_public_key_and_deterministic_nonces_of_rfc_6979():
    assert p256.public_key(PRIVATE) == PUBLIC
    for message, k, r, s in RFC_6979:
        digest = digest_of(message)
        assert next(nonces(PRIVATE, digest)) == k
        signature = finish_signature(finish(entry_steps(PRIVATE, k)), digest)
        assert signature == octets(r) + octets(low(s))
        assert p256.verify(PUBLIC, digest, signature, True)
        assert p256.verify(PUBLIC, digest, octets(r) + octets(s))


def test_low_s_is_demanded_only_where_asked():
    message, _, r, s = RFC_6979[0]
    high = octets(r) + octets(max(s, N - s))
    assert p256.verify(PUBLIC, digest_of(message), high)
    assert not p256.verify(PUBLIC, digest_of(message), high, True)


def test_comb_agrees_with_double_and_add_for_scalars_at_the_edges():
    scalars = [1, 2, 3, 4, 5, 31, 32, 33, (1 << 22) - 1, 1 << 22, 1 << 44, 1 << 52, (1 << 208) + 1]
    scalars += [1 << 255, N >> 1, (N >> 1) + 1, N - 3, N - 2, N - 1, PRIVATE]
    x, y = p256.decode_public_key(PUBLIC)
    comb = finish(comb_steps(x, y))
    for scalar in scalars:
        by_generator = finish(multiply_steps([(GENERATOR, scalar)]))
        assert affine(by_generator) == affine(slow_multiply(scalar, GENERATOR_X, GENERATOR_Y)), scalar
        by_key = finish(multiply_steps([(comb, scalar)]))
        assert affine(by_key) == affine(slow_multiply(scalar, x, y)), scalar


def test_sum_of_two_multiples_that_meet_or_cancel():
    """u*G + v*G through the two tables of one point: every special case of the addition."""
    other = finish(comb_steps(GENERATOR_X, GENERATOR_Y))
    for u, v in ((1, 1), (5, 5), (PRIVATE, PRIVATE), (7, N - 5), (N - 1, N - 1)):
        total = finish(multiply_steps([(GENERATOR, u), (other, v)]))
        assert affine(total) == affine(slow_multiply((u + v) % N, GENERATOR_X, GENERATOR_Y))
    for u in (1, 6, PRIVATE):
        assert finish(multiply_steps([(GENERATOR, u), (other, N - u)]))[2] == 0


def test_addition_knows_its_special_cases():
    two = double(GENERATOR_X, GENERATOR_Y, 1)
    assert affine(add_affine(GENERATOR_X, GENERATOR_Y, 1, GENERATOR_X, GENERATOR_Y)) == affine(two)
    assert add_affine(GENERATOR_X, GENERATOR_Y, 1, GENERATOR_X, P - GENERATOR_Y)[2] == 0
    assert add_affine(1, 1, 0, GENERATOR_X, GENERATOR_Y) == (GENERATOR_X, GENERATOR_Y, 1)
    assert double(1, 1, 0)[2] == 0
    x, y = affine(two)
    assert affine(add_affine(*two, x, y)) == affine(double(*two))
    assert add_affine(*two, x, P - y)[2] == 0


def test_inverse():
    for value in (1, 2, 3, P - 1, N - 1, 1 << 255, PRIVATE, -5, N + 7, (1 << 300) + 1):
        for modulus in (P, N):
            assert inverse(value, modulus) * value % modulus == 1
            assert 0 < inverse(value, modulus) < modulus
    for value in (0, N, 2 * N):
        raises(ZeroDivisionError, inverse, value, N)


def test_public_keys_that_are_none_are_refused_by_place():
    x, y = PUBLIC[:32], PUBLIC[32:]
    for public, place in (
        (PUBLIC[:-1], "63 octets"),
        (PUBLIC + b"\x00", "65 octets"),
        (b"", "0 octets"),
        (bytes(64), "not a point"),
        (x + octets((int.from_bytes(y, "big") + 1) % P), "not a point"),
        (octets(P) + y, "offset 0"),
        (x + octets(P), "offset 32"),
        (b"\xff" * 64, "offset 0"),
        (octets(5) + octets(P - 1), "not a point"),
    ):
        assert place in str(raises(p256.InvalidPublicKey, p256.decode_public_key, public))
        raises(p256.InvalidPublicKey, p256.verify, public, bytes(32), octets(1) + octets(1))
        raises(p256.InvalidPublicKey, p256.shared_x, PRIVATE, public)


def test_a_coordinate_that_only_fits_once_reduced_is_refused():
    """x + p names the same residue, but a key has one encoding."""
    for x in (0, 5):
        right = ((x * x - 3) * x + B) % P
        y = pow(right, (P + 1) // 4, P)
        assert y * y % P == right
        assert p256.decode_public_key(octets(x) + octets(y)) == (x, y)
        assert "x is not below p" in str(
            raises(p256.InvalidPublicKey, p256.decode_public_key, octets(x + P) + octets(y))
        )


def test_a_sum_at_infinity_is_no_signature():
    """For d = -e/r every s makes u*G + v*Q the point at infinity."""
    digest = digest_of(b"sample")
    for r in (1, 7, PRIVATE):
        private = -int.from_bytes(digest, "big") * inverse(r, N) % N
        assert not p256.verify(p256.public_key(private), digest, octets(r) + octets(5))


def test_private_keys_out_of_range_are_refused():
    for private in (0, -1, N, N + 1):
        raises(p256.InvalidPrivateKey, p256.public_key, private)
        raises(p256.InvalidPrivateKey, p256.shared_x, private, PUBLIC)


def test_signatures_out_of_range_are_false():
    message, _, r, s = RFC_6979[0]
    digest = digest_of(message)
    assert p256.verify(PUBLIC, digest, octets(r) + octets(s))
    for bad_r, bad_s in (
        (0, s),
        (r, 0),
        (0, 0),
        (N, s),
        (r, N),
        (r, s ^ 1),
        (r ^ 1, s),
        (s, r),
        (r, (1 << 256) - 1),
    ):
        assert not p256.verify(PUBLIC, digest, octets(bad_r) + octets(bad_s))
    for signature in (b"", octets(r), octets(r) + octets(s) + b"\x00", octets(r) + octets(s)[:-1]):
        assert not p256.verify(PUBLIC, digest, signature)
    raises(ValueError, p256.verify, PUBLIC, digest[:-1], octets(r) + octets(s))


def test_a_digest_that_is_zero_modulo_n():
    """The term of the generator falls away: r*G/s alone."""
    k_inverse = inverse(RFC_6979[0][1], N)
    r = RFC_6979[0][2]
    s = r * PRIVATE * k_inverse % N
    for digest in (bytes(32), octets(N)):
        assert p256.verify(PUBLIC, digest, octets(r) + octets(s))
        assert not p256.verify(PUBLIC, digest, octets(r) + octets(s ^ 1))


def test_combs_of_keys_are_kept_but_not_without_bound():
    digest = bytes(32)
    keys = [p256.public_key(private) for private in range(2, 9)]
    for key in keys + keys:
        assert not p256.verify(key, digest, octets(1) + octets(1))
    assert len(p256._kept) == 3
    assert [key for key, _ in p256._kept] == keys[-3:]
    p256.verify(keys[-4], digest, octets(1) + octets(1))
    p256.verify(keys[0], digest, octets(1) + octets(1))
    assert [key for key, _ in p256._kept] == [keys[-1], keys[-4], keys[0]]


def test_work_is_cut_into_a_step_for_each_point_operation():
    """What lets idle time be used in slices."""
    assert len(list(p256.generator_multiply_x_steps(PRIVATE))) >= 65
    p256._kept.clear()
    message, _, r, s = RFC_6979[0]
    steps = list(p256.verify_steps(PUBLIC, digest_of(message), octets(r) + octets(s)))
    assert len(steps) >= 208 + 19 + 52 + 96


def test_two_interleaved_computations_do_not_disturb_each_other():
    p256._kept.clear()
    message, _, r, s = RFC_6979[0]
    good = p256.verify_steps(PUBLIC, digest_of(message), octets(r) + octets(s))
    bad = p256.verify_steps(PUBLIC, digest_of(b"other"), octets(r) + octets(s))
    results = []
    running = [good, bad]
    while running:
        for steps in list(running):
            try:
                next(steps)
            except StopIteration as end:
                results.append((steps is good, end.value))
                running.remove(steps)
    assert sorted(results) == [(False, False), (True, True)]
    assert len(p256._kept) == 1


def test_cavp_verification():
    cases = vectors("p256_cavp_rfc6979.json")["sigver"]
    for case in cases:
        public = octets(number(case["qx"])) + octets(number(case["qy"]))
        signature = octets(number(case["r"])) + octets(number(case["s"]))
        digest = digest_of(bytes.fromhex(case["msg"]))
        try:
            valid = p256.verify(public, digest, signature)
        except p256.InvalidPublicKey:
            valid = False
        assert valid == case["expect"], case["note"]
    assert len(cases) == 8


def test_cavp_signatures_with_their_nonces():
    cases = vectors("p256_cavp_rfc6979.json")["siggen"]
    for case in cases:
        private = number(case["d"])
        assert p256.public_key(private) == octets(number(case["qx"])) + octets(number(case["qy"]))
        entry = finish(entry_steps(private, number(case["k"])))
        signature = finish_signature(entry, digest_of(bytes.fromhex(case["msg"])))
        assert signature == octets(number(case["r"])) + octets(low(number(case["s"])))
    assert len(cases) == 8


def test_rfc_6979_vectors():
    for case in vectors("p256_cavp_rfc6979.json")["rfc6979_deterministic"]:
        digest = digest_of(case["msg_ascii"].encode())
        private = number(case["d"])
        signature = finish_signature(finish(entry_steps(private, next(nonces(private, digest)))), digest)
        assert signature == octets(number(case["r"])) + octets(low(number(case["s"])))


def test_cavp_key_agreement():
    cases = vectors("p256_cavp_rfc6979.json")["ecdh"]
    for case in cases:
        public = octets(number(case["peer_qx"])) + octets(number(case["peer_qy"]))
        assert p256.shared_x(number(case["d"]), public) == octets(number(case["shared_x"]))
    assert len(cases) == 3


def test_multiples_of_the_generator():
    cases = vectors("p256_cavp_rfc6979.json")["scalar_mul_kG"]
    for case in cases:
        x, y = number(case["x"]), number(case["y"])
        assert p256.public_key(number(case["k"])) == octets(x) + octets(y)
        assert p256.generator_multiply_x(number(case["k"])) == x
    assert len(cases) == 26


def test_wycheproof_signatures():
    count = 0
    for group in vectors("ecdsa_secp256r1_sha256_p1363_test.json")["testGroups"]:
        key = group["publicKey"]
        public = octets(number(key["wx"])) + octets(number(key["wy"]))
        for case in group["tests"]:
            digest = digest_of(bytes.fromhex(case["msg"]))
            valid = p256.verify(public, digest, bytes.fromhex(case["sig"]))
            assert valid == (case["result"] == "valid"), case["tcId"]
            count += 1
    assert count == 262
