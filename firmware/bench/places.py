"""Where the bench stands: in a terminal that serves families, beside its conversation; or in one that serves nobody.

Either has `bench`, `kid`, `await take(check_in)` (whether the parts are the bench's now), `await give_back()` and
`keep(detail)`: the sequence of the event that keeps the outcome, 0 where nothing can keep it.
"""

import asyncio

from firmware.bench.bench import Bench
from firmware.drivers.modem.modem import Modem
from firmware.drivers.ssd1309 import DisplayError
from firmware.hal import pins
from firmware.hal.flash_area import FlashError
from firmware.hal.i2c_device import BusError
from firmware.ledger import document_area
from firmware.provisioning import open_documents
from firmware.ui.panel import Panel

BORROW_MS = 20_000
_KEY_UP_MS = 2000
_LOOK_MS = 20


class MessageNotWanted(Exception):
    """A short message came while the modem was only tested: it stays in the store."""


class InService:
    """`lease`: firmware.ui.lease.Lease; `record(detail)`: commits the event and returns its sequence, 0 where it cannot."""

    def __init__(self, bench: Bench, lease, record, kid: int) -> None:
        self.bench = bench
        self.kid = kid
        self.keep = record
        self._lease = lease

    async def take(self, check_in) -> bool:
        """Once the conversation stands aside."""
        return bool(await self._lease.borrow(BORROW_MS, check_in))

    async def give_back(self) -> None:
        """The conversation goes on."""
        self._lease.give_back()


class AtRest:
    """`redraw()`: awaited to bring back what the display showed. Keys and lights have no tasks here: they are run for the test."""

    def __init__(self, board, parts, redraw) -> None:
        panel = Panel(parts.display, parts.keypad, parts.signals)
        self.bench = Bench(board, parts, panel, None, lambda: spare_modem(board, parts.expander))
        self._clock = board.clock
        self._flash = board.flash
        self._parts = parts
        self._redraw = redraw
        self._tasks = []

    @property
    def kid(self) -> int:
        """That of its documents, 0 where it has none or they cannot be read."""
        try:
            return int.from_bytes(open_documents(self._flash).get(document_area.KID), "big")
        except FlashError:
            return 0

    async def take(self, _check_in) -> bool:
        """At once; what does not start is found by its test."""
        try:
            self._parts.expander.start()
            await self._parts.display.start()
        except (BusError, DisplayError):
            pass
        self._tasks = [
            asyncio.create_task(self._scan()),
            asyncio.create_task(self._parts.signals.run(_nothing)),
        ]
        return True

    async def _scan(self) -> None:
        try:
            await self._parts.keypad.run(_nothing)
        except BusError:
            pass  # the keypad's test says so

    async def give_back(self) -> None:
        """The display shows what it showed, once the last answer's key is up."""
        for _ in range(0, _KEY_UP_MS, _LOOK_MS):
            if not self._parts.keypad.held:
                break
            await self._clock.sleep_ms(_LOOK_MS)
        for task in self._tasks:
            task.cancel()
        try:
            await self._redraw()
        except DisplayError:
            pass

    def keep(self, _detail: bytes) -> int:
        """No books are open: the laptop keeps the outcome."""
        return 0


def spare_modem(board, expander) -> Modem:
    """A modem that nobody serves yet, for a test of its own."""
    return Modem(
        board.modem_uart,
        board.clock,
        received=_leave_it,
        power_key=lambda pressed: expander.set_output(pins.MODEM_POWER_KEY_BIT, pressed),
        reset=lambda asserted: expander.set_output(pins.MODEM_RESET_BIT, asserted),
        line_error=BusError,
    )


async def _leave_it(_incoming) -> None:
    raise MessageNotWanted


def _nothing() -> None:
    pass
