"""What the operator's screens talk to: redemption and what follows it, inquiry, receipts and totals over the books and the
card reader.
"""

import asyncio

from firmware import refusals, spending_rules
from firmware.authorize import Authorizer, Order, Tap
from firmware.card.errors import CardError
from firmware.crypto.constant_time import equal
from firmware.crypto.hmac_sha256 import hmac_sha256
from firmware.day_book import TRANSACTIONS, DayBook, PeriodTotals, Receipt, Totals
from firmware.failures import FAILURES, refusal_of
from firmware.health import Health, LinkState
from firmware.incidents import Incidents
from firmware.ledger import document_area
from firmware.refusals import Refusal
from firmware.states import PIN_AID
from protocol import records

OPERATOR_VERIFIER_OCTETS = 16
# Steps of work on a nonce (crypto/p256) between two looks at the keypad.
NONCE_STEPS = 4


class CardView:
    """What a family may know before it decides; `recent` is the receipt of a redemption made just before, or None.

    `asks_reason`: cards follow each other faster than families do, and the operator is to say why (design rule 7).
    """

    roster_number: int
    remaining_rupiah: int
    hamlet: int
    slot: int
    pin_kind: int
    pin_tries_left: int
    recent: object
    asks_reason: bool


class Terminal(Incidents):
    """`relay` may be None (a terminal without any link); `signer` is the key maker of the seals (crypto/signer).

    `busy`: a card is being served, so heavy work waits.
    """

    def __init__(self, ledger, authorizer: Authorizer, reader, relay, clock, signer) -> None:
        super().__init__(ledger, clock)
        self._authorizer = authorizer
        self._reader = reader
        self._relay = relay
        self._signer = signer
        self._day = DayBook(ledger)
        self._tap = None
        self._shown = 0
        self._repeated = 0
        self._closing = None
        self._after = authorizer.after
        self._health = Health(ledger, relay, self._day, signer)
        self.codes = None  # a firmware.carry.codes.Codes, where records may leave on paper
        self.busy = False
        self.failed_closings = 0
        self.terminal_id = "%08X" % ledger.kid

    # Questions of the screens.

    async def check_operator(self, code: str) -> bool:
        """Whether `code` is an operator's; a right one is an event in the chain."""
        key = self._ledger.documents.get(document_area.ROSTER_KEY)
        offered = operator_verifier(key, code)
        known = self._ledger.documents.get(document_area.OPERATORS)
        number = 0
        for place in range(0, len(known), OPERATOR_VERIFIER_OCTETS):
            if equal(known[place : place + OPERATOR_VERIFIER_OCTETS], offered):
                number = place // OPERATOR_VERIFIER_OCTETS + 1
        if number:
            self._commit_event(records.EVENT_OPERATOR_LOGIN, number, b"")
        return number != 0

    def programmes(self) -> list:
        """(number, name) of the programmes that a grant is in force for."""
        return [entry for entry in self._ledger.policy.programmes if entry[0] in self._ledger.grants]

    def price_list(self, programme: int) -> list:
        """(code, name, unit, price_rupiah per unit) of the commodities with posted prices."""
        return list(self._ledger.policy.commodities)

    def now(self) -> tuple:
        """(unsigned seconds since 1970, whether they are trusted, minutes east of UTC)."""
        ledger = self._ledger
        return ledger.now_s(), ledger.time_trust != records.TRUST_UNSET, ledger.policy.utc_offset_minutes

    def link_state(self) -> LinkState:
        """What waits for the gateway, since when, by which way, and when the gateway was last heard."""
        return self._health.link_state()

    async def carry_codes(self) -> list:
        """QR codes of the oldest records that wait for the gateway."""
        return await self.codes.make() if self.codes is not None else []

    def send_now(self) -> None:
        """The operator stands where there may be a signal: try at once."""
        if self._relay is not None:
            self._relay.hurry()

    def notices(self) -> list:
        """What operator or technician should know, by number (firmware.states)."""
        return self._health.notices(self.reader_failed, self.printer_failed, self.case_was_opened)

    def findings(self) -> list:
        """What of the flash does not give back what it held, for technicians (`ledger.findings.Finding`)."""
        return self._ledger.findings.all()

    # Serving.

    async def make_ready(self) -> None:
        """Work a nonce out ahead where none is left: without it the seal of a sale would take its whole time, and much
        of the heap, between PIN and receipt. Ends by itself where entropy is in doubt and nonces are not kept.
        """
        while not self._signer.is_ready and self._signer.refill(NONCE_STEPS):
            await asyncio.sleep_ms(0)

    async def wait_for_card(self, timeout_ms: int) -> bool:
        """Whether a card is in the field in time; two cards at once are a `Refusal`.

        A card that rests on the reader since it was identified stays as it is: activating it again would reset it. The
        card of the sale before is let go first.
        """
        if self._closing is not None and not self._closing.done():
            await self._clock.sleep_ms(timeout_ms)
            return False
        try:
            if self._tap is not None:
                if self._reader.target is not None and await self._reader.card_is_present():
                    return True
                self._tap.session.live = False
            return await self._reader.wait_for_card(timeout_ms) is not None
        except CardError as error:
            refusal = refusal_of(error)
            self._count(refusal)
            raise refusal

    async def identify(self, programme: int) -> CardView:
        """Authenticate the card and tell what its family may still take in `programme`; raises `Refusal`."""
        self._forget()
        self.busy = True
        try:
            await self.make_ready()
            tap = await self._authorizer.identify()
        except Refusal as refusal:
            self.busy = False
            self._note(refusal)
            raise
        self._tap = tap
        self.reader_failed = False
        ledger = self._ledger
        view = CardView()
        view.roster_number = tap.index + 1
        view.remaining_rupiah = max(0, ledger.remaining_rupiah(programme, tap.index))
        view.hamlet = tap.entry.hamlet
        view.slot = tap.entry.slot
        view.pin_kind = tap.pin_kind
        used = ledger.entitlements.tries(tap.index, tap.place)
        view.pin_tries_left = max(0, ledger.policy.pin_tries - used)
        if view.pin_kind == PIN_AID and not view.pin_tries_left:
            await self._tell_of_lock(tap)
        view.asks_reason = tap.is_rapid
        view.recent = self._recent(programme, tap)
        self._shown = view.recent.sequence if view.recent is not None else 0
        return view

    async def _tell_of_lock(self, tap: Tap) -> None:
        """A PIN is locked by its last try, before the event that says so: where power failed in between, it follows now."""
        try:
            is_told = await self._after.tells_of_lock(tap.card_key)
        except FAILURES:
            return  # what the journal does not give back, the notices tell
        if not is_told:
            self._commit_event(records.EVENT_PIN_LOCKED, 0, tap.card_key, tap.index)

    def _recent(self, programme: int, tap: Tap) -> "Receipt | None":
        """The receipt of the family's newest redemption in the programme inside policy's window; or of the one that
        made the last try a repetition, so that the operator sees what it repeats.
        """
        served = [entry[4] for entry in spending_rules.served_before(self._ledger, programme, tap.index)]
        if not served:
            return None
        return self._day.at(self._repeated if self._repeated in served else served[0])

    async def redeem(
        self, programme: int, tender: int, amount_rupiah: int, items: list, pin, reason: int = 0
    ) -> Receipt:
        """Debit and record; the receipt comes back only after the commit. Raises `Refusal`.

        The same sale again inside the re-tap window is made only where its record was shown (`CardView.recent`).
        `reason`: the operator's answer where the view asked for one (states.REASON_*).
        """
        tap = self._present()
        basket = tuple([tuple(item) for item in items])
        order = Order(programme, tender, amount_rupiah, basket, self._shown, reason)
        try:
            sequence = await self._authorizer.redeem(tap, order, pin or b"")
        except Refusal as refusal:
            if refusal.number == refusals.ALREADY_SERVED:
                self._repeated = refusal.detail
            self._note(refusal)
            raise
        # From here on the sale stands; the card's own closing is a courtesy that nothing waits for.
        self._repeated = 0
        self._let_go(tap)
        receipt = self._day.of(sequence, tap.index, tap.record)
        receipt.goods_tap = spending_rules.wants_goods_tap(self._ledger, tap.record)
        return receipt

    def _present(self) -> Tap:
        """The card that was identified."""
        if self._tap is None:
            raise Refusal(refusals.CARD_REMOVED)
        return self._tap

    def _let_go(self, tap: Tap) -> None:
        """Its record stands: what remains to be done at the card runs on by itself."""
        self._tap = None
        self._closing = asyncio.create_task(self._close(tap))

    # What follows a sale. Each raises `Refusal`, and then nothing was recorded; what was done before is never done twice.

    async def look(self, sequence: int) -> Receipt:
        """A redemption's receipt with what later records say of it (`voided_by`, `received_by`); `goods_tap`: its goods are
        confirmed by the card.
        """
        found = await self._after.redemption(sequence)
        receipt = self._day.of(sequence, found.index, found.record)
        receipt.goods_tap = spending_rules.wants_goods_tap(self._ledger, found.record)
        receipt.voided_by = found.fate.voided_by
        receipt.received_by = found.fate.received_by
        return self._day.fresh(receipt)

    async def check_void(self, sequence: int) -> None:
        """Raise what speaks against taking a redemption back, before its card is asked for."""
        await self._told(self._after.check_void(sequence))

    async def void(self, sequence: int, reason: int) -> Receipt:
        """Take a redemption back with the card that was debited, which was identified before; `reason`: states.VOID_*."""
        tap = self._present()
        found = await self._told(self._after.redemption(sequence))
        return await self._record(tap, self._after.void(tap, found, reason))

    async def goods_received(self, sequence: int, with_card: bool) -> Receipt:
        """The family has the goods of a redemption; `with_card`: its card, identified before, says so."""
        tap = self._present() if with_card else None
        found = await self._told(self._after.redemption(sequence))
        return await self._record(tap, self._after.goods_received(tap, found))

    async def give_back(self, programme: int) -> Receipt:
        """Hand back what is left of the identified card's lease, so that another terminal may have it."""
        tap = self._present()
        return await self._record(tap, self._after.give_back(tap, programme))

    async def returned(self, programme: int) -> "Receipt | None":
        """The return by which the identified card's lease was handed back, None if it was not."""
        return self._receipt(await self._told(self._after.return_of(self._present(), programme)))

    def period_figures(self, programme: int) -> PeriodTotals:
        """What a close of the programme's period in force would count."""
        return self._day.period(programme)

    async def closed(self, programme: int) -> "Receipt | None":
        """The close of the programme's period in force, None while it is open."""
        return self._receipt(await self._told(self._after.close_of(programme)))

    async def close_period(self, programme: int) -> Receipt:
        """Close the programme's period on this terminal; the rest of all its leases goes back."""
        return await self._record(None, self._after.close_period(programme))

    async def _told(self, work):
        """What a coroutine gives; a refusal is counted."""
        try:
            return await work
        except Refusal as refusal:
            self._note(refusal)
            raise

    async def _record(self, tap: "Tap | None", work) -> Receipt:
        """The receipt of what `work` committed; its card, if any, is let go."""
        done = await self._told(work)
        if tap is not None:
            self._let_go(tap)
        return self._receipt(done)

    def _receipt(self, done) -> "Receipt | None":
        return self._day.of(done.sequence, done.index, done.record) if done is not None else None

    async def _close(self, tap: Tap) -> None:
        """What follows a sale at the card; then the field goes off, and quiet work may go on."""
        try:
            await self._authorizer.close(tap)
        except FAILURES:
            self.failed_closings += 1
        # Never raises: the reader heals itself or has no field (drivers/pn532).
        await self._reader.field_off()
        self.busy = self._tap is not None

    async def abandon(self) -> None:
        """The conversation is over: forget the card and switch the field off, if a sale has not done so."""
        self._forget()
        self.busy = self._closing is not None and not self._closing.done()
        if not self.busy:
            await self._reader.field_off()

    def _forget(self) -> None:
        """Let go of the card before."""
        if self._tap is not None:
            self._tap.session.wipe()
            self._tap = None

    # Looking back.

    def receipts(self, first: int, count: int, kinds: tuple = TRANSACTIONS) -> list:
        """Transactions of these kinds (protocol.records), newest first, passing over the first `first`."""
        return self._day.receipts(first, count, kinds)

    def receipt_at(self, sequence: int) -> "Receipt | None":
        """The transaction at a sequence; None where the journal has let it go."""
        return self._day.at(sequence)

    def last_receipt(self) -> "Receipt | None":
        """The newest transaction of any kind, as it is known now."""
        return self._day.last()

    def state_of(self, sequence: int) -> int:
        """How far a record has come, as this terminal knows it."""
        return self._day.state_of(sequence)

    def totals(self) -> Totals:
        """Sums over the current local day; pending ones over all days."""
        return self._day.totals()


def operator_verifier(roster_key: bytes, code: str) -> bytes:
    """What is kept of an operator's code."""
    return hmac_sha256(roster_key, b"operator" + code.encode())[:OPERATOR_VERIFIER_OCTETS]
