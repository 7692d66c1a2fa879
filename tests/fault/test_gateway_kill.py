"""The gateway's process dies in the middle of its work, the broker too: no record is lost, none is there twice."""

import random

import pytest

from protocol import acknowledgement
from tests.support.gateway_rig import GatewayProcess, eventually
from tests.support.mqtt_raw import publish_all

TERMINALS = 4
RECORDS = 120
ROUNDS = 4


@pytest.fixture
def gateway(mosquitto, tmp_path):
    """A broker and a gateway that is not running yet."""
    broker = mosquitto("max_queued_messages 0")
    made = GatewayProcess(tmp_path, broker.port)
    made.broker = broker
    yield made
    made.stop()


def frames_of(terminal, rng, first):
    """All records from `first` on, in sealed frames of any size, and some unsealed ones beside."""
    found = []
    while first <= terminal.head:
        last = min(terminal.head, first + rng.randrange(6))
        found.append(terminal.frame(first, last))
        if rng.randrange(4) == 0:
            found.append(terminal.frame(first, last, sealed=False))
        first = last + 1
    return [(f"lumbung/1/up/{terminal.kid:08x}", raw) for raw in found]


def sealed(gateway, terminal):
    reader = gateway.reader()
    row = reader.terminal(terminal.kid)
    reader.close()
    return row.sealed_through


def check_books(gateway, terminals):
    """Every record once, in its place, in exactly one run on its way to settlement."""
    reader = gateway.reader()
    for terminal in terminals:
        rows = reader.records(terminal.kid, 1, 1 << 23)
        assert [row.octets for row in rows] == terminal.octets[1:]
        assert [row.chain for row in rows] == terminal.chains[1:]
        assert reader.terminal(terminal.kid).sealed_through == terminal.head
        runs = sorted((r.first, r.last) for r in reader.outbox_due(1 << 60, 1 << 20) if r.kid == terminal.kid)
        assert [first for first, _ in runs] == [1, *[last + 1 for _, last in runs[:-1]]]
        assert runs[-1][1] == terminal.head
    counters = reader.counters()
    assert counters["records"] == sum(terminal.head for terminal in terminals)
    assert "frames_conflict" not in counters
    reader.close()


def test_kill_during_batches(gateway, run_seed):
    """SIGKILL again and again while a backlog is worked off; the broker delivers what was not acknowledged."""
    rng = random.Random(run_seed)
    terminals = [gateway.terminal(kid) for kid in range(1, TERMINALS + 1)]
    gateway.start()
    publish_all(
        gateway.broker.host,
        gateway.broker.port,
        [(f"lumbung/1/up/{t.kid:08x}", t.frame(1, 3)) for t in terminals],
    )
    for round_number in range(ROUNDS):
        messages = []
        for terminal in terminals:
            first = terminal.head + 1
            for _ in range(RECORDS // ROUNDS):
                terminal.redeem()
            messages += frames_of(terminal, rng, first)
        rng.shuffle(messages)
        before = sum(sealed(gateway, terminal) for terminal in terminals)
        publish_all(gateway.broker.host, gateway.broker.port, messages)
        if round_number:
            eventually(lambda before=before: sum(sealed(gateway, t) for t in terminals) > before, "it works")
        gateway.kill()
        gateway.start()
    for terminal in terminals:
        eventually(lambda t=terminal: sealed(gateway, t) == t.head, f"all of {terminal.kid:08x} is sealed")
    check_books(gateway, terminals)


def test_terminals_resend_what_a_dead_broker_lost(gateway, run_seed):
    """Without persistence the broker forgets everything; only the signed acknowledgement lets a terminal forget."""
    rng = random.Random(run_seed)
    terminal = gateway.terminal(9)
    gateway.start()
    publish_all(gateway.broker.host, gateway.broker.port, [("lumbung/1/up/00000009", terminal.frame(1, 3))])
    for _ in range(RECORDS):
        terminal.redeem()
    messages = frames_of(terminal, rng, 4)
    publish_all(gateway.broker.host, gateway.broker.port, messages[: len(messages) // 2])
    gateway.broker.kill()
    gateway.broker.start()
    gateway.kill()
    gateway.start()
    publish_all(gateway.broker.host, gateway.broker.port, messages)
    eventually(lambda: sealed(gateway, terminal) == terminal.head, "the resent records are sealed")
    check_books(gateway, [terminal])


def test_counters_of_downlinks_never_repeat_over_a_kill(gateway):
    """Each downlink has a counter of its own, also after the process died without saying goodbye."""
    terminal = gateway.terminal(9)
    caught = gateway.listen(terminal)
    gateway.start()
    counters = []
    for sequence in range(3):
        first = 1 if sequence == 0 else terminal.redeem()
        publish_all(
            gateway.broker.host, gateway.broker.port, [("lumbung/1/up/00000009", terminal.frame(first))]
        )

        def is_told(head=terminal.head):
            return any(told.sealed_through == head for told in caught.acknowledgements())

        eventually(is_told, "acknowledged")
        counters = [told.counter for told in caught.acknowledgements()]
        gateway.kill()
        gateway.start()
    assert len(set(counters)) == len(counters)
    assert counters == sorted(counters)
    assert all(isinstance(told, acknowledgement.Acknowledgement) for told in caught.acknowledgements())
