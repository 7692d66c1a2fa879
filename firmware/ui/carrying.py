"""Records that somebody carries where there is no signal: QR codes on paper, or a laptop on the USB cable."""

from firmware.ui import receipts, screens
from firmware.ui.strings import text

CABLE_TIMEOUT_MS = 600_000


class Carrying:
    """The conversation behind the list of what is pending; ends with X, like everything in the office."""

    def __init__(self, terminal, panel, paper) -> None:
        self._terminal = terminal
        self._panel = panel
        self._paper = paper

    async def choose(self) -> None:
        """By which way; what was printed stays pending until the gateway's answer comes back."""
        ways = (("send_codes", self._print_codes), ("send_cable", self._wait_for_cable))
        chosen = await self._panel.choose(text("send_how"), tuple([text(key) for key, _ in ways]))
        await ways[chosen][1]()

    async def _print_codes(self) -> None:
        """One slip after another, each cut off; without paper the rest is given up, and printed anew another time."""
        await self._panel.show(screens.printing)
        codes = await self._terminal.carry_codes()
        for place in range(len(codes)):
            document = receipts.carry_code(
                self._terminal.terminal_id, self._terminal.now(), place + 1, len(codes), codes[place]
            )
            if not await self._paper.print(document, False):
                return

    async def _wait_for_cable(self) -> None:
        """The laptop does the rest; the figures follow."""
        await self._panel.watch(screens.table, self._cable_values, CABLE_TIMEOUT_MS, "")

    def _cable_values(self) -> tuple:
        """Rows of the screen that asks for the cable."""
        count = self._terminal.link_state().waiting
        rows = (
            (text("send_cable_ask"), ""),
            (text("send_cable_who"), ""),
            ("", ""),
            (text("pending"), "%d" % count),
        )
        return text("send_cable"), "", rows, screens.BACK_KEYS
