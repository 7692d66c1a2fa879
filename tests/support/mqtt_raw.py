"""A bare MQTT 3.1.1 publisher for tests: QoS 1, as many in flight as the network takes, nothing left to a library."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterable

CONNECT_TIMEOUT_S = 30.0
_CONNACK_OCTETS = 4
_PUBACK_OCTETS = 4
_READ_OCTETS = 1 << 16
_PACKET_IDS = 65535
_WINDOW = 20_000


def _length(count: int) -> bytes:
    """MQTT's variable byte integer."""
    out = bytearray()
    while True:
        count, octet = divmod(count, 128)
        out.append(octet | (0x80 if count else 0))
        if not count:
            return bytes(out)


def _text(value: str) -> bytes:
    return len(value.encode()).to_bytes(2, "big") + value.encode()


def publish_packet(topic: str, payload: bytes, packet_id: int) -> bytes:
    """One PUBLISH at QoS 1."""
    body = _text(topic) + packet_id.to_bytes(2, "big") + payload
    return b"\x32" + _length(len(body)) + body


def publish_all(host: str, port: int, messages: Iterable[tuple[str, bytes]], client_id: str = "raw") -> int:
    """Publish every (topic, payload) and return when the broker has acknowledged all of them; returns how many."""
    with socket.create_connection((host, port), CONNECT_TIMEOUT_S) as sock:
        body = _text("MQTT") + b"\x04\x02" + (0).to_bytes(2, "big") + _text(client_id)
        sock.sendall(b"\x10" + _length(len(body)) + body)
        answer = sock.recv(_CONNACK_OCTETS)
        assert answer == b"\x20\x02\x00\x00", f"connection refused: {answer.hex()}"
        sock.setblocking(False)
        return _pump(sock, messages)


def _pump(sock: socket.socket, messages: Iterable[tuple[str, bytes]]) -> int:
    """Send and read side by side: a broker stops reading from whoever does not read."""
    source = iter(messages)
    unsent = bytearray()
    taken = bytearray()
    sent = acknowledged = 0
    exhausted = False
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while not exhausted or acknowledged < sent or unsent:
            while not exhausted and len(unsent) < _READ_OCTETS and sent - acknowledged < _WINDOW:
                message = next(source, None)
                if message is None:
                    exhausted = True
                    break
                unsent += publish_packet(*message, sent % _PACKET_IDS + 1)
                sent += 1
            selector.modify(sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if unsent else 0))
            for _, mask in selector.select(CONNECT_TIMEOUT_S):
                if mask & selectors.EVENT_WRITE:
                    del unsent[: sock.send(unsent)]
                if mask & selectors.EVENT_READ:
                    data = sock.recv(_READ_OCTETS)
                    if not data:
                        raise ConnectionError("the broker closed the connection")
                    taken += data
                    acknowledged += len(taken) // _PUBACK_OCTETS
                    del taken[: len(taken) // _PUBACK_OCTETS * _PUBACK_OCTETS]
    return sent
