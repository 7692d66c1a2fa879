"""Lines of text over a UART, both ways, so that neither a long line nor a deaf laptop holds anything up.

A line ends with LF or CR LF and has at most 160 octets of printable ASCII; what else comes is no line, and is dropped
up to its end.
"""

LINE_OCTETS_MAX = 160
POLL_MS = 20
# As many octets at once as fit the transmit buffer with room to spare.
_CHUNK_OCTETS = 64
_DRAIN_TIMEOUT_MS = 2000

_CR, _LF = 0x0D, 0x0A


class NobodyThere(Exception):
    """The octets do not leave: the line's other end holds it, or is gone."""


class Lines:
    """`uart` as `machine.UART`; `dropped` counts lines that were none."""

    def __init__(self, uart, clock) -> None:
        self._uart = uart
        self._clock = clock
        self._held = bytearray()
        self._is_bad = False
        self.dropped = 0

    @property
    def has_more(self) -> bool:
        """Whether more came than the rest of a line's end; what came is kept."""
        while not self._held and not self._is_bad and self._uart.any():
            self._take(self._uart.read(1)[0])
        return bool(self._held) or self._is_bad

    async def read(self, check_in, timeout_ms: int = 0) -> str:
        """The next line without its end; waits for ever where `timeout_ms` is 0, else "" when none came in time."""
        started = self._clock.ticks_ms()
        while True:
            while self._uart.any():
                line = self._take(self._uart.read(1)[0])
                if line:
                    return line
            check_in()
            if timeout_ms and self._clock.ticks_diff(self._clock.ticks_ms(), started) >= timeout_ms:
                return ""
            await self._clock.sleep_ms(POLL_MS)

    def _take(self, octet: int) -> str:
        """One octet more; the line that it completes, or ""."""
        if octet in (_CR, _LF):
            line = "" if self._is_bad else bytes(self._held).decode()
            self._held = bytearray()
            self._is_bad = False
            return line
        if not 0x20 <= octet < 0x7F or len(self._held) >= LINE_OCTETS_MAX:
            self.dropped += not self._is_bad
            self._is_bad = True
        else:
            self._held.append(octet)
        return ""

    async def write(self, line: str) -> None:
        """Send a line, giving way while it leaves; NobodyThere when it does not."""
        octets = line.encode() + b"\r\n"
        for at in range(0, len(octets), _CHUNK_OCTETS):
            self._uart.write(octets[at : at + _CHUNK_OCTETS])
            started = self._clock.ticks_ms()
            while not self._uart.txdone():
                if self._clock.ticks_diff(self._clock.ticks_ms(), started) >= _DRAIN_TIMEOUT_MS:
                    raise NobodyThere
                await self._clock.sleep_ms(1)
