"""The MQTT channel over a real Mosquitto: what a receipt may never do, and what must come again."""

import threading

import pytest
from paho.mqtt import publish

from gateway.channels.mqtt import MqttChannel
from gateway.config import Mqtt
from gateway.store.memory import MemoryStore
from gateway.writer import Writer
from tests.support import tls
from tests.support.gateway_rig import Rig, eventually, small
from tests.support.mqtt_raw import publish_all
from tools.brokers import AmqttBroker, MosquittoBroker, free_port

TOPIC = "lumbung/1/up/0000002a"


class Ears:
    """Collects what a channel delivers; `gives_receipts`: acknowledges it at once."""

    def __init__(self, gives_receipts=False):
        self._gives_receipts = gives_receipts
        self.heard = []
        self.changed = threading.Condition()

    def deliver(self, *received):
        """As the writer would."""
        if self._gives_receipts:
            received[0].channel.acknowledge([each.receipt for each in received])
        with self.changed:
            self.heard += received
            self.changed.notify_all()

    def wait_for(self, count, timeout_s=30):
        """Wait for so many frames."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.heard) >= count, timeout_s), len(self.heard)

    @property
    def octets(self):
        """What was heard."""
        return [received.octets for received in self.heard]


@pytest.fixture
def channels():
    """A factory of started channels, all stopped at the end."""
    made = []

    def start(deliver, broker, **settings):
        config = Mqtt(**{"port": broker.port, "reconnect_ms_max": 200} | settings)
        channel = MqttChannel(config, deliver)
        made.append(channel)
        channel.start()
        eventually(lambda: channel.is_ready, f"connected; {channel.last_error}")
        return channel

    yield start
    for channel in made:
        channel.stop()


def pubacks(broker):
    return sum("Received PUBACK from lumbung-gateway" in line for line in broker.log)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_nothing_is_acknowledged_before_it_is_told(mosquitto, channels, protocol):
    broker = mosquitto()
    ears = Ears()
    channel = channels(ears.deliver, broker, protocol=protocol)
    publish_all(broker.host, broker.port, [(TOPIC, b"frame %d" % number) for number in range(5)])
    ears.wait_for(5)
    assert ears.octets == [b"frame %d" % number for number in range(5)]
    assert pubacks(broker) == 0
    channel.acknowledge([received.receipt for received in ears.heard[:3]])
    eventually(lambda: pubacks(broker) == 3, "three acknowledged")
    channel.stop()
    again = Ears()
    channels(again.deliver, broker, protocol=protocol)
    again.wait_for(2)
    assert again.octets == [b"frame 3", b"frame 4"], "what was not acknowledged comes again, and only that"


def test_a_late_receipt_does_not_destroy_another_record(mosquitto, channels):
    """Packet ids start over when the broker does: a receipt of the old connection must not count for the new one."""
    broker = mosquitto()
    ears = Ears()
    channel = channels(ears.deliver, broker)
    publish_all(broker.host, broker.port, [(TOPIC, b"record A")])
    ears.wait_for(1)
    first = ears.heard[0].receipt
    broker.kill()
    eventually(lambda: not channel.is_ready, "the loss is noticed")
    broker.start()
    eventually(lambda: channel.is_ready, "connected again")
    publish_all(broker.host, broker.port, [(TOPIC, b"record B")])
    ears.wait_for(2)
    second = ears.heard[1].receipt
    assert second[1] == first[1], "the trap is set: both have the same packet id"
    assert second[0] > first[0]
    channel.acknowledge([first])
    eventually(lambda: channel.stale_receipts == 1, "the late receipt is dropped")
    channel.stop()
    again = Ears()
    channels(again.deliver, broker)
    again.wait_for(1)
    assert again.octets == [b"record B"]


def test_frames_wait_at_the_broker_while_the_gateway_is_away(mosquitto, channels):
    broker = mosquitto("max_queued_messages 0")
    channels(Ears().deliver, broker).stop()
    publish_all(broker.host, broker.port, [(TOPIC, b"%d" % number) for number in range(3000)])
    ears = Ears(gives_receipts=True)
    channels(ears.deliver, broker)
    ears.wait_for(3000)
    assert ears.octets == [b"%d" % number for number in range(3000)]
    eventually(lambda: pubacks(broker) == 3000, "all acknowledged")


def test_a_persistent_broker_that_dies_delivers_again(mosquitto, channels):
    broker = mosquitto(*MosquittoBroker.PERSISTENT)
    ears = Ears()
    channel = channels(ears.deliver, broker)
    publish_all(broker.host, broker.port, [(TOPIC, b"kept")])
    ears.wait_for(1)
    broker.stop()
    broker.start()
    ears.wait_for(2)
    assert ears.octets == [b"kept", b"kept"]
    channel.acknowledge([ears.heard[1].receipt])
    eventually(lambda: pubacks(broker) == 1, "acknowledged on the new connection")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_frame_without_a_packet_id_is_taken_and_not_answered(mosquitto, channels, protocol):
    """A PUBACK for a message of quality 0 would name the packet id 0, for which a broker ends the connection."""
    broker = mosquitto()
    ears = Ears(gives_receipts=True)
    channel = channels(ears.deliver, broker, protocol=protocol)
    generation = channel.generation
    publish.single(TOPIC, b"unanswered", 0, hostname=broker.host, port=broker.port)
    ears.wait_for(1)
    publish_all(broker.host, broker.port, [(TOPIC, b"answered")])
    ears.wait_for(2)
    eventually(lambda: pubacks(broker) == 1, "the second one is acknowledged")
    assert ears.octets == [b"unanswered", b"answered"]
    assert channel.generation == generation, "on the same connection"


def test_the_client_bounds_what_is_in_flight(mosquitto, channels):
    broker = mosquitto("max_queued_messages 0")
    channels(Ears().deliver, broker, receive_maximum=7).stop()
    publish_all(broker.host, broker.port, [(TOPIC, b"%d" % number) for number in range(50)])
    ears = Ears()
    channels(ears.deliver, broker, receive_maximum=7)
    ears.wait_for(7)
    assert len(ears.heard) == 7


def test_downlinks_arrive_and_a_broken_connection_refuses_them(mosquitto, channels):
    broker = mosquitto()
    channel = channels(Ears().deliver, broker)
    ears = Ears()
    terminal = channels(ears.deliver, broker, client_id="terminal", topic_prefix="x")
    terminal._client.subscribe("lumbung/1/down/0000002a", 1)
    terminal._wake()
    eventually(
        lambda: any("terminal (QoS 1)" in line or "terminal 1 lumbung/1/down" in line for line in broker.log),
        "subscribed",
    )
    assert channel.send(42, b"acknowledgement")
    ears.wait_for(1)
    assert ears.octets == [b"acknowledgement"]
    broker.stop()
    eventually(lambda: not channel.is_ready, "the loss is noticed")
    assert not channel.send(42, b"lost")


def test_a_dead_broker_is_not_ready_although_the_socket_is_open(mosquitto, channels):
    """Readiness is a round trip: a frozen broker accepts data and answers nothing."""
    import os
    import signal

    broker = mosquitto()
    channel = channels(Ears().deliver, broker, round_trip_s=1)
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        eventually(lambda: not channel.is_ready, "no answer any more")
        assert channel._client.is_connected(), "paho still believes in it"
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    eventually(lambda: channel.is_ready, "answers again")


def test_a_consumer_that_fails_costs_a_connection_not_the_channel(mosquitto, channels):
    broker = mosquitto()
    ears = Ears()
    failures = [1]

    def deliver(*received):
        if failures:
            failures.pop()
            raise ZeroDivisionError("a bug")
        ears.deliver(*received)

    channel = channels(deliver, broker)
    publish_all(broker.host, broker.port, [(TOPIC, b"frame")])
    ears.wait_for(1)
    assert channel.is_alive
    assert channel.generation >= 2


def test_tls_carries_a_backlog_and_a_wrong_ca_is_refused(mosquitto, channels, tmp_path):
    tls.certify(tmp_path)
    tls_port = free_port()
    broker = mosquitto(
        "max_queued_messages 0",
        f"listener {tls_port} 127.0.0.1",
        f"certfile {tmp_path / 'ca.pem'}",
        f"keyfile {tmp_path / 'key.pem'}",
    )
    settings = {"port": tls_port, "tls": True, "tls_ca_file": str(tmp_path / "ca.pem")}
    channels(Ears().deliver, broker, **settings).stop()
    publish_all(broker.host, broker.port, [(TOPIC, b"%d" % number * 50) for number in range(1000)])
    ears = Ears(gives_receipts=True)
    channels(ears.deliver, broker, **settings)
    ears.wait_for(1000)
    assert ears.octets == [b"%d" % number * 50 for number in range(1000)]
    stranger = MqttChannel(Mqtt(port=tls_port, tls=True, reconnect_ms_max=100), Ears().deliver)
    stranger.start()
    eventually(
        lambda: "CERTIFICATE_VERIFY_FAILED" in stranger.last_error, "the system's CAs do not know ours"
    )
    stranger.stop()


def test_a_broker_that_speaks_3_1_1_only_is_served(channels):
    broker = AmqttBroker()
    broker.start()
    try:
        ears = Ears()
        channel = channels(ears.deliver, broker, protocol="3.1.1", username="gateway")
        other = channels(
            Ears().deliver, broker, protocol="3.1.1", username="x", client_id="other", topic_prefix="x"
        )
        other._outgoing.append((TOPIC, b"frame"))
        other._wake()
        ears.wait_for(1)
        assert ears.octets == [b"frame"]
        channel.acknowledge([ears.heard[0].receipt])
        for each in (channel, other):
            each.stop()
    finally:
        broker.stop()


def test_poison_does_not_come_back(mosquitto, channels):
    broker = mosquitto()
    rig = Rig(MemoryStore())
    terminal = rig.terminal(42)
    terminal.redeem()
    writer = Writer(rig.store, rig.ring, small(), lambda _: None)
    channel = channels(writer.deliver, broker)
    writer.start()
    frames = [
        b"",
        b"junk",
        bytes(66_000),
        terminal.frame(4, 4)[:-1],
        terminal.frame(1, 3),
        b"\xff" * 40,
        terminal.frame(4, 4),
    ]
    publish_all(broker.host, broker.port, [(TOPIC, raw) for raw in frames])
    eventually(lambda: pubacks(broker) == len(frames), "everything is acknowledged, good or bad")
    assert [row.sequence for row in rig.store.records(42, 1, 9)] == [1, 2, 3, 4]
    assert rig.store.counters()["frames_invalid"] == 4
    assert rig.store.counters()["frames_unknown_terminal"] == 1
    channel.stop()
    writer.stop()
    ears = Ears()
    channels(ears.deliver, broker)
    publish_all(broker.host, broker.port, [(TOPIC, b"next")])
    ears.wait_for(1)
    assert ears.octets == [b"next"]
