"""Lists of transactions, and one of them with its state kept fresh: for looking up, printing again, choosing."""

from firmware.ui import format as fmt
from firmware.ui import names, receipts, screens
from firmware.ui.panel import OperatorCancelled
from protocol.records import REDEMPTION

BROWSE_TIMEOUT_MS = 60_000


class Browser:
    """`paper` prints copies."""

    def __init__(self, terminal, panel, paper) -> None:
        self._terminal = terminal
        self._panel = panel
        self._paper = paper

    async def choose(self, title: str, key: str, page, chosen: int = 0) -> int:
        """The place of one of the transactions of a list, where `page(first, count)` gives those at these places; `key` is
        the word for what E does. The cancel key ends it.
        """

        def values() -> tuple:
            offset = self._terminal.now()[2]
            row = chosen % screens.ROWS
            found = page(chosen - row, screens.ROWS)
            rows = [(r.sequence, fmt.clock(r.time_s, offset), names.row(r), r.state) for r in found]
            return title, tuple(rows), row, key

        while True:
            pressed = await self._panel.watch(screens.record_list, values, BROWSE_TIMEOUT_MS, "E*#")
            if pressed == "E":
                if page(chosen, 1):
                    return chosen
            elif pressed == "*":
                chosen = max(0, chosen - 1)
            elif page(chosen + 1, 1):
                chosen += 1

    async def view(self, receipt) -> None:
        """One transaction, as `receipt()` gives it, kept fresh; M prints a copy, X goes back."""

        def values() -> tuple:
            r = receipt()
            moment = fmt.moment(r.time_s, self._terminal.now()[2])
            name = names.title(self._terminal, r)
            return name, r.sequence, r.state, r.amount_rupiah, r.roster_number, moment

        try:
            while await self._panel.watch(screens.record, values, BROWSE_TIMEOUT_MS, "M"):
                await self._paper.transaction(receipt(), receipts.FAMILY, True)
        except OperatorCancelled:
            return


def redemptions(terminal):
    """The redemptions of a terminal, as `Browser.choose` takes them."""

    def page(first: int, count: int) -> list:
        return terminal.receipts(first, count, (REDEMPTION,))

    return page


def at(page, place: int):
    """The transaction at a place of a list, as `Browser.view` takes it."""
    return lambda: page(place, 1)[0]
