"""Whatever the network does to frames, every record is sealed once, in its place, and nothing is lost.

The model beside the gateway is a few lines: a record counts when every record before it has come and some seal at or after
it has come too. It knows nothing of chains, candidates, contexts or databases.
"""

from pathlib import Path

import hypothesis.strategies as st
from hypothesis import note, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway import loader
from gateway.batch import BatchJudge
from gateway.channels.channel import Received
from gateway.contexts import Library
from gateway.documents import Kind
from gateway.opener import Opener
from gateway.openers import Openers
from gateway.pieces import UNITS_MAX
from gateway.quarantine import Quarantine
from gateway.store.interface import Changes
from gateway.store.memory import MemoryStore
from gateway.verifier import SealVerifier
from protocol import parts
from tests.support.gateway_rig import NOW_MS, Rig, small

KID = 42
FRAMES_MAX = 12
PLACES = st.integers(0, 1_000_000)


class LocalOpeners(Openers):
    """A helper process without the process."""

    def __init__(self, rig):
        super().__init__(0, Path(), Path())
        self._opener = Opener(rig.store, rig.ring)

    @property
    def count(self):
        """As if there were one."""
        return 1

    def ask(self, tasks):
        """Work is done when it is asked for, like by a helper that is fast."""
        return self._opener.work(self._generation, tasks)

    def gather(self, asked):
        """What was made of it."""
        return asked


class Gateway:
    """The gateway's judging and storing without threads or channels; `restart` forgets everything in memory."""

    def __init__(self, rig, waiting_max, has_helper):
        self.rig = rig
        self.waiting_max = waiting_max
        self.openers = LocalOpeners(rig) if has_helper else Openers.none()
        self.verifier = SealVerifier(1)
        self.restart()

    def restart(self):
        """As a new process would start."""
        store = self.rig.store
        self.library = Library(store.document, 16)
        self.views = {}
        frame_id, outbox_id, _, evidence_id = store.next_ids()
        quarantine = Quarantine(store, small(), evidence_id)
        ids = (frame_id, outbox_id)
        self.judge = BatchJudge(store, self.view, self.verifier, quarantine, ids, self.openers)

    def view(self, kid):
        """A terminal's view, read from the store where it is not held."""
        if kid not in self.views:
            found = loader.load(self.rig.store, self.library, self.rig.ring, kid, self.waiting_max)
            if found is None:
                return None
            self.views[kid] = found
        return self.views[kid]

    def take(self, frames):
        """Judge and commit frames in two batches, the second one handed to the helper before the first is judged."""
        received = [Received(raw, "") for raw in frames]
        halves = [received[: len(received) // 2], received[len(received) // 2 :]]
        opened = self.judge.open(halves[0], self.judge.ask(halves[0]))
        question = self.judge.ask(halves[1])
        self.commit(opened)
        self.commit(self.judge.open(halves[1], question))

    def commit(self, opened):
        """Judge what was opened, and store it."""
        self.rig.store.apply(self.judge.rule(opened, NOW_MS).changes)
        for view in self.views.values():
            view.recent.clear()


class Model:
    """Which records count, from the frames that have arrived."""

    def __init__(self):
        self.arrived = []
        self.adoptions = []

    def sealed_through(self):
        """The farthest seal before which nothing is missing."""
        readable = set()
        frames = list(self.arrived)
        grown = True
        while grown:
            grown = False
            for frame in list(frames):
                first, last, _, is_literal = frame
                before = [sequence for sequence in self.adoptions if sequence < first]
                if is_literal or all(sequence in readable for sequence in before):
                    readable |= set(range(first, last + 1))
                    frames.remove(frame)
                    grown = True
        reach = 0
        while reach + 1 in readable:
            reach += 1
        seals = [last for first, last, is_sealed, _ in self.arrived if is_sealed and last <= reach]
        # A seal counts once its own frame can be read.
        unread = [frame for frame in frames if frame[2]]
        return max([0, *[seal for seal in seals if not self._only_in(seal, unread)]])

    def _only_in(self, seal, unread):
        with_seal = [frame for frame in self.arrived if frame[2] and frame[1] == seal]
        return all(frame in unread for frame in with_seal)


class NetworkMachine(RuleBasedStateMachine):
    """An honest terminal on a bad network: frames are cut anew each time, reordered, repeated, lost and damaged."""

    def __init__(self):
        super().__init__()
        self.rig = Rig(MemoryStore(), provisional_cap_rupiah=1_000_000)
        self.model = Model()
        self.bag = []
        # By the name of a frame that went in parts: what it tells, how many they are, which of them have come.
        self.parted = {}
        self.grants = 1

    @initialize(has_helper=st.booleans())
    def start(self, has_helper):
        """Three adoptions, then work."""
        self.gateway = Gateway(self.rig, 10_000, has_helper)
        self.terminal = self.rig.terminal(KID)
        self.model.adoptions = [1, 2, 3]
        self.terminal.redeem()

    @rule(count=st.integers(1, 4))
    def redeem(self, count):
        """Serve families."""
        for _ in range(count):
            self.terminal.redeem()

    @rule()
    def adopt_a_grant(self):
        """A new month: the context of later frames changes."""
        self.grants += 1
        under = (self.rig.roster_document.digest, self.rig.policy_document.digest)
        signed = self.rig.authority.grant(KID, *under, number=self.grants)
        self.rig.store.apply(Changes(documents=[self.rig.grant_document(signed, KID)]))
        self.model.adoptions.append(self.terminal.adopt(Kind.GRANT, signed, under))

    @rule(
        at=PLACES,
        count=st.integers(1, FRAMES_MAX),
        is_sealed=st.booleans(),
        how=st.sampled_from(("in force", "literal", "bare")),
        in_parts=st.booleans(),
        arrives=st.booleans(),
    )
    def send(self, at, count, is_sealed, how, in_parts, arrives):
        """Put a frame with any stretch of the journal on the network, whole or in parts; it may arrive at once, too."""
        first = 1 + at % self.terminal.head
        last = min(self.terminal.head, first + count - 1)
        # A frame ends where an adoption does: what follows has another context.
        ends = [sequence for sequence in self.model.adoptions if first <= sequence < last]
        if ends and how != "literal":
            last = ends[0]
        bare = (self.rig.roster_document.digest, self.rig.policy_document.digest) if how == "bare" else None
        is_literal = how == "literal" or (not bare and self.terminal.context_before(first) is None)
        raw = self.terminal.frame(first, last, sealed=is_sealed, literal=is_literal, bare=bare)
        told = (first, last, is_sealed, is_literal or bare is not None)
        sent = [(raw, told)]
        length = len(raw) if in_parts else 0
        if (
            parts.PART_OCTETS < length <= parts.PART_OCTETS * parts.UP_PARTS_MAX
            and len(self.parted) < UNITS_MAX
        ):
            pieces = self.terminal.parts(raw)
            self.parted.setdefault(raw, (told, len(pieces), set()))
            sent = [(piece, ("part", raw, place)) for place, piece in enumerate(pieces)]
        self.bag += sent
        if arrives:
            self.gateway.take([octets for octets, _ in sent])
            for _, each in sent:
                self.note_arrival(each)

    def note_arrival(self, told):
        """A frame counts for the model when it is whole; a gateway that has made it whole begins anew."""
        if told is None:
            return
        if told[0] == "part":
            whole, count, places = self.parted[told[1]]
            places.add(told[2])
            if len(places) < count:
                return
            places.clear()
            told = whole
        self.model.arrived.append(told)

    @rule(at=st.lists(PLACES, min_size=1, max_size=3), arrives=st.booleans())
    def say_chain_values(self, at, arrives):
        """PRV-03: a bridge, wherever it is, seals nothing, loses nothing and forges nothing."""
        claims = sorted({1 + place % self.terminal.head for place in at})
        raw = self.terminal.bridge(*claims)
        self.bag.append((raw, None))
        if arrives:
            self.gateway.take([raw])

    @precondition(lambda self: self.bag)
    @rule(picks=st.lists(PLACES, min_size=1, max_size=5))
    def deliver(self, picks):
        """Let frames arrive in any order, some of them twice; they stay on the network."""
        chosen = [self.bag[pick % len(self.bag)] for pick in picks]
        self.gateway.take([raw for raw, _ in chosen])
        for _, told in chosen:
            self.note_arrival(told)

    @precondition(lambda self: self.bag)
    @rule(pick=PLACES)
    def lose(self, pick):
        """A frame is gone for good."""
        del self.bag[pick % len(self.bag)]

    @precondition(lambda self: self.bag)
    @rule(pick=PLACES, at=PLACES, change=st.integers(1, 255), cut=st.integers(0, 3))
    def damage(self, pick, at, change, cut):
        """A damaged frame changes nothing, whichever octet it is and however much is missing."""
        raw = bytearray(self.bag[pick % len(self.bag)][0])
        raw[at % len(raw)] ^= change
        before = self.rig.store.terminal(KID).sealed_through
        self.gateway.take([bytes(raw[: len(raw) - cut])])
        assert self.rig.store.terminal(KID).sealed_through == before

    @rule()
    def restart(self):
        """The gateway's process ends and starts."""
        self.gateway.restart()

    @invariant()
    def exactly_the_proved_records_are_sealed(self):
        """As the model says, with the journal's octets and chain."""
        row = self.rig.store.terminal(KID)
        if row is None:
            return
        expected = self.model.sealed_through()
        assert row.sealed_through == expected
        sealed = self.rig.store.records(KID, 1, 1 << 23)
        assert [record.sequence for record in sealed] == list(range(1, expected + 1))
        for record in sealed:
            assert record.octets == self.terminal.octets[record.sequence]
            assert record.chain == self.terminal.chains[record.sequence]
        assert not row.frozen_from

    @invariant()
    def every_sealed_record_goes_to_settlement_once(self):
        """The runs in the outbox follow each other without hole or overlap, each ending at a seal."""
        row = self.rig.store.terminal(KID)
        due = [run for run in self.rig.store.outbox_due(NOW_MS, 10_000) if not run.before]
        runs = sorted((run.first, run.last) for run in due)
        assert [first for first, _ in runs] == [1, *[last + 1 for _, last in runs[:-1]]][: len(runs)]
        assert (runs[-1][1] if runs else 0) == (row.sealed_through if row else 0)
        for _, last in runs:
            assert self.rig.store.records(KID, last, last)[0].seal

    @invariant()
    def what_is_provisional_is_what_the_terminal_has_sealed(self):
        """PRV-01: behind the head, with the journal's octets and chain, each run ending at a seal."""
        row = self.rig.store.terminal(KID)
        if row is None:
            return
        rows = self.rig.store.provisional(KID, 1, 1 << 23)
        for record in rows:
            assert record.sequence > row.sealed_through
            assert record.octets == self.terminal.octets[record.sequence]
            assert record.before == self.terminal.chains[record.sequence - 1]
            assert record.chain == self.terminal.chains[record.sequence]
            assert record.seal in (b"", self.terminal.seals[record.sequence])
        numbers = {record.sequence for record in rows}
        for record in rows:
            assert record.seal or record.sequence + 1 in numbers

    def teardown(self):
        """Once the network works again, sending everything that is not sealed seals everything."""
        if hasattr(self, "terminal"):
            sealed = self.rig.store.terminal(KID).sealed_through
            if sealed < self.terminal.head:
                self.gateway.take([self.terminal.frame(sealed + 1, literal=True)])
            row = self.rig.store.terminal(KID)
            note(f"head {self.terminal.head}, sealed {row.sealed_through}")
            assert row.sealed_through == self.terminal.head
            assert row.gaps == "[]"
            # Parts that never became whole do not tell what they are of: others drive them out.
            assert [frame for frame in self.rig.store.waiting(KID) if frame.first] == []
            assert self.rig.store.provisional(KID, 1, 1 << 23) == []
            self.gateway.verifier.close()


class ForkMachine(RuleBasedStateMachine):
    """A terminal and its rolled-back twin with the same keys send side by side, under a small quota."""

    def __init__(self):
        super().__init__()
        self.rig = Rig(MemoryStore())
        self.branches = []
        self.fork_at = 0
        self.frozen_at_head = None

    @initialize(before=st.integers(0, 4), alone=st.integers(1, 5), has_helper=st.booleans())
    def fork(self, before, alone, has_helper):
        """A common start, then each on its own."""
        self.gateway = Gateway(self.rig, 6, has_helper)
        honest = self.rig.terminal(KID)
        for _ in range(before):
            honest.redeem()
        self.fork_at = honest.head
        twin = honest.fork(honest.head)
        for branch in (honest, twin):
            for _ in range(alone):
                branch.redeem()
        self.branches = [honest, twin]

    @rule(which=st.integers(0, 1))
    def redeem(self, which):
        """Serve a family."""
        self.branches[which].redeem()

    @rule(which=st.integers(0, 1), at=PLACES, count=st.integers(1, 6), is_sealed=st.booleans())
    def deliver(self, which, at, count, is_sealed):
        """Any stretch of either journal arrives."""
        branch = self.branches[which]
        first = 1 + at % branch.head
        last = min(branch.head, first + count - 1)
        self.gateway.take([branch.frame(first, last, sealed=is_sealed, literal=True)])

    @rule(which=st.integers(0, 1))
    def deliver_all(self, which):
        """Everything from the start, sealed: what proves a fork if there is one."""
        self.gateway.take([self.branches[which].frame(1, literal=True)])

    @rule()
    def restart(self):
        """The gateway's process ends and starts."""
        self.gateway.restart()

    @invariant()
    def what_is_sealed_is_one_branch(self):
        """Never a mixture."""
        row = self.rig.store.terminal(KID)
        if row is None:
            return
        sealed = [record.octets for record in self.rig.store.records(KID, 1, 1 << 23)]
        assert len(sealed) == row.sealed_through
        assert any(sealed == branch.octets[1 : len(sealed) + 1] for branch in self.branches)

    @invariant()
    def a_frozen_terminal_stands_still_from_the_fork_on(self):
        """Nothing is sealed, nor forwarded from the fork on; the evidence is kept."""
        row = self.rig.store.terminal(KID)
        if row is None or not row.frozen_from:
            return
        assert row.frozen_from == self.fork_at + 1
        if self.frozen_at_head is None:
            self.frozen_at_head = row.sealed_through
        assert row.sealed_through == self.frozen_at_head
        assert self.rig.store.conflicts(KID), "the other version is kept"
        assert all(run.last <= self.fork_at for run in self.rig.store.outbox_due(NOW_MS, 10_000))

    @invariant()
    def what_waits_is_bounded(self):
        """By the quota."""
        assert len(self.rig.store.waiting(KID)) <= 6

    def teardown(self):
        """Both versions in full are a proved fork, whatever came before."""
        if self.branches:
            for branch in self.branches:
                self.gateway.take([branch.frame(1, literal=True)])
            assert self.rig.store.terminal(KID).frozen_from == self.fork_at + 1
            self.gateway.verifier.close()


TestNetwork = NetworkMachine.TestCase
TestNetwork.settings = settings(stateful_step_count=25)
TestFork = ForkMachine.TestCase
TestFork.settings = settings(stateful_step_count=20)
