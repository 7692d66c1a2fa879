"""A model of an MQTT broker: sessions, QoS 1, packet ids; it restarts, repeats, delays and overtakes as the dice say.

Terminals speak MQTT 3.1.1 to it, octet by octet; the gateway's side is a session of messages with receipts, as
`gateway.channels.mqtt` makes them of its own connection. (The real client of the gateway meets a real Mosquitto in
test_fleet_stack.py.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from firmware.relay import mqtt_packets as packets
from tests.sim.fleet.clockwork import Clockwork
from tests.sim.fleet.seat import Seat

LATENCY_MS = (20, 400)
LATE_MS = (2_000, 120_000)
KEEPALIVE_MS = 90_000
IN_FLIGHT_MAX = 8
_CONNECT, _SUBSCRIBE, _PINGREQ, _DISCONNECT = 1, 8, 12, 14


@dataclass
class Session:
    """What the broker keeps for a client: messages that wait, and those that were sent and not acknowledged."""

    waiting: deque[tuple[str, bytes]] = field(default_factory=deque)
    in_flight: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    packet_id: int = 0
    connection: Connection | None = None

    def take_id(self) -> int:
        """The next packet id that is free."""
        while True:
            self.packet_id = self.packet_id % 0xFFFF + 1
            if self.packet_id not in self.in_flight:
                return self.packet_id


@dataclass
class Connection:
    """A terminal's connection; `is_lost`: the octets of both ends get nowhere, and neither end knows."""

    seat: Seat
    number: int
    life: int
    is_open: bool = False
    is_lost: bool = False
    held: bytes = b""
    client: str = ""
    heard_ms: int = 0
    up_ms: int = 0
    down_ms: int = 0


class Broker:
    """`to_gateway(topic, payload, packet_id)` is called for each message while the gateway is connected."""

    def __init__(self, clock: Clockwork, to_gateway: Callable[[str, bytes, int], None]) -> None:
        self._clock = clock
        self._dice = clock.dice("broker")
        self._to_gateway = to_gateway
        self.is_up = True
        self.repeat_chance = 0.0
        self.late_chance = 0.0
        self.sessions: dict[str, Session] = {}
        self.gateway = Session()
        self.is_gateway_connected = False
        self.generation = 0
        self._connections: dict[int, Connection] = {}

    # Terminals.

    def opens(self, seat: Seat, number: int, has_signal: bool) -> None:
        """A terminal asks for a connection."""
        connection = Connection(seat, number, seat.lives)
        self._connections[seat.kid] = connection
        if not has_signal:
            return
        state = "up" if self.is_up else "closed"
        connection.is_open = self.is_up
        connection.heard_ms = self._clock.now_ms
        self._down(connection, lambda: seat.order("state", number, state))

    def says(self, seat: Seat, number: int, octets: bytes) -> None:
        """A terminal writes."""
        connection = self._connections.get(seat.kid)
        if connection is None or connection.number != number:
            return
        connection.up_ms = max(self._clock.now_ms + self._latency_ms(), connection.up_ms)
        self._clock.at(connection.up_ms, lambda: self._hears(connection, octets))

    def closes(self, seat: Seat, number: int) -> None:
        """A terminal closes its connection, or its power went (the broker hears of neither at once)."""
        connection = self._connections.get(seat.kid)
        if connection is not None and connection.number == number:
            connection.up_ms = max(self._clock.now_ms + self._latency_ms(), connection.up_ms)
            self._clock.at(connection.up_ms, lambda: self._drop(connection))

    def has(self, seat: Seat) -> bool:
        """Whether a connection with a terminal is up, or about to be."""
        connection = self._connections.get(seat.kid)
        return connection is not None and not connection.is_lost and connection.is_open

    def lose(self, seat: Seat) -> None:
        """The signal is gone: what is under way is lost, and nobody is told."""
        connection = self._connections.get(seat.kid)
        if connection is not None:
            connection.is_lost = True

    def _latency_ms(self) -> int:
        return self._dice.randint(*LATENCY_MS)

    def _down(self, connection: Connection, arrives: Callable[[], None]) -> None:
        """Octets to a terminal stay in order; those for an earlier life of it are lost."""
        connection.down_ms = max(self._clock.now_ms + self._latency_ms(), connection.down_ms)

        def arrive() -> None:
            seat = connection.seat
            if seat.is_on and seat.lives == connection.life and not connection.is_lost:
                arrives()

        self._clock.at(connection.down_ms, arrive)

    def _hears(self, connection: Connection, octets: bytes) -> None:
        if not connection.is_open or connection.is_lost:
            return
        connection.heard_ms = self._clock.now_ms
        connection.held += octets
        while connection.is_open:
            packet = _cut(connection)
            if packet is None:
                return
            self._obey(connection, *packet)

    def _obey(self, connection: Connection, first: int, body: bytes) -> None:
        kind = first >> 4
        if kind == _CONNECT:
            self._connect(connection, body)
        elif kind == _SUBSCRIBE:
            self._answer(connection, b"\x90\x03" + body[:2] + b"\x01")
        elif kind == packets.PUBLISH:
            packet = packets.parse(first, body)
            self._answer(connection, packets.puback(packet.packet_id))
            self._clock.note("up", f"{connection.seat.kid:08x}", len(packet.payload))
            self.publish(packet.topic.decode(), packet.payload)
        elif kind == packets.PUBACK:
            session = self.sessions[connection.client]
            session.in_flight.pop(int.from_bytes(body, "big"), None)
            self._send_on(session)
        elif kind == _PINGREQ:
            self._answer(connection, b"\xd0\x00")
        elif kind == _DISCONNECT:
            self._drop(connection)

    def _connect(self, connection: Connection, body: bytes) -> None:
        at = 10
        length = int.from_bytes(body[at : at + 2], "big")
        connection.client = body[at + 2 : at + 2 + length].decode()
        is_known = connection.client in self.sessions
        session = self.sessions.setdefault(connection.client, Session())
        if session.connection is not None and session.connection is not connection:
            self._drop(session.connection)
        session.connection = connection
        self._answer(connection, bytes((0x20, 2, is_known, 0)))
        for packet_id, (topic, payload) in list(session.in_flight.items()):
            self._answer(connection, _publish(topic, payload, packet_id, is_repeated=True))
        self._send_on(session)

    def _answer(self, connection: Connection, octets: bytes) -> None:
        number = connection.number
        self._down(connection, lambda: connection.seat.order("data", number, octets.hex()))

    def _drop(self, connection: Connection) -> None:
        """The broker's end is closed; the terminal is told where it can be."""
        if not connection.is_open:
            return
        connection.is_open = False
        session = self.sessions.get(connection.client)
        if session is not None and session.connection is connection:
            session.connection = None
        number = connection.number
        self._down(connection, lambda: connection.seat.order("state", number, "closed"))

    def _send_on(self, session: Session) -> None:
        connection = session.connection
        if connection is not None and self._clock.now_ms - connection.heard_ms > KEEPALIVE_MS:
            self._drop(connection)
            return
        while connection is not None and session.waiting and len(session.in_flight) < IN_FLIGHT_MAX:
            topic, payload = session.waiting.popleft()
            packet_id = session.take_id()
            session.in_flight[packet_id] = (topic, payload)
            self._answer(connection, _publish(topic, payload, packet_id, is_repeated=False))

    # Messages.

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand a message on: up to the gateway, now or late, once or twice; down to the terminal's session."""
        if topic.startswith("lumbung/1/down/"):
            session = self.sessions.get(f"lumbung-{topic[-8:]}")
            if session is not None:
                session.waiting.append((topic, payload))
                self._send_on(session)
            return
        times = 2 if self._dice.random() < self.repeat_chance else 1
        if times == 2:
            self._clock.count("frames repeated by the broker")
        for _ in range(times):
            wait_ms = self._latency_ms()
            if self._dice.random() < self.late_chance:
                wait_ms = self._dice.randint(*LATE_MS)
                self._clock.count("frames overtaken at the broker")
            self._clock.after(wait_ms, lambda: self._queue(topic, payload))

    def _queue(self, topic: str, payload: bytes) -> None:
        self.gateway.waiting.append((topic, payload))
        self.feed_gateway()

    # The gateway's session.

    def connect_gateway(self) -> bool:
        """The gateway connects: what it has not acknowledged comes again, first."""
        if not self.is_up:
            return False
        self.is_gateway_connected = True
        self.generation += 1
        for packet_id, (topic, payload) in list(self.gateway.in_flight.items()):
            self._to_gateway(topic, payload, packet_id)
        self.feed_gateway()
        return True

    def feed_gateway(self) -> None:
        """Messages to the gateway as far as it may have them in flight."""
        session = self.gateway
        while self.is_gateway_connected and session.waiting and len(session.in_flight) < IN_FLIGHT_MAX:
            topic, payload = session.waiting.popleft()
            packet_id = session.take_id()
            session.in_flight[packet_id] = (topic, payload)
            self._to_gateway(topic, payload, packet_id)

    def gateway_acknowledges(self, packet_id: int) -> None:
        """PUBACK of the gateway."""
        self.gateway.in_flight.pop(packet_id, None)

    # Faults.

    def stop(self, keeps_sessions: bool) -> None:
        """The broker ends; without its database, what it had taken is gone."""
        self.is_up = False
        self.is_gateway_connected = False
        for connection in self._connections.values():
            self._drop(connection)
        if not keeps_sessions:
            self.sessions.clear()
            self.gateway = Session()
        for session in (self.gateway, *self.sessions.values()):
            # Ids start over: those of before the restart may come again for other messages.
            session.packet_id = 0
            session.waiting.extendleft(reversed(session.in_flight.values()))
            session.in_flight.clear()

    def start(self) -> None:
        """The broker is there again."""
        self.is_up = True


def _cut(connection: Connection) -> tuple[int, bytes] | None:
    """The next whole packet of what was heard."""
    held = connection.held
    length = 0
    for at in range(1, min(5, len(held))):
        length |= (held[at] & 0x7F) << 7 * (at - 1)
        if held[at] < 0x80:
            if len(held) <= at + length:
                return None
            connection.held = held[at + 1 + length :]
            return held[0], held[at + 1 : at + 1 + length]
    return None


def _publish(topic: str, payload: bytes, packet_id: int, *, is_repeated: bool) -> bytes:
    octets = bytearray(packets.publish(topic.encode(), payload, packet_id))
    octets[0] |= 0x08 if is_repeated else 0
    return bytes(octets)
