"""Where a whole terminal's nonces come from: no two boots share one, whatever repeats; what is drawn when; never in flash."""

from firmware.crypto.hmac_drbg import RESEED_INTERVAL
from hardware.nor_flash import PowerCut
from tests.support.mp_chip import ChipFitting, chip_flash
from tests.support.mp_terminal import KID, Bench, copy_of, provisioned_flash

HEAP = "24m"
TIMEOUT_S = 120
ENTRY_OCTETS = 96
STEPS = 5000
CHAIN = bytes(range(32))


class Recorder:
    """The board's entropy, the same octets in every life, and who asked for how many."""

    def __init__(self, octets_of):
        self._octets_of = octets_of
        self.asked = []

    def __call__(self, count):
        self.asked.append(count)
        return self._octets_of(len(self.asked), count)


def constant(_number, count):
    return (b"\x5a\x17\xc3\x99" * count)[:count]


def predictable(number, count):
    return bytes([(number * 89 + place * 13) & 0xFF for place in range(count)])


class Life(Bench):
    """A bench whose board draws from a recorder, and whose clock stands at the same moment in every life."""

    def __init__(self, flash, octets_of, fittings=None):
        self.recorder = Recorder(octets_of)

        def fitted(models):
            options = {} if fittings is None else fittings(models)
            return dict(options, entropy=self.recorder)

        Bench.__init__(self, flash, fittings=fitted)


def entries(pool):
    """The octets of every entry that the pool holds."""
    octets = bytes(pool._octets)
    return [octets[at : at + ENTRY_OCTETS] for at in range(0, len(pool) * ENTRY_OCTETS, ENTRY_OCTETS)]


def fill(signer):
    while signer.refill(STEPS):
        pass


def test_boots_with_the_same_entropy_and_clock_share_no_nonce():
    """Each life begins with the same draws at the same second; only the boot counter in flash tells them apart."""
    flash = provisioned_flash()
    seen = set()
    for _ in range(3):
        bench = Life(flash, predictable)
        signer = bench.app.signer
        assert signer.entropy_ok
        fill(signer)
        nonces = [entry[:32] for entry in entries(signer._pool)]
        nonces.append(signer.seal(KID, 999, CHAIN)[:32])  # takes one of them
        assert len(nonces) == 17
        fresh = set(nonces)
        assert len(fresh) == 16 and not seen & fresh
        seen.update(fresh)
        flash.power_on()


def test_boots_with_constant_entropy_sign_each_message_with_a_nonce_of_its_own():
    """A source that always says the same is found out at its second draw: RFC 6979 on the message from then on."""
    flash = provisioned_flash()
    r_of = {}
    for _ in range(2):
        bench = Life(flash, constant)
        signer = bench.app.signer
        assert not signer.entropy_ok and not signer.refill(STEPS) and len(signer._pool) == 0
        for sequence in range(3):
            r = signer.seal(KID, sequence, CHAIN)[:32]
            assert (
                r_of.get(sequence, r) == r
            )  # the same message again is the same seal again, which tells nothing
            r_of[sequence] = r
        flash.power_on()
    assert len(set(r_of.values())) == 3


def test_no_power_cut_at_boot_lets_a_boot_counter_be_used_twice():
    """A nonce is only made where the counter before it was burned, wherever the start is cut."""
    operation = 0
    while True:
        flash = copy_of(provisioned_flash())
        mine = []
        flash.power_cut_after(operation, torn_bytes=operation * 3 % 40)
        try:
            mine.append(started(flash))
            was_cut = False
        except PowerCut:
            was_cut = True
        flash.power_on()
        for _ in range(2):
            mine.append(started(flash))
        assert len(set(mine)) == len(mine), (operation, mine)
        if not was_cut:
            break
        operation += 1
    assert operation >= 1


def started(flash):
    """The boot counter that this start's nonces are seeded with."""
    return Life(flash, predictable).ledger.journal.boots


def test_the_boards_generator_is_drawn_before_the_first_nonce_and_for_nothing_in_a_seal():
    bench = Life(provisioned_flash(), predictable)
    # Once to watch the source, once for the seed, 32 octets each; no nonce was made before.
    assert bench.recorder.asked[:2] == [32, 32]
    assert len(bench.app.signer._pool) == 0
    before = len(bench.recorder.asked)
    fill(bench.app.signer)
    bench.app.signer.seal(KID, 5, CHAIN)
    assert len(bench.recorder.asked) == before


def test_a_spent_seed_is_the_only_other_reason_to_draw_for_a_nonce():
    bench = Life(provisioned_flash(), predictable)
    before = len(bench.recorder.asked)
    bench.app.signer._drbg._requests = RESEED_INTERVAL
    fill(bench.app.signer)
    assert bench.recorder.asked[before:] == [32] and len(bench.app.signer._pool) == 16


def test_nothing_of_the_pool_is_ever_in_flash():
    bench = Life(provisioned_flash(), predictable)
    fill(bench.app.signer)
    made = entries(bench.app.signer._pool)
    bench.sell("bank", 10_000)
    bench.sell("programme", 10_000)
    taken = len(made) - len(bench.app.signer._pool)
    assert taken >= 2
    image = bytearray(4096)
    sectors = bench.flash._store._sectors
    for index in sectors:
        image[:] = sectors[index]
        for entry in made:
            assert entry[32:64] not in image and entry[64:] not in image


def test_with_keys_in_a_chip_the_chips_own_generator_is_asked_and_constant_entropy_does_not_matter():
    fitting = ChipFitting()
    flash = chip_flash()
    seen = set()
    for _ in range(3):
        bench = Life(flash, constant, fitting)
        signer = bench.app.signer
        assert signer.entropy_ok
        before = len(bench.recorder.asked)
        for _ in range(4):
            r = signer.seal(KID, 999, CHAIN)[:32]  # the same message each time
            assert r not in seen
            seen.add(r)
        assert len(bench.recorder.asked) == before
        flash.power_on()
