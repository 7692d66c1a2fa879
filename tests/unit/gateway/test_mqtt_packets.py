"""PUBLISH packets are read from a broker's stream however it is cut, and every other packet is left as it came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels import packets
from gateway.channels.packets import MalformedPacketError
from protocol.errors import OutOfRange
from protocol.frame import read_header

PING_RESPONSE = b"\xd0\x00"
CONNACK = b"\x20\x03\x00\x00\x00"


def variable(value):
    """MQTT's variable byte integer."""
    out = bytearray()
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    return bytes(out) + bytes((value,))


def publish(topic, payload, packet_id=0, properties=None, head=0x30):
    """A PUBLISH packet as a broker writes it; `properties` is None for MQTT 3.1.1."""
    body = len(topic.encode()).to_bytes(2, "big") + topic.encode()
    if packet_id:
        head |= 0x02
        body += packet_id.to_bytes(2, "big")
    if properties is not None:
        body += variable(len(properties)) + properties
    body += payload
    return bytes((head,)) + variable(len(body)) + body


PUBLICATIONS = st.tuples(st.integers(0, 65535), st.text(max_size=40), st.binary(max_size=300))


@given(st.lists(PUBLICATIONS, max_size=6), st.booleans(), st.binary(max_size=200), st.data())
def test_any_cut_of_the_stream_gives_the_same_packets(sent, has_properties, properties, data):
    said = properties if has_properties else None
    stream = CONNACK
    for packet_id, topic, payload in sent:
        stream += publish(topic, payload, packet_id, said) + PING_RESPONSE
    at = data.draw(st.integers(0, len(stream)))
    heard, others, left = [], b"", b""
    for piece in (stream[:at], stream[at:]):
        left += piece
        published, rest, done = packets.cut(left, has_properties=has_properties)
        left = left[done:]
        heard += published
        others += rest
    assert heard == sent
    assert others == CONNACK + PING_RESPONSE * len(sent)
    assert left == b""


def test_flags_that_do_not_concern_the_frame_are_ignored():
    """A retained message, and one that is delivered again."""
    for head in (0x31, 0x38, 0x39):
        stream = publish("lumbung/1/up/0000002a", b"frame", 7, head=head)
        assert packets.cut(stream, has_properties=False)[0] == [(7, "lumbung/1/up/0000002a", b"frame")]


def test_of_a_payload_that_is_too_long_for_a_frame_so_much_is_kept_as_shows_it():
    stream = publish("topic", bytes(1 << 20), 7) + publish("topic", b"frame", 8)
    long, short = packets.cut(stream, has_properties=False)[0]
    with pytest.raises(OutOfRange, match="longer than"):
        read_header(long[2])
    assert (long[0], len(long[2])) == (7, 65537)
    assert short == (8, "topic", b"frame")


def test_a_topic_that_is_no_text_does_not_stop_the_stream():
    stream = publish("topic", b"frame", 7).replace(b"topic", b"top\xffc")
    assert packets.cut(stream, has_properties=False)[0] == [(7, "top\ufffdc", b"frame")]


@pytest.mark.parametrize(
    "stream",
    [
        b"\x30\xff\xff\xff\xff\x01",
        publish("topic", b"frame", head=0x34),
        publish("topic", b"frame", head=0x36),
        b"\x32\x01\x00",
        b"\x32\x04\x00\x05to",
        b"\x32\x04\x00\x02to",
        b"\x32\x06\x00\x02to\x00\x07",
        b"\x32\x08\x00\x02to\x00\x07\x05x",
        b"\x32\x0a\x00\x02to\x00\x07\xff\xff\xff\xff",
    ],
    ids=[
        "length",
        "qos 2",
        "qos 3",
        "no topic",
        "topic",
        "no id",
        "no properties",
        "properties",
        "their length",
    ],
)
def test_what_no_broker_sends_is_refused(stream):
    with pytest.raises(MalformedPacketError):
        packets.cut(stream, has_properties=True)
