"""SHA-256-based primitives give the published answers: HMAC, HKDF, HMAC-DRBG; comparison sees every octet."""

from firmware.crypto import constant_time, hkdf
from firmware.crypto.hmac_drbg import (
    REQUEST_OCTETS_MAX,
    RESEED_INTERVAL,
    HmacDrbg,
    RequestRefused,
    ReseedRequired,
)
from firmware.crypto.hmac_sha256 import hmac_sha256
from tests.support.mp import raises, vectors


def octets(text):
    return bytes.fromhex(text)


# RFC 4231, test cases 1, 2, 3, 4 and 6 (a key longer than a block)
RFC_4231 = (
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
)

# RFC 5869, A.1 and A.3: secret, salt, info, key
RFC_5869 = (
    (
        b"\x0b" * 22,
        bytes(range(13)),
        bytes(range(0xF0, 0xFA)),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        b"\x0b" * 22,
        b"",
        b"",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
)

# NIST CAVP HMAC_DRBG, SHA-256, no reseed, no personalization, COUNT 0: the second of two requests of 128 octets
CAVP_ENTROPY = "ca851911349384bffe89de1cbdc46e6831e44d34a4fb935ee285dd14b71a7488"
CAVP_NONCE = "659ba96c601dc69fc902940805ec0ca8"
CAVP_OUTPUT = (
    "e528e9abf2dece54d47c7e75e5fe302149f817ea9fb4bee6f4199697d04d5b89d54fbb978a15b5c443c9ec21036d2460"
    "b6f73ebad0dc2aba6e624abf07745bc107694bb7547bb0995f70de25d6b29e2d3011bb19d27676c07162c8b5ccde0668"
    "961df86803482cb37ed6d5c0bb8d50cf1f50d476aa0458bdaba806f48be9dcb8"
)


def test_hmac_gives_the_answers_of_rfc_4231():
    for key, message, tag in RFC_4231:
        assert hmac_sha256(key, message) == octets(tag)


def test_hmac_takes_every_kind_of_buffer():
    key, message, tag = RFC_4231[2]
    assert hmac_sha256(bytearray(key), memoryview(message)) == octets(tag)
    assert hmac_sha256(memoryview(key), bytearray(message)) == octets(tag)


def test_hmac_gives_the_answers_of_wycheproof():
    count = 0
    for group in vectors("hmac_sha256_test.json")["testGroups"]:
        for case in group["tests"]:
            tag = hmac_sha256(octets(case["key"]), octets(case["msg"]))[: group["tagSize"] // 8]
            assert (tag == octets(case["tag"])) == (case["result"] == "valid"), case["tcId"]
            count += 1
    assert count == 174


def test_hkdf_gives_the_answers_of_rfc_5869():
    for secret, salt, info, key in RFC_5869:
        assert hkdf.hkdf_sha256(secret, salt, info, 42) == octets(key)


def test_hkdf_gives_the_answers_of_wycheproof_and_refuses_what_they_call_too_large():
    count = 0
    for group in vectors("hkdf_sha256_test.json")["testGroups"]:
        for case in group["tests"]:
            arguments = octets(case["ikm"]), octets(case["salt"]), octets(case["info"]), case["size"]
            if case["result"] == "valid":
                assert hkdf.hkdf_sha256(*arguments) == octets(case["okm"]), case["tcId"]
            else:
                raises(hkdf.LengthRefused, hkdf.hkdf_sha256, *arguments)
            count += 1
    assert count == 86


def test_hkdf_gives_at_most_255_blocks():
    assert len(hkdf.hkdf_sha256(b"s", b"", b"", 255 * 32)) == 255 * 32
    assert hkdf.hkdf_sha256(b"s", b"", b"", 0) == b""
    raises(hkdf.LengthRefused, hkdf.hkdf_sha256, b"s", b"", b"", 255 * 32 + 1)
    raises(hkdf.LengthRefused, hkdf.hkdf_sha256, b"s", b"", b"", -1)


def test_comparison_sees_a_difference_at_every_place():
    value = bytes(range(40))
    assert constant_time.equal(value, bytearray(value))
    assert constant_time.equal(b"", b"")
    assert not constant_time.equal(value, value[:-1])
    assert not constant_time.equal(value[:-1], value)
    for place in range(40):
        for bit in (1, 0x80):
            changed = bytearray(value)
            changed[place] ^= bit
            assert not constant_time.equal(value, changed), place


def test_drbg_gives_the_answer_of_cavp():
    drbg = HmacDrbg(octets(CAVP_ENTROPY), octets(CAVP_NONCE))
    drbg.generate(128)
    assert drbg.generate(128) == octets(CAVP_OUTPUT)


def test_drbg_serves_so_many_requests_for_one_seed_and_no_more():
    drbg = HmacDrbg(b"entropy", b"nonce")
    for _ in range(RESEED_INTERVAL):
        drbg.generate(1)
    raises(ReseedRequired, drbg.generate, 1)
    raises(ReseedRequired, drbg.generate, 1)
    drbg.reseed(b"fresh")
    assert len(drbg.generate(33)) == 33


def test_drbg_depends_on_everything_that_it_is_given():
    def output(entropy=b"e", nonce=b"n", personalization=b"p", reseed=None, additional=b""):
        drbg = HmacDrbg(entropy, nonce, personalization)
        if reseed is not None:
            drbg.reseed(reseed)
        return drbg.generate(32, additional)

    outputs = [
        output(),
        output(entropy=b"E"),
        output(nonce=b"N"),
        output(personalization=b"P"),
        output(reseed=b""),
        output(reseed=b"r"),
        output(additional=b"a"),
    ]
    assert len(set(outputs)) == len(outputs)
    assert output() == outputs[0]


def test_drbg_refuses_a_request_that_is_too_large():
    drbg = HmacDrbg(b"entropy", b"nonce")
    raises(RequestRefused, drbg.generate, REQUEST_OCTETS_MAX + 1)
    raises(RequestRefused, drbg.generate, -1)
