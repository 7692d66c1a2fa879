"""The key maker with an ATECC608 keeps the promises of every key maker, and knows its own chip."""

import os

from firmware.crypto import p256
from firmware.crypto.atecc_signer import AteccSigner, OtherKey, SignatureRefused
from firmware.crypto.p256_curve import N
from firmware.crypto.signer import SoftwareSigner
from firmware.drivers import atecc608_core as core
from firmware.ledger import slots
from hardware.atecc608_faults import FaultPlan
from hardware.atecc608_memory import Memory
from protocol import records
from tests.support.mp import raises
from tests.support.mp_books import event, make_flash, open_journal
from tests.unit.micropython import key_maker_contract as contract
from tests.unit.micropython.atecc608_twin import (
    AGREE_KEY,
    AGREE_PRIVATE,
    PEER_KEY,
    SEAL_KEY,
    SEAL_PRIVATE,
    Stream,
    Twin,
    set_up_memory,
)
from tests.unit.micropython.key_maker_contract import CHAIN, KID

TIMEOUT_S = 120


def software():
    return SoftwareSigner(SEAL_PRIVATE, AGREE_PRIVATE, os.urandom, 1)


def twin_and_maker(faults=None, public_keys=None):
    twin = Twin(set_up_memory(), faults, speed_percent=10)
    maker = AteccSigner(twin.driver, public_keys)
    maker.start()
    return twin, maker


def test_both_makers_keep_every_promise():
    for promise in contract.PROMISES:
        for maker in (software(), twin_and_maker()[1]):
            try:
                promise(maker)
            except AssertionError:
                raise AssertionError("%s: %s" % (type(maker).__name__, promise.__name__))


def test_both_makers_give_the_same_keys_to_the_same_gateway():
    def info_for(label):
        return b"info " + label

    lengths = ((b"up", 16), (b"down", 32))
    one, other = software(), twin_and_maker()[1]
    assert one.public_keys() == other.public_keys()
    assert one.agree(PEER_KEY, info_for, b"salt", lengths) == other.agree(
        PEER_KEY, info_for, b"salt", lengths
    )
    for maker, checker in ((one, other), (other, one)):
        assert checker.verify_own(KID, 3, CHAIN, maker.seal(KID, 3, CHAIN))


def test_the_gate_offers_what_the_software_gate_offers_and_its_start():
    def offered(kind):
        return {name for name in dir(kind) if not name.startswith("_")}

    assert offered(AteccSigner) == offered(SoftwareSigner) | {"start"}


class Between:
    """Stands between maker and driver: notes what is asked and given, or gives something else."""

    def __init__(self, driver, gives=None):
        self._sign = driver.sign
        self._gives = gives
        self.asked = []
        self.given = []
        driver.sign = self.sign

    def sign(self, slot, digest):
        self.asked.append((slot, digest))
        self.given.append(self._gives or self._sign(slot, digest))
        return self.given[-1]


def test_high_and_low_signatures_of_the_chip_become_low():
    twin, maker = twin_and_maker()
    between = Between(twin.driver)
    high = 0
    for sequence in range(24):
        seal = maker.seal(KID, sequence, CHAIN)
        given = between.given[-1]
        s = int.from_bytes(given[32:], "big")
        high += s > N >> 1
        assert seal[:32] == given[:32]
        assert int.from_bytes(seal[32:], "big") == min(s, N - s)
    assert 0 < high < 24


def test_what_is_no_signature_is_refused_by_name():
    one, order = (1).to_bytes(32, "big"), N.to_bytes(32, "big")
    for octets, name in (
        (bytes(32) + one, "r"),
        (order + one, "r"),
        (one + bytes(32), "s"),
        (one + order, "s"),
    ):
        twin, maker = twin_and_maker()
        Between(twin.driver, octets)
        assert name + " is" in str(raises(SignatureRefused, maker.seal, KID, 1, CHAIN))


def test_a_public_key_off_the_curve_is_refused():
    twin = Twin(speed_percent=10)
    maker = AteccSigner(twin.driver)
    twin.driver.public_key = lambda slot: bytes(64)
    raises(p256.InvalidPublicKey, maker.start)
    raises(p256.InvalidPublicKey, maker.public_keys)
    raises(p256.InvalidPublicKey, maker.verify_own, KID, 1, CHAIN, bytes(64))


def test_a_chip_with_another_seal_key_is_not_the_certified_one():
    twin = Twin(speed_percent=10)
    raises(OtherKey, AteccSigner(twin.driver, (PEER_KEY, AGREE_KEY)).start)
    twin.part.memory.keys[0] = 4711
    raises(OtherKey, AteccSigner(twin.driver, (SEAL_KEY, AGREE_KEY)).start)
    public_key = twin.driver.public_key
    for lie in (b"", bytes(64), b"\xff" * 64):
        twin.driver.public_key = lambda slot, lie=lie: lie
        raises(OtherKey, AteccSigner(twin.driver, (SEAL_KEY, AGREE_KEY)).start)
    twin.driver.public_key = public_key
    twin.part.memory.keys[0] = SEAL_PRIVATE
    AteccSigner(twin.driver, (SEAL_KEY, AGREE_KEY)).start()


def test_with_certified_keys_seals_are_checked_while_the_chip_is_silent():
    twin, maker = twin_and_maker(public_keys=(SEAL_KEY, AGREE_KEY))
    seal = maker.seal(KID, 1, CHAIN)
    twin.bus.detach(0x60)
    again = AteccSigner(twin.driver, (SEAL_KEY, AGREE_KEY))
    raises(core.ChipSilent, again.start)
    assert again.public_keys() == (SEAL_KEY, AGREE_KEY)
    assert again.verify_own(KID, 1, CHAIN, seal) and not again.verify_own(KID, 2, CHAIN, seal)
    assert again.entropy_ok  # it was not looked at yet


def test_the_start_learns_the_chips_pace():
    memory = set_up_memory()
    memory.config[19] = 0x68  # M2: six times as slow
    twin = Twin(memory)
    maker = AteccSigner(twin.driver)
    maker.start()
    assert maker.verify_own(KID, 1, CHAIN, maker.seal(KID, 1, CHAIN))


def test_only_the_seal_slot_seals_and_only_digests_made_here():
    twin, maker = twin_and_maker()
    between = Between(twin.driver)
    maker.seal(KID, 7, CHAIN)
    assert between.asked == [(0, contract.seal_digest(KID, 7, CHAIN))]


def test_the_secret_is_asked_for_once_and_only_for_points():
    twin, maker = twin_and_maker()
    before = twin.part.commands
    raises(p256.InvalidPublicKey, maker.agree, bytes(64), bytes, b"", ((b"up", 16),))
    assert twin.part.commands == before
    maker.agree(PEER_KEY, bytes, b"", ((b"up", 16),))
    assert twin.part.commands == before + 1


def test_an_unlocked_or_stuck_generator_is_doubted():
    assert twin_and_maker()[1].entropy_ok
    twin, maker = twin_and_maker()
    twin.part.engine._entropy = lambda size: bytes(range(size))
    maker.start()
    assert not maker.entropy_ok
    fresh = Twin(Memory(), speed_percent=10)
    maker = AteccSigner(fresh.driver, (SEAL_KEY, AGREE_KEY))
    fresh.driver.public_key = lambda slot: SEAL_KEY
    maker.start()
    assert not maker.entropy_ok


def test_the_chips_random_numbers_serve_software_keys():
    """Same entropy and boot counter, another chip's octets: other nonces."""

    def first_seal(extra):
        maker = SoftwareSigner(SEAL_PRIVATE, AGREE_PRIVATE, Stream(1), 1, extra)
        while maker.refill(40):
            pass
        return maker.seal(KID, 1, CHAIN)

    twin, _ = twin_and_maker()
    assert first_seal(twin.driver.random()) != first_seal(twin.driver.random())


def test_a_seal_takes_the_time_that_is_stated():
    twin = Twin()
    maker = AteccSigner(twin.driver)
    maker.start()
    began_ms = twin.now_ms()
    maker.seal(KID, 1, CHAIN)
    assert twin.now_ms() - began_ms <= 2 + 135 + 14


def test_a_failed_seal_is_an_error_and_the_next_is_good():
    for plan in ({"broken_at": (2,)}, {"refused": (3, 40)}, {"ecc_fault_at": (2,)}):
        twin, maker = twin_and_maker()
        twin.part.commands = twin.part.transfers = 0
        twin.part.faults = FaultPlan(**plan)
        assert maker.verify_own(KID, 2, CHAIN, maker.seal(KID, 2, CHAIN))
    twin, maker = twin_and_maker()
    twin.bus.detach(0x60)
    raises(core.ChipSilent, maker.seal, KID, 2, CHAIN)
    twin.bus.attach(0x60, twin.part)
    assert maker.verify_own(KID, 2, CHAIN, maker.seal(KID, 2, CHAIN))


# ---------------------------------------------------------------- journal


def test_a_commit_is_sealed_by_the_chip_and_nothing_changes_where_it_cannot_be():
    twin, maker = twin_and_maker()
    flash = make_flash()
    journal = open_journal(flash)

    def seal_of(sequence, head):
        return maker.seal(KID, sequence, head)

    for number in range(3):
        sequence, head, seal = journal.append_chain(records.EVENT, event(number), slots.NO_INDEX, seal_of)
        assert maker.verify_own(KID, sequence, head, seal)
    twin.bus.detach(0x60)
    before = (journal.sequence, journal.chain, flash.operations())
    raises(core.ChipSilent, journal.append_chain, records.EVENT, event(3), slots.NO_INDEX, seal_of)
    assert (journal.sequence, journal.chain, flash.operations()) == before
    twin.bus.attach(0x60, twin.part)
    assert journal.append_chain(records.EVENT, event(3), slots.NO_INDEX, seal_of)[0] == 4
