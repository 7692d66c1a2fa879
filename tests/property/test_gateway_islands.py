"""A terminal and its rolled-back twin send frames and chain values side by side: islands never mix, forks never settle."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.store.memory import MemoryStore
from tests.property.test_gateway_ingest import KID, PLACES, Gateway
from tests.support.frames import GRANT_RUPIAH
from tests.support.gateway_rig import NOW_MS, Rig

BRANCHES = st.integers(0, 1)
END = 1 << 23


class TwinMachine(RuleBasedStateMachine):
    """Both hold the same keys and the same records up to `fork_at`; what one seals behind it contradicts the other."""

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig(MemoryStore(), provisional_cap_rupiah=100 * GRANT_RUPIAH)
        self.frozen: tuple[int, int, list[bytes]] | None = None

    @initialize(before=st.integers(1, 5), alone=st.integers(2, 6))
    def fork(self, before: int, alone: int) -> None:
        """A common start, then each on its own."""
        self.gateway = Gateway(self.rig, 64, False)
        honest = self.rig.terminal(KID)
        for _ in range(before):
            honest.redeem()
        self.fork_at = honest.head
        twin = honest.fork(honest.head)
        for branch in (honest, twin):
            for _ in range(alone):
                branch.redeem()
        self.branches = [honest, twin]
        self.gateway.take([honest.frame(1, 3)])

    @rule(which=BRANCHES)
    def redeem(self, which: int) -> None:
        """Serve a family."""
        self.branches[which].redeem()

    @rule(which=BRANCHES, at=PLACES, count=st.integers(1, 4), is_sealed=st.booleans())
    def deliver(self, which: int, at: int, count: int, is_sealed: bool) -> None:
        """Any stretch of either journal."""
        branch = self.branches[which]
        first = 1 + at % branch.head
        last = min(branch.head, first + count - 1)
        self.gateway.take([branch.frame(first, last, sealed=is_sealed, literal=True)])

    @rule(which=BRANCHES, at=st.lists(PLACES, min_size=1, max_size=3))
    def say_chain_values(self, which: int, at: list[int]) -> None:
        """Of either chain."""
        branch = self.branches[which]
        self.gateway.take([branch.bridge(*sorted({1 + place % branch.head for place in at}))])

    @rule()
    def restart(self) -> None:
        """The gateway's process ends and starts."""
        self.gateway.restart()

    @invariant()
    def what_hangs_together_is_one_branch(self) -> None:
        """PRV-02: what is sealed, and each island; across a gap nobody can tell before it closes."""
        if not hasattr(self, "branches"):
            return
        store = self.rig.store
        sealed = [(row.sequence, row.octets, row.chain) for row in store.records(KID, 1, END)]
        proved = [(row.sequence, row.octets, row.chain) for row in store.provisional(KID, 1, END)]
        owners, last = {0, 1}, 0
        for sequence, octets, value in sealed + proved:
            if sequence != last + 1:
                owners = {0, 1}
            last = sequence
            owners = {which for which in owners if self._holds(which, sequence, octets, value)}
            assert owners, f"a mixture of two chains at {sequence}"

    def _holds(self, which: int, sequence: int, octets: bytes, value: bytes) -> bool:
        branch = self.branches[which]
        return sequence <= branch.head and (branch.octets[sequence], branch.chains[sequence]) == (
            octets,
            value,
        )

    @invariant()
    def a_fork_freezes_from_what_was_not_sealed_on(self) -> None:
        """PRV-02: nothing is sealed, proved or forwarded behind it any more, and the other version is kept."""
        row = self.rig.store.terminal(KID) if hasattr(self, "branches") else None
        if row is None or not row.frozen_from:
            return
        assert row.frozen_from <= self.fork_at + 1 or row.frozen_from <= row.sealed_through + 1
        assert self.rig.store.conflicts(KID)
        assert all(run.last < row.frozen_from for run in self.rig.store.outbox_due(NOW_MS, 10_000))
        proved = [one.octets for one in self.rig.store.provisional(KID, 1, END)]
        now = (row.frozen_from, row.sealed_through, proved)
        if self.frozen is not None:
            assert now == self.frozen or now[0] < self.frozen[0]
        self.frozen = now

    def teardown(self) -> None:
        """Both versions in full are a proved fork, whatever was proved before."""
        if hasattr(self, "branches"):
            for branch in self.branches:
                self.gateway.take([branch.frame(1, literal=True)])
            row = self.rig.store.terminal(KID)
            assert row is not None
            assert 0 < row.frozen_from <= self.fork_at + 1
            self.gateway.verifier.close()


TestTwins = TwinMachine.TestCase
TestTwins.settings = settings(stateful_step_count=15)
