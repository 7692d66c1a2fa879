"""The key maker with an ATECC608 keeps the promises of every key maker, and binds the journal's head to its counter."""

import os

from firmware.crypto import p256
from firmware.crypto.atecc_signer import (
    EXCESS_MAX,
    AteccSigner,
    CounterStuck,
    JournalRolledBack,
    SignatureRefused,
)
from firmware.crypto.p256_curve import N
from firmware.crypto.signer import SoftwareSigner
from firmware.drivers import atecc608_core as core
from firmware.ledger import slots
from hardware.atecc608_faults import FaultPlan, NoFaults
from hardware.atecc608_memory import COUNTER_MAX, Memory, encode_counter
from protocol import records
from tests.support.mp import raises, seed
from tests.support.mp_books import event, make_flash, open_journal
from tests.unit.micropython import key_maker_contract as contract
from tests.unit.micropython.atecc608_twin import (
    AGREE_PRIVATE,
    PEER_KEY,
    SEAL_PRIVATE,
    Stream,
    Twin,
    set_up_memory,
)
from tests.unit.micropython.key_maker_contract import CHAIN, KID

TIMEOUT_S = 120
BASE = 40


def software():
    return SoftwareSigner(SEAL_PRIVATE, AGREE_PRIVATE, os.urandom, 1)


def twin_and_maker(faults=None, count=BASE, base=BASE):
    twin = Twin(set_up_memory(count), faults, speed_percent=10)
    return twin, AteccSigner(twin.driver, base)


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


def test_the_gate_offers_what_the_software_gate_offers_and_the_counter():
    def offered(kind):
        return {name for name in dir(kind) if not name.startswith("_")}

    assert offered(AteccSigner) == offered(SoftwareSigner) | {"bind", "bind_steps", "counter"}


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
    twin, maker = twin_and_maker()
    twin.driver.public_key = lambda slot: bytes(64)
    raises(p256.InvalidPublicKey, maker.public_keys)
    raises(p256.InvalidPublicKey, maker.verify_own, KID, 1, CHAIN, bytes(64))


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
    twin = Twin(Memory(), speed_percent=10)
    assert not AteccSigner(twin.driver, 0).entropy_ok
    twin = Twin(speed_percent=10)
    twin.part.engine._entropy = lambda size: bytes(range(size))
    assert not AteccSigner(twin.driver, 0).entropy_ok


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
    maker = AteccSigner(twin.driver, 0)
    began_ms = twin.now_ms()
    maker.seal(KID, 1, CHAIN)
    assert twin.now_ms() - began_ms <= 2 + 135 + 14


def test_a_failed_seal_is_an_error_and_the_next_is_good():
    for plan in ({"broken_at": (4,)}, {"refused": (30, 40)}, {"ecc_fault_at": (4,)}):
        _, maker = twin_and_maker(FaultPlan(**plan))
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


# ---------------------------------------------------------------- counter


def test_binding_counts_each_commit_once():
    twin, maker = twin_and_maker()
    assert maker.counter() == 0
    maker.bind(0)
    for sequence in range(1, 6):
        maker.bind(sequence)
        maker.bind(sequence)
        assert maker.counter() == sequence
    assert twin.part.memory.counter(0) == BASE + 5


def test_a_commit_that_was_not_counted_is_caught_up_after_boot():
    twin, maker = twin_and_maker()
    maker.bind(3)
    after_boot = AteccSigner(twin.driver, BASE)
    after_boot.bind(5)
    assert after_boot.counter() == 5


def test_catching_up_yields_after_each_count():
    _, maker = twin_and_maker()
    assert len(list(maker.bind_steps(7))) == 7


def test_a_journal_put_back_by_more_than_an_accident_is_refused():
    twin, maker = twin_and_maker()
    maker.bind(100)
    error = raises(JournalRolledBack, AteccSigner(twin.driver, BASE).bind, 100 - EXCESS_MAX - 1)
    assert error.records == EXCESS_MAX + 1 and str(EXCESS_MAX + 1) in str(error)
    assert maker.counter() == 100  # it counted nothing


def test_small_setbacks_add_up_until_they_are_refused():
    """A journal put back three records before every boot."""
    twin, maker = twin_and_maker()
    maker.bind(50)
    lost = 0
    head = 50
    while True:
        head -= 3
        maker = AteccSigner(twin.driver, BASE)
        try:
            maker.bind(head)
        except JournalRolledBack:
            break
        lost += 3
        for _ in range(5):
            head += 1
            maker.bind(head)
    assert lost <= EXCESS_MAX


def test_an_increment_cut_by_power_does_not_lock_an_honest_terminal():
    for lands, extra, found in ((False, 0, 5), (True, 0, 5), (True, EXCESS_MAX - 1, 5 + EXCESS_MAX - 1)):
        twin, maker = twin_and_maker(FaultPlan(lands=lands, extra=extra))
        maker.bind(4)
        steps = maker.bind_steps(5)
        next(steps)  # it has read the counter and is about to count
        twin.later(4500, twin.part.power_cycle)
        for _ in steps:
            pass
        assert twin.driver.failures == 1  # it was cut, and what became of it was looked up
        after_boot = AteccSigner(twin.driver, BASE)
        after_boot.bind(5)
        assert after_boot.counter() == found
        after_boot.bind(6)
        assert after_boot.counter() == found + 1


def test_counting_on_a_bad_wire_is_late_or_right_never_ahead():
    start = seed()
    for number in range(6):
        twin, maker = twin_and_maker()
        twin.part.faults = FaultPlan(start + number, drop_permille=40, flip_permille=60, refuse_permille=20)
        for sequence in range(1, 12):
            try:
                maker.bind(sequence)
            except core.AteccError:
                continue
            assert twin.part.memory.counter(0) == BASE + sequence


def test_a_counter_that_does_not_move_is_told():
    class Lost(NoFaults):
        """Commands that increment never arrive whole, and what is asked next does."""

        def on_wire(self, octets):
            return octets[:-1] if octets[:4] == b"\x03\x07\x24\x01" else octets

    twin, maker = twin_and_maker()
    twin.part.faults = Lost()
    raises(CounterStuck, maker.bind, 1)


def test_a_used_up_counter_is_an_error():
    memory = set_up_memory()
    memory.config[52:60] = encode_counter(COUNTER_MAX)
    maker = AteccSigner(Twin(memory, speed_percent=10).driver, COUNTER_MAX)
    assert raises(core.CommandFailed, maker.bind, 1).status == 0x0F
