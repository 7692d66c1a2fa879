"""Frames that came in parts: kept until they are whole, over restarts, then judged and kept as if they had come whole."""

import itertools

import pytest

from gateway.batch import BatchJudge
from gateway.channels.channel import Received
from gateway.pieces import UNITS_MAX
from gateway.quarantine import Quarantine
from gateway.verdicts import Outcome
from gateway.verifier import SealVerifier
from protocol import frame, parts
from tests.support.gateway_rig import NOW_MS, Rig, small

KID = 42


class Gateway:
    """Judges frames one by one and stores what follows."""

    def __init__(self):
        self.rig = Rig()
        self.terminal = self.rig.terminal(KID)
        for _ in range(4):
            self.terminal.redeem()
        self.verifier = SealVerifier(1)
        self.restart()
        assert self.take(self.terminal.frame(1, 3)) is Outcome.SEALED

    def restart(self):
        """Forget what is in memory."""
        store = self.rig.store
        self.view = self.rig.view(KID)
        frame_id, outbox_id, _, evidence_id = store.next_ids()
        self.judge = BatchJudge(
            store, {KID: self.view}.get, self.verifier, Quarantine(store, small(), evidence_id), (frame_id, outbox_id)
        )  # fmt: skip

    def take(self, *frames):
        """What became of the last of some frames in one batch."""
        items = [Received(raw, "") for raw in frames]
        self.rig.store.apply(self.judge.judge(items, NOW_MS).changes)
        self.view.recent.clear()
        return items[-1].verdict.outcome

    def waiting(self):
        """Frames that wait, as stored."""
        return [row.octets for row in self.rig.store.waiting(KID)]


@pytest.fixture
def gateway():
    made = Gateway()
    yield made
    made.verifier.close()


def long_frame(terminal, first=4, last=4):
    """A sealed frame of two parts."""
    return terminal.frame(first, last, literal=True)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_parts_in_any_order_are_the_frame(is_restarted):
    """PRT-03, PRT-04: what is kept of them is the frame that they were cut from."""
    for order in itertools.permutations(range(2)):
        gateway = Gateway()
        whole = long_frame(gateway.terminal)
        made = gateway.terminal.parts(whole)
        assert gateway.take(made[order[0]]) is Outcome.CANDIDATE
        assert gateway.take(made[order[0]]) is Outcome.DUPLICATE
        assert gateway.waiting() == [made[order[0]]]
        if is_restarted:
            gateway.restart()
        assert gateway.take(made[order[1]]) is Outcome.SEALED
        assert gateway.view.sealed_through == 4
        assert gateway.waiting() == []
        stored = gateway.rig.store.chain(KID, 4, 4)[0]
        assert gateway.rig.store.frames([stored.frame_id])[0].octets == whole
        gateway.verifier.close()


def test_parts_may_share_a_batch_with_each_other_and_with_other_frames(gateway):
    terminal = gateway.terminal
    made = terminal.parts(long_frame(terminal))
    assert gateway.take(*made, terminal.frame(5, 7)) is Outcome.SEALED
    assert gateway.view.sealed_through == 7
    assert gateway.waiting() == []


def test_a_part_that_comes_again_after_its_frame_was_sealed_waits_for_nothing(gateway):
    """Links deliver at least once; and a terminal of which something waits is replaced as one with gaps."""
    terminal = gateway.terminal
    whole = long_frame(terminal)
    made = terminal.parts(whole)
    assert gateway.take(*made) is Outcome.SEALED
    for again in (made[1], made[0], *terminal.parts(whole)):
        assert gateway.take(again) is Outcome.DUPLICATE
        assert gateway.waiting() == []


def test_a_frame_in_parts_waits_for_what_is_before_it_as_any_other(gateway):
    terminal = gateway.terminal
    whole = long_frame(terminal, 6, 6)
    assert gateway.take(*terminal.parts(whole)) is Outcome.CANDIDATE
    assert gateway.waiting() == [whole]
    assert gateway.view.gaps() == [(4, 2, False)]
    gateway.restart()
    assert gateway.take(terminal.frame(4, 5, sealed=False)) is Outcome.SEALED
    assert gateway.view.sealed_through == 6


def test_parts_that_are_not_what_their_name_says_are_refused_and_the_true_ones_taken(gateway):
    """PRT-03."""
    terminal = gateway.terminal
    true = long_frame(terminal)
    false = parts.split(parts.RECORDS_FRAME, true)
    false[0].octets = bytes(len(false[0].octets))
    terminal.counter += 1
    body = parts.encode(false[0])
    made = terminal.parts(true)
    assert gateway.take(
        frame.encode_counter(frame.CLASS_UP, frame.UP_PART, KID, terminal.counter, body, terminal.up), made[1]
    ) is Outcome.INVALID  # fmt: skip
    assert gateway.waiting() == []
    assert gateway.take(*made) is Outcome.SEALED


@pytest.mark.parametrize("make", [lambda own, other: own.report() * 6, lambda own, other: long_frame(other)])
def test_parts_of_what_is_no_frame_of_this_terminals_records_are_refused(gateway, make):
    """PRT-04."""
    other = gateway.rig.terminal(43)
    other.redeem()
    assert gateway.take(*gateway.terminal.parts(make(gateway.terminal, other))) is Outcome.INVALID
    assert gateway.waiting() == []


@pytest.mark.parametrize(("kind", "octets"), [(2, 200), (1, 3 * parts.PART_OCTETS + 1)])
def test_other_units_and_larger_ones_are_refused(gateway, kind, octets):
    """PRT-04."""
    assert gateway.take(gateway.terminal.parts(bytes(octets), kind)[0]) is Outcome.INVALID


def test_parts_that_wait_are_bounded(gateway):
    """The unit that was heard of first gives way."""
    made = [gateway.terminal.parts(bytes((number,)) * 200) for number in range(UNITS_MAX + 1)]
    for first, _ in made:
        assert gateway.take(first) is Outcome.CANDIDATE
    assert gateway.waiting() == [first for first, _ in made[1:]]
    assert gateway.take(made[0][1]) is Outcome.CANDIDATE, "its first part is gone"
