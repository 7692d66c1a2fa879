"""Records behind a gap: what proves them early, what they are good for, and what becomes of a gap that contradicts them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gateway import documents, report
from gateway.batch import BatchJudge
from gateway.channels.channel import Received
from gateway.errors import DocumentError, SignatureError, UnknownTerminalError
from gateway.islands import BRIDGES_MAX
from gateway.publish import Order, Publisher
from gateway.quarantine import Quarantine
from gateway.store.interface import Changes, RecordState
from gateway.store.memory import MemoryStore
from gateway.verdicts import Outcome
from gateway.verifier import SealVerifier
from tests.support.frames import GRANT_RUPIAH, Terminal
from tests.support.gateway_rig import NOW_MS, Bench, Rig, small

KID = 42
CAP_RUPIAH = 5 * GRANT_RUPIAH


@pytest.fixture
def rig() -> Rig:
    """With a policy that lets five redemptions be settled before their gap closes."""
    return Rig(MemoryStore(), provisional_cap_rupiah=CAP_RUPIAH)


@pytest.fixture
def terminal(rig: Rig) -> Terminal:
    """Records 1 to 3 adopt, 4 to 23 are redemptions."""
    made = rig.terminal(KID)
    for _ in range(20):
        made.redeem()
    return made


@pytest.fixture
def bench(rig: Rig, terminal: Terminal) -> Bench:
    """Ingest that has records 1 to 3."""
    made = Bench(rig)
    made.judge(terminal.frame(1, 3))
    return made


def ranges(bench: Bench) -> list[int]:
    """The provisional sequences."""
    return sorted(bench.view.islands.proved)


def test_a_bridge_and_a_seal_prove_what_is_behind_a_gap(bench: Bench, terminal: Terminal) -> None:
    """PRV-01, PRV-03: whichever comes first; the head stays, and the gap is still asked for."""
    assert bench.outcome(terminal.frame(8, 12)) == "candidate"
    judgement = bench.judge(terminal.bridge(7))
    assert judgement.verdict.outcome is Outcome.CANDIDATE
    (run,) = judgement.provisional
    assert (run.first, run.last, run.before) == (8, 12, terminal.chains[7])
    assert run.seal == terminal.seals[12]
    assert [record.octets for record in run.records] == terminal.octets[8:13]
    judgement = bench.judge(terminal.frame(13, 14))
    assert [(run.first, run.last) for run in judgement.provisional] == [(13, 14)]
    assert bench.view.sealed_through == 3
    assert bench.view.gaps() == [(4, 4, False)]


def test_a_bridge_proves_nothing_without_a_seal(bench: Bench, terminal: Terminal) -> None:
    """PRV-01: records that no seal reaches wait; the seal may come in a later frame."""
    bench.judge(terminal.bridge(7))
    bench.judge(terminal.frame(8, 12, sealed=False))
    assert ranges(bench) == []
    judgement = bench.judge(terminal.frame(13, 15))
    assert [(run.first, run.last) for run in judgement.provisional] == [(8, 15)]


def test_a_wrong_claim_proves_nothing_and_hinders_nothing(bench: Bench, terminal: Terminal) -> None:
    """PRV-01: nothing unsealed can poison a sequence; the right value is found beside it."""
    bench.judge(terminal.frame(8, 12))
    bench.judge(terminal.bridge(7, values=(bytes(32),)))
    assert ranges(bench) == []
    bench.judge(terminal.bridge(7))
    assert ranges(bench) == [8, 9, 10, 11, 12]
    assert bench.outcome(terminal.frame(4, 7)) == "sealed"
    assert bench.view.sealed_through == 12
    assert not bench.view.frozen_from


def test_the_missing_records_close_the_gap(bench: Bench, terminal: Terminal) -> None:
    """PRV-02: sealed in one go up to the end of the island; nothing is provisional any more."""
    bench.judge(terminal.bridge(7))
    bench.judge(terminal.frame(8, 12))
    judgement = bench.judge(terminal.frame(4, 7, sealed=False))
    assert [(run.first, run.last) for run in judgement.runs] == [(4, 12)]
    assert judgement.has_passed
    assert not bench.view.islands
    assert bench.view.gaps() == []


def test_two_gaps_with_one_bridge_frame(bench: Bench, terminal: Terminal) -> None:
    """BRG-03, PRV-01: islands on their own, closed in any order."""
    bench.judge(terminal.frame(8, 10))
    bench.judge(terminal.frame(15, 18))
    judgement = bench.judge(terminal.bridge(7, 14))
    assert sorted((run.first, run.last) for run in judgement.provisional) == [(8, 10), (15, 18)]
    assert bench.view.gaps() == [(4, 4, False), (11, 4, False)]
    bench.judge(terminal.frame(11, 14))
    assert ranges(bench) == list(range(8, 19))
    bench.judge(terminal.frame(4, 7))
    assert bench.view.sealed_through == 18


def test_a_bridge_inside_of_what_is_sealed_or_said_before_is_a_duplicate(
    bench: Bench, terminal: Terminal
) -> None:
    """BRG-03: it may be repeated and overtaken."""
    assert bench.outcome(terminal.bridge(2, 3)) == "duplicate"
    assert bench.outcome(terminal.bridge(7)) == "candidate"
    assert bench.outcome(terminal.bridge(7)) == "duplicate"
    bench.judge(terminal.frame(8, 12))
    bench.judge(terminal.frame(4, 7))
    assert bench.outcome(terminal.bridge(7)) == "duplicate"
    assert bench.view.islands.bridges == []


def test_bridges_that_wait_are_bounded(bench: Bench, terminal: Terminal) -> None:
    """The oldest gives way; its frame is dropped."""
    for number in range(BRIDGES_MAX):
        bench.judge(terminal.bridge(7, values=(bytes((number,)) * 32,)))
    judgement = bench.judge(terminal.bridge(7))
    assert [moved.outcome for moved in judgement.moved] == [Outcome.EVICTED]
    assert len(bench.view.islands.bridges) == BRIDGES_MAX


@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_gap_that_contradicts_what_is_confirmed_is_a_fork(
    rig: Rig, terminal: Terminal, is_sealed: bool
) -> None:
    """PRV-02: only where it is sealed; frozen from the first record that is not."""
    twin = terminal.fork(5)
    for _ in range(4):
        twin.redeem()
    bench = Bench(rig)
    bench.judge(terminal.frame(1, 3))
    bench.judge(terminal.bridge(7))
    bench.judge(terminal.frame(8, 12))
    judgement = bench.judge(twin.frame(4, 9, sealed=is_sealed))
    if not is_sealed:
        assert not bench.view.frozen_from
        bench.judge(terminal.frame(4, 7))
        assert bench.view.sealed_through == 12
        return
    assert judgement.verdict.outcome is Outcome.CONFLICT
    assert judgement.conflict_at == bench.view.frozen_from == 4
    bench.judge(terminal.frame(4, 7))
    assert bench.view.sealed_through == 3


def test_two_islands_that_contradict_each_other_are_a_fork(rig: Rig, terminal: Terminal) -> None:
    """PRV-02: whoever has both chains confirmed by seals knows enough."""
    twin = terminal.fork(5)
    for _ in range(8):
        twin.redeem()
    bench = Bench(rig)
    bench.judge(terminal.frame(1, 3))
    bench.judge(terminal.bridge(7))
    bench.judge(terminal.frame(8, 12))
    bench.judge(twin.bridge(6))
    judgement = bench.judge(twin.frame(7, 12))
    assert judgement.verdict.outcome is Outcome.CONFLICT
    assert bench.view.frozen_from == 4


class Judge:
    """Batches into a store, one frame each."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.views = {KID: rig.view(KID)}
        self.verifier = SealVerifier(1)
        self.judge = BatchJudge(
            rig.store,
            self.views.get,
            self.verifier,
            Quarantine(rig.store, small(), 1),
            rig.store.next_ids()[:2],
        )

    def take(self, *frames: bytes) -> None:
        """Judge and commit."""
        for raw in frames:
            self.rig.store.apply(self.judge.judge([Received(raw, "")], NOW_MS).changes)
            self.views[KID].recent.clear()

    def forwarded(self) -> list[tuple[int, int]]:
        """The provisional runs in the outbox."""
        sealed_through = self.views[KID].sealed_through
        due = [run for run in self.rig.store.outbox_due(NOW_MS, 100) if run.last > sealed_through]
        assert all(run.before == self.rig.store.provisional(KID, run.first, run.first)[0].before
                   for run in due if run.before)  # fmt: skip
        return [(run.first, run.last) for run in due if run.before]


def test_provisional_runs_are_forwarded_under_the_cap(rig: Rig, terminal: Terminal) -> None:
    """PRV-04: while there is room left; and again when what was forwarded is sealed. The store remembers."""
    judge = Judge(rig)
    judge.take(terminal.frame(1, 3), terminal.frame(6, 8), terminal.bridge(5))
    judge.take(terminal.frame(9, 11), terminal.frame(12, 13))
    assert judge.forwarded() == [(6, 8), (9, 11)]
    assert judge.views[KID].islands.rupiah == 6 * GRANT_RUPIAH
    again = rig.view(KID)
    assert again.islands.proved == judge.views[KID].islands.proved
    assert again.islands.chains == judge.views[KID].islands.chains
    assert len(rig.store.provisional(KID, 1, 1 << 23)) == 8
    judge.take(terminal.frame(4, 5))
    assert rig.store.provisional(KID, 1, 1 << 23) == []
    judge.take(terminal.frame(16, 18), terminal.bridge(15))
    assert judge.forwarded()[-1] == (16, 18)


def test_without_a_cap_nothing_provisional_is_forwarded() -> None:
    """PRV-04, POL-08: version 1 of a policy allows none."""
    rig = Rig(MemoryStore())
    terminal = rig.terminal(KID)
    for _ in range(6):
        terminal.redeem()
    judge = Judge(rig)
    judge.take(terminal.frame(1, 3), terminal.frame(6, 8), terminal.bridge(5))
    assert len(rig.store.provisional(KID, 1, 1 << 23)) == 3
    assert judge.forwarded() == []


def test_a_bridge_and_what_it_proves_survive_a_restart(rig: Rig, terminal: Terminal) -> None:
    """The bridge waits as a frame like others."""
    judge = Judge(rig)
    judge.take(terminal.frame(1, 3), terminal.bridge(7))
    judge = Judge(rig)
    assert [held.values for held in judge.views[KID].islands.bridges] == [((7, terminal.chains[7]),)]
    judge.take(terminal.frame(8, 12))
    assert len(rig.store.provisional(KID, 1, 1 << 23)) == 5
    judge.take(terminal.frame(4, 7))
    assert rig.store.waiting(KID) == []


# Write-offs.


def publish(rig: Rig, signed: bytes) -> None:
    """Take in a write-off."""
    rig.store.apply(Changes(documents=[documents.read_write_off(rig.verifying, signed)]))


def test_a_write_off_closes_a_gap_for_good(rig: Rig, terminal: Terminal) -> None:
    """WOF-02: the chain goes on behind it; what was provisional is sealed, and nothing is asked for any more."""
    judge = Judge(rig)
    judge.take(terminal.frame(1, 3), terminal.frame(8, 12), terminal.bridge(7))
    publish(rig, rig.authority.write_off(KID, 4, 7, terminal.chains[7]))
    judge.views[KID] = rig.view(KID)
    rig.store.apply(judge.judge.reconsider(KID, NOW_MS).changes)
    row = rig.store.terminal(KID)
    assert row is not None
    assert (row.sealed_through, row.chain, row.gaps) == (12, terminal.chains[12], "[]")
    assert [one.sequence for one in rig.store.records(KID, 1, 99)] == [1, 2, 3, 8, 9, 10, 11, 12]
    assert rig.store.counters()["records_written_off"] == 4
    judge.views[KID] = rig.view(KID)
    judge.take(terminal.frame(13, 15))
    assert judge.views[KID].sealed_through == 15


@pytest.mark.parametrize(
    ("first", "last", "at"),
    [(4, 6, 6), (5, 7, 7), (4, 7, 6), (3, 7, 7)],
    ids=["short", "late", "value", "early"],
)
def test_a_write_off_that_does_not_fit_the_gap_changes_nothing(
    rig: Rig, terminal: Terminal, first: int, last: int, at: int
) -> None:
    """WOF-02: behind sealed_through exactly, with the confirmed value exactly."""
    judge = Judge(rig)
    judge.take(terminal.frame(1, 3), terminal.frame(8, 12), terminal.bridge(7))
    publish(rig, rig.authority.write_off(KID, first, last, terminal.chains[at]))
    judge.views[KID] = rig.view(KID)
    rig.store.apply(judge.judge.reconsider(KID, NOW_MS).changes)
    assert judge.views[KID].sealed_through == 3


def test_a_write_off_waits_for_its_confirmation(rig: Rig, terminal: Terminal) -> None:
    """WOF-02: a claim without a seal is no ground for it."""
    publish(rig, rig.authority.write_off(KID, 4, 7, terminal.chains[7]))
    judge = Judge(rig)
    judge.take(terminal.frame(1, 3), terminal.bridge(7))
    assert judge.views[KID].sealed_through == 3
    judge.take(terminal.frame(8, 12))
    assert judge.views[KID].sealed_through == 12


def test_written_off_records_that_come_after_all_are_kept_and_never_settle(
    rig: Rig, terminal: Terminal
) -> None:
    """WOF-03: as evidence; frames that hold more than them are judged by the rest."""
    publish(rig, rig.authority.write_off(KID, 4, 7, terminal.chains[7]))
    judge = Judge(rig)
    judge.take(terminal.frame(1, 3), terminal.bridge(7), terminal.frame(8, 12))
    late = terminal.frame(4, 7)
    judge.take(late, terminal.frame(6, 9), terminal.frame(7, 14, sealed=False), terminal.frame(15, 16))
    assert [one.octets for one in rig.store.evidence(KID, 9)][-1] == late
    assert {one.outcome for one in rig.store.evidence(KID, 9)} == {"written_off"}
    assert judge.views[KID].sealed_through == 16
    assert [one.sequence for one in rig.store.records(KID, 4, 8)] == [8]
    assert not judge.views[KID].frozen_from


def test_a_fork_behind_a_write_off_is_still_found(rig: Rig, terminal: Terminal) -> None:
    """WOF-02: the chain value of the write-off stands for the records that are gone."""
    publish(rig, rig.authority.write_off(KID, 4, 7, terminal.chains[7]))
    twin = terminal.fork(9)
    twin.redeem()
    judge = Judge(rig)
    judge.take(terminal.frame(1, 3), terminal.bridge(7), terminal.frame(8, 12))
    judge.take(twin.frame(8, 10))
    assert judge.views[KID].frozen_from == 10


def test_a_write_off_is_checked_when_it_is_published(rig: Rig, terminal: Terminal) -> None:
    """WOF-01: by the authority's signature."""
    signed = rig.authority.write_off(KID, 4, 7, terminal.chains[7])
    document = documents.read_write_off(rig.verifying, signed)
    assert (document.kid, document.number) == (KID, 4)
    assert document.digest == hashlib.sha256(b"lumbung/woff/1\0\0" + signed[:-64]).digest()
    with pytest.raises(SignatureError):
        documents.read_write_off(rig.verifying, signed[:20] + b"\x00" + signed[21:])


def test_only_what_is_missing_can_be_written_off(rig: Rig, terminal: Terminal) -> None:
    """WOF-02: of a terminal that is known; its view is read anew."""
    judge = Judge(rig)
    judge.take(terminal.frame(1, 3))
    publisher = Publisher(rig.store, rig.verifying, rig.ring, NOW_MS)
    accepted = publisher.check(Order.WRITE_OFF, rig.authority.write_off(KID, 4, 7, terminal.chains[7]))
    assert [document.number for document in accepted.changes.documents] == [4]
    assert accepted.forget == [KID]
    with pytest.raises(DocumentError, match="sealed_through"):
        publisher.check(Order.WRITE_OFF, rig.authority.write_off(KID, 3, 7, terminal.chains[7]))
    with pytest.raises(UnknownTerminalError):
        publisher.check(Order.WRITE_OFF, rig.authority.write_off(KID + 1, 4, 7, terminal.chains[7]))


def test_the_report_tells_what_a_write_off_must_name(rig: Rig, terminal: Terminal, tmp_path: Path) -> None:
    """WOF-02: the proved chain value before each run behind a gap."""
    judge = Judge(rig)
    judge.take(terminal.frame(1, 3), terminal.frame(6, 8), terminal.frame(12, 13), terminal.bridge(5, 11))
    rig.store.apply(Changes(provisional_states=[(KID, 7, RecordState.SETTLED, "")]))
    (told,) = report.overview(rig.store, tmp_path)["terminals"]
    assert told["behind_gaps"] == [
        {"first": 6, "last": 8, "chain_before": terminal.chains[5].hex(), "settled": 1},
        {"first": 12, "last": 13, "chain_before": terminal.chains[11].hex(), "settled": 0},
    ]
