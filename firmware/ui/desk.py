"""What may follow a sale, at the counter: goods received, void, return of a card's lease, period close.

Each conversation looks first at what stands, so that one that was cut off by a power failure shows the record instead of
making a second; then both look at amount and number, the card is asked for where it is needed, and the receipt is printed.
"""

import asyncio

from firmware import refusals, states
from firmware.refusals import Refusal
from firmware.ui import names, receipts, screens
from firmware.ui.browse import Browser, redemptions
from firmware.ui.panel import OperatorCancelled
from firmware.ui.strings import text
from protocol.records import PERIOD_CLOSE, TENDER_GOODS

COMMIT_TIMEOUT_MS = 30_000
RESULT_TIMEOUT_MS = 30_000

# What an operator may answer, in the order of the screen: (reason, key of its words).
VOID_REASONS = (
    (states.VOID_WRONG_AMOUNT, "void_amount"),
    (states.VOID_NO_GOODS, "void_goods"),
    (states.VOID_FAMILY_ASKED, "void_family"),
    (states.VOID_OTHER, "reason_other"),
)


class Desk:
    """Talks to `terminal` and `panel`; `tapping` gets cards, `paper` prints, `signals` sound."""

    def __init__(self, terminal, panel, paper, tapping, signals) -> None:
        self._terminal = terminal
        self._panel = panel
        self._paper = paper
        self._tapping = tapping
        self._signals = signals
        self._browser = Browser(terminal, panel, paper)

    async def menu(self) -> None:
        """Choose one of them; each raises `Refusal` when it cannot be done."""
        actions = (
            ("receive", self.receive),
            ("void", self.void),
            ("give_back", self.give_back),
            ("close", self.close),
        )
        rows = tuple([text(key) for key, _ in actions])
        await actions[await self._panel.choose(text("other"), rows)][1]()

    # Void.

    async def void(self) -> None:
        """Take a redemption back with the family's own card."""
        sale = await self._choose_sale("void")
        if sale.voided_by:
            await self._stands(sale.voided_by)
            return
        await self._terminal.check_void(sale.sequence)
        rows = tuple([text(key) for _, key in VOID_REASONS])
        reason = VOID_REASONS[await self._panel.choose(text("void_why"), rows)][0]
        await self._ask("void_number", sale, "void_same_card", False)
        receipt = await self._by_card(
            sale.programme,
            text("void"),
            sale.amount_rupiah,
            lambda: self._terminal.void(sale.sequence, reason),
        )
        await self._finish(receipt, text("remaining"), receipt.remaining_rupiah)

    # Goods received.

    async def receive(self) -> None:
        """The family says that it has its goods: by its card, or on the screen where policy leaves that."""
        sale = await self._choose_sale("receive")
        if sale.received_by or sale.voided_by:
            await self._stands(sale.received_by or sale.voided_by)
            return
        if sale.tender != TENDER_GOODS:
            raise Refusal(refusals.NO_SUCH_RECORD)
        await self.receive_of(sale)

    async def receive_of(self, sale) -> None:
        """The same of a redemption that is known."""
        if sale.goods_tap:
            await self._ask("received_number", sale, "received_tap", False)
            by_card = True
        else:
            by_card = await self._ask("received_number", sale, "received_ask", True) == "M"
        if by_card:
            receipt = await self._by_card(
                sale.programme,
                text("receive"),
                sale.amount_rupiah,
                lambda: self._terminal.goods_received(sale.sequence, True),
            )
        else:
            receipt = await self._commit(self._terminal.goods_received(sale.sequence, False))
        await self._finish(receipt, text("remaining"), receipt.remaining_rupiah)

    # Return.

    async def give_back(self) -> None:
        """Hand back what is left of a card's lease, so that the family may draw it elsewhere."""
        programme, name = await self._choose_programme()
        title = text("give_back")
        try:
            view = await self._tapping.identify(programme, title, 0)
            standing = None if view.remaining_rupiah else await self._terminal.returned(programme)
            if standing is None and not view.remaining_rupiah:
                raise Refusal(refusals.NO_ENTITLEMENT)
            if standing is None:
                values = (name, "%d" % view.roster_number, view.remaining_rupiah, text("return_what"), False)
                await self._panel.ask("E", screens.question, *values)
                receipt = await self._patiently(
                    title, view.remaining_rupiah, lambda: self._terminal.give_back(programme)
                )
        finally:
            await self._terminal.abandon()
        if standing is not None:
            await self._show(standing)
        else:
            await self._finish(receipt, "", 0)

    # Period close.

    async def close(self) -> None:
        """Close a programme's period: the figures, a second look, the record, the slip."""
        programme, name = await self._choose_programme()
        standing = await self._terminal.closed(programme)
        if standing is not None:
            await self._show(standing)
            return
        figures = self._terminal.period_figures(programme)
        rows = tuple(receipts.period_rows(figures))
        await self._panel.ask("E", screens.table, name, "Rp", rows, screens.CLOSE_KEYS)
        values = (text("close"), name, figures.net_rupiah, text("close_what"), False)
        await self._panel.ask("E", screens.question, *values)
        receipt = await self._commit(self._terminal.close_period(programme))
        await self._finish(receipt, "", 0)

    # Parts of all of them.

    async def _choose_sale(self, key: str):
        """A redemption from the list, with what later records say of it."""
        page = redemptions(self._terminal)
        place = await self._browser.choose(text(key), text("key_choose"), page)
        return await self._terminal.look(page(place, 1)[0].sequence)

    async def _choose_programme(self) -> tuple:
        """(number, name) of a programme; not asked when there is only one."""
        programmes = self._terminal.programmes()
        if not programmes:
            raise Refusal(refusals.NO_GRANT)
        if len(programmes) == 1:
            return programmes[0]
        rows = tuple([name for _, name in programmes])
        return programmes[await self._panel.choose(text("programme"), rows)]

    async def _ask(self, title: str, sale, what: str, by_card: bool) -> str:
        """Both look at number, family and amount; the key that says yes."""
        values = (text(title, sale.sequence), "%d" % sale.roster_number, sale.amount_rupiah, text(what))
        return await self._panel.ask("EM" if by_card else "E", screens.question, *values, by_card)

    async def _by_card(self, programme: int, title: str, amount_rupiah: int, work):
        """The receipt of what `work()` commits with the card on the reader; another card may be tried in its place."""
        while True:
            try:
                await self._tapping.identify(programme, title, amount_rupiah)
                return await self._with_card(title, amount_rupiah, work)
            except Refusal as refusal:
                await self._tapping.try_again(refusal)
            finally:
                await self._terminal.abandon()

    async def _patiently(self, title: str, amount_rupiah: int, work):
        """The same with the card that was identified, which may be laid on again."""
        while True:
            try:
                return await self._with_card(title, amount_rupiah, work)
            except Refusal as refusal:
                await self._tapping.try_again(refusal)

    async def _with_card(self, title: str, amount_rupiah: int, work):
        """One try of it."""
        await self._tapping.wait(title, amount_rupiah)
        return await self._commit(work())

    async def _commit(self, work):
        """The receipt of the one call that records; one that does not answer in time is judged by the journal."""
        before = self._terminal.last_receipt()
        try:
            return await asyncio.wait_for_ms(work, COMMIT_TIMEOUT_MS)
        except asyncio.TimeoutError:
            last = self._terminal.last_receipt()
            if last is None or (before is not None and last.sequence == before.sequence):
                raise Refusal(refusals.NO_ANSWER)
            return last

    async def _stands(self, sequence: int) -> None:
        """What was done before, by its record."""
        standing = self._terminal.receipt_at(sequence)
        if standing is not None:
            await self._show(standing)

    async def _show(self, standing) -> None:
        """A record that stands, with a copy for who wants one."""
        await self._browser.view(lambda: self._terminal.receipt_at(standing.sequence) or standing)

    async def _finish(self, receipt, label: str, rupiah: int) -> None:
        """It counts: say so, print it, then stay and show how far the record has come."""
        self._signals.granted()
        title = names.title(self._terminal, receipt)

        def values() -> tuple:
            latest = self._terminal.last_receipt() or receipt
            state = latest.state if latest.sequence == receipt.sequence else receipt.state
            return title, receipt.sequence, state, receipt.amount_rupiah, label, rupiah

        await self._panel.show(screens.recorded, *values())
        for_whom = receipts.SHOP if receipt.kind == PERIOD_CLOSE else receipts.FAMILY
        await self._paper.transaction(receipt, for_whom, False, False)
        await self._panel.forget_keys()
        try:
            while await self._panel.watch(screens.recorded, values, RESULT_TIMEOUT_MS, "EM") == "M":
                await self._paper.transaction(receipt, receipts.SHOP, False)
        except OperatorCancelled:
            pass
