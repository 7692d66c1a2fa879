"""The gate to the private keys: what it signs and derives, and how it behaves when entropy or memory fail."""

import gc
import hashlib
import os
import sys

from firmware.crypto import hkdf, p256, signer, signing
from firmware.crypto.entropy import WatchedEntropy
from firmware.crypto.hmac_drbg import RESEED_INTERVAL
from firmware.crypto.p256_comb import finish
from firmware.crypto.p256_curve import N
from firmware.crypto.rfc6979 import nonces
from firmware.crypto.signer import AgreementRefused, SealRefused, SoftwareSigner
from protocol import domains, link_keys
from tests.support.mp import raises

SEAL_PRIVATE = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
AGREE_PRIVATE = 0x7D7DC5F71EB29DDAF80D6214632EEAE03D9058AF1FB6D22ED80BADB62BC1A534
CHAIN = bytes(range(100, 132))
KID = 0xFEDCBA98
BUDGET = 40


def signer_of_boot(boot_counter=1, entropy=os.urandom):
    return SoftwareSigner(SEAL_PRIVATE, AGREE_PRIVATE, entropy, boot_counter)


def filled(terminal):
    while terminal.refill(BUDGET):
        pass
    return terminal


def seal_digest(kid, sequence, chain):
    """The design's own words: SHA-256(domain || kid || n || chain_n)."""
    return hashlib.sha256(
        b"lumbung/seal/1\x00\x00" + kid.to_bytes(4, "big") + sequence.to_bytes(4, "big") + chain
    ).digest()


def deterministic(sequence):
    """The seal that RFC 6979 gives."""
    digest = seal_digest(KID, sequence, CHAIN)
    return signing.finish_signature(
        finish(signing.entry_steps(SEAL_PRIVATE, next(nonces(SEAL_PRIVATE, digest)))), digest
    )


class Counting:
    """A source of entropy that never repeats, though anyone can predict it."""

    def __init__(self):
        self.count = 0

    def __call__(self, length):
        self.count += 1
        return hashlib.sha256(b"%d" % self.count).digest()[:length]


def test_public_keys_are_those_of_the_private_ones():
    keys = signer_of_boot().public_keys()
    assert keys == (p256.public_key(SEAL_PRIVATE), p256.public_key(AGREE_PRIVATE))


def test_private_keys_out_of_range_are_refused():
    for bad in (0, N, -1):
        raises(p256.InvalidPrivateKey, SoftwareSigner, bad, AGREE_PRIVATE, os.urandom, 1)
        raises(p256.InvalidPrivateKey, SoftwareSigner, SEAL_PRIVATE, bad, os.urandom, 1)


def test_a_seal_signs_domain_kid_sequence_and_chain():
    terminal = filled(signer_of_boot())
    public, _ = terminal.public_keys()
    assert domains.SEAL == b"lumbung/seal/1\x00\x00"
    for sequence in (0, 1, 0x7FFFFF, 0xFFFFFFFF):
        seal = terminal.seal(KID, sequence, CHAIN)
        assert len(seal) == 64
        assert p256.verify(public, seal_digest(KID, sequence, CHAIN), seal, True)


def test_every_seal_is_low_s():
    terminal = filled(signer_of_boot())
    for sequence in range(20):  # the pool runs empty on the way
        assert int.from_bytes(terminal.seal(KID, sequence, CHAIN)[32:], "big") <= N >> 1


def test_an_own_seal_verifies_and_nothing_else_does():
    terminal = filled(signer_of_boot())
    seal = terminal.seal(KID, 9, CHAIN)
    assert terminal.verify_own(KID, 9, CHAIN, seal)
    assert not terminal.verify_own(KID, 8, CHAIN, seal)
    assert not terminal.verify_own(KID - 1, 9, CHAIN, seal)
    assert not terminal.verify_own(KID, 9, CHAIN[1:] + b"\x00", seal)
    assert not terminal.verify_own(KID, 9, CHAIN, seal[:-1])
    high = seal[:32] + (N - int.from_bytes(seal[32:], "big")).to_bytes(32, "big")
    assert not terminal.verify_own(KID, 9, CHAIN, high)
    for place in range(0, 64, 7):
        changed = bytearray(seal)
        changed[place] ^= 4
        assert not terminal.verify_own(KID, 9, CHAIN, bytes(changed))


def test_the_check_of_an_own_seal_can_be_done_in_steps():
    terminal = signer_of_boot()
    seal = terminal.seal(KID, 9, CHAIN)
    steps = terminal.verify_own_steps(KID, 9, CHAIN, seal)
    assert len([None for _ in steps]) > 200


def test_values_that_do_not_fit_are_refused_by_name():
    terminal = filled(signer_of_boot())
    held = len(terminal._pool)
    assert "kid" in str(raises(SealRefused, terminal.seal, 1 << 32, 1, CHAIN))
    assert "kid" in str(raises(SealRefused, terminal.seal, -1, 1, CHAIN))
    assert "sequence" in str(raises(SealRefused, terminal.seal, 1, 1 << 32, CHAIN))
    assert "sequence" in str(raises(SealRefused, terminal.seal, 1, -1, CHAIN))
    assert "chain" in str(raises(SealRefused, terminal.seal, 1, 1, CHAIN[:-1]))
    assert "chain" in str(raises(SealRefused, terminal.seal, 1, 1, CHAIN + b"\x00"))
    assert len(terminal._pool) == held


def test_a_seal_takes_one_entry_and_never_repeats_a_nonce():
    terminal = filled(signer_of_boot())
    held = len(terminal._pool)
    seen = set()
    for count in range(held):
        seen.add(terminal.seal(KID, 5, CHAIN)[:32])  # the same message each time
        assert len(terminal._pool) == held - 1 - count
    assert len(seen) == held


def test_an_empty_pool_means_rfc_6979():
    terminal = signer_of_boot()
    assert terminal.seal(KID, 3, CHAIN) == deterministic(3)
    filled(terminal)
    assert terminal.seal(KID, 3, CHAIN) != deterministic(3)
    terminal.drop()
    assert terminal.seal(KID, 3, CHAIN) == deterministic(3)


def test_an_entry_that_gives_s_zero_is_not_used():
    terminal = filled(signer_of_boot())
    digest = int.from_bytes(seal_digest(KID, 3, CHAIN), "big")
    terminal._pool.take = lambda: ((7).to_bytes(32, "big"), 1, -digest % N)
    assert terminal.seal(KID, 3, CHAIN) == deterministic(3)


def test_when_a_seal_fails_midway_its_nonce_is_gone():
    terminal = filled(signer_of_boot())
    held = len(terminal._pool)
    original = signer.finish_signature
    seen = []

    def failing(entry, digest):
        seen.append(entry[0])
        raise MemoryError("out of memory")

    signer.finish_signature = failing
    try:
        raises(MemoryError, terminal.seal, KID, 3, CHAIN)
    finally:
        signer.finish_signature = original
    assert len(terminal._pool) == held - 1
    assert seen[0] not in bytes(terminal._pool._octets)
    for sequence in range(held):
        assert terminal.seal(KID, sequence, CHAIN)[:32] != seen[0]


def test_doubtful_entropy_is_noticed_and_means_rfc_6979():
    def silent(count):
        raise OSError("radio off")

    low_variety = Counting()
    for source in (
        bytes,  # zeros
        lambda count: b"\x5a" * count,
        lambda count: bytes(range(count)),  # looks well, but never changes
        lambda count: None,
        lambda count: os.urandom(count - 1),
        lambda count: bytes([octet & 7 for octet in low_variety(count)]),
        silent,
    ):
        terminal = signer_of_boot(entropy=source)
        assert not terminal.entropy_ok
        assert not terminal.refill(BUDGET)
        assert len(terminal._pool) == 0
        assert terminal.seal(KID, 3, CHAIN) == deterministic(3)


def test_a_sound_source_is_believed():
    for _ in range(20):
        assert signer_of_boot().entropy_ok
    assert signer_of_boot(entropy=Counting()).entropy_ok


def test_entropy_once_in_doubt_stays_so():
    answers = [os.urandom(32), os.urandom(32), bytes(32), os.urandom(32)]
    watched = WatchedEntropy(lambda count: answers.pop(0))
    watched.draw()
    assert watched.ok
    watched.draw()
    assert not watched.ok
    watched.draw()
    assert not watched.ok


def test_two_boots_with_the_same_predictable_entropy_share_no_nonce():
    seen = set()
    for boot_counter in (1, 2, 3):
        terminal = filled(signer_of_boot(boot_counter, Counting()))
        assert terminal.entropy_ok
        while len(terminal._pool):
            r = terminal.seal(KID, 1, CHAIN)[:32]
            assert r not in seen
            seen.add(r)
    assert len(seen) == 48


def test_extra_entropy_changes_the_nonces():
    plain = filled(signer_of_boot(1, Counting())).seal(KID, 1, CHAIN)
    extra = SoftwareSigner(SEAL_PRIVATE, AGREE_PRIVATE, Counting(), 1, b"from the ATECC608")
    assert filled(extra).seal(KID, 1, CHAIN) != plain


def test_a_spent_seed_is_renewed_from_fresh_entropy():
    terminal = signer_of_boot()
    for _ in range(RESEED_INTERVAL):
        terminal._drbg.generate(1)
    assert terminal.refill(BUDGET)
    assert len(filled(terminal)._pool) == 16


def test_entropy_that_fails_at_the_renewal_empties_the_pool():
    counting = Counting()
    failing = []
    terminal = filled(signer_of_boot(1, lambda count: bytes(count) if failing else counting(count)))
    terminal.seal(KID, 1, CHAIN)
    failing.append(True)
    for _ in range(RESEED_INTERVAL - 16):
        terminal._drbg.generate(1)
    assert not terminal.refill(BUDGET)
    assert not terminal.entropy_ok
    assert len(terminal._pool) == 0
    assert terminal.seal(KID, 3, CHAIN) == deterministic(3)


def test_both_ends_derive_the_same_labelled_keys():
    terminal = signer_of_boot()
    gateway = SoftwareSigner(11, 12, os.urandom, 1)
    _, own = terminal.public_keys()
    _, peer = gateway.public_keys()
    salt = link_keys.salt(own, peer)

    def info_for(label):
        return link_keys.info(label, KID, 3, 0)

    keys = terminal.agree(peer, info_for, salt, link_keys.LASTING)
    assert keys == gateway.agree(own, info_for, salt, link_keys.LASTING)
    shared = p256.shared_x(AGREE_PRIVATE, peer)
    assert len(keys) == len(link_keys.LASTING)
    for label, length in link_keys.LASTING:
        assert keys[label] == hkdf.hkdf_sha256(shared, salt, info_for(label), length)
        assert len(keys[label]) == length
        assert shared not in keys.values()


def test_agreement_takes_only_points_of_the_curve():
    terminal = signer_of_boot()
    _, peer = terminal.public_keys()
    for public in (bytes(64), peer[:-1], peer[:-1] + bytes((peer[-1] ^ 1,)), b"\xff" * 64):
        raises(p256.InvalidPublicKey, terminal.agree, public, bytes, b"salt", ((b"up", 16),))


def test_labels_that_would_give_one_key_twice_are_refused():
    terminal = signer_of_boot()
    _, peer = terminal.public_keys()
    lengths = ((b"up", 16), (b"down", 16))
    raises(AgreementRefused, terminal.agree, peer, lambda label: b"same", b"salt", lengths)
    raises(AgreementRefused, terminal.agree, peer, bytes, b"salt", ((b"up", 16), (b"up", 32)))
    raises(hkdf.LengthRefused, terminal.agree, peer, bytes, b"salt", ((b"up", 255 * 32 + 1),))


def test_the_gate_has_no_other_way_out():
    """A new public name has to be explained in the module's docstring, then here."""
    names = [name for name in dir(SoftwareSigner) if not name.startswith("_")]
    assert sorted(names) == sorted(
        [
            "agree",
            "agree_steps",
            "drop",
            "entropy_ok",
            "is_ready",
            "public_keys",
            "refill",
            "seal",
            "verify_own",
            "verify_own_steps",
        ]
    )


def test_it_is_ready_while_a_nonce_was_worked_out_ahead():
    terminal = signer_of_boot()
    assert not terminal.is_ready
    filled(terminal)
    assert terminal.is_ready
    terminal.drop()
    assert not terminal.is_ready


def test_a_seal_from_the_pool_allocates_little():
    """Budget: 1.5 KB on the 32-bit port; blocks are twice as large on the 64-bit one."""
    terminal = filled(signer_of_boot())
    terminal.seal(KID, 1, CHAIN)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    terminal.seal(KID, 2, CHAIN)
    used = gc.mem_alloc() - before
    gc.enable()
    assert used <= (3072 if sys.maxsize >> 32 else 1536), used
