"""The rollback notice at the terminal: its own seal ahead of or beside its chain locks it for good, nothing else does."""

from firmware import refusals, states
from firmware.crypto import p256
from firmware.crypto.signer import SoftwareSigner
from firmware.ledger import slots
from firmware.ledger.ledger import TerminalLocked
from firmware.ledger.state import State
from firmware.refusals import Refusal
from protocol import frame, notice, records
from tests.support.mp import raises
from tests.support.mp_books import make_acknowledgement, make_ledger, note_event, open_ledger, redeem
from tests.support.mp_terminal import KID, Bench, Draws, copy_of


def notice_of(bench, sequence, seal=b""):
    """What the gateway would send of this terminal's chain, as the body of a notice."""
    told = notice.Notice()
    told.sequence = sequence
    told.chain = bench.ledger.journal.chain_at(sequence)
    told.seal = seal or bench.ledger.records_from(sequence, 1)[0].seal
    return notice.encode(told)


def hear(bench, body, kind=frame.DOWN_NOTICE):
    """Let a terminal hear the body of a frame down; the outcome."""

    async def hearing():
        cipher = await bench.app.keys.downlink(bench.app.downlink._held_epoch())
        octets = frame.encode_counter(frame.CLASS_DOWN, kind, KID, 7, body, cipher)
        return await bench.app.downlink.apply(octets)

    outcome, done = bench.run(hearing())
    assert done
    assert bench.app.downlink.counts[outcome] > 0
    return outcome


def sell_refused(bench):
    """The number that a sale is refused with."""
    try:
        bench.sell("two", 5_000)
    except Refusal as refusal:
        return refusal.number
    raise AssertionError("was sold")


def rolled_back(sales_before=1, sales_after=2):
    """(terminal that went on, terminal on a copy of its flash of before)."""
    went_on = Bench()
    for _ in range(sales_before):
        went_on.sell("one", 10_000)
    image = copy_of(went_on.flash)
    for number in range(sales_after):
        went_on.sell("two", 20_000 + number)
    return went_on, Bench(image)


def test_its_own_seal_ahead_of_its_head_locks_it_for_good():
    """NOT-03, NOT-04."""
    went_on, back = rolled_back()
    head = back.ledger.journal.sequence
    body = notice_of(went_on, went_on.ledger.journal.sequence)
    assert states.NOTICE_LOCKED not in back.terminal.notices()
    assert hear(back, body) == "applied"
    for _ in range(2):
        assert back.ledger.is_locked
        assert states.NOTICE_LOCKED in back.terminal.notices()
        assert sell_refused(back) == refusals.TERMINAL_LOCKED
        raises(TerminalLocked, note_event, back.ledger)
        assert back.ledger.journal.sequence == head
        assert back.terminal.last_receipt().amount_rupiah == 10_000, "it still shows"
        assert back.ledger.next_counter() > 0, "it still sends"
        assert hear(back, body) == "stale"
        back.power_cycle()


def test_its_own_seal_beside_its_chain_locks_it():
    """NOT-03: it went on by itself before it was told, even beyond the sequence of the notice."""
    went_on, back = rolled_back()
    body = notice_of(went_on, went_on.ledger.journal.sequence)
    while back.ledger.journal.sequence <= went_on.ledger.journal.sequence:
        back.sell("one", 1_000 + back.ledger.journal.sequence)
    assert hear(back, body) == "applied"
    assert sell_refused(back) == refusals.TERMINAL_LOCKED


def test_a_seal_that_is_forged_or_of_other_keys_does_not_lock():
    """NOT-03."""
    went_on, back = rolled_back()
    head = went_on.ledger.journal.sequence
    chain = went_on.ledger.journal.chain_at(head)
    good = went_on.ledger.records_from(head, 1)[0].seal
    other = SoftwareSigner(7, 8, Draws(), 0)
    high = good[:32] + (p256.N - int.from_bytes(good[32:], "big")).to_bytes(32, "big")
    for seal in (
        bytes(64),
        good[:-1] + bytes((good[-1] ^ 1,)),
        other.seal(KID, head, chain),
        went_on.app.signer.seal(KID + 1, head, chain),
        went_on.app.signer.seal(KID, head + 1, chain),
        high,
    ):
        assert hear(back, notice_of(went_on, head, seal)) == "AuthenticationFailed"
    good_body = notice_of(went_on, head)
    assert hear(back, good_body[:-1]) == "Truncated"
    assert hear(back, good_body + b"\x00") == "TrailingData"
    assert hear(back, bytes(3) + good_body[3:]) == "OutOfRange"
    assert not back.ledger.is_locked
    back.sell("two", 5_000)


def test_its_own_chain_shown_to_it_does_not_lock():
    """NOT-03: what is behind or equal is no news."""
    went_on, _ = rolled_back()
    for sequence in range(1, went_on.ledger.journal.sequence + 1):
        assert hear(went_on, notice_of(went_on, sequence)) == "stale"
    assert not went_on.ledger.is_locked
    went_on.sell("one", 5_000)


def test_an_acknowledgement_ahead_is_marked_and_neither_locks_nor_forks():
    """NOT-03: nothing else locks, whoever signed it; and the chain stays what it was."""
    went_on, back = rolled_back()
    head = went_on.ledger.journal.sequence
    body = make_acknowledgement(went_on.ledger, head) + bytes(64)
    from firmware.relay import downlink

    verifies = downlink.verifies

    async def at_once(*_values):
        return True

    downlink.verifies = at_once
    try:
        for _ in range(2):
            assert hear(back, body, frame.DOWN_ACKNOWLEDGEMENT) == "OutOfRange"
    finally:
        downlink.verifies = verifies
    assert not back.ledger.is_locked
    assert not back.records(records.EVENT)
    assert back.ledger.entitlements.ahead == head
    back.sell("two", 5_000)


def test_a_locked_terminal_takes_no_grant_and_no_record():
    """NOT-04: neither would add to a chain that is one fork already."""
    went_on, back = rolled_back()
    hear(back, notice_of(went_on, went_on.ledger.journal.sequence))
    head = back.ledger.journal.sequence
    assert hear(back, bytes(90), frame.DOWN_GRANT) == "TerminalLocked"
    back.ledger.note_ahead(went_on.ledger.journal.sequence + 2)
    assert back.ledger.journal.sequence == head


def test_a_lock_and_a_mark_from_ahead_outlive_checkpoints_and_the_ring():
    """NOT-04: carried forward when the sector that they were written in is used again."""
    ledger, flash, _ = make_ledger()
    for family in range(8):
        redeem(ledger, family, 1_000)
    head = ledger.journal.sequence
    ledger.apply_acknowledgement(make_acknowledgement(ledger, head, head), 1)
    ledger.note_ahead(4000)
    ledger.lock(b"L" * 99)
    while ledger.journal.head < 60:
        ledger.burn_pin_try(1, 0)
        ledger.clear_pin_tries(1, 0)
        while ledger.prepare():
            pass
    again = open_ledger(flash)
    assert again.is_locked
    assert again.entitlements.ahead == 4000


def test_a_checkpoint_of_before_there_was_a_lock_is_read():
    """The first format had three parts."""
    state = State(8, dict)
    state.crash = b"crash!"
    octets = state.snapshot()
    old = b"\x01" + octets[1:-4]
    again = State(8, dict)
    again.lock = b"x"
    assert again.restore(old)
    assert (again.crash, again.lock) == (b"crash!", b"")
    state.lock = b"L" * 99
    assert again.restore(state.snapshot())
    assert again.lock == state.lock
    assert slots.LOCAL_LOCK == 0x89
