"""MQTT through the modem's sockets against a real Mosquitto: nothing is lost, whoever closes the connection."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from tests.property.drivers import modem_mqtt
from tests.support.worker import MicroPythonWorker
from tools.brokers import MosquittoBroker
from tools.setup import checkout

DRIVER = "tests/property/drivers/modem_mqtt.py"
UP, DOWN = 12, 8


@pytest.fixture
def broker() -> Iterator[MosquittoBroker]:
    """A Mosquitto whose sessions outlive a restart."""
    if "mosquitto" in checkout.missing():
        pytest.skip("no mosquitto: " + checkout.missing()["mosquitto"])
    running = MosquittoBroker(MosquittoBroker.PERSISTENT)
    running.start()
    yield running
    running.stop()


class Gateway:
    """The other end: takes what comes up, sends down from a session that the broker keeps."""

    def __init__(self, broker: MosquittoBroker) -> None:
        self.received: list[bytes] = []
        self.news = threading.Condition()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "gateway", clean_session=False)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_message = self._take
        self.is_connected = threading.Event()
        self.client.on_connect = self._connected
        self.client.on_disconnect = lambda *_: self.is_connected.clear()
        self.client.connect(broker.host, broker.port)
        self.client.loop_start()

    def _connected(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe("up/#", 1)
        self.is_connected.set()

    def _take(self, _client: object, _userdata: object, message: Any) -> None:
        with self.news:
            self.received.append(message.payload)
            self.news.notify_all()

    def wait_for(self, count: int) -> None:
        """Until that many different messages have come."""
        with self.news:
            assert self.news.wait_for(lambda: len(set(self.received)) >= count, 45)

    def send(self, number: int) -> None:
        """Down to the terminal."""
        assert self.is_connected.wait(20)
        self.client.publish("down/terminal", down(number), qos=1).wait_for_publish(10)

    def close(self) -> None:
        """Leave."""
        self.client.loop_stop()
        self.client.disconnect()


def down(number: int) -> bytes:
    """Of any content and length."""
    return b"down %d " % number + bytes(value * number % 256 for value in range(number * 131 % 2000))


def kick(broker: MosquittoBroker) -> None:
    """Somebody logs in with the terminal's name, so the broker closes the terminal's connection.

    He acknowledges nothing, so what the broker has for the terminal stays there.
    """
    rival = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "terminal", clean_session=False, manual_ack=True)
    is_in = threading.Event()
    rival.on_connect = lambda *_: is_in.set()
    rival.connect(broker.host, broker.port)
    rival.loop_start()
    assert is_in.wait(20)
    rival.disconnect()
    rival.loop_stop()


@pytest.mark.parametrize(
    ("family", "variant"),
    [("SIM7600", "unix64"), ("SIM800", "unix32"), ("EC25", "unix64"), ("A7670", "unix32")],
)
def test_nothing_is_lost_over_closed_connections(broker, family, variant):
    gateway = Gateway(broker)
    with (
        MicroPythonWorker(DRIVER, variant, heap="32m", timeout_s=60) as worker,
        ThreadPoolExecutor(1) as pool,
    ):
        request = {"family": family, "port": broker.port, "up": UP, "down": DOWN}
        running = pool.submit(worker.call, json.dumps(request).encode())
        gateway.wait_for(3)
        for number in range(DOWN // 2):
            gateway.send(number)
        kick(broker)
        gateway.wait_for(7)
        broker.stop()
        broker.start()
        for number in range(DOWN // 2, DOWN):
            gateway.send(number)
        answer = json.loads(running.result(60))
    gateway.wait_for(UP)
    gateway.close()
    assert set(gateway.received) == {modem_mqtt.payload(number) for number in range(UP)}
    assert {bytes.fromhex(octets) for octets in answer["down"]} == {down(number) for number in range(DOWN)}
    assert answer["sessions"] >= 2
    # On a busy host answers may come too late, and what the driver then does about it is noise to the modem.
    assert answer["noise"] == 0 or answer["silent"] > 0
