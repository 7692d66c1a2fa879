"""The technician's cable: what is offered there by every terminal, whether or not it could start.

One console for the terminal's whole life. `Workshop` gives it the commands that need no open books; the application adds
those that do. A terminal that shows a code serves it too, and does not restart while somebody works there.
"""

import asyncio

from firmware.console import errors
from firmware.console.console import Console
from firmware.console.errors import CommandError
from firmware.console.identity import IdentityCommands
from firmware.console.lines import Lines
from firmware.console.releases import ReleaseCommands
from firmware.crypto import p256
from firmware.hal.flash_area import FlashError
from firmware.ledger import document_area
from firmware.provisioning import open_documents
from firmware.updater import Updater, release_of

# Who was heard so short a time ago is still at work.
AT_WORK_MS = 120_000
_LOOK_MS = 1000


class Workshop:
    """`board`: hal.board.Board; `parts`: its chips (`firmware.parts`); `running`: (root of the flash file system, slot) of the
    application, () where there is none; `restart(code)` ends the terminal's run.

    `console` takes more commands; `releases` is None where no application can be renewed.
    """

    def __init__(self, board, parts, running: tuple, restart) -> None:
        self._clock = board.clock
        self._restart = restart
        self._is_busy = None
        self._close = None
        self._leaving = None
        self.releases = None
        identity = IdentityCommands(board, parts, self.serves_families, self.begin_anew)
        commands = dict(identity.commands)
        commands["stand-by"] = self.stand_by
        commands["start"] = self.start
        if running:
            root, slot = running
            updater = Updater(
                root, slot, release_of(root, slot), _release_key(board.flash), p256.verify_steps
            )
            self.releases = ReleaseCommands(updater, root, slot, self._is_serving_a_card, self.begin_anew)
            commands.update(self.releases.commands)
        self._own = list(commands)
        self.console = Console(Lines(board.technician_uart, board.clock), commands)

    def offer(self, commands: dict) -> None:
        """More commands that every terminal has, whatever state it is in."""
        self._own += list(commands)
        self.console.add(commands)

    def open(self, commands: dict, is_busy, close) -> None:
        """The books are open: `commands` need them; `is_busy()`: a card is being served; `close()` ends that, and `attend`
        follows.
        """
        self._is_busy = is_busy
        self._close = close
        self.console.add(commands)

    def serves_families(self) -> bool:
        """Whether the books are open: then nobody else may touch what they and the application use."""
        return self._is_busy is not None

    async def stand_by(self, _console, _words: list) -> list:
        """The terminal serves no families for a while, so that the technician may have all of it; OK says whether it did."""
        if self._is_serving_a_card():
            raise CommandError(errors.NOT_READY, "a card is being served")
        was_serving = self.serves_families()
        if was_serving:
            self._leaving = asyncio.create_task(self._after_the_answer(self._close))
        return [("served", int(was_serving))]

    async def start(self, _console, _words: list) -> list:
        """One that stands by, or has stopped, starts at once; OK says whether it serves families already."""
        serves = self.serves_families()
        if not serves:
            self.begin_anew()
        return [("serves", int(serves))]

    def begin_anew(self) -> None:
        """New documents or a new release are stored: start with them, once the answer has left."""
        self._leaving = asyncio.create_task(self._after_the_answer(lambda: self._restart(0)))

    async def _after_the_answer(self, do) -> None:
        """To whoever asked for it at the cable; a card that was laid on meanwhile is served first."""
        await self._clock.sleep_ms(_LOOK_MS)
        while self._is_serving_a_card():
            await self._clock.sleep_ms(_LOOK_MS)
        do()

    def _is_serving_a_card(self) -> bool:
        return self.serves_families() and bool(self._is_busy())

    async def attend(self, shown_ms: int, feed) -> None:
        """Serve the cable of a terminal that has stopped, for `shown_ms` and as long as somebody works there; `feed()` keeps
        the watchdog quiet. Of books that were open, nothing is offered any more: what stopped it may have been in them.
        """
        console = self.console
        console.keep(self._own)
        self._is_busy = None
        serving = asyncio.create_task(self._serve())
        left_ms = shown_ms
        uses = console.uses
        try:
            while left_ms > 0:
                feed()
                await self._clock.sleep_ms(_LOOK_MS)
                left_ms -= _LOOK_MS
                if console.is_working or console.uses != uses:
                    uses = console.uses
                    left_ms = max(left_ms, AT_WORK_MS)
        finally:
            serving.cancel()

    async def _serve(self) -> None:
        try:
            await self.console.run(lambda: None)
        except Exception:  # lumbung: catch-all - counted; the restart comes all the same
            self.console.failures += 1


def _release_key(flash: dict) -> bytes:
    """The authority's key, b"" in a terminal that has none or cannot read it."""
    try:
        return open_documents(flash).get(document_area.AUTHORITY_KEY)
    except FlashError:
        return b""
