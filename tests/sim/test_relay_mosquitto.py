"""The firmware's MQTT client on real MicroPython against a real Mosquitto: nothing is lost, nothing forgotten too early."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.worker import MicroPythonWorker
from tools.brokers import MosquittoBroker

DOWN = "lumbung/1/down/0000002a"
UP = "lumbung/1/up/0000002a"
TIMEOUT_MS = 30_000

pytestmark = pytest.mark.timeout(120)


class _Terminal:
    """The client in its MicroPython process."""

    def __init__(self, worker: MicroPythonWorker) -> None:
        self._worker = worker

    def ask(self, name: str, *arguments: Any) -> Any:
        return json.loads(self._worker.call(json.dumps([name, arguments]).encode()))

    def open(self, broker: MosquittoBroker, **options: Any) -> Any:
        return self.ask("open", broker.port, "lumbung-0000002a", DOWN, options)

    def messages(self, count: int, timeout_ms: int = TIMEOUT_MS) -> list[bytes]:
        return [bytes.fromhex(payload) for payload in self.ask("messages", count, timeout_ms)]


@pytest.fixture(params=["unix64", "unix32"])
def terminal(request: pytest.FixtureRequest) -> Iterator[_Terminal]:
    with MicroPythonWorker("tests/sim/drivers/relay_client.py", request.param, timeout_s=60) as worker:
        yield _Terminal(worker)


class _Gateway:
    """The other side, with a library of its own."""

    def __init__(self, broker: MosquittoBroker) -> None:
        self.received: queue.Queue[bytes] = queue.Queue()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="gateway", clean_session=False)
        self._client.on_message = lambda _client, _data, message: self.received.put(message.payload)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        self._client.subscribe(UP, qos=1)

    def send(self, payload: bytes) -> None:
        """Publish and wait until the broker has it."""
        self._client.publish(DOWN, payload, qos=1).wait_for_publish(30)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def gateway_of() -> Iterator[Callable[[MosquittoBroker], _Gateway]]:
    made: list[_Gateway] = []

    def make(broker: MosquittoBroker) -> _Gateway:
        made.append(_Gateway(broker))
        return made[-1]

    yield make
    for gateway in made:
        gateway.close()


def test_what_is_published_arrives_and_is_acknowledged(terminal, mosquitto, gateway_of):
    broker = mosquitto()
    gateway = gateway_of(broker)
    assert terminal.open(broker) == "open"
    for size in (0, 1, 100, 300, 5000):
        payload = bytes(range(256)) * (size // 256 + 1)
        assert terminal.ask("publish", UP, payload[:size].hex(), TIMEOUT_MS) == "taken"
        assert gateway.received.get(timeout=30) == payload[:size]


def test_messages_come_down_in_order_whatever_their_size(terminal, mosquitto, gateway_of):
    broker = mosquitto()
    assert terminal.open(broker) == "open"
    gateway = gateway_of(broker)
    sent = [bytes((size % 251,)) * size for size in (1, 127, 128, 140, 4000, 16384, 60000)]
    for payload in sent:
        gateway.send(payload)
    assert terminal.messages(len(sent)) == sent


def test_what_came_while_the_terminal_was_off_is_waiting_for_it(terminal, mosquitto, gateway_of):
    broker = mosquitto()
    terminal.open(broker)
    terminal.ask("close")
    gateway = gateway_of(broker)
    sent = [b"one", b"two", b"three"]
    for payload in sent:
        gateway.send(payload)
    assert terminal.open(broker) == "open"
    assert terminal.messages(3) == sent
    terminal.ask("close")
    terminal.open(broker)
    assert terminal.messages(1, 300) == []


def test_a_message_is_not_forgotten_before_it_is_handled(terminal, mosquitto, gateway_of):
    """Power is cut while the message is being handled: it comes again."""
    broker = mosquitto()
    terminal.open(broker)
    gateway = gateway_of(broker)
    terminal.ask("handle_how", True, 60_000)
    gateway.send(b"grant")
    assert terminal.ask("begun", TIMEOUT_MS) == [b"grant".hex()]
    terminal.ask("drop")
    terminal.ask("messages", 0, 1)
    terminal.ask("handle_how", True, 0)
    assert terminal.open(broker) == "open"
    assert terminal.messages(1) == [b"grant"]
    terminal.ask("close")
    terminal.open(broker)
    assert terminal.messages(1, 300) == []


def test_a_message_that_is_not_done_with_comes_again(terminal, mosquitto, gateway_of):
    broker = mosquitto()
    terminal.open(broker)
    gateway = gateway_of(broker)
    terminal.ask("handle_how", False, 0)
    gateway.send(b"grant")
    gateway.send(b"another")
    assert terminal.messages(2) == [b"grant", b"another"]
    terminal.ask("close")
    terminal.ask("handle_how", True, 0)
    terminal.open(broker)
    assert sorted(terminal.messages(2)) == [b"another", b"grant"]
    terminal.ask("close")
    terminal.open(broker)
    assert terminal.messages(1, 300) == []


def test_a_broker_that_restarts_ends_the_session_and_forgets_nothing(terminal, mosquitto, gateway_of):
    broker = mosquitto(*MosquittoBroker.PERSISTENT)
    terminal.open(broker)
    gateway = gateway_of(broker)
    terminal.ask("close")
    gateway.send(b"before")
    terminal.open(broker)
    assert terminal.messages(1) == [b"before"]
    gateway.send(b"while")
    assert terminal.messages(1) == [b"while"]
    terminal.ask("handle_how", False, 0)
    gateway.send(b"kept")
    assert terminal.messages(1) == [b"kept"]
    broker.stop()
    assert terminal.ask("wait_for_end", TIMEOUT_MS) == "LinkError"
    assert terminal.open(broker)["error"] == "LinkError"
    broker.start()
    terminal.ask("handle_how", True, 0)
    assert terminal.open(broker) == "open"
    assert terminal.messages(1) == [b"kept"]
    assert terminal.ask("publish", UP, b"after".hex(), TIMEOUT_MS) == "taken"


def test_a_broker_that_dies_is_a_link_that_failed(terminal, mosquitto):
    broker = mosquitto()
    terminal.open(broker)
    broker.kill()
    assert terminal.ask("wait_for_end", TIMEOUT_MS) == "LinkError"
    assert terminal.ask("publish", UP, "00", 1000)["error"] == "LinkError"


def test_a_broker_that_does_not_know_us_says_so(terminal, mosquitto):
    broker = mosquitto("allow_anonymous false")
    answer = terminal.open(broker)
    assert answer == {"error": "MqttError", "text": "CONNACK: not authorized"}
    answer = terminal.open(broker, user="terminal", password="wrong")
    assert answer["error"] == "MqttError"


def test_no_broker_at_all_is_a_link_error(terminal, mosquitto):
    broker = mosquitto()
    broker.stop()
    assert terminal.open(broker)["error"] == "LinkError"
    assert terminal.open(broker, host="nobody.invalid")["error"] == "LinkError"


def test_the_network_below_comes_first(terminal, mosquitto):
    broker = mosquitto()
    answer = terminal.open(broker, network=False)
    assert answer["error"] == "LinkError"
    assert "out of reach" in answer["text"]
    assert terminal.open(broker, network=True) == "open"


# TLS.

Certificate = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def certificate(name: str, issuer: Certificate | None = None, *, days: int = 30) -> Certificate:
    """A CA, or a server's certificate for `name` issued by one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=60))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        names: list[x509.GeneralName] = [x509.DNSName(name)]
        if name[0].isdigit():
            names = [x509.IPAddress(ipaddress.ip_address(name))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def der(made: Certificate) -> str:
    return made[0].public_bytes(serialization.Encoding.DER).hex()


@pytest.fixture
def tls_broker(mosquitto, tmp_path: Path) -> Callable[[Certificate, Certificate], MosquittoBroker]:
    """A broker that listens with TLS and a server certificate."""

    def started(ca: Certificate, server: Certificate) -> MosquittoBroker:
        paths = [tmp_path / name for name in ("ca.pem", "server.pem", "server.key")]
        paths[0].write_bytes(ca[0].public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(server[0].public_bytes(serialization.Encoding.PEM))
        paths[2].write_bytes(
            server[1].private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        broker: MosquittoBroker = mosquitto(
            f"cafile {paths[0]}", f"certfile {paths[1]}", f"keyfile {paths[2]}"
        )
        return broker

    return started


@pytest.fixture
def tls_terminal() -> Iterator[_Terminal]:
    """The client on the build that has TLS; Debian's do not."""
    with MicroPythonWorker("tests/sim/drivers/relay_client.py", "unix64", timeout_s=60) as worker:
        yield _Terminal(worker)


def test_over_tls_frames_go_both_ways(tls_terminal, tls_broker):
    ca = certificate("Lumbung test CA")
    broker = tls_broker(ca, certificate("localhost", ca))
    assert tls_terminal.open(broker, host="localhost", ca=der(ca)) == "open"
    for size in (1, 300, 20000):
        assert tls_terminal.ask("publish", DOWN, (b"x" * size).hex(), TIMEOUT_MS) == "taken"
        assert tls_terminal.messages(1) == [b"x" * size]
    broker.kill()
    assert tls_terminal.ask("wait_for_end", TIMEOUT_MS) == "LinkError"


def test_a_broker_certified_by_another_ca_is_not_believed(tls_terminal, tls_broker):
    ca = certificate("Lumbung test CA")
    broker = tls_broker(ca, certificate("localhost", ca))
    answer = tls_terminal.open(broker, host="localhost", ca=der(certificate("Somebody else's CA")))
    assert answer["error"] == "LinkError"


def test_a_broker_with_another_name_is_not_believed(tls_terminal, tls_broker):
    ca = certificate("Lumbung test CA")
    broker = tls_broker(ca, certificate("broker.example", ca))
    assert tls_terminal.open(broker, host="localhost", ca=der(ca))["error"] == "LinkError"


def test_a_broker_without_tls_is_not_believed(tls_terminal, mosquitto):
    ca = certificate("Lumbung test CA")
    answer = tls_terminal.open(mosquitto(), host="localhost", ca=der(ca))
    assert answer["error"] == "LinkError"


def test_a_ca_that_is_none_is_said(tls_terminal, mosquitto):
    answer = tls_terminal.open(mosquitto(), host="localhost", ca="00112233")
    assert answer["error"] == "LinkError"
    assert "broker CA" in answer["text"]


def test_a_certificate_that_has_expired_is_not_believed(tls_terminal, tls_broker):
    ca = certificate("Lumbung test CA")
    broker = tls_broker(ca, certificate("localhost", ca, days=-1))
    assert tls_terminal.open(broker, host="localhost", ca=der(ca))["error"] == "LinkError"


def test_a_runtime_without_tls_says_so(mosquitto):
    with MicroPythonWorker("tests/sim/drivers/relay_client.py", "unix32", timeout_s=60) as worker:
        answer = _Terminal(worker).open(mosquitto(), host="localhost", ca="00")
    assert answer == {"error": "LinkError", "text": "TLS: not in this runtime"}
