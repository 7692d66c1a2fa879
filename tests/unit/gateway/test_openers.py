"""Helper processes: they say what this process would say, and nothing depends on them."""

import os
import signal

import pytest

from gateway import keys, opening
from gateway.opener import Opener
from gateway.openers import Asked, Openers
from gateway.store.interface import Changes
from gateway.store.memory import MemoryStore
from gateway.store.sqlite import SqliteStore
from gateway.writer import Writer
from protocol import frame
from tests.support.gateway_rig import NOW_MS, NotingChannel, Rig, eventually, received, small

TERMINALS = 20


@pytest.fixture
def rig(tmp_path):
    """A rig on disk with its keys beside it, as helpers need it."""
    store = SqliteStore.create(tmp_path)
    made = Rig(store)
    (tmp_path / "keys").mkdir()
    for kind in (keys.AGREEMENT, keys.ACKNOWLEDGEMENT):
        keys._write_private(tmp_path / "keys" / f"{made.key.key_id:08x}-{kind}.pem", getattr(made.key, kind))
    made.folder = tmp_path
    yield made
    store.close()


@pytest.fixture
def openers(rig):
    """Two helpers."""
    made = Openers(2, rig.folder, rig.folder / "keys")
    yield made
    made.close()


def served(rig, count=TERMINALS, records=3):
    terminals = [rig.terminal(kid) for kid in range(1, count + 1)]
    for terminal in terminals:
        for _ in range(records):
            terminal.redeem()
    return terminals


def first_frames(rig, terminals):
    """Tasks for the adoptions of all terminals, as the writer would hand them out."""
    return [(t.kid, t.frame(1, 3), 0, rig.view(t.kid).chain, 0) for t in terminals]


def asked(openers, tasks):
    question = openers.ask(tasks)
    assert question is not None
    return openers.gather(question)


def test_answers_are_records_chain_and_seal(rig, openers):
    terminals = served(rig)
    answers = asked(openers, first_frames(rig, terminals))
    assert answers == [(t.octets[1:4], t.chains[:4], True) for t in terminals]


def test_frames_of_a_terminal_follow_each_other(rig, openers):
    (terminal,) = served(rig, 1, 20)
    tasks = [(1, terminal.frame(1, 3), 0, terminal.chains[0], 0)]
    tasks += [(1, terminal.frame(n, n, literal=True), -1, b"", 0) for n in range(4, 24)]
    answers = asked(openers, tasks)
    assert [answer[1] for answer in answers[1:]] == [terminal.chains[n - 1 : n + 1] for n in range(4, 24)]
    assert all(answer[2] for answer in answers)


def test_what_does_not_follow_is_opened_without_a_chain(rig, openers):
    terminals = served(rig)
    tasks = [(t.kid, t.frame(5, 6, literal=True), 0, t.chains[0], 0) for t in terminals]
    assert asked(openers, tasks) == [(t.octets[5:7], [], False) for t in terminals]


def test_a_wrong_seal_is_said_to_be_wrong(rig, openers):
    terminals = served(rig)
    tasks = [(t.kid, t.frame(1, 3, seal=t.seals[2]), 0, t.chains[0], 0) for t in terminals]
    assert [answer[2] for answer in asked(openers, tasks)] == [False] * TERMINALS


def test_bad_frames_and_unknown_contexts_are_left_to_the_gateway(rig, openers):
    terminals = served(rig)
    tasks = [(t.kid, t.frame(1, 3)[:-1], 0, t.chains[0], 0) for t in terminals]
    tasks += [(t.kid, t.frame(4, 6), 3, t.chains[3], 0) for t in terminals]
    tasks += [(99, b"", 0, b"", 0), (1, b"junk", 0, b"", 0)]
    assert asked(openers, tasks) == [None] * len(tasks)


def test_a_new_adoption_is_read_from_the_database(rig, openers):
    terminals = served(rig)
    channel = NotingChannel()
    writer = Writer(rig.store, rig.ring, small(), lambda _: None, clock_ms=lambda: NOW_MS, openers=openers)
    writer.start()
    writer.deliver(*[received(t.frame(1, 3), channel, n) for n, t in enumerate(terminals)])
    assert channel.wait_for(TERMINALS)
    writer.deliver(*[received(t.frame(4, 6), channel, n) for n, t in enumerate(terminals)])
    assert channel.wait_for(2 * TERMINALS)
    assert rig.store.counters() == {"frames_sealed": 2 * TERMINALS, "records": 6 * TERMINALS}
    # The helpers know the contexts by now: asked again, they do not need the gateway.
    tasks = [(t.kid, t.frame(4, 6), 3, t.chains[3], 3) for t in terminals]
    assert asked(openers, tasks) == [(t.octets[4:7], t.chains[3:7], True) for t in terminals]
    writer.stop()


def test_few_frames_are_not_shared_and_one_question_is_open_at_a_time(rig, openers):
    terminals = served(rig)
    tasks = first_frames(rig, terminals)
    assert openers.ask(tasks[:3]) is None
    question = openers.ask(tasks)
    assert openers.ask(tasks) is None
    openers.gather(question)
    assert openers.ask(tasks) is not None


def test_a_dead_helper_costs_nothing_but_time(rig, openers):
    terminals = served(rig)
    channel = NotingChannel()
    writer = Writer(rig.store, rig.ring, small(), lambda _: None, clock_ms=lambda: NOW_MS, openers=openers)
    os.kill(openers._helpers[0].pid, signal.SIGKILL)
    writer.start()
    writer.deliver(*[received(t.frame(1, 3), channel, n) for n, t in enumerate(terminals)])
    assert channel.wait_for(TERMINALS)
    assert openers.count == 1
    os.kill(openers._helpers[0].pid, signal.SIGKILL)
    writer.deliver(*[received(t.frame(4, 6), channel, n) for n, t in enumerate(terminals)])
    assert channel.wait_for(2 * TERMINALS)
    assert openers.count == 0
    assert rig.store.counters() == {"frames_sealed": 2 * TERMINALS, "records": 6 * TERMINALS}
    writer.stop()


def test_helpers_end_with_the_gateway_and_not_by_its_signals(rig):
    openers = Openers(1, rig.folder, rig.folder / "keys")
    (helper,) = openers._helpers
    os.kill(helper.pid, signal.SIGTERM)
    os.kill(helper.pid, signal.SIGINT)
    terminals = served(rig)
    assert all(asked(openers, first_frames(rig, terminals)))
    # What the end of the gateway's process does to the pipe.
    os.close(os.dup(helper.stdin.fileno()))
    helper.stdin.close()
    eventually(lambda: helper.poll() is not None, "the helper ends by itself")
    assert helper.returncode == 0
    helper.stdout.close()


def test_an_opener_that_meets_a_bug_leaves_the_frame_to_the_gateway(monkeypatch):
    rig = Rig(MemoryStore())
    terminal = rig.terminal(1)
    opener = Opener(rig.store, rig.ring)
    task = (1, terminal.frame(1, 3), 0, terminal.chains[0], 0)
    monkeypatch.setattr(opening, "open_frame", lambda *_: 1 / 0)
    assert opener.work(0, [task]) == [None]
    monkeypatch.undo()
    assert opener.work(0, [task]) == [(terminal.octets[1:4], terminal.chains[:4], True)]


def test_a_chain_from_elsewhere_than_the_head_is_followed_again():
    rig = Rig(MemoryStore())
    terminal = rig.terminal(1)
    opener = Opener(rig.store, rig.ring)

    class Stale(Openers):
        """Answers as if another record were the last one."""

        def ask(self, tasks):
            self.tasks = [(kid, raw, head, bytes(32), adoptions) for kid, raw, head, _, adoptions in tasks]
            return Asked(len(tasks), [], [])

        def gather(self, _):
            return opener.work(0, self.tasks)

        count = 1

    channel = NotingChannel()
    openers = Stale.none()
    writer = Writer(rig.store, rig.ring, small(), lambda _: None, clock_ms=lambda: NOW_MS, openers=openers)
    writer.start()
    writer.deliver(received(terminal.frame(1, 3), channel, 1))
    assert channel.wait_for(1)
    writer.stop()
    ((_, told, is_proved),) = openers.gather(None)
    assert (told[0], is_proved) == (bytes(32), False), "that is what the gateway was told"
    assert [link.chain for link in rig.store.chain(1, 1, 3)] == terminal.chains[1:4]


def test_a_new_generation_forgets_what_was_published(monkeypatch):
    rig = Rig(MemoryStore())
    terminal = rig.terminal(1, adopted=False)
    granted = terminal.adopt_all(rig.policy, rig.roster, rig.authority)
    terminal.redeem()
    opener = Opener(rig.store, rig.ring)
    rows = [(1, terminal.frame(1, 3), 0, terminal.chains[0], 0)]
    channel = NotingChannel()
    writer = Writer(rig.store, rig.ring, small(), lambda _: None, clock_ms=lambda: NOW_MS)
    writer.start()
    writer.deliver(received(rows[0][1], channel, 1))
    assert channel.wait_for(1)
    task = (1, terminal.frame(4, 4), 3, terminal.chains[3], 3)
    assert opener.work(0, [task]) == [None], "the grant is not published"
    writer.submit(Changes(documents=[rig.grant_document(granted, 1)]), [1]).result(20)
    assert opener.work(0, [task]) == [None]
    assert opener.work(1, [task]) == [(terminal.octets[4:], terminal.chains[3:], True)]
    writer.stop()
    assert frame.read_header(task[1]).first == 4
