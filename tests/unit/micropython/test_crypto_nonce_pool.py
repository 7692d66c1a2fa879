"""The nonce pool: no entry is ever given out twice, by one boot or by two, and what is dropped is gone."""

from firmware.crypto import nonce_pool, p256, signing
from firmware.crypto.hmac_drbg import RESEED_INTERVAL, HmacDrbg, ReseedRequired
from firmware.crypto.nonce_pool import NoncePool, seed_nonces
from firmware.crypto.p256_curve import N
from firmware.crypto.rfc6979 import draw_scalar
from tests.support.mp import raises

PRIVATE = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
CONSTANT_ENTROPY = bytes(range(32))
DIGEST = bytes(range(32))


def pool_of_boot(boot_counter, private=PRIVATE, entropy=CONSTANT_ENTROPY, size=4):
    return NoncePool(private, seed_nonces(private, entropy, boot_counter), size)


def filled(pool):
    while pool.step(50):
        pass
    return pool


def taken(pool):
    entries = []
    while True:
        entry = pool.take()
        if entry is None:
            return entries
        entries.append(entry)


def is_blank(pool):
    return pool._octets == bytes(len(pool._octets))


class ScriptedDrbg:
    """Hands out given scalars, as a generator would."""

    def __init__(self, *scalars):
        self._scalars = list(scalars)

    def generate(self, length, additional_input=b""):
        return self._scalars.pop(0).to_bytes(length, "big")


def test_entries_sign():
    public = p256.public_key(PRIVATE)
    for entry in taken(filled(pool_of_boot(1))):
        assert p256.verify(public, DIGEST, signing.finish_signature(entry, DIGEST), True)


def test_entry_is_what_it_says():
    k = 0xA6E3C57DD01ABE90086538398355DD4C3B17AA873382B0F24D6129493D8AAD60
    r, k_inverse, r_d_over_k = filled(NoncePool(PRIVATE, ScriptedDrbg(k), 1)).take()
    assert int.from_bytes(r, "big") == p256.generator_multiply_x(k) % N
    assert k_inverse * k % N == 1
    assert r_d_over_k == k_inverse * int.from_bytes(r, "big") * PRIVATE % N


def test_the_pool_is_bounded():
    pool = filled(pool_of_boot(1, size=3))
    assert len(pool) == 3
    assert not pool.step(1000)
    assert len(pool) == 3


def test_a_budget_is_kept():
    pool = pool_of_boot(1, size=1)
    steps = 0
    while pool.step(1):
        steps += 1
    assert 60 < steps < 80
    assert pool_of_boot(1, size=1).step(0)


def test_no_entry_is_given_out_twice():
    pool = filled(pool_of_boot(1))
    entries = taken(pool) + taken(filled(pool)) + taken(filled(pool))
    assert len(entries) == 12
    assert len({r for r, _, _ in entries}) == 12
    assert len({k_inverse for _, k_inverse, _ in entries}) == 12


def test_boots_with_the_same_entropy_share_no_nonce():
    """What keeps them apart is the boot counter alone."""
    seen = set()
    for boot_counter in (0, 1, 2, 255, 256, 1 << 32):
        for r, _, _ in taken(filled(pool_of_boot(boot_counter))):
            assert r not in seen
            seen.add(r)
    assert len(seen) == 24


def test_the_same_boot_counter_and_entropy_do_repeat():
    """Why the counter must be burned first: without it the test above would prove nothing."""
    assert taken(filled(pool_of_boot(7))) == taken(filled(pool_of_boot(7)))


def test_keys_and_entropy_keep_nonces_apart_too():
    first = taken(filled(pool_of_boot(1, size=1)))[0][0]
    assert taken(filled(pool_of_boot(1, private=PRIVATE + 1, size=1)))[0][0] != first
    assert taken(filled(pool_of_boot(1, entropy=CONSTANT_ENTROPY + b"\x00", size=1)))[0][0] != first


def test_an_entry_leaves_the_pool_before_it_is_handed_out():
    pool = filled(pool_of_boot(1, size=2))
    r, k_inverse, r_d_over_k = pool.take()
    assert len(pool) == 1
    held = bytes(pool._octets)
    for secret in (r, k_inverse.to_bytes(32, "big"), r_d_over_k.to_bytes(32, "big")):
        assert secret not in held
    pool.take()
    assert is_blank(pool)
    assert pool.take() is None


def test_an_entry_is_gone_even_when_taking_it_fails():
    class NoMemory:
        """A buffer that runs out of memory at the second read of an entry."""

        def __init__(self, octets):
            self.octets = octets
            self.reads = 0

        def __getitem__(self, key):
            self.reads += 1
            if self.reads == 2:
                raise MemoryError("out of memory")
            return self.octets[key]

        def __setitem__(self, key, value):
            self.octets[key] = value

    pool = filled(pool_of_boot(1, size=1))
    octets = pool._octets
    pool._octets = NoMemory(octets)
    raises(MemoryError, pool.take)
    pool._octets = octets
    assert is_blank(pool)
    assert pool.take() is None


def test_after_drop_nothing_remains():
    pool = filled(pool_of_boot(1))
    pool.take()
    pool.step(30)
    assert pool._work is not None
    pool.drop()
    assert len(pool) == 0
    assert pool.take() is None
    assert is_blank(pool)
    assert pool._work is None


def test_what_comes_after_drop_is_new():
    pool = filled(pool_of_boot(1))
    before = {r for r, _, _ in taken(filled(pool_of_boot(1)))}
    pool.drop()
    for r, _, _ in taken(filled(pool)):
        assert r not in before


def test_a_nonce_whose_work_fails_is_never_seen_again():
    k_bad, k_good = 11, 12
    pool = NoncePool(PRIVATE, ScriptedDrbg(k_bad, k_good), 1)
    pool.step(30)

    def broken():
        raise MemoryError("out of memory")
        yield

    pool._work = broken()
    raises(MemoryError, pool.step, 1)
    assert pool._work is None
    r, _, _ = filled(pool).take()
    assert int.from_bytes(r, "big") == p256.generator_multiply_x(k_good) % N


def test_a_nonce_with_r_zero_never_enters():
    """No such k is known, so the multiplication is made to give n."""
    original = signing.generator_multiply_x_steps
    results = [N, 0, 5]

    def scripted(scalar):
        yield
        return results.pop(0)

    signing.generator_multiply_x_steps = scripted
    try:
        pool = filled(NoncePool(PRIVATE, ScriptedDrbg(1, 2, 3), 1))
    finally:
        signing.generator_multiply_x_steps = original
    assert len(pool) == 1
    assert pool.take()[0] == (5).to_bytes(32, "big")


def test_scalars_out_of_range_are_drawn_again():
    assert draw_scalar(ScriptedDrbg(0, N, N + 1, (1 << 256) - 1, N - 1)) == N - 1
    assert draw_scalar(ScriptedDrbg(0, 1)) == 1


def test_a_spent_seed_stops_the_pool_until_it_is_renewed():
    drbg = seed_nonces(PRIVATE, CONSTANT_ENTROPY, 1)
    pool = NoncePool(PRIVATE, drbg, 1)
    for _ in range(RESEED_INTERVAL):
        drbg.generate(1)
    raises(ReseedRequired, pool.step, 10)
    raises(ReseedRequired, pool.step, 10)
    drbg.reseed(b"fresh")
    assert len(filled(pool)) == 1


def test_the_seed_is_hmac_drbg_over_entropy_counter_and_key():
    """Fixed widths from the right, so that no two inputs are the same octets."""
    drbg = seed_nonces(PRIVATE, CONSTANT_ENTROPY, 0x0102)
    again = HmacDrbg(
        CONSTANT_ENTROPY,
        b"\x00\x00\x00\x00\x00\x00\x01\x02",
        b"lumbung/nonce/1\x00" + PRIVATE.to_bytes(32, "big"),
    )
    assert drbg.generate(32) == again.generate(32)
    assert nonce_pool.SIZE == 16
