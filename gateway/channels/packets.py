"""Cuts a broker's stream into MQTT packets: reads the PUBLISH packets, and leaves every other one as it is.

All but a few of thousands of packets are PUBLISH packets, and a client library makes a dozen objects of each.
"""

from __future__ import annotations

from protocol.frame import MQTT_OCTETS_MAX

_PUBLISH = 3
_HAS_MORE = 0x80
_VARIABLE_OCTETS_MAX = 4
_QOS_ONE = 0x02
_QOS_TWO = 0x04
# Of what is too long to be a frame so much is kept as shows that it is: a payload may have 256 MB.
_PAYLOAD_KEPT_MAX = MQTT_OCTETS_MAX + 1

Publication = tuple[int, str, bytes]
"""Packet id (0 for quality of service 0, which knows none), topic, payload."""


class MalformedPacketError(ConnectionError):
    """Octets that no broker sends; only a new connection helps."""


def cut(stream: bytes | bytearray, *, has_properties: bool) -> tuple[list[Publication], bytes, int]:
    """(publications, the other packets, octets that these were): all whole packets at the front of `stream`.

    `has_properties` is True for MQTT 5 and False for 3.1.1. Raises `MalformedPacketError`.
    """
    publications: list[Publication] = []
    others = bytearray()
    at = 0
    while (found := _variable(stream, at + 1)) is not None:
        length, body_at = found
        end = body_at + length
        if end > len(stream):
            break
        if stream[at] >> 4 == _PUBLISH:
            publications.append(_publication(stream[at], bytes(stream[body_at:end]), has_properties))
        else:
            others += stream[at:end]
        at = end
    return publications, bytes(others), at


def _publication(head: int, body: bytes, has_properties: bool) -> Publication:
    """A PUBLISH packet from its first octet and what follows its length."""
    if head & _QOS_TWO:
        raise MalformedPacketError("a message of a quality of service that nobody has asked for")
    at = 2 + int.from_bytes(body[:2], "big")
    topic = str(body[2:at], "utf-8", "replace")
    packet_id = 0
    if head & _QOS_ONE:
        packet_id = int.from_bytes(body[at : at + 2], "big")
        at += 2
    if has_properties:
        length, at = _variable(body, at) or (0, len(body) + 1)
        at += length
    if at > len(body):
        raise MalformedPacketError("a PUBLISH packet that is shorter than it says")
    return packet_id, topic, body[at : at + _PAYLOAD_KEPT_MAX]


def _variable(octets: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """(value, offset behind it) of a variable byte integer; None where it is not all there."""
    value = 0
    for place in range(_VARIABLE_OCTETS_MAX):
        if at + place >= len(octets):
            return None
        octet = octets[at + place]
        value |= (octet & ~_HAS_MORE) << 7 * place
        if not octet & _HAS_MORE:
            return value, at + place + 1
    raise MalformedPacketError("a length of more than four octets")
