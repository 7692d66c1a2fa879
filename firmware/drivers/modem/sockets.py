"""One TCP connection over the modem's AT commands: the owner of the modem works, others only ask and wait.

Whoever uses the connection never talks to the modem, so that nobody can break off a command halfway. Received data waits
here up to a limit and in the modem beyond it.
"""

import asyncio

from firmware.drivers.modem.errors import (
    AnswerMalformed,
    CommandRefused,
    ModemError,
    ModemSilent,
    NotRegistered,
    SocketFailed,
)
from firmware.drivers.modem.port import find_line
from protocol import at_lines, sms_pdu
from protocol.errors import OutOfRange

CLOSED = 0
OPENING = 1
OPEN = 2

_RECEIVED_MAX = 4096
_UNSENT_MAX = 16384
_FETCH_OCTETS = 512
_SEND_OCTETS = 1024
_SEND_HEX_OCTETS = 256
_SEND_TIMEOUT_MS = 20000
_FETCH_TIMEOUT_MS = 10000
_POLL_MS = 5000
# Bearers in vain behind which the radio is switched off and on; doubled each time, as it may be for want of credit.
_BEARER_FAILURES_FIRST = 3
_HOST_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:_"


class Sockets:
    """`service` tells whether there is a network; `apn`: access point name of the operator."""

    def __init__(self, port, clock, counters, service, apn: str) -> None:
        self._port = port
        self._clock = clock
        self._counters = counters
        self._service = service
        self._apn = apn
        self._commands = None
        self._changed = asyncio.Event()
        self._error = None
        self._place = ("", 0)
        self._received = bytearray()
        self._unsent = b""
        self._bearer_failures = 0
        self._bearer_failures_most = _BEARER_FAILURES_FIRST
        self._sent_total = 0
        self._left_open = False  # in the modem, as far as anybody knows
        self.state = CLOSED
        self._clear()

    def _clear(self) -> None:
        self._bearer_is_up = False
        self._close_wanted = False
        self._data_waits = False
        self._ended = False
        self._looked = self._clock.ticks_ms()

    def restart(self, commands) -> None:
        """The modem was set up anew: `commands` of its family, None where it has no sockets that we know."""
        self._commands = commands
        self.lose(SocketFailed("the modem started anew"))
        self._clear()

    # -- for those who use it

    async def open(self, host: str, port: int) -> None:
        """Connect; SocketFailed, at once where the modem is not ready. A connection that is there is closed first."""
        if self._commands is None or not self._service.has_data:
            raise SocketFailed("the modem is not ready")
        if not host or [letter for letter in host + self._apn if letter not in _HOST_LETTERS]:
            raise SocketFailed("the host's or the access point's name cannot be given to a modem")
        if self.state != CLOSED:
            await self.close()
        self._place = (host, port)
        self._received = bytearray()
        self._unsent = b""
        self._error = None
        self.state = OPENING
        while self.state == OPENING:
            await self._change()
        if self.state != OPEN:
            raise self._error or SocketFailed("closed")

    async def send(self, octets: bytes) -> None:
        """Hand over octets and return when the modem has taken them all; SocketFailed when the connection is lost."""
        self._check()
        if len(self._unsent) + len(octets) > _UNSENT_MAX:
            raise SocketFailed("too much is waiting to be sent")
        self._unsent += octets
        while self._unsent and self.state == OPEN:
            await self._change()
        self._check()

    async def receive(self, most: int) -> bytes:
        """At least one octet and at most `most`; what came before the end is still given out."""
        while not self._received:
            self._check()
            await self._change()
        taken = bytes(self._received[:most])
        self._received = self._received[most:]
        return taken

    async def close(self) -> None:
        """Close; the modem does it with its next step."""
        if self.state == CLOSED:
            return
        self._unsent = b""
        self._close_wanted = True
        while self.state != CLOSED:
            await self._change()

    def _check(self) -> None:
        if self.state != OPEN:
            raise self._error or SocketFailed("closed")

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    # -- for the owner of the modem

    def notice(self, event) -> None:
        """An unsolicited line: data is there, or the end."""
        commands = self._commands
        if commands is None or self.state == CLOSED:
            return
        if event.line.startswith(commands.news):
            self._data_waits = True
        elif event.line.startswith(commands.ends):
            self._ended = True
            self._data_waits = True  # something may be left in the modem
            if not event.line.startswith(commands.ends[0]):
                self._bearer_is_up = False

    def lose(self, error: ModemError) -> None:
        """The connection is gone."""
        if self.state == OPEN and not self._close_wanted:
            self._counters.add("lost_connections")
        if self.state != CLOSED:
            self.state = CLOSED
            self._error = error
            self._left_open = True
        self._unsent = b""
        self._close_wanted = False
        self._ended = False
        self._data_waits = False
        self._changed.set()

    def due(self) -> bool:
        if self.state == CLOSED:
            return self._left_open and self._commands is not None
        if self.state == OPENING or self._close_wanted or self._unsent or self._ended:
            return True
        if len(self._received) >= _RECEIVED_MAX:
            return False
        return self._data_waits or self._clock.ticks_diff(self._clock.ticks_ms(), self._looked) >= _POLL_MS

    async def work(self) -> None:
        """The next step; ModemError only when the modem itself fails."""
        if self._close_wanted:
            self.lose(SocketFailed("closed"))
        if self._left_open:
            self._left_open = False
            await self._run(self._commands.close)
        elif self.state == OPENING:
            await self._open()
        elif self.state == OPEN:
            try:
                await self._exchange()
            except (CommandRefused, AnswerMalformed, SocketFailed, OutOfRange) as error:
                # What was lost on the line cannot be mended in this connection.
                self.lose(error if isinstance(error, SocketFailed) else SocketFailed("the connection failed"))

    async def _open(self) -> None:
        try:
            await self._connect()
        except (CommandRefused, SocketFailed, AnswerMalformed) as error:
            self._counters.add("open_failures")
            self.lose(SocketFailed(str(error)))
            if self._bearer_failures >= self._bearer_failures_most:
                self._bearer_failures = 0
                self._bearer_failures_most *= 2
                raise NotRegistered("no data bearer")
            return
        except ModemError as error:
            self._counters.add("open_failures")
            self.lose(error)
            raise
        self._counters.add("opened")
        self._sent_total = 0
        self.state = OPEN
        self._looked = self._clock.ticks_ms()
        self._changed.set()

    async def _connect(self) -> None:
        if not self._bearer_is_up:
            self._bearer_failures += 1
            await self._run(self._commands.bearer)
            self._bearer_failures = 0
            self._bearer_failures_most = _BEARER_FAILURES_FIRST
            self._bearer_is_up = True
        self._bearer_is_up = False  # unless it proves to work
        await self._run(self._commands.connect)
        self._bearer_is_up = True

    async def _run(self, steps: tuple) -> None:
        """A sequence; SocketFailed when one ends badly."""
        values = {"apn": self._apn, "host": self._place[0], "port": self._place[1]}
        for step in steps:
            try:
                await self._step(step, (step.command % values).encode())
            except (CommandRefused, SocketFailed, ModemSilent):
                if not step.is_optional:
                    raise

    async def _step(self, step, command: bytes) -> None:
        reply = await self._port.command(
            command,
            step.timeout_ms,
            finals=step.finals,
            until=step.until,
            line_ends=step.line_ends,
            bare=step.line_ends,
        )
        if step.good and find_line(reply, step.until) != step.good:
            raise SocketFailed("%s failed" % step.command[:11])

    async def _exchange(self) -> None:
        """Some of what waits in either direction."""
        if self._unsent and not self._ended:
            await self._send_some()
        if self._data_waits and len(self._received) < _RECEIVED_MAX:
            await self._fetch_some()
        elif self._clock.ticks_diff(self._clock.ticks_ms(), self._looked) >= _POLL_MS:
            await self._poll()
        if self._ended and not self._data_waits:
            raise SocketFailed("closed by the peer")

    async def _send_some(self) -> None:
        commands = self._commands
        if commands.sends_hex:
            octets = self._unsent[:_SEND_HEX_OCTETS]
            text = b"".join([b"%02X" % octet for octet in octets])
            await self._port.command(commands.send % text, _SEND_TIMEOUT_MS, finals=(commands.sent,))
            await self._compare_total(len(octets))
        else:
            octets = self._unsent[:_SEND_OCTETS]
            await self._send_behind_prompt(octets)
        self._unsent = self._unsent[len(octets) :]
        if not self._unsent:
            self._changed.set()

    async def _compare_total(self, count: int) -> None:
        """Digits that got lost in pairs make no error: the modem's count of octets tells."""
        self._sent_total += count
        reply = await self._port.command(self._commands.total, _FETCH_TIMEOUT_MS)
        if not reply.lines or at_lines.number(reply.lines[0], 0) != self._sent_total:
            raise SocketFailed("not everything was sent")

    async def _send_behind_prompt(self, octets: bytes) -> None:
        commands = self._commands
        count = len(octets)
        finals = (commands.sent % count,) if commands.sent else ()
        until = (commands.sent_line,) if commands.sent_line else ()
        try:
            reply = await self._port.command(
                commands.send % count, _SEND_TIMEOUT_MS, content=octets, finals=finals, until=until
            )
        except ModemSilent:
            # If octets got lost on the way, it still waits for that many: better these than the next command.
            await self._port.fill(count)
            raise
        if until:
            line = find_line(reply, until)
            if line is None or at_lines.fields(line)[-1] != b"%d" % count:
                raise SocketFailed("not everything was sent")

    async def _poll(self) -> None:
        """A notice may have got lost."""
        self._looked = self._clock.ticks_ms()
        if not self._commands.poll:
            self._data_waits = True
            return
        reply = await self._port.command(self._commands.poll, _FETCH_TIMEOUT_MS)
        if reply.lines and at_lines.fields(reply.lines[0])[-1] != b"0":
            self._data_waits = True

    async def _fetch_some(self) -> None:
        self._looked = self._clock.ticks_ms()
        self._data_waits = False  # before asking: what comes while the answer is under way sets it again
        try:
            octets = await self._fetch(min(_FETCH_OCTETS, _RECEIVED_MAX - len(self._received)))
        except CommandRefused:
            # Some refuse when nothing is there; whether the connection still is, the next question tells.
            if not self._ended:
                await self._poll()
            return
        if octets:
            self._received.extend(octets)
            self._changed.set()

    async def _fetch(self, most: int) -> bytes:
        """Up to `most` octets out of the modem; SocketFailed when some got lost on the line."""
        commands = self._commands
        if commands.data is not None:
            reply = await self._port.command(commands.fetch % most, _FETCH_TIMEOUT_MS, data=commands.data)
            if not reply.data and not reply.lines:
                raise SocketFailed("octets got lost")
            self._data_waits = bool(reply.data)  # it does not tell how much is left
            return reply.data
        reply = await self._port.command(commands.fetch % most, _FETCH_TIMEOUT_MS, bare=True)
        name = commands.news[: commands.news.find(b":")]
        line = find_line(reply, (name,))
        if line is None:
            raise SocketFailed("octets got lost")
        count = at_lines.number(line, commands.count_place)
        if not count:
            return b""
        text = reply.lines[-1]
        if reply.lines[-1] is line or len(text) != 2 * count:
            raise SocketFailed("octets got lost")
        if at_lines.fields(line)[-1] != b"0":
            self._data_waits = True
        return sms_pdu.octets_of_hex(text)
