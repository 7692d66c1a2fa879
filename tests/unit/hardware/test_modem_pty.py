"""The modem model behind a pseudo-terminal: what the gateway's modem pool sees, read with the shared grammar."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import serial

from hardware import modem_dialects, modem_network
from hardware.model_clock import HostClock
from hardware.modem import Modem
from hardware.modem_pty import ModemPty
from protocol import at_lines, sms_pdu
from protocol.at_grammar import FINAL, LINE, PROMPT, UNSOLICITED, Event, Parser
from protocol.sms_address import Address
from protocol.sms_user_data import UserData

FACTOR = 40
LIMIT_S = 20.0


class FastClock:
    """The host's time, run faster, so that a modem starts in a blink."""

    def __init__(self) -> None:
        self._host = HostClock()

    def now_us(self) -> int:
        """Microseconds."""
        return self._host.now_us() * FACTOR


class Port:
    """A program's end of the line."""

    def __init__(self, path: str) -> None:
        self.serial = serial.Serial(path, 115200, timeout=0.01)
        self.parser = Parser()
        self.events: list[Event] = []

    def until(self, kind: int, start: bytes = b"") -> Event:
        """The next event of a kind; earlier ones are kept in `events`."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            for event in self.parser.feed(self.serial.read(4096)):
                self.events.append(event)
            for place, event in enumerate(self.events):
                if event.kind == kind and event.line.startswith(start):
                    return self.events.pop(place)
        raise AssertionError(f"no event of kind {kind} within {LIMIT_S} s, but {self.events}")

    def ask(self, command: bytes, bare: bool = False) -> list[bytes]:
        """Lines of the reply to a command that must succeed."""
        self.parser.begin(command, bare=bare)
        self.serial.write(command + b"\r")
        assert self.until(FINAL).is_ok
        lines = [event.line for event in self.events if event.kind == LINE]
        self.events = [event for event in self.events if event.kind != LINE]
        self.parser.end()
        return lines


@pytest.fixture
def modems() -> Iterator[list[ModemPty]]:
    """Two modems of one network, switched on."""
    clock = FastClock()
    network = modem_network.GsmNetwork(clock)
    found = []
    for number, family in ((b"+628111", "SIM7600"), (b"+628222", "EC25")):
        modem = Modem(clock, modem_dialects.BY_NAME[family], network, number)
        modem.start(clock.now_us())
        found.append(ModemPty(clock, modem))
    yield found
    for pty in found:
        pty.close()


def test_a_frame_goes_from_one_serial_port_to_the_other(modems):
    here, there = (Port(pty.path) for pty in modems)
    for port in (here, there):
        port.until(UNSOLICITED, b"+CPIN: READY")
        for command in (b"ATE0", b"AT+CMEE=1", b"AT+CMGF=0", b"AT+CNMI=2,1,0,1,0"):
            port.ask(command)
        while not at_lines.registration(port.ask(b"AT+CREG?")[0]).is_registered:
            pass
    frame = bytes(range(140))
    pdu = sms_pdu.encode(sms_pdu.Submit(Address("+628222"), UserData(frame)))
    command = b"AT+CMGS=%d" % sms_pdu.tpdu_length(pdu)
    here.parser.begin(command, prompt=True)
    here.serial.write(command + b"\r")
    here.until(PROMPT)
    here.serial.write(pdu.hex().encode() + b"\x1a")
    assert here.until(FINAL).is_ok
    notice = there.until(UNSOLICITED, b"+CMTI")
    index = at_lines.number(notice.line, 1)
    stored = at_lines.message(there.ask(b"AT+CMGR=%d" % index, bare=True), index)
    assert stored is not None
    assert stored.is_whole
    message = sms_pdu.decode_hex(stored.pdu, stored.tpdu_octets)
    assert isinstance(message, sms_pdu.Deliver)
    assert message.user_data.content == frame
    assert message.sender.number == "+628111"
    there.ask(b"AT+CMGD=%d" % index)
    assert there.ask(b"AT+CMGL=4", bare=True) == []
