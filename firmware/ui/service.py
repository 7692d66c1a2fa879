"""Serving one family, from the choice of programme to the receipt in its hand; and the balance inquiry.

The order is the design's (section 4): goods and their sum before the tap, cash after it, when the entitlement is known;
then both look at amount and remainder; then the family keys the PIN, whose E is its word to the amount on the screen.
Each call of `redeem` follows an E of its own.
"""

import asyncio
import gc

from firmware import refusals
from firmware.refusals import Refusal
from firmware.states import PIN_NONE, REASON_CARDS_HELD, REASON_HELPED, REASON_OTHER, REASON_QUEUE
from firmware.ui import format as fmt
from firmware.ui import names, receipts, screens
from firmware.ui.panel import OperatorCancelled, PinBuffer, moved
from firmware.ui.strings import text
from protocol.records import AMOUNT_RUPIAH_MAX, ITEMS_MAX, TENDER_CASH, TENDER_GOODS

REDEEM_TIMEOUT_MS = 30_000
RESULT_TIMEOUT_MS = 30_000
# What an operator may answer to a rapid run of cards, in the order of the screen: (reason, key of its words).
RAPID_REASONS = (
    (REASON_QUEUE, "rapid_queue"),
    (REASON_CARDS_HELD, "rapid_held"),
    (REASON_HELPED, "rapid_helped"),
    (REASON_OTHER, "reason_other"),
)


class Sale:
    """What operator and family have agreed on so far; an amount of 0 is not chosen yet."""

    def __init__(self) -> None:
        self.programme = 0
        self.programme_name = ""
        self.roster_number = 0
        self.tender = TENDER_GOODS
        self.amount_rupiah = 0
        self.reason = 0  # states.REASON_*, where cards follow each other faster than families do
        self.is_second = False  # the same was served just now, and the operator goes on knowingly
        self.quantities = {}  # commodity code -> hundredths of its unit
        self.items = []  # (commodity code, hundredths, price per unit in rupiah)


class Service:
    """The conversation over the counter. It talks to `terminal` and `panel` only; `tapping` gets cards, `paper` prints,
    `signals` sound, `desk` does what follows a sale.
    """

    def __init__(self, terminal, panel, paper, tapping, signals, desk) -> None:
        self._terminal = terminal
        self._panel = panel
        self._paper = paper
        self._tapping = tapping
        self._signals = signals
        self._desk = desk
        self._sale = Sale()
        self.pin = PinBuffer()

    async def serve(self) -> None:
        """One redemption; raises `Refusal` when there is none."""
        sale = self._sale = Sale()
        await self._choose_programme(sale)
        await self._choose_tender(sale)
        if sale.tender == TENDER_GOODS:
            await self._choose_goods(sale)
        try:
            view = await self._identify(sale)
            if not await self._agree(sale, view):
                return
            if view.asks_reason:
                sale.reason = await self._rapid_reason()
            receipt = await self._redeem_with_pin(sale, view)
        finally:
            self.pin.wipe()
            await self._terminal.abandon()
        await self._hand_over(receipt)
        if receipt.goods_tap:
            await self._desk.receive_of(receipt)

    async def inquire(self) -> None:
        """Show what a family may still take."""
        sale = self._sale = Sale()
        await self._choose_programme(sale)
        try:
            view = await self._identify(sale)
        finally:
            await self._terminal.abandon()
        values = (sale.programme_name, view.roster_number, view.remaining_rupiah, view.hamlet, view.slot)
        await self._panel.ask("E", screens.balance, *values)

    async def explain(self, refusal: Refusal) -> None:
        """Show a final refusal by number and sentence; M prints it for the family."""
        self._signals.refused()
        number, detail = refusal.number, refusal.detail
        if await self._panel.ask("EM", screens.refused, number, detail, False) == "M":
            sale = self._sale
            words = screens.detail_text(number, detail)
            moment = self._terminal.now()
            slip = receipts.refused(number, words, sale.programme_name, sale.roster_number, moment)
            await self._paper.print(slip, False)

    async def _choose_programme(self, sale: Sale) -> None:
        """The programme; not asked when there is only one."""
        programmes = self._terminal.programmes()
        if not programmes:
            raise Refusal(refusals.NO_GRANT)
        index = 0
        if len(programmes) > 1:
            index = await self._panel.choose(text("programme"), tuple([name for _, name in programmes]))
        sale.programme, sale.programme_name = programmes[index]

    async def _choose_tender(self, sale: Sale) -> None:
        """Goods or cash."""
        tenders = (TENDER_GOODS, TENDER_CASH)
        sale.tender = tenders[await self._panel.choose(text("tender"), (text("goods"), text("cash")))]

    def _title(self, sale: Sale) -> str:
        """Tender and programme, for a title line."""
        return "%s %s" % (text("cash" if sale.tender == TENDER_CASH else "goods"), sale.programme_name)

    async def _choose_goods(self, sale: Sale) -> None:
        """Fill the basket from the posted prices, or key an amount alone; leaves items and amount in `sale`."""
        prices = self._terminal.price_list(sale.programme)
        chosen = 0
        while True:
            sale.items = _items(sale.quantities, prices)
            total_rupiah = sum([fmt.line_rupiah(item[1], item[2]) for item in sale.items])
            await self._panel.show(screens.basket, _rows(sale, prices), chosen, total_rupiah)
            key = await self._panel.key()
            if key == "M" and 0 < total_rupiah <= AMOUNT_RUPIAH_MAX:
                sale.amount_rupiah = total_rupiah
                return
            if key == "E" and chosen == len(prices):
                sale.quantities, sale.items = {}, []
                sale.amount_rupiah = await self._panel.amount(self._title(sale), 0, -1)
                return
            if key == "E":
                await self._choose_quantity(sale, prices[chosen])
            else:
                chosen = moved(key, chosen, len(prices) + 1)

    async def _choose_quantity(self, sale: Sale, price: tuple) -> None:
        """How much of one commodity; a ninth kind has no room in a record."""
        code, name, unit, price_rupiah = price
        if len(sale.items) == ITEMS_MAX and code not in sale.quantities:
            await self._panel.ask("E", screens.basket_full)
            return
        hundredths = await self._panel.quantity(name, unit, price_rupiah)
        sale.quantities.pop(code, None)
        if hundredths:
            sale.quantities[code] = hundredths

    async def _identify(self, sale: Sale):
        """The card's view for the programme."""
        view = await self._tapping.identify(sale.programme, sale.programme_name, sale.amount_rupiah)
        sale.roster_number = view.roster_number
        return view

    async def _rapid_reason(self) -> int:
        """Cards follow each other faster than families do: nobody is refused for it, but the operator says why."""
        rows = tuple([text(key) for _, key in RAPID_REASONS])
        return RAPID_REASONS[await self._panel.choose(text("rapid_why"), rows)][0]

    async def _agree(self, sale: Sale, view) -> bool:
        """Amount within the entitlement, seen by both; False when the same was served before and is to stay so."""
        if view.remaining_rupiah:
            await self._fit_amount(sale, view)
        recent = view.recent
        if recent is not None and sale.amount_rupiah in (0, recent.amount_rupiah):
            sale.is_second = await self._serve_again(recent)
            if not sale.is_second:
                return False
        if not view.remaining_rupiah:
            raise Refusal(refusals.NO_ENTITLEMENT)
        title = text("second") if sale.is_second else self._title(sale)
        await self._panel.ask(
            "E", screens.confirm, title, view.roster_number, sale.amount_rupiah, view.remaining_rupiah
        )
        return True

    async def _fit_amount(self, sale: Sale, view) -> None:
        """The amount of cash, and any amount again as long as it is more than what remains."""
        if sale.tender == TENDER_CASH:
            sale.amount_rupiah = await self._cash_amount(sale, view)
        while sale.amount_rupiah > view.remaining_rupiah:
            self._signals.refused()
            values = (refusals.AMOUNT_ABOVE_REMAINING, view.remaining_rupiah, True)
            await self._panel.ask("E", screens.refused, *values)
            if sale.tender == TENDER_CASH:
                sale.amount_rupiah = await self._cash_amount(sale, view)
            else:
                await self._choose_goods(sale)

    async def _cash_amount(self, sale: Sale, view) -> int:
        """Cash, by default all that remains."""
        suggested_rupiah = min(view.remaining_rupiah, AMOUNT_RUPIAH_MAX)
        return await self._panel.amount(self._title(sale), suggested_rupiah, view.remaining_rupiah)

    async def _serve_again(self, recent) -> bool:
        """Show what was served just now: E prints it again and ends, M goes on to a second transaction."""
        offset = self._terminal.now()[2]
        clock = fmt.clock(recent.time_s, offset)
        values = (recent.sequence, recent.state, recent.amount_rupiah, clock)
        if await self._panel.ask("EM", screens.recent, *values) == "M":
            return True
        await self._paper.transaction(recent, receipts.FAMILY, True)
        return False

    async def _redeem_with_pin(self, sale: Sale, view):
        """The receipt. A wrong PIN is keyed anew; a card taken away is laid on again, the PIN still standing."""
        has_pin = view.pin_kind != PIN_NONE
        tries_left = view.pin_tries_left
        # The family is about to key its PIN: the last moment to collect before the commit.
        gc.collect()
        if has_pin and not tries_left:
            raise Refusal(refusals.PIN_LOCKED)
        while True:
            try:
                if has_pin and not self.pin.is_complete():
                    await self._panel.pin(self.pin, sale.programme_name, sale.amount_rupiah, tries_left)
                await self._tapping.wait(sale.programme_name, sale.amount_rupiah)
                return await self._redeem(sale)
            except Refusal as refusal:
                if refusal.number == refusals.PIN_WRONG:
                    self.pin.wipe()
                    tries_left = refusal.detail
                await self._tapping.try_again(refusal)

    async def _redeem(self, sale: Sale):
        """The receipt of the one call that spends."""
        before = self._terminal.last_receipt()
        pin = self.pin.digits if self.pin.is_complete() else None
        spending = self._terminal.redeem(
            sale.programme, sale.tender, sale.amount_rupiah, sale.items, pin, sale.reason
        )
        try:
            return await asyncio.wait_for_ms(spending, REDEEM_TIMEOUT_MS)
        except asyncio.TimeoutError:
            # The point of no return may have been passed: the journal alone says whether the sale counts.
            last = self._terminal.last_receipt()
            if last is None or (before is not None and last.sequence == before.sequence):
                raise Refusal(refusals.NO_ANSWER)
            return last

    async def _hand_over(self, receipt) -> None:
        """The sale counts: say so, print the family's receipt, then stay and show how far the record has come."""
        self._signals.granted()
        programme = names.programme(self._terminal, receipt.programme)

        def values() -> tuple:
            latest = self._terminal.last_receipt() or receipt
            state = latest.state if latest.sequence == receipt.sequence else receipt.state
            return programme, receipt.sequence, state, receipt.amount_rupiah, receipt.remaining_rupiah

        await self._panel.show(screens.granted, *values())
        await self._paper.transaction(receipt, receipts.FAMILY, False, False)
        await self._panel.forget_keys()
        try:
            while await self._panel.watch(screens.granted, values, RESULT_TIMEOUT_MS, "EM") == "M":
                await self._paper.transaction(receipt, receipts.SHOP, False)
        except OperatorCancelled:
            pass


def _items(quantities: dict, prices: list) -> list:
    """The basket as a record takes it, in the order of the price list."""
    return [(code, quantities[code], price) for code, _, _, price in prices if code in quantities]


def _rows(sale: Sale, prices: list) -> tuple:
    """The price list as the basket screen shows it, with the way to an amount alone at its end."""
    rows = []
    for code, name, unit, price_rupiah in prices:
        if code in sale.quantities:
            rows.append((name, "%s %s" % (fmt.quantity(sale.quantities[code]), unit)))
        else:
            rows.append((name, "%s/%s" % (fmt.grouped(price_rupiah), unit)))
    rows.append((text("amount_only"), ""))
    return tuple(rows)
