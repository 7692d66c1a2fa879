"""MQTT 3.1.1 control packets as octets (OASIS MQTT 3.1.1, section 3): only what a QoS 1 client needs, no I/O.

Written here because stock MicroPython carries no client whose QoS 1 keeps its promises under an injected link.
"""

CONNACK = 2
PUBLISH = 3
PUBACK = 4
SUBACK = 9
UNSUBACK = 11
PINGRESP = 13

_CONNECT = 0x10
_SUBSCRIBE = 0x82
_UNSUBSCRIBE = 0xA2
# The largest frame (protocol/frame, MQTT_OCTETS_MAX) with its topic, and some room.
REMAINING_MAX = 66000
STRING_MAX = 0xFFFF

PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"

# Return codes of CONNACK (section 3.2.2.3).
_REFUSALS = (
    "accepted",
    "unacceptable protocol version",
    "identifier rejected",
    "server unavailable",
    "bad user name or password",
    "not authorized",
)


class MqttError(Exception):
    """The broker broke the protocol or refused; the message names packet and reason."""


def _string(value: bytes) -> bytes:
    """Octets behind a two-octet length (section 1.5.3)."""
    if len(value) > STRING_MAX:
        raise MqttError("string: longer than %d octets" % STRING_MAX)
    return len(value).to_bytes(2, "big") + value


def _packet(first: int, body: bytes) -> bytes:
    """Fixed header with its remaining length (section 2.2.3), then the body."""
    if len(body) > REMAINING_MAX:
        raise MqttError("packet %d: longer than %d octets" % (first >> 4, REMAINING_MAX))
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
    """CONNECT with a persistent session (clean session 0); a password goes only with a user name (3.1.2.9)."""
    flags = (0x80 if username else 0) | (0x40 if username and password else 0)
    body = _string(b"MQTT") + bytes((4, flags)) + keepalive_s.to_bytes(2, "big") + _string(client_id)
    if username:
        body += _string(username)
        if password:
            body += _string(password)
    return _packet(_CONNECT, body)


def publish(topic: bytes, payload: bytes, packet_id: int) -> bytes:
    """PUBLISH with QoS 1. Never flagged as repeated: what is sent again is a new message (design, rule 4)."""
    return _packet(0x32, _string(topic) + packet_id.to_bytes(2, "big") + payload)


def puback(packet_id: int) -> bytes:
    """PUBACK."""
    return _packet(PUBACK << 4, packet_id.to_bytes(2, "big"))


def subscribe(topic: bytes, packet_id: int, quality: int = 1) -> bytes:
    """SUBSCRIBE to one topic, with QoS 1 or less."""
    return _packet(_SUBSCRIBE, packet_id.to_bytes(2, "big") + _string(topic) + bytes((quality,)))


def unsubscribe(topic: bytes, packet_id: int) -> bytes:
    """UNSUBSCRIBE from one topic."""
    return _packet(_UNSUBSCRIBE, packet_id.to_bytes(2, "big") + _string(topic))


class Packet:
    """A received packet: `kind`, and `packet_id`, `topic`, `payload`, `code` or `session_present` where it has them."""

    kind: int
    packet_id: int
    topic: bytes
    payload: bytes
    code: int
    session_present: bool


def parse(first: int, body: bytes) -> Packet:
    """The packet of a fixed-header octet and its body; raises `MqttError`."""
    packet = Packet()
    packet.kind = first >> 4
    if packet.kind == PUBLISH:
        _parse_publish(first, body, packet)
        return packet
    if first & 0x0F:
        raise MqttError("packet %d: reserved flags are set" % packet.kind)
    if packet.kind == CONNACK:
        _require_length("CONNACK", body, 2)
        packet.session_present = body[0] == 1
        packet.code = body[1]
    elif packet.kind == SUBACK:
        _require_length("SUBACK", body, 3)
        packet.packet_id = int.from_bytes(body[:2], "big")
        packet.code = body[2]
    elif packet.kind in (PUBACK, UNSUBACK):
        _require_length("PUBACK" if packet.kind == PUBACK else "UNSUBACK", body, 2)
        packet.packet_id = int.from_bytes(body, "big")
    elif packet.kind == PINGRESP:
        _require_length("PINGRESP", body, 0)
    else:
        raise MqttError("packet %d: not for a client like this" % packet.kind)
    return packet


def _require_length(name: str, body: bytes, length: int) -> None:
    if len(body) != length:
        raise MqttError("%s: %d octets, not %d" % (name, len(body), length))


def _parse_publish(first: int, body: bytes, packet: Packet) -> None:
    """Topic, packet id (0 with QoS 0) and payload."""
    quality = first >> 1 & 3
    if quality > 1:
        raise MqttError("PUBLISH: quality %d was not asked for" % quality)
    if len(body) < 2:
        raise MqttError("PUBLISH: too short for a topic")
    end = 2 + int.from_bytes(body[:2], "big")
    start = end + 2 if quality else end
    if start > len(body):
        raise MqttError("PUBLISH: %d octets, %d needed" % (len(body), start))
    packet.topic = bytes(body[2:end])
    packet.packet_id = int.from_bytes(body[end:start], "big") if quality else 0
    if quality and packet.packet_id == 0:
        raise MqttError("PUBLISH: packet id 0")
    packet.payload = bytes(body[start:])


def refusal(code: int) -> str:
    """What a CONNACK return code means."""
    return _REFUSALS[code] if code < len(_REFUSALS) else "code %d" % code
