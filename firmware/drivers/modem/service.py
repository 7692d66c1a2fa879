"""Registration, signal and network time: asked for now and then, so that nothing depends on unsolicited lines."""

from firmware.drivers.modem.errors import CommandRefused, NotRegistered
from protocol import at_lines
from protocol.errors import OutOfRange

_TIMEOUT_MS = 5000
_SEARCHING_MS = 5000
_REGISTERED_MS = 30000
_TIME_MS = 3600000
# How long a search may last before the radio is switched off and on; doubled each time, as there may be no network here.
_PATIENCE_FIRST_MS = 300000
_PATIENCE_MOST_MS = 3600000
# A clock that shows less was never set (2026-01-01).
_PLAUSIBLE_FROM_S = 1767225600

_SMS_ONLY = (6, 7)  # TS 27.007, 7.2


class Service:
    """`circuit`: registration for calls and messages; `packet`: for data; `signal`: +CSQ's figure. `heard_time(seconds)`
    gets the network's clock, which is a hint: some networks send wrong zones.
    """

    def __init__(self, port, clock, heard_time) -> None:
        self._port = port
        self._clock = clock
        self._heard_time = heard_time
        self._patience_ms = _PATIENCE_FIRST_MS
        self.restart()

    def restart(self) -> None:
        """The modem was set up anew."""
        self.circuit = at_lines.Registration(at_lines.NOT_SEARCHING)
        self.packet = at_lines.Registration(at_lines.NOT_SEARCHING)
        self.signal = at_lines.SIGNAL_UNKNOWN
        self._started = self._clock.ticks_ms()
        self._asked = None
        self._time_told = None

    @property
    def can_send(self) -> bool:
        """Messages can go out: a circuit registration, or one for data where the other is not refused."""
        stat = self.circuit.stat
        if self.circuit.is_registered or stat in _SMS_ONLY:
            return True
        return self.packet.is_registered and stat in (at_lines.SEARCHING, at_lines.UNKNOWN)

    @property
    def has_data(self) -> bool:
        """A data bearer can be tried."""
        return self.packet.is_registered or self.circuit.is_registered

    @property
    def is_denied(self) -> bool:
        """The network does not want this SIM."""
        return self.circuit.stat == at_lines.DENIED and not self.has_data

    def ask_now(self) -> None:
        """Something failed that a lost registration explains."""
        self._asked = None

    def due(self) -> bool:
        return self._asked is None or self._elapsed(self._asked) >= (
            _REGISTERED_MS if self.can_send else _SEARCHING_MS
        )

    async def work(self) -> None:
        """Ask; NotRegistered when the search has lasted too long."""
        self._asked = self._clock.ticks_ms()
        self.circuit = await self._registration(b"AT+CREG?")
        self.packet = await self._registration(b"AT+CEREG?")
        if not self.packet.is_registered:
            self.packet = await self._registration(b"AT+CGREG?")
        self.signal = await self._strength()
        if self.can_send or self.has_data:
            self._started = self._asked
            self._patience_ms = _PATIENCE_FIRST_MS
            if self._time_told is None or self._elapsed(self._time_told) >= _TIME_MS:
                await self._tell_time()
        elif self._elapsed(self._started) >= self._patience_ms:
            self._started = self._asked
            self._patience_ms = min(2 * self._patience_ms, _PATIENCE_MOST_MS)
            raise NotRegistered("no network for long")

    async def _registration(self, command: bytes) -> at_lines.Registration:
        """What the modem says; a modem that does not know a kind of network is not registered there."""
        line = await self._line(command)
        try:
            if line is not None:
                return at_lines.registration(line)
        except OutOfRange:
            pass  # octets got lost: asked again soon
        return at_lines.Registration(at_lines.NOT_SEARCHING)

    async def _strength(self) -> int:
        line = await self._line(b"AT+CSQ")
        try:
            return at_lines.signal(line) if line is not None else at_lines.SIGNAL_UNKNOWN
        except OutOfRange:
            return at_lines.SIGNAL_UNKNOWN

    async def _tell_time(self) -> None:
        line = await self._line(b"AT+CCLK?")
        try:
            seconds = at_lines.clock(line) if line is not None else 0
        except OutOfRange:
            return
        if seconds >= _PLAUSIBLE_FROM_S:
            self._time_told = self._clock.ticks_ms()
            self._heard_time(seconds)

    async def _line(self, command: bytes) -> "bytes | None":
        """The one line of an answer; None where the modem refuses the command."""
        try:
            reply = await self._port.command(command, _TIMEOUT_MS)
        except CommandRefused:
            return None
        return reply.lines[0] if reply.lines else None

    def _elapsed(self, since) -> int:
        return self._clock.ticks_diff(self._clock.ticks_ms(), since)
