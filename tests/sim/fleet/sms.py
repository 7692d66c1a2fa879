"""A model of the telephone network: messages get lost, doubled, overtaken, delayed for days, and senders are forged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from protocol import frame, sms_pdu, sms_time
from protocol.sms_address import Address
from protocol.sms_user_data import UserData
from tests.sim.fleet.clockwork import Clockwork
from tests.sim.fleet.seat import Seat

LOSS = 0.10
REPEAT = 0.05
# (chance, shortest, longest) of the way through the network, milliseconds.
WAITS = ((0.80, 3_000, 30_000), (0.15, 60_000, 3_600_000), (0.05, 3_600_000, 172_800_000))
# Who a message says it is from, and when: nobody may look at either.
SENDER = "+62811999999"
STAMP = bytes.fromhex("62119221000082")


@dataclass
class Message:
    """A message that waits at the network for a terminal, or at the gateway's modem for its receipt."""

    number: int
    octets: bytes


class Network:
    """`to_gateway(octets, number)` is called while the gateway runs; a message stays until `gateway_deletes(number)`."""

    def __init__(self, clock: Clockwork, to_gateway: Callable[[bytes, int], None]) -> None:
        self._clock = clock
        self._dice = clock.dice("sms")
        self._to_gateway = to_gateway
        self.is_faulty = True
        self.is_gateway_listening = False
        self._number = 0
        self._at_gateway: dict[int, Message] = {}
        self._at_seat: dict[int, dict[int, Message]] = {}
        self._seats: dict[str, Seat] = {}

    def subscribe(self, seat: Seat) -> None:
        """A terminal's card is in the network."""
        self._seats[seat.number] = seat
        self._at_seat[seat.kid] = {}

    def _carry(self, arrives: Callable[[], None]) -> None:
        """Take a message: it arrives never, once or twice, and when it wants."""
        if self.is_faulty and self._dice.random() < LOSS:
            self._clock.count("messages lost")
            return
        times = 2 if self.is_faulty and self._dice.random() < REPEAT else 1
        if times == 2:
            self._clock.count("messages doubled")
        for _ in range(times):
            drawn = self._dice.random() if self.is_faulty else 0.0
            for chance, shortest_ms, longest_ms in WAITS:
                drawn -= chance
                if drawn < 0 or shortest_ms == WAITS[-1][1]:
                    self._clock.after(self._dice.randint(shortest_ms, longest_ms), arrives)
                    if shortest_ms == WAITS[-1][1]:
                        self._clock.count("messages delayed for hours or days")
                    break

    # Up.

    def sent(self, pdu: bytes) -> None:
        """A terminal's SUBMIT."""
        message = sms_pdu.decode(pdu, to_network=True)
        octets = bytes(message.user_data.content)
        self._clock.count("messages up")
        header = frame.read_header(octets)
        if (header.frame_class, header.codec) == (frame.CLASS_UP, frame.UP_PART):
            self._clock.count("messages up that are parts")
        self._carry(lambda: self.reaches_gateway(octets))

    def reaches_gateway(self, octets: bytes) -> None:
        """A message is in the store of the gateway's modem; also one of a forged sender."""
        self._number += 1
        message = self._at_gateway[self._number] = Message(self._number, octets)
        if self.is_gateway_listening:
            self._to_gateway(message.octets, message.number)

    def gateway_starts(self) -> None:
        """The modem's store is drained at the start."""
        self.is_gateway_listening = True
        for message in list(self._at_gateway.values()):
            self._to_gateway(message.octets, message.number)

    def gateway_deletes(self, number: int) -> None:
        """The gateway has it for good."""
        self._at_gateway.pop(number, None)

    # Down.

    def send(self, telephone: str, octets: bytes) -> None:
        """The gateway sends to a number."""
        seat = self._seats[telephone]
        self._clock.count("messages down")
        self._carry(lambda: self._reaches(seat, octets))

    def _reaches(self, seat: Seat, octets: bytes) -> None:
        self._number += 1
        self._at_seat[seat.kid][self._number] = Message(self._number, octets)
        self.deliver(seat)

    def deliver(self, seat: Seat) -> None:
        """What waits for a terminal reaches it while it is on and has signal."""
        if not seat.is_on or not seat.has_signal:
            return
        for message in self._at_seat[seat.kid].values():
            if (seat.lives, message.number) not in seat.delivered:
                seat.delivered.add((seat.lives, message.number))
                deliver = sms_pdu.Deliver(Address(SENDER), sms_time.Stamp(STAMP), UserData(message.octets))
                seat.order("message", message.number, bytes(sms_pdu.encode(deliver)).hex())

    def terminal_deletes(self, seat: Seat, number: int) -> None:
        """The terminal has it for good."""
        self._at_seat[seat.kid].pop(number, None)
