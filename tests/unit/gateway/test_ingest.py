"""The decision about every frame, one promise per test."""

import pytest

from gateway import documents
from gateway.documents import Kind
from gateway.store.interface import Changes
from gateway.verdicts import Outcome
from protocol import codec, frame, records
from protocol.errors import ProtocolError
from tests.support.frames import Terminal
from tests.support.gateway_rig import Bench, Rig

JUNK = b"\xa5" * 64


@pytest.fixture
def rig():
    return Rig()


@pytest.fixture
def terminal(rig):
    """A terminal with three adoptions and nine redemptions."""
    made = rig.terminal()
    for _ in range(9):
        made.redeem()
    return made


@pytest.fixture
def bench(rig, terminal):
    """Ingest that has sealed the adoptions."""
    made = Bench(rig)
    assert made.outcome(terminal.frame(1, 3)) == "sealed"
    return made


def sealed_is_the_journal(bench, terminal, through):
    assert sorted(bench.sealed) == list(range(1, through + 1))
    for sequence, record in bench.sealed.items():
        assert record.octets == terminal.octets[sequence]
        assert record.chain == terminal.chains[sequence]
    assert bench.view.sealed_through == through
    assert bench.view.chain == terminal.chains[through]


# Sealing.


def test_a_sealed_frame_seals_all_its_records(bench, terminal):
    judgement = bench.judge(terminal.frame(4, 12))
    assert judgement.verdict.outcome is Outcome.SEALED
    assert [(run.first, run.last, run.seal) for run in judgement.runs] == [(4, 12, terminal.seals[12])]
    sealed_is_the_journal(bench, terminal, 12)


def test_the_last_seal_proves_all_before_it(bench, terminal):
    for sequence in range(4, 12):
        assert bench.outcome(terminal.frame(sequence, sequence, sealed=False)) == "candidate"
    before = bench.verified
    judgement = bench.judge(terminal.frame(12, 12))
    assert [(run.first, run.last) for run in judgement.runs] == [(4, 12)]
    assert bench.verified == before + 1, "one verification for nine records"
    assert {moved.outcome for moved in judgement.moved} == {Outcome.SEALED}
    assert not bench.view.waiting
    sealed_is_the_journal(bench, terminal, 12)


def test_frames_may_come_in_any_order(bench, terminal):
    for first, last in ((10, 12), (7, 9)):
        assert bench.outcome(terminal.frame(first, last)) == "candidate"
    assert bench.view.gaps() == [(4, 3, False)]
    judgement = bench.judge(terminal.frame(4, 6))
    assert judgement.verdict.outcome is Outcome.SEALED
    assert [(run.first, run.last) for run in judgement.runs] == [(4, 6), (7, 9), (10, 12)]
    assert bench.view.gaps() == []
    sealed_is_the_journal(bench, terminal, 12)


def test_a_frame_cut_otherwise_seals_what_is_new_in_it(bench, terminal):
    bench.judge(terminal.frame(4, 7))
    judgement = bench.judge(terminal.frame(5, 10))
    assert [(run.first, run.last) for run in judgement.runs] == [(8, 10)]
    sealed_is_the_journal(bench, terminal, 10)


def test_unsealed_frames_overlap_as_they_like(bench, terminal):
    for first, last in ((4, 6), (6, 9), (5, 8), (9, 11)):
        assert bench.outcome(terminal.frame(first, last, sealed=False)) == "candidate"
    assert bench.outcome(terminal.frame(12, 12)) == "sealed"
    sealed_is_the_journal(bench, terminal, 12)


def test_a_partly_used_candidate_keeps_waiting(bench, terminal):
    bench.judge(terminal.frame(4, 8, sealed=False))
    assert bench.outcome(terminal.frame(6, 6)) == "sealed"
    assert bench.view.sealed_through == 6
    assert bench.view.waiting
    assert bench.outcome(terminal.frame(9, 9)) == "sealed"
    assert not bench.view.waiting
    sealed_is_the_journal(bench, terminal, 9)


# Repeats.


def test_a_repeated_frame_is_a_duplicate_and_costs_no_verification(bench, terminal):
    raw = terminal.frame(4, 8)
    bench.judge(raw)
    before = bench.verified
    for again in (raw, terminal.frame(4, 8), terminal.frame(5, 6), terminal.frame(4, 7, sealed=False)):
        assert bench.outcome(again) == "duplicate"
    assert bench.verified == before


def test_a_record_sealed_once_more_is_a_duplicate(bench, terminal):
    bench.judge(terminal.frame(4, 6))
    sealed_anew = terminal.fork(6)
    sealed_anew.octets.pop()
    sealed_anew.chains.pop()
    sealed_anew.seals.pop()
    sealed_anew.append(terminal.octets[6])
    assert bench.outcome(sealed_anew.frame(4, 6)) == "duplicate"


def test_a_repeated_candidate_is_a_duplicate(bench, terminal):
    raw = terminal.frame(6, 8, sealed=False)
    assert bench.outcome(raw) == "candidate"
    assert bench.outcome(raw) == "duplicate"


# Candidates and quotas.


def test_an_unsealed_version_cannot_poison_an_identity(rig, bench, terminal):
    false = terminal.fork(3)
    for _ in range(3):
        false.redeem()
    assert bench.outcome(false.frame(4, 6, sealed=False)) == "candidate"
    assert bench.outcome(terminal.frame(4, 6, sealed=False)) == "candidate"
    judgement = bench.judge(terminal.frame(7, 7))
    assert judgement.verdict.outcome is Outcome.SEALED
    assert sorted(moved.outcome for moved in judgement.moved) == ["sealed", "superseded"]
    sealed_is_the_journal(bench, terminal, 7)


def test_an_unsealed_version_of_something_sealed_is_superseded(bench, terminal):
    bench.judge(terminal.frame(4, 6))
    false = terminal.fork(3)
    false.redeem()
    judgement = bench.judge(false.frame(4, 4, sealed=False))
    assert judgement.verdict.outcome is Outcome.SUPERSEDED
    assert not bench.view.frozen_from


def test_candidates_that_fit_no_seal_are_asked_for_again(bench, terminal):
    false = terminal.fork(3)
    false.redeem()
    bench.judge(false.frame(4, 4, sealed=False))
    assert bench.outcome(terminal.frame(5, 6)) == "candidate"
    assert bench.view.gaps() == [(4, 1, False)]
    assert bench.outcome(terminal.frame(4, 4)) == "sealed"
    sealed_is_the_journal(bench, terminal, 6)


def test_the_oldest_unsealed_frame_goes_first_when_there_is_no_room(rig, terminal):
    bench = Bench(rig, waiting_max=3)
    bench.judge(terminal.frame(1, 3))
    for first in (6, 8):
        bench.judge(terminal.frame(first, first))
    bench.judge(terminal.frame(10, 10, sealed=False))
    judgement = bench.judge(terminal.frame(11, 11, sealed=False))
    assert [(moved.frame_id, moved.outcome) for moved in judgement.moved] == [(4, Outcome.EVICTED)]
    # Only sealed ones left beside it: then the farthest from the head goes.
    assert bench.outcome(terminal.frame(7, 7)) == "candidate"
    judgement = bench.judge(terminal.frame(12, 12))
    assert judgement.verdict.outcome is Outcome.EVICTED
    assert [held.first for held in bench.view.waiting.frames] == [6, 8, 7]


# Forks.


def forked(terminal, after, count=3):
    twin = terminal.fork(after)
    for _ in range(count):
        twin.redeem()
    return twin


def test_two_sealed_versions_are_a_conflict_and_freeze(bench, terminal):
    bench.judge(terminal.frame(4, 8))
    twin = forked(terminal, 5)
    judgement = bench.judge(twin.frame(5, 8))
    assert judgement.verdict.outcome is Outcome.CONFLICT
    assert judgement.conflict_at == 6, "record 5 is still the same"
    assert bench.view.frozen_from == 6
    sealed_is_the_journal(bench, terminal, 8)


def test_after_a_fork_nothing_more_is_sealed(bench, terminal):
    bench.judge(terminal.frame(4, 8))
    bench.judge(forked(terminal, 5).frame(6, 8))
    assert bench.outcome(terminal.frame(9, 12)) == "candidate"
    assert bench.outcome(terminal.frame(4, 8)) == "duplicate"
    assert bench.view.gaps() == []
    sealed_is_the_journal(bench, terminal, 8)


def test_an_earlier_fork_lowers_the_frost(bench, terminal):
    bench.judge(terminal.frame(4, 12))
    bench.judge(forked(terminal, 9).frame(10, 12))
    assert bench.view.frozen_from == 10
    bench.judge(forked(terminal, 6).frame(7, 9))
    assert bench.view.frozen_from == 7
    bench.judge(forked(terminal, 9, 2).frame(10, 11))
    assert bench.view.frozen_from == 7


def test_a_fork_that_waited_behind_a_gap_is_found(bench, terminal):
    twin = forked(terminal, 5, 4)
    assert bench.outcome(twin.frame(6, 7)) == "candidate"
    judgement = bench.judge(terminal.frame(4, 8))
    assert judgement.verdict.outcome is Outcome.SEALED
    assert [moved.outcome for moved in judgement.moved] == [Outcome.CONFLICT]
    assert bench.view.frozen_from == 6


def test_a_wrong_seal_over_other_records_proves_no_fork(bench, terminal):
    bench.judge(terminal.frame(4, 8))
    twin = forked(terminal, 5)
    judgement = bench.judge(twin.frame(6, 8, seal=JUNK))
    assert judgement.verdict.outcome is Outcome.INVALID
    assert judgement.verdict.fault.field == "seal"
    assert not bench.view.frozen_from


# Bad input.


def test_a_wrong_seal_is_invalid_and_names_its_place(bench, terminal):
    raw = terminal.frame(4, 8, seal=JUNK)
    judgement = bench.judge(raw)
    assert judgement.verdict.outcome is Outcome.INVALID
    assert (judgement.verdict.fault.field, judgement.verdict.fault.offset) == ("seal", len(raw) - 64)
    assert bench.outcome(terminal.frame(4, 8)) == "sealed"


def test_a_seal_of_another_record_is_invalid(bench, terminal):
    assert bench.outcome(terminal.frame(4, 8, seal=terminal.seals[9])) == "invalid"


def test_a_wrong_seal_behind_a_gap_is_found_when_the_gap_closes(bench, terminal):
    assert bench.outcome(terminal.frame(7, 8, seal=JUNK)) == "candidate"
    judgement = bench.judge(terminal.frame(4, 6))
    assert [moved.outcome for moved in judgement.moved] == [Outcome.INVALID]
    assert bench.outcome(terminal.frame(7, 8)) == "sealed"


@pytest.mark.parametrize("cut", [1, 8, 64, 72])
def test_a_truncated_frame_is_invalid(bench, terminal, cut):
    raw = terminal.frame(4, 8)
    judgement = bench.judge(raw[:-cut])
    assert judgement.verdict.outcome is Outcome.INVALID
    assert judgement.verdict.fault.field in ("tag", "ciphertext")


def test_a_wrong_tag_is_invalid(bench, terminal):
    raw = bytearray(terminal.frame(4, 8, sealed=False))
    raw[-1] ^= 1
    judgement = bench.judge(bytes(raw))
    assert (judgement.verdict.outcome, judgement.verdict.fault.field) == (Outcome.INVALID, "tag")


def test_the_frame_of_another_terminal_under_our_kid_is_invalid(rig, bench):
    other = rig.terminal(43)
    raw = bytearray(other.frame(1, 3))
    raw[1:5] = (42).to_bytes(4, "big")
    assert bench.outcome(bytes(raw)) == "invalid"


def test_a_downlink_on_the_uplink_is_invalid(bench, terminal):
    raw = frame.encode_counter(frame.CLASS_DOWN, 1, 42, 5, b"body", terminal.up)
    judgement = bench.judge(raw)
    assert (judgement.verdict.outcome, judgement.verdict.fault.field) == (Outcome.INVALID, "class")


def test_an_unknown_kind_of_uplink_is_invalid(bench, terminal):
    raw = frame.encode_counter(frame.CLASS_UP, 9, 42, 5, b"body", terminal.up)
    assert bench.judge(raw).verdict.fault.error == "UnknownVersion"


def test_a_record_out_of_range_names_the_field(bench, terminal):
    octets = bytearray(terminal.octets[4])
    octets[10] = 7  # tender
    with pytest.raises(ProtocolError):
        records.decode(bytes(octets))
    head = bytes((codec.LITERAL,)) + (42).to_bytes(4, "big") + (4).to_bytes(3, "big") + b"\x00"
    raw = frame._close(head, frame.NO_CONTEXT_DIGEST, bytes((len(octets),)) + bytes(octets), terminal.up)
    judgement = bench.judge(raw)
    assert (judgement.verdict.outcome, judgement.verdict.fault.field) == (Outcome.INVALID, "tender")


# Contexts.


def test_a_frame_under_an_unknown_context_is_asked_for_literally(rig):
    terminal = rig.terminal(adopted=False)
    terminal.adopt_all(rig.authority.policy(number=9), rig.roster, rig.authority)
    terminal.redeem()
    bench = Bench(rig)
    assert bench.outcome(terminal.frame(1, 3)) == "sealed"
    assert bench.outcome(terminal.frame(4, 4)) == "unknown_context"
    assert bench.view.gaps() == [(4, 1, True)]
    judgement = bench.judge(terminal.frame(4, 4, literal=True))
    assert judgement.verdict.outcome is Outcome.SEALED
    assert [moved.outcome for moved in judgement.moved] == [Outcome.DUPLICATE]


def test_what_can_be_read_in_another_frame_is_not_asked_for_again(rig):
    """By SMS each answer to a gap is paid for."""
    terminal = rig.terminal(adopted=False)
    terminal.adopt_all(rig.authority.policy(number=9), rig.roster, rig.authority)
    for _ in range(6):
        terminal.redeem()
    bench = Bench(rig)
    assert bench.outcome(terminal.frame(1, 3)) == "sealed"
    assert bench.outcome(terminal.frame(4, 6)) == "unknown_context"
    assert bench.outcome(terminal.frame(8, 9)) == "unknown_context"
    assert bench.view.gaps() == [(4, 3, True), (7, 1, False)]
    for sequence, left in (
        (5, [(4, 1, True), (6, 1, True), (7, 1, False)]),
        (4, [(6, 1, True), (7, 1, False)]),
        (6, [(7, 1, False)]),
        (7, [(8, 2, True)]),
        (9, [(8, 1, True)]),
        (8, []),
    ):
        assert bench.outcome(terminal.frame(sequence, sequence, literal=True, sealed=False)) == "candidate"
        assert bench.view.gaps() == left
    assert bench.outcome(terminal.frame(9, 9, literal=True)) == "sealed"
    sealed_is_the_journal(bench, terminal, 9)


def test_frames_coded_under_an_adoption_that_is_still_missing_wait_for_it(rig, terminal):
    """FRM-08: a message each is saved where the missing records explain them."""
    bench = Bench(rig)
    assert bench.outcome(terminal.frame(4, 8)) == "unknown_context"
    assert bench.view.gaps() == [(1, 3, False)], "what explains it may be among what is missing"
    judgement = bench.judge(terminal.frame(1, 3))
    assert [(run.first, run.last) for run in judgement.runs] == [(1, 3), (4, 8)]
    sealed_is_the_journal(bench, terminal, 8)


def test_an_unsealed_adoption_gives_the_context_of_what_follows(rig, terminal):
    bench = Bench(rig)
    assert bench.outcome(terminal.frame(1, 3, sealed=False)) == "candidate"
    assert bench.outcome(terminal.frame(4, 8)) == "sealed"
    sealed_is_the_journal(bench, terminal, 8)


def test_records_before_and_after_a_new_grant_each_have_their_context(rig, bench, terminal):
    bench.judge(terminal.frame(4, 12))
    under = (rig.roster_document.digest, rig.policy_document.digest)
    second = rig.authority.grant(42, *under, number=2)
    rig.store.apply(Changes(documents=[rig.grant_document(second, 42)]))
    adopted = terminal.adopt(Kind.GRANT, second, under)
    after = terminal.redeem()
    # The later frame comes first: nobody can know its context yet.
    assert bench.outcome(terminal.frame(after, after)) == "unknown_context"
    judgement = bench.judge(terminal.frame(adopted, adopted))
    assert [(run.first, run.last) for run in judgement.runs] == [(adopted, adopted), (after, after)]
    assert bench.outcome(terminal.frame(5, 9)) == "duplicate", "the old context is still held"


def test_records_from_before_an_adoption_are_read_without_their_grants(rig, terminal):
    """CTX-04: whatever is sealed by then, and a new policy too."""
    under = rig.roster_document.digest, rig.policy_document.digest
    bench = Bench(rig)
    assert bench.outcome(terminal.frame(4, 12, bare=under)) == "candidate"
    newer = rig.authority.policy(number=10)
    document = documents.read_policy(rig.verifying, newer)
    under = rig.roster_document.digest, document.digest
    granted = rig.authority.grant(42, *under, number=2)
    published = documents.read_grant(rig.verifying, granted, 42, [under])
    rig.store.apply(Changes(documents=[document, published]))
    terminal.adopt(Kind.POLICY, newer)
    terminal.adopt(Kind.GRANT, granted, under)
    bench = Bench(rig)
    assert bench.outcome(terminal.frame(4, 8, sealed=False, bare=under)) == "candidate"
    assert bench.outcome(terminal.frame(9, 13, bare=under)) == "candidate", "it ends with the adoption"
    assert bench.outcome(terminal.frame(14, bare=under)) == "candidate"
    assert bench.outcome(terminal.frame(1, 3, sealed=False)) == "sealed"
    sealed_is_the_journal(bench, terminal, 14)


def test_records_without_their_grants_under_documents_of_nobody_are_asked_for_literally(rig, bench, terminal):
    """CTX-04: a roster and policy that are published, but under which nothing was granted."""
    newer = rig.authority.policy(number=10)
    document = documents.read_policy(rig.verifying, newer)
    rig.store.apply(Changes(documents=[document]))
    terminal.adopt(Kind.POLICY, newer)
    under = rig.roster_document.digest, document.digest
    assert bench.outcome(terminal.frame(4, 12, bare=under)) == "unknown_context"
    assert bench.view.gaps() == [(4, 9, True)]


# Status.


def test_a_report_is_taken_once(bench, terminal):
    raw = terminal.report(sealed_through=3, epoch=1, counter=17)
    judgement = bench.judge(raw)
    assert judgement.verdict.outcome is Outcome.STATUS
    assert (judgement.status.head, judgement.status.echo_counter) == (12, 17)
    assert bench.outcome(raw) == "duplicate"
    assert bench.outcome(terminal.report()) == "status"


def test_a_hostile_terminal_cannot_make_ingest_fail(rig):
    """Right keys, wrong contents: whatever the codec makes of it, the answer is a verdict."""
    terminal = rig.terminal()
    bench = Bench(rig)
    bench.judge(terminal.frame(1, 3))
    context = terminal.context_before(4)
    for number in range(300):
        plaintext = terminal.rng.randbytes(number % 60)
        head = (
            bytes((codec.PREDICTED,))
            + (42).to_bytes(4, "big")
            + (4).to_bytes(3, "big")
            + bytes((number % 3,))
        )
        raw = frame._close(head, context.digest, plaintext, terminal.up)
        judgement = bench.judge(raw)
        assert judgement.verdict.outcome in (Outcome.INVALID, Outcome.CANDIDATE, Outcome.DUPLICATE)
        if judgement.verdict.fault is not None:
            assert judgement.verdict.fault.error in (
                "NotCanonical", "OutOfRange", "Truncated", "UnknownVersion", "TrailingData",
            ), str(judgement.verdict.fault)  # fmt: skip


def test_terminals_start_from_their_own_chain(rig):
    assert isinstance(rig.terminal(1), Terminal)
    assert rig.view(1).chain == rig.view(1).chain_start
    rig.terminal(2)
    assert rig.view(1).chain_start != rig.view(2).chain_start
