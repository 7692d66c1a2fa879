"""MQTT 3.1.1 control packets as octets (OASIS MQTT 3.1.1, section 3): only what a QoS 1 client needs, no I/O.

Written here because stock MicroPython carries no client whose QoS 1 keeps its promises under an injected link.
"""

CONNACK = 2
PUBLISH = 3
PUBACK = 4
SUBACK = 9
PINGRESP = 13

_CONNECT = 0x10
_SUBSCRIBE = 0x82
REMAINING_MAX = 70000


class MqttError(Exception):
    """The broker broke the protocol or refused; the message names packet and reason."""


def _string(value: bytes) -> bytes:
    """Octets behind a two-octet length."""
    return len(value).to_bytes(2, "big") + value


def _packet(first: int, body: bytes) -> bytes:
    """Fixed header with its remaining length, then the body."""
    out = bytearray((first,))
    length = len(body)
    while True:
        low = length & 0x7F
        length >>= 7
        out.append(low | 0x80 if length else low)
        if not length:
            break
    out.extend(body)
    return bytes(out)


def connect(client_id: bytes, username: bytes, password: bytes, keepalive_s: int) -> bytes:
    """CONNECT with a persistent session (clean session 0)."""
    flags = (0x80 if username else 0) | (0x40 if password else 0)
    body = _string(b"MQTT") + bytes((4, flags)) + keepalive_s.to_bytes(2, "big") + _string(client_id)
    if username:
        body += _string(username)
    if password:
        body += _string(password)
    return _packet(_CONNECT, body)


def publish(topic: bytes, payload: bytes, packet_id: int, repeated: bool) -> bytes:
    """PUBLISH with QoS 1."""
    return _packet(0x3A if repeated else 0x32, _string(topic) + packet_id.to_bytes(2, "big") + payload)


def puback(packet_id: int) -> bytes:
    """PUBACK."""
    return _packet(PUBACK << 4, packet_id.to_bytes(2, "big"))


def subscribe(topic: bytes, packet_id: int) -> bytes:
    """SUBSCRIBE to one topic with QoS 1."""
    return _packet(_SUBSCRIBE, packet_id.to_bytes(2, "big") + _string(topic) + b"\x01")


PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"


class Packet:
    """A received packet: `kind`, and `packet_id`, `topic`, `payload` or `code` where the kind has them."""

    kind: int
    packet_id: int
    topic: bytes
    payload: bytes
    code: int


def parse(first: int, body: bytes) -> Packet:
    """The packet of a fixed-header octet and its body; raises `MqttError`."""
    packet = Packet()
    packet.kind = first >> 4
    if packet.kind == CONNACK or packet.kind == SUBACK:
        if len(body) < 2:
            raise MqttError("packet %d: too short" % packet.kind)
        packet.packet_id = int.from_bytes(body[:2], "big")
        packet.code = body[-1]
    elif packet.kind == PUBACK:
        if len(body) != 2:
            raise MqttError("PUBACK: not 2 octets")
        packet.packet_id = int.from_bytes(body, "big")
    elif packet.kind == PUBLISH:
        _parse_publish(first, body, packet)
    elif packet.kind != PINGRESP:
        raise MqttError("packet %d: unexpected" % packet.kind)
    return packet


def _parse_publish(first: int, body: bytes, packet: Packet) -> None:
    """Topic, packet id (0 with QoS 0) and payload."""
    if len(body) < 2:
        raise MqttError("PUBLISH: too short")
    end = 2 + int.from_bytes(body[:2], "big")
    quality = first >> 1 & 3
    if quality == 2 or quality == 3 or end + (2 if quality else 0) > len(body):
        raise MqttError("PUBLISH: wrong quality or length")
    packet.topic = bytes(body[2:end])
    packet.packet_id = int.from_bytes(body[end : end + 2], "big") if quality else 0
    packet.payload = bytes(body[end + (2 if quality else 0) :])
