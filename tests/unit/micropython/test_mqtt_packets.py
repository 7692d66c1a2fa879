"""MQTT packets are what the standard's own examples say, and anything else is refused by name."""

from firmware.relay import mqtt_packets as mqtt
from firmware.relay.mqtt_packets import MqttError
from tests.support.mp import raises


def test_connect_is_the_standards_octets():
    octets = mqtt.connect(b"lumbung-1", b"user", b"secret", 60)
    body = b"\x00\x04MQTT\x04\xc0\x00\x3c\x00\x09lumbung-1\x00\x04user\x00\x06secret"
    assert octets == b"\x10" + bytes((len(body),)) + body


def test_connect_without_a_user_has_no_password_either():
    """3.1.2.9: a password flag needs a user name flag."""
    for password in (b"", b"secret"):
        octets = mqtt.connect(b"a", b"", password, 60)
        assert octets == b"\x10\x0d\x00\x04MQTT\x04\x00\x00\x3c\x00\x01a"


def test_the_session_outlives_the_connection():
    flags = mqtt.connect(b"a", b"u", b"p", 60)[9]
    assert flags & 0x02 == 0


def test_publish_subscribe_and_puback_are_the_standards_octets():
    assert mqtt.publish(b"a/b", b"\x01\x02", 10) == b"\x32\x09\x00\x03a/b\x00\x0a\x01\x02"
    assert mqtt.subscribe(b"a/b", 10) == b"\x82\x08\x00\x0a\x00\x03a/b\x01"
    assert mqtt.subscribe(b"a/b", 10, 0) == b"\x82\x08\x00\x0a\x00\x03a/b\x00"
    assert mqtt.unsubscribe(b"a/b", 10) == b"\xa2\x07\x00\x0a\x00\x03a/b"
    assert mqtt.puback(0x1234) == b"\x40\x02\x12\x34"
    assert (mqtt.PINGREQ, mqtt.DISCONNECT) == (b"\xc0\x00", b"\xe0\x00")


def test_remaining_lengths_are_the_standards():
    """2.2.3: the borders between one, two and three octets."""
    for length, head in ((127, b"\x7f"), (128, b"\x80\x01"), (16383, b"\xff\x7f"), (16384, b"\x80\x80\x01")):
        octets = mqtt.publish(b"t", bytes(length - 5), 1)
        assert octets[1 : 1 + len(head)] == head, length
        assert len(octets) == 1 + len(head) + length


def test_what_is_too_large_is_not_built():
    raises(MqttError, mqtt.publish, b"t", bytes(mqtt.REMAINING_MAX), 1)
    raises(MqttError, mqtt.publish, bytes(0x10000), b"", 1)
    raises(MqttError, mqtt.connect, bytes(0x10000), b"", b"", 1)


def test_what_a_broker_sends_is_read():
    packet = mqtt.parse(0x20, b"\x01\x00")
    assert (packet.kind, packet.code, packet.session_present) == (mqtt.CONNACK, 0, True)
    packet = mqtt.parse(0x20, b"\x00\x05")
    assert (packet.code, packet.session_present) == (5, False)
    packet = mqtt.parse(0x40, b"\x12\x34")
    assert (packet.kind, packet.packet_id) == (mqtt.PUBACK, 0x1234)
    packet = mqtt.parse(0x90, b"\x00\x01\x01")
    assert (packet.kind, packet.packet_id, packet.code) == (mqtt.SUBACK, 1, 1)
    packet = mqtt.parse(0xB0, b"\x12\x34")
    assert (packet.kind, packet.packet_id) == (mqtt.UNSUBACK, 0x1234)
    assert mqtt.parse(0xD0, b"").kind == mqtt.PINGRESP


def test_messages_of_both_qualities_are_read_repeated_or_retained_or_not():
    for first in (0x32, 0x3A, 0x33):
        packet = mqtt.parse(first, b"\x00\x03a/b\x00\x07xyz")
        assert (packet.kind, packet.topic, packet.packet_id, packet.payload) == (
            mqtt.PUBLISH,
            b"a/b",
            7,
            b"xyz",
        )
    packet = mqtt.parse(0x30, b"\x00\x03a/bxyz")
    assert (packet.packet_id, packet.payload) == (0, b"xyz")
    assert mqtt.parse(0x32, b"\x00\x00\x00\x07").payload == b""


def test_anything_else_is_refused_by_name():
    for first, body, word in (
        (0x20, b"\x00", "CONNACK"),
        (0x20, b"\x00\x00\x00", "CONNACK"),
        (0x21, b"\x00\x00", "reserved"),
        (0x40, b"\x01", "PUBACK"),
        (0x90, b"\x00\x01", "SUBACK"),
        (0x90, b"\x00\x01\x01\x01", "SUBACK"),
        (0xD0, b"\x00", "PINGRESP"),
        (0x30, b"", "PUBLISH"),
        (0x30, b"\x00\x03a", "PUBLISH"),
        (0x32, b"\x00\x03a/b\x00", "PUBLISH"),
        (0x32, b"\x00\x03a/b\x00\x00x", "packet id 0"),
        (0x34, b"\x00\x03a/b\x00\x07x", "quality 2"),
        (0x36, b"\x00\x03a/b\x00\x07x", "quality 3"),
        (0x50, b"\x00\x01", "packet 5"),
        (0x10, b"", "packet 1"),
        (0x00, b"", "packet 0"),
        (0xF0, b"", "packet 15"),
    ):
        error = raises(MqttError, mqtt.parse, first, body)
        assert word in str(error), (first, body, str(error))


def test_a_refusal_is_said_in_words():
    assert mqtt.refusal(5) == "not authorized"
    assert mqtt.refusal(77) == "code 77"
