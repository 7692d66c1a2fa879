"""What the operator looks up and prints between two families: records and their states, totals, the device."""

from firmware.states import RECORDED
from firmware.ui import format as fmt
from firmware.ui import receipts, screens
from firmware.ui.browse import BROWSE_TIMEOUT_MS, Browser, at
from firmware.ui.carrying import Carrying
from firmware.ui.strings import link_word, text

# A list of what is pending looks no further back than this many records.
PENDING_SEARCH_MAX = 1_000
_PAGE = 16


class Office:
    """The screens behind the main menu; each ends with X or when nobody answers."""

    def __init__(self, terminal, panel, paper, figures) -> None:
        self._terminal = terminal
        self._figures = figures
        self._panel = panel
        self._paper = paper
        self._browser = Browser(terminal, panel, paper)
        self._carrying = Carrying(terminal, panel, paper)

    async def records(self) -> None:
        """All transactions, newest first."""
        await self._browse(text("records"), self._terminal.receipts)

    async def pending(self) -> None:
        """What has not reached the gateway; M tries to send it now, # offers to carry it, E shows the list of it."""
        while True:
            key = await self._panel.watch(screens.pending, self._pending_values, BROWSE_TIMEOUT_MS, "EM#")
            if key == "E":
                break
            if key == "M":
                self._terminal.send_now()
            else:
                await self._carrying.choose()
        positions = self._pending_positions()

        def page(first: int, count: int) -> list:
            found = []
            for position in positions[first : first + count]:
                found += self._terminal.receipts(position, 1)
            return found

        await self._browse(text("pending"), page)

    async def reprint_last(self) -> None:
        """The newest transaction's receipt again, marked as a copy."""
        receipt = self._terminal.last_receipt()
        if receipt is None:
            await self._panel.ask("E", screens.last_transaction, text("last"), 0, 0, 0, "")
            return
        await self._paper.transaction(receipt, receipts.FAMILY, True)

    async def totals(self) -> None:
        """The day's totals in two pages; M prints them."""
        page = 0

        def values() -> tuple:
            rows = receipts.totals_rows(self._figures.totals())
            first = page * screens.ROWS
            return text("totals"), "Rp", tuple(rows[first : first + screens.ROWS]), screens.TOTALS_KEYS

        while True:
            self._figures.recount()
            if await self._panel.watch(screens.table, values, BROWSE_TIMEOUT_MS, "#*M") == "M":
                await self._print_totals()
            else:
                page = 1 - page

    async def device(self) -> None:
        """Clock, link and notices; E reads the notices one by one, then what a technician should know of the flash."""
        while True:
            await self._panel.watch(screens.table, self._device_values, BROWSE_TIMEOUT_MS, "E")
            notices = self._terminal.notices()
            for i in range(len(notices)):
                await self._panel.ask("E", screens.notice, notices[i], i, len(notices))
            found = self._terminal.findings()
            for i in range(len(found)):
                await self._panel.ask("E", screens.finding, found[i], i, len(found))

    async def _print_totals(self) -> None:
        """The day's totals on paper."""
        terminal = self._terminal
        document = receipts.day_totals(self._figures.totals(), terminal.terminal_id, terminal.now())
        await self._paper.print(document, False)

    async def _browse(self, title: str, page) -> None:
        """A list of transactions, where `page(first, count)` gives those at these places; E opens one."""
        chosen = 0
        while True:
            chosen = await self._browser.choose(title, text("key_see"), page, chosen)
            await self._browser.view(at(page, chosen))

    def _pending_values(self) -> tuple:
        """Plain values of the screen of what is pending."""
        link = self._terminal.link_state()
        offset = self._terminal.now()[2]
        heard = fmt.day_and_clock(link.heard_s, offset) if link.heard_s else ""
        rupiah = self._figures.totals().pending_rupiah
        return link.waiting, rupiah, fmt.age(link.age_s), link_word(link.word), link.way or "", heard

    def _pending_positions(self) -> list:
        """Places, counted from the newest, of receipts that have not reached the gateway."""
        positions = []
        for first in range(0, PENDING_SEARCH_MAX, _PAGE):
            found = self._terminal.receipts(first, _PAGE)
            positions += [first + i for i in range(len(found)) if found[i].state == RECORDED]
            if len(found) < _PAGE:
                break
        return positions

    def _device_values(self) -> tuple:
        """Rows of the device screen."""
        time_s, trusted, offset = self._terminal.now()
        link = self._terminal.link_state()
        notices = len(self._terminal.notices())
        rows = (
            (fmt.date(time_s, offset), "%s %s" % (fmt.clock(time_s, offset), fmt.zone(offset))),
            (text("clock_is"), text("clock_sure" if trusted else "clock_uncertain")),
            (text("link"), " ".join([word for word in (link_word(link.word), link.way) if word])),
            (text("notice"), "%d" % notices if notices else text("no_notices")),
        )
        return text("device"), self._terminal.terminal_id, rows, screens.DEVICE_KEYS
