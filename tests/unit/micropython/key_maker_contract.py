"""What every key maker promises, whatever it is made of: each function takes a maker with the two keys of the twin."""

import hashlib

from firmware.crypto import hkdf, p256
from firmware.crypto.p256_curve import N
from firmware.crypto.signer import AgreementRefused, SealRefused
from protocol import link_keys
from tests.support.mp import raises
from tests.unit.micropython.atecc608_twin import AGREE_KEY, PEER_KEY, SEAL_KEY, SHARED_X

CHAIN = bytes(range(100, 132))
KID = 0xFEDCBA98


def seal_digest(kid, sequence, chain):
    """The design's own words: SHA-256(domain || kid || n || chain_n)."""
    return hashlib.sha256(
        b"lumbung/seal/1\x00\x00" + kid.to_bytes(4, "big") + sequence.to_bytes(4, "big") + chain
    ).digest()


def tells_its_public_keys(maker):
    assert maker.public_keys() == (SEAL_KEY, AGREE_KEY)
    assert maker.public_keys() == (SEAL_KEY, AGREE_KEY)


def seals_domain_kid_sequence_and_chain(maker):
    for sequence in (0, 1, 0x7FFFFF, 0xFFFFFFFF):
        seal = maker.seal(KID, sequence, CHAIN)
        assert len(seal) == 64
        assert p256.verify(SEAL_KEY, seal_digest(KID, sequence, CHAIN), seal, True)


def every_seal_is_low_s(maker):
    for sequence in range(20):  # of 20, one half of the curve's own choice is high all but once in a million
        assert int.from_bytes(maker.seal(KID, sequence, CHAIN)[32:], "big") <= N >> 1


def no_nonce_repeats(maker):
    seen = {maker.seal(KID, 5, CHAIN)[:32]}
    while maker.refill(40):
        pass
    for _ in range(8):
        r = maker.seal(KID, 5, CHAIN)[:32]
        assert r not in seen
        seen.add(r)


def verifies_its_own_seal_and_nothing_else(maker):
    seal = maker.seal(KID, 9, CHAIN)
    assert maker.verify_own(KID, 9, CHAIN, seal)
    assert not maker.verify_own(KID, 8, CHAIN, seal)
    assert not maker.verify_own(KID - 1, 9, CHAIN, seal)
    assert not maker.verify_own(KID, 9, CHAIN[1:] + b"\x00", seal)
    assert not maker.verify_own(KID, 9, CHAIN, seal[:-1])
    high = seal[:32] + (N - int.from_bytes(seal[32:], "big")).to_bytes(32, "big")
    assert not maker.verify_own(KID, 9, CHAIN, high)
    for place in range(0, 64, 7):
        changed = bytearray(seal)
        changed[place] ^= 4
        assert not maker.verify_own(KID, 9, CHAIN, bytes(changed))


def verifies_in_steps(maker):
    seal = maker.seal(KID, 9, CHAIN)
    assert len([None for _ in maker.verify_own_steps(KID, 9, CHAIN, seal)]) > 60


def refuses_values_that_do_not_fit_by_name(maker):
    for verb in (maker.seal, lambda *values: maker.verify_own(*(values + (bytes(64),)))):
        assert "kid" in str(raises(SealRefused, verb, 1 << 32, 1, CHAIN))
        assert "kid" in str(raises(SealRefused, verb, -1, 1, CHAIN))
        assert "sequence" in str(raises(SealRefused, verb, 1, 1 << 32, CHAIN))
        assert "sequence" in str(raises(SealRefused, verb, 1, -1, CHAIN))
        assert "chain" in str(raises(SealRefused, verb, 1, 1, CHAIN[:-1]))
        assert "chain" in str(raises(SealRefused, verb, 1, 1, CHAIN + b"\x00"))


def derives_labelled_keys_from_the_shared_secret(maker):
    salt = link_keys.salt(AGREE_KEY, PEER_KEY)

    def info_for(label):
        return link_keys.info(label, KID, 3, 0)

    keys = maker.agree(PEER_KEY, info_for, salt, link_keys.LASTING)
    assert len(keys) == len(link_keys.LASTING)
    for label, length in link_keys.LASTING:
        assert keys[label] == hkdf.hkdf_sha256(SHARED_X, salt, info_for(label), length)
    steps = maker.agree_steps(PEER_KEY, info_for, salt, link_keys.LASTING)
    assert len([None for _ in steps]) >= 2
    # What the peer's certificate held may be a view of a frame.
    assert maker.agree(memoryview(PEER_KEY), info_for, salt, link_keys.LASTING) == keys


def agrees_only_with_points_of_the_curve(maker):
    for public in (bytes(64), PEER_KEY[:-1], PEER_KEY[:-1] + bytes((PEER_KEY[-1] ^ 1,)), b"\xff" * 64):
        raises(p256.InvalidPublicKey, maker.agree, public, bytes, b"salt", ((b"up", 16),))


def refuses_labels_that_would_give_one_key_twice(maker):
    lengths = ((b"up", 16), (b"down", 16))
    raises(AgreementRefused, maker.agree, PEER_KEY, lambda label: b"same", b"salt", lengths)
    raises(AgreementRefused, maker.agree, PEER_KEY, bytes, b"salt", ((b"up", 16), (b"up", 32)))
    raises(hkdf.LengthRefused, maker.agree, PEER_KEY, bytes, b"salt", ((b"up", 255 * 32 + 1),))


def works_ahead_forgets_and_still_seals(maker):
    while maker.refill(40):
        pass
    assert maker.is_ready
    maker.drop()
    assert maker.verify_own(KID, 1, CHAIN, maker.seal(KID, 1, CHAIN))
    assert maker.entropy_ok


PROMISES = (
    tells_its_public_keys,
    seals_domain_kid_sequence_and_chain,
    every_seal_is_low_s,
    no_nonce_repeats,
    verifies_its_own_seal_and_nothing_else,
    verifies_in_steps,
    refuses_values_that_do_not_fit_by_name,
    derives_labelled_keys_from_the_shared_secret,
    agrees_only_with_points_of_the_curve,
    refuses_labels_that_would_give_one_key_twice,
    works_ahead_forgets_and_still_seals,
)
