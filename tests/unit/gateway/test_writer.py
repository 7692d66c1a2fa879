"""The writer: receipts only after the commit, bad frames beside good ones, and what it does when the store fails."""

import threading

import pytest
from structlog.testing import capture_logs

from gateway import columns
from gateway.channels.channel import Received
from gateway.daemon import rejudge
from gateway.documents import read_epoch
from gateway.errors import StoreError
from gateway.store.interface import Changes
from gateway.store.memory import MemoryStore
from gateway.writer import DOWN_RESERVED, RESTORED, Writer
from protocol import records
from tests.support.gateway_rig import NOW_MS, NotingChannel, Rig, received, small


class TrippingStore(MemoryStore):
    """Fails `failures` times before it applies anything that holds frames; notes the order of events."""

    def __init__(self):
        super().__init__()
        self.failures = 0
        self.attempts = 0
        self.before_apply = lambda changes: None

    def apply(self, changes):
        """Fail or do it."""
        self.before_apply(changes)
        if changes.frames or changes.evidence:
            self.attempts += 1
            if self.failures:
                self.failures -= 1
                raise StoreError(reason="database or disk is full")
        super().apply(changes)


class Scene:
    """A writer with a rig around it."""

    def __init__(self, monkeypatch, **config):
        monkeypatch.setattr("gateway.writer._STORE_PAUSE_S", 0.0)
        self.store = TrippingStore()
        self.rig = Rig(self.store)
        self.channel = NotingChannel()
        self.contacts = []
        self.now_ms = NOW_MS
        self.writer = Writer(
            self.store, self.rig.ring, small(**config), self.contacts.append, clock_ms=lambda: self.now_ms
        )
        self.sent = 0

    def deliver(self, *frames):
        """As the channel would."""
        for raw in frames:
            self.sent += 1
            self.writer.deliver(received(raw, self.channel, self.sent))

    def settle(self):
        """Wait until everything delivered has its receipt, and the writer is done with it."""
        assert self.channel.wait_for(self.sent), (
            f"{self.channel.receipts} of {self.sent}; {self.writer.last_error}"
        )
        self.writer.submit(Changes()).result(20)  # receipts go out before contacts and the log

    def outcomes(self):
        """How many frames ended how."""
        counters = self.store.counters()
        return {name.removeprefix("frames_"): n for name, n in counters.items() if name.startswith("frames_")}


@pytest.fixture
def scene(monkeypatch):
    made = Scene(monkeypatch)
    yield made
    made.writer.stop()


def journal(scene, count=4, kid=42):
    terminal = scene.rig.terminal(kid)
    for _ in range(count):
        terminal.redeem()
    return terminal


def test_receipts_come_after_the_commit_and_in_order(scene):
    terminal = journal(scene)
    seen = []
    scene.store.before_apply = lambda changes: seen.append(len(scene.channel.receipts))
    scene.deliver(terminal.frame(1, 3), terminal.frame(4, 5), terminal.frame(6, 7))
    scene.writer.start()
    scene.settle()
    assert seen[0] == 0, "nothing was acknowledged before the first commit"
    assert scene.channel.receipts == [(1, 1), (1, 2), (1, 3)]
    assert [row.sequence for row in scene.store.records(42, 1, 99)] == [1, 2, 3, 4, 5, 6, 7]
    assert all(row.octets == terminal.octets[row.sequence] for row in scene.store.records(42, 1, 99))


def test_frames_are_kept_exactly_as_received(scene):
    terminal = journal(scene)
    raw = [terminal.frame(1, 3), terminal.frame(6, 7, sealed=False), terminal.frame(4, 5)]
    scene.deliver(*raw)
    scene.writer.start()
    scene.settle()
    kept = scene.store.frames([row.frame_id for row in scene.store.records(42, 1, 5)] + [2])
    assert {row.octets for row in kept} == set(raw)
    assert [row.octets for row in scene.store.waiting(42)] == [raw[1]]


def test_every_outcome_gets_its_receipt(scene):
    terminal = journal(scene)
    stranger = scene.rig.terminal(77, registered=False)
    revoked = journal(scene, kid=66)
    scene.store.apply(Changes(revoked=[66]))
    twin = terminal.fork(4)
    twin.redeem()
    twin.redeem()
    scene.deliver(
        terminal.frame(1, 3), terminal.frame(4, 6), terminal.frame(4, 6), twin.frame(5, 6), stranger.frame(1, 3),
        revoked.frame(1, 3), terminal.report(), b"", b"short", bytes(70_000), b"\x3f" + bytes(40),
        terminal.frame(7, 7)[:-1], terminal.frame(7, 7, sealed=False),
    )  # fmt: skip
    scene.writer.start()
    scene.settle()
    assert scene.outcomes() == {
        "sealed": 2, "duplicate": 1, "conflict": 1, "unknown_terminal": 1, "revoked_terminal": 1, "status": 1,
        "invalid": 5, "candidate": 1,
    }  # fmt: skip
    assert len(scene.store.evidence(None, 99)) == 1 + 1 + 5
    assert scene.store.conflicts(42)[0].octets == twin.frame(5, 6)
    assert scene.store.terminal(42).frozen_from == 5


def test_a_full_disk_holds_the_receipts_back_until_it_is_written(scene):
    terminal = journal(scene)
    scene.store.failures = 3
    said = []
    scene.store.before_apply = lambda changes: said.append(
        (scene.writer.last_error, len(scene.channel.receipts))
    )
    scene.deliver(terminal.frame(1, 3), terminal.frame(4, 7))
    scene.writer.start()
    scene.settle()
    assert [count for _, count in said[:4]] == [0, 0, 0, 0]
    assert "disk is full" in said[3][0]
    scene.writer.stop()
    assert scene.writer.last_error == ""
    assert len(scene.store.records(42, 1, 99)) == 7


def test_a_frame_on_which_the_gateway_itself_fails_stops_no_other(scene, monkeypatch):
    terminal = journal(scene)
    poison = terminal.frame(4, 5)
    true_derive = columns.derive

    def failing(octets):
        if octets == terminal.octets[5]:
            raise ZeroDivisionError("a bug")
        return true_derive(octets)

    monkeypatch.setattr(columns, "derive", failing)
    other = journal(scene, kid=7)
    scene.deliver(terminal.frame(1, 3), poison, other.frame(1, 3), other.frame(4, 7))
    scene.writer.start()
    scene.settle()
    assert [row.sequence for row in scene.store.records(42, 1, 99)] == [1, 2, 3]
    assert len(scene.store.records(7, 1, 99)) == 7
    condemned = scene.store.evidence(42, 9)[0]
    assert (condemned.octets, condemned.fault.error) == (poison, "ZeroDivisionError")
    assert scene.store.counters()["frames_condemned"] == 1


def test_frames_of_a_stranger_are_judged_again_when_it_is_registered(scene):
    terminal = scene.rig.terminal(77, registered=False)
    terminal.redeem()
    scene.deliver(terminal.frame(1, 3), terminal.frame(4, 4, literal=True))
    scene.writer.start()
    scene.settle()
    assert scene.outcomes() == {"unknown_terminal": 2}
    scene.rig.register(terminal)
    assert rejudge(scene.store, scene.writer, 77) == 2
    scene.writer.submit(Changes()).result(20)
    assert [row.sequence for row in scene.store.records(77, 1, 9)] == [1, 2, 3, 4]
    assert scene.store.evidence(77, 9) == []


def test_evidence_is_bounded_per_terminal_the_oldest_going_first(monkeypatch):
    scene = Scene(monkeypatch, evidence_per_terminal_max=3)
    terminal = journal(scene)
    frames = [terminal.frame(4, 4)[:-number] for number in range(1, 8)]
    scene.deliver(*frames[:5])
    scene.writer.start()
    scene.settle()
    scene.deliver(*frames[5:])
    scene.settle()
    assert [row.octets for row in scene.store.evidence(42, 99)] == [frames[6], frames[5], frames[4]]
    scene.writer.stop()


def test_evidence_is_bounded_per_hour_and_the_rest_is_counted(monkeypatch):
    scene = Scene(monkeypatch, evidence_per_hour_max=4)
    strangers = [
        bytes((0,)) + number.to_bytes(4, "big") + b"\x80\x00\x01" + bytes(40) for number in range(1, 11)
    ]
    scene.deliver(*strangers)
    scene.writer.start()
    scene.settle()
    assert len(scene.store.evidence(None, 99)) == 4
    assert scene.store.counters()["evidence_not_kept"] == 6
    scene.now_ms += 3_600_000
    scene.deliver(*strangers[:2])
    scene.settle()
    kept = [row.kid for row in scene.store.evidence(None, 99)]
    assert kept == [2, 1, 4, 3], "all strangers together share one bound"
    scene.writer.stop()


def test_who_names_another_unknown_kid_in_each_broken_frame_gets_no_more_room(monkeypatch):
    scene = Scene(monkeypatch, evidence_per_hour_max=4, evidence_per_terminal_max=4)
    scene.writer.start()
    for hour in range(3):
        scene.deliver(*[b"\x3f" + (10 * hour + number).to_bytes(4, "big") + bytes(40) for number in range(4)])
        scene.settle()
        scene.now_ms += 3_600_000
    scene.writer.stop()
    kept = scene.store.evidence(None, 99)
    assert [(row.kid, row.octets[4]) for row in kept] == [(0, 23), (0, 22), (0, 21), (0, 20)]
    assert scene.store.counters()["frames_invalid"] == 12


def test_a_repeated_card_use_is_marked_on_the_later_record(scene):
    first, second = journal(scene, 0, kid=1), journal(scene, 0, kid=2)
    first.redeem(5, atc=9)
    second.redeem(6, atc=9)
    second.redeem(5, atc=9)
    second.redeem(5, atc=10)
    scene.deliver(first.frame(1, 3), first.frame(4, 4), second.frame(1, 3), second.frame(4, 6))
    scene.writer.start()
    scene.settle()
    marks = {(row.kid, row.sequence): row.repeats_card_use for row in scene.store.recent_records(None, 99)}
    assert [key for key, is_repeated in marks.items() if is_repeated] == [(2, 5)]


def test_settlement_waits_for_the_delay_of_the_policy_in_force(monkeypatch):
    scene = Scene(monkeypatch)
    scene.rig = Rig(scene.store, settlement_delay_s=600)
    terminal = journal(scene)
    scene.deliver(terminal.frame(1, 3), terminal.frame(4, 7))
    scene.writer.start()
    scene.settle()
    assert [row.first for row in scene.store.outbox_due(NOW_MS + 599_999, 9)] == []
    assert [(row.first, row.last) for row in scene.store.outbox_due(NOW_MS + 600_000, 9)] == [(1, 3), (4, 7)]
    scene.writer.stop()


def test_contacts_name_who_was_heard_and_what_was_repeated(scene):
    terminal = journal(scene)
    scene.deliver(terminal.frame(1, 3))
    scene.writer.start()
    scene.settle()
    scene.deliver(terminal.frame(2, 3), terminal.frame(1, 1), b"\x00" + bytes(50))
    scene.settle()
    heard = [{kid: contact.repeated_from for kid, contact in each.items()} for each in scene.contacts]
    assert heard[0] == {42: 0}
    assert min(each.get(42, 99) for each in heard[1:]) == 1
    assert all(set(each) <= {42} for each in heard)


def test_an_echo_from_beyond_the_reserved_counters_means_restored(scene):
    document, _ = read_epoch(scene.rig.verifying, scene.rig.authority.epoch(scene.rig.key.request, 2))
    terminal = journal(scene)
    scene.writer.start()
    scene.writer.submit(Changes(documents=[document], values={DOWN_RESERVED: 100})).result(20)
    scene.deliver(terminal.report(epoch=2, counter=99), terminal.report(epoch=1, counter=5000))
    scene.settle()
    assert scene.store.value(RESTORED) == 0
    scene.deliver(terminal.report(epoch=2, counter=100))
    scene.settle()
    assert scene.store.value(RESTORED) == 1


def test_an_echo_of_an_unknown_epoch_means_restored(scene):
    scene.rig.certify_epoch(1)
    terminal = journal(scene)
    scene.writer = Writer(
        scene.store, scene.rig.ring, small(), scene.contacts.append, clock_ms=lambda: NOW_MS
    )
    scene.deliver(terminal.report(epoch=2, counter=1))
    scene.writer.start()
    scene.settle()
    assert scene.store.value(RESTORED) == 1


def test_a_frame_on_the_topic_of_another_is_counted_and_taken_by_its_own_name(scene):
    terminal = journal(scene)
    scene.sent = 1
    scene.writer.deliver(received(terminal.frame(1, 3), scene.channel, 1, kid=43))
    scene.writer.start()
    scene.settle()
    assert scene.store.counters()["topic_mismatch"] == 1
    assert len(scene.store.records(42, 1, 9)) == 3


def test_a_new_process_goes_on_where_the_last_one_ended(scene):
    terminal = journal(scene, 9)
    scene.deliver(terminal.frame(1, 3), terminal.frame(6, 8, sealed=False), terminal.frame(10, 11))
    scene.writer.start()
    scene.settle()
    scene.writer.stop()
    second = Writer(scene.store, scene.rig.ring, small(), scene.contacts.append, clock_ms=lambda: NOW_MS)
    scene.writer = second
    scene.deliver(terminal.frame(9, 9), terminal.frame(4, 5))
    second.start()
    scene.settle()
    assert [row.sequence for row in scene.store.records(42, 1, 99)] == list(range(1, 12))
    assert scene.store.waiting(42) == []
    kinds = [row.kind for row in scene.store.records(42, 1, 99)]
    assert kinds == [records.ADOPTION] * 3 + [records.REDEMPTION] * 8


def test_submitted_changes_that_contradict_fail_alone(scene):
    scene.writer.start()
    journal(scene, kid=5)
    row = scene.store.terminal(5)
    with pytest.raises(StoreError):
        scene.writer.submit(Changes(terminals=[row])).result(20)
    scene.writer.submit(Changes(values={"a": 1})).result(20)
    assert scene.store.value("a") == 1


def test_a_full_queue_blocks_the_channel_and_loses_nothing(monkeypatch):
    scene = Scene(monkeypatch, queue_frames_max=2, batch_frames_max=2)
    terminal = journal(scene, 40)
    frames = [terminal.frame(1, 3)] + [terminal.frame(sequence, sequence) for sequence in range(4, 44)]
    feeder = threading.Thread(target=scene.deliver, args=frames)
    feeder.start()
    scene.writer.start()
    feeder.join(20)
    scene.settle()
    assert len(scene.store.records(42, 1, 99)) == 43
    scene.writer.stop()


def test_what_is_still_queued_at_the_end_gets_no_receipt(scene):
    terminal = journal(scene)
    scene.writer.start()
    scene.writer.stop()
    scene.writer.deliver(Received(terminal.frame(1, 3), "", scene.channel, (1, 1)))
    assert scene.writer.submit(Changes()).cancelled()
    assert scene.channel.receipts == []


def test_logs_tell_outcomes_and_no_contents(scene):
    """One line per batch; no key, no card key and no octets of a frame or record in it."""
    terminal = journal(scene)
    frames = [terminal.frame(1, 3), terminal.frame(4, 7), terminal.frame(4, 4)[:-1], b"junk"]
    with capture_logs() as lines:
        scene.deliver(*frames)
        scene.writer.start()
        scene.settle()
        scene.writer.stop()
    assert sum(line["frames"] for line in lines if line["event"] == "batch") == len(frames)
    told = repr(lines)
    secrets = [
        terminal.un_key,
        *terminal.octets[1:],
        *(octets[15:23] for octets in terminal.octets[4:]),
        *frames,
    ]
    for secret in secrets:
        assert secret.hex() not in told
        assert repr(secret)[2:-1] not in told
