"""A whole gateway process between a real broker and a settlement service over HTTP: from record to state and back."""

import json
import socket
import subprocess

import pytest

from protocol import acknowledgement
from tests.support.frames import GRANT_RUPIAH, Terminal
from tests.support.gateway_rig import GatewayProcess, eventually
from tests.support.mqtt_raw import publish_all
from tests.support.settlement_stub import StubService, serving


@pytest.fixture
def service():
    """A settlement service."""
    with serving(StubService()) as made:
        yield made


@pytest.fixture
def gateway(mosquitto, tmp_path, service):
    """A running gateway between broker and service."""
    broker = mosquitto()
    made = GatewayProcess(
        tmp_path,
        broker.port,
        f"settlement.url={service.url}",
        "settlement.poll_ms=20",
        "acknowledge.interval_ms=50",
    )
    made.broker = broker
    made.start()
    yield made
    made.stop()


def send(gateway, *frames):
    """Publish frames on the topics of their terminals."""
    messages = [(f"lumbung/1/up/{raw[1:5].hex()}", raw) for raw in frames]
    publish_all(gateway.broker.host, gateway.broker.port, messages)


def health(gateway):
    """What the process last said about itself."""
    return json.loads((gateway.data / "health.json").read_text())


def states(ear):
    """The last state told of each record."""
    told = {}
    for each in ear.acknowledgements():
        told |= {each.states_first + place: state for place, state in enumerate(each.states)}
    return told


def test_from_record_to_settled_and_back(gateway, service):
    terminal = gateway.terminal(42)
    ear = gateway.listen(terminal)
    for _ in range(5):
        terminal.redeem()
    service.outcomes["0000002a", 6] = ("refused", "card blocked")
    service.outcomes["0000002a", 7] = ("disputed", "seen before")
    send(gateway, terminal.report(), terminal.frame(1, 3), terminal.frame(4, 8))
    settled, refused, disputed = acknowledgement.SETTLED, acknowledgement.REFUSED, acknowledgement.DISPUTED
    expected = dict(enumerate([settled] * 5 + [refused, disputed, settled], 1))
    eventually(lambda: states(ear) == expected, "the terminal knows all states")
    last = ear.acknowledgements()[-1]
    assert (last.sealed_through, last.reclaim_through) == (8, 8)
    assert last.chain_digest == terminal.chains[8][:16]
    ear.close()
    told = json.loads(gateway.run("status", "--json"))
    totals = told["totals"]
    assert (totals["settled_rupiah"], totals["refused_rupiah"], totals["disputed_rupiah"]) == (
        3 * GRANT_RUPIAH, GRANT_RUPIAH, GRANT_RUPIAH,
    )  # fmt: skip
    assert totals["pending_rupiah"] == 0
    assert told["health"]["running"]
    assert told["health"]["broker"]["ready"]
    eventually(
        lambda: health(gateway)["settlement"]["last_success_ms"] > 0, "its health tells of the success"
    )
    assert gateway.stop() == 0


def test_settlement_away_and_broker_away_and_both_back(gateway, service):
    terminal = gateway.terminal(42)
    service.faults += [503, 500, 502]
    send(gateway, terminal.frame(1, 3))
    terminal.redeem()
    before = health(gateway)["broker"]["generation"]
    gateway.broker.stop()
    gateway.broker.start()
    eventually(
        lambda: health(gateway)["broker"]["generation"] > before and gateway.is_ready(), "connected again"
    )
    ear = gateway.listen(terminal)
    send(gateway, terminal.frame(4))
    eventually(lambda: states(ear).get(4) == acknowledgement.SETTLED, "settled after all")
    keys = [key for key, _ in service.requests]
    assert keys[:4] == [keys[0]] * 4, "the same request, with the same key, until it is answered"
    assert sorted(sequence for _, sequence in service.booked) == [1, 2, 3, 4]
    ear.close()


def test_orders_are_obeyed_while_it_runs(gateway):
    stranger = Terminal(77, gateway.authority, gateway.request)
    grant = stranger.adopt_all(gateway.policy, gateway.roster, gateway.authority)
    stranger.redeem()
    send(gateway, stranger.frame(1, 3), stranger.frame(4, literal=True))

    def row():
        found = gateway.reader()
        terminal = found.terminal(77)
        evidence = len(found.evidence(77, 9))
        found.close()
        return (terminal.sealed_through if terminal else None, evidence)

    eventually(lambda: row() == (None, 2), "a stranger's frames are evidence")
    path = gateway.folder / "stranger.cert"
    path.write_bytes(stranger.certificate)
    gateway.run("register", str(path))
    eventually(lambda: row() == (4, 0), "they are judged again once it is registered")
    gateway.publish("grant", grant, "--kid", "4d")
    stranger.redeem()
    send(gateway, stranger.frame(5))
    eventually(lambda: row() == (5, 0), "its context is known by now")
    gateway.run("revoke", "0000004d")
    stranger.redeem()
    send(gateway, stranger.frame(6))
    eventually(lambda: row() == (5, 1), "a revoked terminal's frames are evidence")
    assert json.loads(gateway.run("evidence", "list", "--json"))[0]["outcome"] == "revoked_terminal"


def test_refused_orders_keep_their_exit_status(gateway):
    path = gateway.folder / "bad.cert"
    path.write_bytes(bytes(200))
    done = subprocess.run(
        [*gateway._command, "register", str(path)], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 4
    assert "signature does not verify" in done.stderr


def test_a_second_gateway_on_the_same_data_is_refused(gateway):
    done = subprocess.run([*gateway._command, "run"], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 5
    assert "exactly one may write" in done.stderr


def test_systemd_hears_ready_alive_and_stopping(mosquitto, tmp_path, monkeypatch):
    broker = mosquitto()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "30000000")
        gateway = GatewayProcess(tmp_path, broker.port)
        gateway.start()
        assert manager.recv(100) == b"READY=1"
        assert manager.recv(100) == b"WATCHDOG=1"
        assert gateway.stop() == 0
        heard = b""
        while heard != b"STOPPING=1":
            heard = manager.recv(100)
            assert heard in (b"WATCHDOG=1", b"STOPPING=1")
