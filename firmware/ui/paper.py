"""Brings documents to the printer; a sale never depends on it."""

import asyncio

from firmware.drivers.escpos_printer import PrinterError
from firmware.ui import names, receipts, screens
from firmware.ui.panel import NobodyAnswered, OperatorCancelled
from firmware.ui.strings import text
from protocol.records import PERIOD_CLOSE, REDEMPTION

PRINT_TIMEOUT_MS = 20_000
_REASONS = {PrinterError.PAPER: "print_paper", PrinterError.COVER: "print_cover"}


class Paper:
    """Prints; when no paper comes, says so and offers another try."""

    def __init__(self, terminal, panel, printer) -> None:
        self._terminal = terminal
        self._panel = panel
        self._printer = printer

    async def transaction(self, receipt, for_whom: str, is_copy: bool, is_shown: bool = True) -> None:
        """Print a transaction of any kind; `is_shown` False leaves the screen as it is while the printer works."""
        terminal = self._terminal
        offset = terminal.now()[2]
        programme = names.programme(terminal, receipt.programme)
        if receipt.kind == REDEMPTION:
            goods = names.goods(terminal, receipt)
            document = receipts.redemption(receipt, programme, goods, offset, for_whom, is_copy)
        elif receipt.kind == PERIOD_CLOSE:
            document = receipts.period_close(receipt, programme, offset, is_copy)
        else:
            document = receipts.after_sale(receipt, programme, offset, for_whom, is_copy)
        await self.print(document, True, is_shown)

    async def print(self, document: list, sale_stands: bool, is_shown: bool = True) -> bool:
        """True when printed, False when the operator gave it up or walked away."""
        while True:
            if is_shown:
                await self._panel.show(screens.printing)
            try:
                await asyncio.wait_for_ms(self._printer.print_document(document), PRINT_TIMEOUT_MS)
                self._terminal.printer_failed = False
                return True
            except PrinterError as error:
                reason = _REASONS.get(error.reason, "print_silent")
            except asyncio.TimeoutError:
                reason = "print_silent"
            self._terminal.printer_failed = True
            try:
                await self._panel.ask("E", screens.print_failed, text(reason), sale_stands)
            except (OperatorCancelled, NobodyAnswered):
                return False
            is_shown = True
