"""MQTT's link over the modem's own TCP: the same shape as `TcpLink`, the modem's owner does the talking.

No TLS: the modems' own stacks differ too much to be trusted with it. Frames are encrypted and sealed by themselves; what
stands open on this way is the broker's user name and password, which let nobody forge or read a record.
"""

import asyncio

from firmware.drivers.modem.errors import ModemError
from firmware.relay.link import LinkError

_CHECK_MS = 20


class ModemLink:
    """A connection to `host:port` through `sockets` of `firmware.drivers.modem`.

    Opening takes up to minutes and writing waits while the modem sends a message, so `check_in()` is called meanwhile.
    """

    def __init__(self, sockets, host: str, port: int, clock, check_in) -> None:
        self._sockets = sockets
        self._host = host
        self._port = port
        self._clock = clock
        self._check_in = check_in
        self._held = b""

    async def open(self) -> None:
        """Connect; LinkError at once where the modem is not ready."""
        self._held = b""
        await self._attended(self._sockets.open(self._host, self._port))

    async def read(self, length: int) -> bytes:
        """Exactly `length` octets, however long they take."""
        while len(self._held) < length:
            try:
                self._held += await self._sockets.receive(length - len(self._held))
            except ModemError as error:
                raise LinkError("read: %s" % error)
        taken, self._held = self._held[:length], self._held[length:]
        return taken

    async def write(self, octets: bytes) -> None:
        """All octets, when the modem has taken them."""
        await self._attended(self._sockets.send(octets))

    async def close(self) -> None:
        """Close without complaint."""
        self._held = b""
        await self._attended(self._sockets.close())

    async def _attended(self, work) -> None:
        """Wait for the modem, checking in."""
        errors = []
        task = asyncio.create_task(_caught(work, errors))
        try:
            while not task.done():
                self._check_in()
                await self._clock.sleep_ms(_CHECK_MS)
        finally:
            if not task.done():
                task.cancel()
        if errors:
            raise LinkError(str(errors[0]))


async def _caught(work, errors: list) -> None:
    """A task that ends with an error that nobody waits for at that moment would be a crash of the terminal."""
    try:
        await work
    except ModemError as error:
        errors.append(error)
