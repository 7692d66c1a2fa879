"""The terminal's conversation with its operator: from the idle screen through login and menu, and always back to it.

It talks only to the objects handed in. `terminal` decides and remembers; README.md of this folder has the whole interface.
"""

from firmware.refusals import Refusal
from firmware.ui import format as fmt
from firmware.ui import names, receipts, screens
from firmware.ui.desk import Desk
from firmware.ui.figures import Figures
from firmware.ui.office import Office
from firmware.ui.panel import NobodyAnswered, OperatorCancelled, Panel
from firmware.ui.paper import Paper
from firmware.ui.service import Service
from firmware.ui.strings import link_word, text
from firmware.ui.tapping import Tapping

START_TIMEOUT_MS = 15_000
LOGOUT_MS = 900_000
CODE_TRIES = 3


class Flow:
    """Runs for ever; `panel.shown` tells which screen is seen."""

    def __init__(self, terminal, display, keypad, printer, signals) -> None:
        self._terminal = terminal
        self.panel = Panel(display, keypad, signals)
        self._paper = Paper(terminal, self.panel, printer)
        tapping = Tapping(terminal, self.panel, signals)
        self._desk = Desk(terminal, self.panel, self._paper, tapping, signals)
        self.service = Service(terminal, self.panel, self._paper, tapping, signals, self._desk)
        self._figures = Figures(terminal)
        self._office = Office(terminal, self.panel, self._paper, self._figures)
        self._is_logged_in = False
        self.lease = None  # a firmware.ui.lease.Lease, where somebody else may have the panel

    async def run(self) -> None:
        """First what became of the last transaction, then one turn after the other."""
        try:
            await self._last()
        except (NobodyAnswered, OperatorCancelled):
            pass
        while True:
            await self.turn()

    async def _last(self) -> None:
        """What the journal says of the newest transaction, whatever a power failure interrupted; M prints it again."""
        while (
            await self.panel.watch(screens.last_transaction, self._last_values, START_TIMEOUT_MS, "EM") == "M"
        ):
            last = self._terminal.last_receipt()
            if last is not None:
                await self._paper.transaction(last, receipts.FAMILY, True)

    async def turn(self) -> None:
        """From the idle screen and back to it."""
        key = await self._idle()
        try:
            await self._converse(key)
        except (NobodyAnswered, OperatorCancelled):
            pass

    async def _converse(self, key: str) -> None:
        """Log in where needed, then serve or show the menu; a refusal is explained and ends it."""
        try:
            if not self._is_logged_in and not await self._log_in():
                return
            if key == "E":
                await self.service.serve()
            else:
                await self._menu()
        except Refusal as refusal:
            await self.service.explain(refusal)

    async def _idle(self) -> str:
        """The idle screen, kept fresh, until E or M; the operator is logged out after a long silence."""
        aside = self.lease.stand_aside if self.lease is not None else None
        while True:
            try:
                return await self.panel.watch(screens.idle, self._idle_values, LOGOUT_MS, "EM", aside)
            except NobodyAnswered:
                self._is_logged_in = False
            except OperatorCancelled:
                pass

    async def _log_in(self) -> bool:
        """Ask for the operator's code, three times at most."""
        for attempt in range(CODE_TRIES):
            code = await self.panel.code(attempt > 0)
            if await self._terminal.check_operator(code):
                self._is_logged_in = True
                return True
        return False

    async def _menu(self) -> None:
        """One thing from the main menu; X in it comes back to the menu, its end to the idle screen."""
        office = self._office
        actions = (
            ("serve", self.service.serve),
            ("inquiry", self.service.inquire),
            ("records", office.records),
            ("reprint", office.reprint_last),
            ("totals", office.totals),
            ("pending", office.pending),
            ("device", office.device),
            ("other", self._desk.menu),
            ("log_out", self._log_out),
        )
        rows = tuple([text(key) for key, _ in actions])
        while True:
            action = actions[await self.panel.choose(text("main_menu"), rows)][1]
            try:
                await action()
                return
            except OperatorCancelled:
                pass

    async def _log_out(self) -> None:
        """The next operator keys a code of their own."""
        self._is_logged_in = False

    def _last_values(self) -> tuple:
        """Plain values of the first screen after a start."""
        last = self._terminal.last_receipt()
        if last is None:
            return text("last"), 0, 0, 0, ""
        moment = fmt.moment(last.time_s, self._terminal.now()[2])
        return names.last(last.kind), last.sequence, last.state, last.amount_rupiah, moment

    def _idle_values(self) -> tuple:
        """Plain values of the idle screen."""
        time_s, trusted, offset = self._terminal.now()
        link = self._terminal.link_state()
        pending_count = link.waiting
        last = self._terminal.last_receipt()
        newest = (last.sequence, last.state) if last is not None else ()
        pending_rupiah = self._figures.totals().pending_rupiah if pending_count else 0
        clock = "%s %s" % (fmt.clock(time_s, offset), fmt.zone(offset))
        notices = len(self._terminal.notices())
        return clock, trusted, link_word(link.word), pending_count, pending_rupiah, newest, notices
