"""How a terminal's run ends: a code for the technician, who is served at the cable meanwhile, then the restart."""

import asyncio

from firmware.card.errors import AuthenticationError
from firmware.crypto import self_test
from firmware.crypto.p256 import InvalidPrivateKey
from firmware.drivers.ssd1309 import DisplayError
from firmware.event_log import CRASHED, STOPPED
from firmware.failures import FAILURES
from firmware.hal.flash_area import FlashError
from firmware.hal.i2c_device import BusError
from firmware.ledger.document_area import DocumentsMissing
from firmware.supervisor import TASK_ENDED, decode_crash, encode_crash
from firmware.ui import screens
from firmware.workshop import AT_WORK_MS
from protocol.errors import ProtocolError

# Why a terminal cannot start, by the code on its screen; 300 is anything else.
CANNOT_START = 300
START_FAILURES = (
    (301, self_test.SelfTestFailed),
    (302, DocumentsMissing),  # never provisioned, or both document areas are damaged
    (304, ProtocolError),  # a document that does not decode
    (304, InvalidPrivateKey),
    (306, FlashError),
    (307, AuthenticationError),  # the card CAs
    (308, BusError),  # keypad
    (309, DisplayError),
)

# Not a fault: a technician has taken the terminal out of service at the cable.
STANDS_BY = 310

# How long a code is shown before the restart. What comes back at once is given time: each start costs the journal a
# slot, and the heat or the loose contact behind it may pass.
STOPPED_MS = 10_000
STOPPED_AGAIN_MS = 600_000
SOON_S = 300
# Half a round of the ESP32's milliseconds: longer uptimes cannot be told apart.
_DAYS_S = 536_870


class Stopping:
    """`board`: hal.board.Board; `workshop` serves the cable of a stopped terminal, `self_test` its bench; `restart(code)` ends
    the run.

    `code`: on the screen of a terminal that has stopped, 0 while it runs. `has_crashed` is set once something ended that
    should not; then `after_crash` follows.
    """

    def __init__(self, board, display, workshop, self_test_commands, log, restart) -> None:
        self._clock = board.clock
        self._display = display
        self._workshop = workshop
        self._self_test = self_test_commands
        self._log = log
        self._restart = restart
        self._ledger = None
        self._terminal = None
        self._watchdog = None
        self._started_ms = board.clock.ticks_ms()
        self._crash_before = b""
        self.crash_code = 0
        self.has_crashed = asyncio.Event()
        self.code = 0

    def begin(self, ledger, terminal, watchdog) -> None:
        """The terminal runs: from now on a crash is kept in the books, and `watchdog` waits to be fed."""
        self._ledger = ledger
        self._terminal = terminal
        self._watchdog = watchdog
        self._crash_before = ledger.last_crash

    async def cannot_start(self, failure: Exception) -> None:
        """Stop before the terminal ran."""
        await self._stop(start_failure_code(failure), self._again_ms())

    # When something ends that should not.

    def keep(self, octets: bytes) -> None:
        """A crash (supervisor.encode_crash) into the books; where flash cannot, its code on the screen must do."""
        try:
            self._ledger.record_crash(octets)
        except FAILURES:
            pass

    def crashed(self, code: int) -> None:
        """The first crash is the cause, what follows it is not."""
        if not self.crash_code:
            self.crash_code = code
            self._log.note(CRASHED, code)
            self.has_crashed.set()

    def unnamed_task_ended(self, failure: Exception) -> None:
        """A task without a name ended with an error: that is a crash like any other, unless one came before it."""
        if not self.crash_code:
            detail = type(failure).__name__.encode()[:24]
            self.keep(encode_crash(TASK_ENDED, self._uptime_s(), detail))
            self.crashed(TASK_ENDED)

    async def after_crash(self) -> None:
        """Stop with the code of the crash."""
        await self._stop(self.crash_code, self._pause_ms())

    def _uptime_s(self) -> int:
        clock = self._clock
        elapsed_ms = clock.ticks_diff(clock.ticks_ms(), self._started_ms)
        # Ticks go round in days: a start that seems to come yet was days ago.
        return elapsed_ms // 1000 if elapsed_ms >= 0 else _DAYS_S

    def _pause_ms(self) -> int:
        """How long the code of a crash is shown: long where the crash before came soon after its start, too; and long enough
        for a technician who asked for it.
        """
        if self.crash_code == STANDS_BY:
            return AT_WORK_MS
        before_s = decode_crash(self._crash_before)[1] if self._crash_before else SOON_S
        return self._again_ms() if before_s < SOON_S and self._uptime_s() < SOON_S else STOPPED_MS

    def _again_ms(self) -> int:
        """How long a code is shown that comes back at once: not long on trial, as the release before waits to start again."""
        releases = self._workshop.releases
        return STOPPED_MS if releases is not None and releases.is_on_trial() else STOPPED_AGAIN_MS

    # The code.

    async def _stop(self, code: int, shown_ms: int) -> None:
        """Show it, with what became of the last sale if the books can tell; serve the cable; then `restart`."""
        self.code = code
        self._log.note(STOPPED, code)
        try:
            await self.show()
        except DisplayError:
            pass  # nothing to show it on
        self._self_test.close()
        await self._workshop.attend(shown_ms, self._feed)
        self._restart(code)

    def _feed(self) -> None:
        """Nobody else does where no task is supervised; a terminal that could not start has no watchdog."""
        if self._watchdog is not None:
            self._watchdog.feed()

    async def show(self) -> None:
        """Draw the code (again)."""
        receipt = self._terminal.last_receipt() if self._terminal is not None else None
        last = (receipt.sequence, receipt.state) if receipt is not None else ()
        screens.stopped(self._display.framebuffer, self.code, last)
        await self._display.show()


def start_failure_code(failure: Exception) -> int:
    """The number on the screen when the terminal cannot start."""
    for code, kind in START_FAILURES:
        if isinstance(failure, kind):
            return code
    return CANNOT_START
