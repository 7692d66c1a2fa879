"""A laptop at the technician's cable of a virtual terminal in virtual time: types commands, hears what comes back."""

from binascii import b2a_base64

_LOOK_MS = 20
_DATA_OCTETS = 57


class Laptop:
    """`uart`: the board's technician UART; `time`: the clock that firmware and models share."""

    def __init__(self, uart, time):
        self._uart = uart
        self._time = time
        self._heard = bytearray()
        uart.connect(self)

    def receive(self, value, _now_us):
        """One octet from the terminal."""
        self._heard.append(value)

    async def type(self, line):
        """A line, and what was heard before it is forgotten."""
        self._heard = bytearray()
        self._uart.deliver(line.encode() + b"\n")

    async def answer(self, timeout_ms=60_000):
        """All lines up to the OK, the ERROR, or the PROGRESS that waits for octets."""
        for _ in range(timeout_ms // _LOOK_MS):
            self._uart.settle()
            lines = bytes(self._heard).decode().split("\r\n")[:-1]
            if lines and (lines[-1][:2] == "OK" or lines[-1][:5] == "ERROR" or lines[-1][-2:] == " 0"):
                return lines
            await self._time.sleep_ms(_LOOK_MS)
        raise AssertionError("no answer, only %s" % bytes(self._heard))

    async def ask(self, command):
        """The lines that answer a command."""
        await self.type(command)
        return await self.answer()

    async def give(self, command, octets):
        """The lines that answer a command that takes octets, once it has them."""
        lines = await self.ask(command)
        for at in range(0, len(octets), _DATA_OCTETS):
            if lines[-1][:5] == "ERROR":
                return lines
            lines = await self.ask("DATA " + b2a_base64(octets[at : at + _DATA_OCTETS]).decode().strip())
        return lines if lines[-1][:5] == "ERROR" else await self.ask("END")
