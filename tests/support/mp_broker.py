"""A link whose other end a test plays: what was written is seen, what is read the test puts there."""

import asyncio

from firmware.relay.link import LinkError

CONNACK = b"\x20\x02\x00\x00"


class PlayedLink:
    """A link in memory. `written` holds the packets; `answer(packet)` gives the octets that the broker sends back."""

    def __init__(self, answer=None, opens=True):
        self.written = []
        self.answer = answer or (lambda packet: b"")
        self.opens = opens
        self.is_open = False
        self.closed = 0
        self._held = b""
        self._more = asyncio.Event()
        self._is_broken = False

    async def open(self):
        if not self.opens:
            raise LinkError("refused")
        self.is_open = True

    async def read(self, length):
        while len(self._held) < length:
            if self._is_broken:
                raise LinkError("read: closed")
            self._more.clear()
            await self._more.wait()
        taken, self._held = self._held[:length], self._held[length:]
        return taken

    async def write(self, octets):
        if self._is_broken or not self.is_open:
            raise LinkError("write: closed")
        self.written.append(bytes(octets))
        self.feed(self.answer(octets))

    async def close(self):
        self.is_open = False
        self.closed += 1

    def feed(self, octets):
        """The broker sends."""
        self._held += octets
        self._more.set()

    def fail(self):
        """The broker closes the connection."""
        self._is_broken = True
        self._more.set()

    def kinds(self):
        """Kinds of the packets written, in order."""
        return [packet[0] >> 4 for packet in self.written]


def polite(packet):
    """What a broker answers that takes everything."""
    kind = packet[0] >> 4
    if kind == 1:
        return CONNACK
    if kind == 8:
        return b"\x90\x03" + packet[2:4] + b"\x01"
    if kind == 3:
        topic = packet[skip_length(packet) :]
        at = 2 + int.from_bytes(topic[:2], "big")
        return b"\x40\x02" + topic[at : at + 2]
    if kind == 12:
        return b"\xd0\x00"
    return b""


class Keeper:
    """A broker that keeps messages: `kept` is topic -> payload; `asked` the topics that clients subscribed to with QoS 0.

    With `refuses` it does not let clients have them.
    """

    def __init__(self, kept=None):
        self.kept = kept or {}
        self.asked = []
        self.left = []
        self.refuses = False

    def answer(self, packet):
        """What goes back for a packet."""
        kind = packet[0] >> 4
        body = packet[skip_length(packet) :]
        if kind == 10:
            self.left.append(body[4:].decode())
            return b"\xb0\x02" + body[:2]
        if kind != 8 or body[-1]:
            return polite(packet)
        topic = body[4:-1]
        self.asked.append(topic.decode())
        if self.refuses:
            return b"\x90\x03" + body[:2] + b"\x80"
        payload = self.kept.get(topic.decode(), b"")
        return b"\x90\x03" + body[:2] + b"\x00" + (retained(topic, payload) if payload else b"")


def retained(topic, payload):
    """A retained PUBLISH with QoS 0."""
    body = len(topic).to_bytes(2, "big") + topic + payload
    length = bytearray()
    left = len(body)
    while True:
        length.append(left & 0x7F | (0x80 if left > 0x7F else 0))
        left >>= 7
        if not left:
            return b"\x31" + bytes(length) + body


def skip_length(packet):
    """Where the body of a packet begins."""
    at = 1
    while packet[at] & 0x80:
        at += 1
    return at + 1


def payload_of(packet):
    """The payload of a PUBLISH with QoS 1."""
    body = packet[skip_length(packet) :]
    return body[4 + int.from_bytes(body[:2], "big") :]


def message(payload, packet_id=7, topic=b"t"):
    """A PUBLISH with QoS 1 of a broker (up to 127 octets)."""
    body = len(topic).to_bytes(2, "big") + topic + packet_id.to_bytes(2, "big") + payload
    assert len(body) < 128
    return bytes((0x32, len(body))) + body
