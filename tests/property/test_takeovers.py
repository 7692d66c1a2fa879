"""Two generations of one terminal never spend more together than was granted, whatever was sent, lost, or comes late.

Beside gateway and authority stands a ledger of a few lines: what each family spent on each terminal, by record.
"""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway import settlement
from gateway.documents import Kind
from gateway.publish import INCOMPLETE, Order, Publisher, carry_out
from gateway.store.interface import RecordState
from gateway.store.memory import MemoryStore
from protocol import grant, takeover
from tests.property.test_gateway_ingest import PLACES, Gateway
from tests.support.frames import GRANT_RUPIAH, START_S, Terminal
from tests.support.gateway_rig import NOW_MS, Rig
from tools.authority.issue import Authority
from tools.authority.signing import SigningKey
from tools.authority.takeover import Decision, Papers, take_over

OLD, NEW = 42, 43
FAMILIES = 6
END = 1 << 23
FAMILY = st.integers(0, FAMILIES - 1)
AMOUNT = st.one_of(st.just(GRANT_RUPIAH), st.integers(1, GRANT_RUPIAH))
EVER_MS = (1 << 62) - 1


class Purse:
    """A terminal that keeps to its leases, and what it has committed: (family, rupiah) by sequence, and of what it voided the
    void's sequence by the redemption's.
    """

    def __init__(self, terminal: Terminal, leases: list[int]) -> None:
        self.terminal = terminal
        self.leases = leases
        self.redeemed: dict[int, tuple[int, int]] = {}
        self.voided: dict[int, int] = {}

    def spent(self, family: int) -> int:
        """Redeemed less voided, as the terminal reckons it."""
        return sum(
            rupiah
            for one, (index, rupiah) in self.redeemed.items()
            if index == family and one not in self.voided
        )

    def redeem(self, family: int, amount_rupiah: int) -> None:
        """As much of it as the lease gives."""
        amount_rupiah = min(amount_rupiah, self.leases[family] - self.spent(family))
        if amount_rupiah > 0:
            self.redeemed[self.terminal.redeem(family, amount_rupiah)] = (family, amount_rupiah)

    def void(self, place: int) -> None:
        """One of the redemptions that stand."""
        standing = sorted(self.redeemed.keys() - self.voided.keys())
        if standing:
            sequence = standing[place % len(standing)]
            self.voided[sequence] = self.terminal.void(sequence)


class TakeoverMachine(RuleBasedStateMachine):
    """An old terminal sells and sends in pieces; it is retired at some moment; a new one goes on, late records come."""

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig(MemoryStore(), families=FAMILIES, provisional_cap_rupiah=2 * GRANT_RUPIAH)
        self.epoch = self.rig.certify_epoch()
        self.gateway = Gateway(self.rig, 64, False)
        self.purses = [Purse(self.rig.terminal(OLD), [GRANT_RUPIAH] * FAMILIES)]
        self.stated: takeover.Statement | None = None

    @initialize(
        sales=st.lists(st.tuples(FAMILY, AMOUNT, st.booleans()), min_size=2, max_size=8),
        sent=st.integers(0, 10),
    )
    def begin(self, sales: list[tuple[int, int, bool]], sent: int) -> None:
        """The first three records adopt what it works under; a few families come, some change their minds."""
        old = self.purses[0]
        for family, amount_rupiah, is_voided in sales:
            old.redeem(family, amount_rupiah)
            if is_voided:
                old.void(-1)
        self.gateway.take([old.terminal.frame(1, 3), old.terminal.frame(4, min(old.terminal.head, 4 + sent))])

    @rule(which=PLACES, family=FAMILY, amount_rupiah=AMOUNT)
    def redeem(self, which: int, family: int, amount_rupiah: int) -> None:
        """A family is served; the old terminal may live on."""
        self.purses[which % len(self.purses)].redeem(family, amount_rupiah)

    @rule(which=PLACES, place=PLACES)
    def void(self, which: int, place: int) -> None:
        """The last word is the family's."""
        self.purses[which % len(self.purses)].void(place)

    @rule(which=PLACES, at=PLACES, count=st.integers(1, 6), is_sealed=st.booleans())
    def deliver(self, which: int, at: int, count: int, is_sealed: bool) -> None:
        """Any stretch, in any order, any number of times."""
        terminal = self.purses[which % len(self.purses)].terminal
        first = 1 + at % terminal.head
        last = min(terminal.head, first + count - 1)
        self.gateway.take([terminal.frame(first, last, sealed=is_sealed, literal=True)])

    @rule(which=PLACES, lost=st.sampled_from([0, 0, 1, 2]), count=st.integers(1, 4))
    def send_on(self, which: int, lost: int, count: int) -> None:
        """As a terminal does: on from where the gateway stands; where a message was lost, with the chain value behind it."""
        terminal = self.purses[which % len(self.purses)].terminal
        row = self.rig.store.terminal(terminal.kid)
        assert row is not None
        gap_end = row.sealed_through + lost
        if gap_end < terminal.head:
            last = min(terminal.head, gap_end + count)
            frames = [terminal.frame(gap_end + 1, last, literal=True)]
            self.gateway.take(frames + ([terminal.bridge(gap_end)] if lost else []))

    @rule()
    def restart(self) -> None:
        """The gateway's process ends and starts."""
        self.gateway.restart()

    @precondition(lambda self: self.stated is None and self.purses[0].voided)
    @rule()
    def replace(self) -> None:
        """TKO-02, TKO-07: retired, stated, and what is left goes to new keys."""
        rig = self.rig
        publisher = Publisher(rig.store, rig.verifying, rig.ring, NOW_MS)
        told = self.obey(publisher, Order.RETIRE)
        signed = bytes.fromhex(str(told["octets"]))
        self.stated = takeover.decode_statement(signed[:-64])
        assert bytes.fromhex(str(self.obey(publisher, Order.RETIRE)["octets"])) == signed
        (granted,) = rig.store.documents(Kind.GRANT, OLD)
        papers = Papers(signed, self.epoch, rig.roster, rig.policy, {1: granted.octets})
        authority = Authority(SigningKey(rig.authority.key))
        decision = Decision(NEW, takeover.REASON_TERMINAL_BROKEN, exposure_rupiah=0)
        issued = take_over(authority, papers, decision, START_S)
        rest = issued.grants[1]
        new = rig.terminal(NEW, adopted=False)
        under = (granted.roster_digest, granted.policy_digest)
        new.adopt(Kind.POLICY, rig.policy)
        new.adopt(Kind.ROSTER, rig.roster)
        new.adopt(Kind.GRANT, rest, under)
        document = publisher.check(Order.GRANT, rest, NEW)
        rig.store.apply(document.changes)
        left = grant.decode(rest[:-64], NEW, *under)
        self.purses.append(Purse(new, [left.amount_rupiah(index) for index in range(FAMILIES)]))

    def obey(self, publisher: Publisher, order: Order) -> dict[str, object]:
        """An order about the old terminal, carried out between two batches as the writer does."""

        def write(publication):
            self.rig.store.apply(publication.changes)
            for kid in publication.forget:
                self.gateway.views.pop(kid, None)

        return carry_out(publisher.check(order, INCOMPLETE, OLD), write)

    def counted(self, purse: Purse) -> dict[int, tuple[int, int]]:
        """Redemptions of a purse that move money: sealed and not disputed, or on their way from behind a gap."""
        store, kid = self.rig.store, purse.terminal.kid
        rows = {row.sequence for row in store.records(kid, 1, END) if row.state is not RecordState.DISPUTED}
        early = {row.sequence for row in store.provisional(kid, 1, END) if row.forwarded_rupiah}
        assert self.stated is None or kid == NEW or early <= set(store.kept(kid))
        return {one: moved for one, moved in purse.redeemed.items() if one in rows | early}

    def net(self, purse: Purse, family: int) -> int:
        """What a family has of it; a void in a gap is part of what the gap must turn out to be."""
        counted = self.counted(purse)
        row = self.rig.store.terminal(purse.terminal.kid)
        assert row is not None
        known = max([row.sealed_through, *counted])
        return sum(
            rupiah
            for one, (index, rupiah) in counted.items()
            if index == family and purse.voided.get(one, END) > known
        )

    @invariant()
    def no_family_spends_more_than_it_was_granted(self) -> None:
        """TKO-07: over both terminals; and what is leased anew was never spent."""
        for family in range(FAMILIES):
            spent = [self.net(purse, family) for purse in self.purses]
            assert sum(spent) <= GRANT_RUPIAH
            if self.stated is not None:
                assert spent[0] + self.purses[1].leases[family] <= GRANT_RUPIAH
                assert spent[1] <= self.purses[1].leases[family]

    @invariant()
    def what_is_stated_is_what_counts(self) -> None:
        """TKO-03, TKO-04: late records change nothing of it."""
        if self.stated is None:
            return
        (lease,) = self.stated.leases
        told = {index: redeemed for index, _, redeemed, _ in lease.spent}
        for family in range(FAMILIES):
            counted = self.counted(self.purses[0]).values()
            assert told.get(family, 0) == sum(rupiah for index, rupiah in counted if index == family)

    def teardown(self) -> None:
        """TKO-04: all of both arrives in the end; none is lost, and exactly what came late is disputed."""
        for purse in self.purses:
            self.gateway.take([purse.terminal.frame(1, literal=True)])
            kid = purse.terminal.kid
            rows = self.rig.store.records(kid, 1, END)
            assert [row.octets for row in rows] == purse.terminal.octets[1:]
            late = [row.sequence for row in rows if row.state is RecordState.DISPUTED]
            assert late == [sequence for sequence in sorted(purse.redeemed) if self.is_late(kid, sequence)]
            self.money_is_conserved(purse, set(late))
            for run in self.rig.store.outbox_due(EVER_MS, 10_000):
                if run.kid == kid and not run.before:
                    told = settlement.segment(self.rig.store, self.rig.ring, kid, run.first, run.last)
                    assert told.content.get("late", []) == [
                        one for one in late if run.first <= one <= run.last
                    ]
        self.gateway.verifier.close()

    def is_late(self, kid: int, sequence: int) -> bool:
        """As the statement has it."""
        if self.stated is None or kid == NEW:
            return False
        is_kept = any(first <= sequence <= last for first, last in self.stated.kept)
        return sequence > self.stated.sealed_through and not is_kept

    def money_is_conserved(self, purse: Purse, late: set[int]) -> None:
        """Settled, refused, disputed and pending are what was redeemed less what was voided."""
        totals = self.rig.store.totals(purse.terminal.kid)
        standing = {one: rupiah for one, (_, rupiah) in purse.redeemed.items() if one not in purse.voided}
        disputed = sum(rupiah for one, rupiah in standing.items() if one in late)
        assert totals.disputed_rupiah == disputed
        assert totals.pending_rupiah == sum(standing.values()) - disputed


TestTakeovers = TakeoverMachine.TestCase
TestTakeovers.settings = settings(stateful_step_count=25)
