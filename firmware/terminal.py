"""What the operator's screens talk to: redemption, inquiry, receipts and totals over the books and the card reader."""

import asyncio

from firmware import refusals, spending_rules, states
from firmware.authorize import Authorizer, Order, Tap
from firmware.card.errors import CardError
from firmware.crypto.constant_time import equal
from firmware.crypto.hmac_sha256 import hmac_sha256
from firmware.day_book import DayBook, Receipt, Totals
from firmware.failures import FAILURES, refusal_of
from firmware.ledger import document_area, slots
from firmware.refusals import Refusal
from protocol import acknowledgement, records

OPERATOR_VERIFIER_OCTETS = 16
# Events about cards that are not authentic: at most so many in that time.
EVIDENCE_MAX = 8
EVIDENCE_WINDOW_MS = 3_600_000
JOURNAL_NEARLY_FULL_SECTORS = 32
NO_LINK_NOTICE_S = 24 * 3600
LEASE_NOTICE_S = 3 * 24 * 3600
# Steps of work on a nonce (crypto/p256) between two looks at the keypad.
NONCE_STEPS = 4


class CardView:
    """What a family may know before it decides; `recent` is the receipt of a redemption made just before, or None."""

    roster_number: int
    remaining_rupiah: int
    hamlet: int
    slot: int
    pin_kind: int
    pin_tries_left: int
    recent: object


class Terminal:
    """`relay` may be None (a terminal without any link); `signer` is the key maker of the seals (crypto/signer).

    `busy`: a card is being served, so heavy work waits. `reader_failed`: no card was read since the reader failed.
    """

    def __init__(self, ledger, authorizer: Authorizer, reader, relay, clock, signer) -> None:
        self._ledger = ledger
        self._authorizer = authorizer
        self._reader = reader
        self._relay = relay
        self._clock = clock
        self._signer = signer
        self._day = DayBook(ledger)
        self._tap = None
        self._shown = 0
        self._repeated = 0
        self._closing = None
        self._evidence_ms = []
        self._settled_counter = (0, 0)
        self._settled_notices = []
        self.busy = False
        self.reader_failed = False
        self.refusal_counts = {}
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

    def _commit_event(self, code: int, operator: int, detail: bytes) -> None:
        """An event in the chain. Where it cannot be kept, the terminal still shows, prints and sends; the notices say
        why nothing is kept.
        """
        event = self._ledger.record(records.EVENT, code=code, operator=operator, detail=detail)
        try:
            self._ledger.commit(event, slots.NO_INDEX)
        except FAILURES as failure:
            self._count(refusal_of(failure))

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

    def link_state(self) -> tuple:
        """(word of the link, records that wait for the gateway, seconds since the oldest of them)."""
        ledger = self._ledger
        waiting = ledger.journal.sequence - ledger.marks.sealed_through
        since_s = self._day.waiting_since_s()
        age_s = max(0, ledger.now_s() - since_s) if since_s else 0
        return self._relay.state if self._relay is not None else "down", waiting, age_s

    def send_now(self) -> None:
        """The operator stands where there may be a signal: try at once."""
        if self._relay is not None:
            self._relay.hurry()

    def notices(self) -> list:
        """What operator or technician should know, by number (firmware.states)."""
        ledger = self._ledger
        ends_s = min([ledger.grants[programme].expiry_s for programme in ledger.grants], default=0)
        is_true = (
            (states.NOTICE_CLOCK, ledger.time_trust == records.TRUST_UNSET),
            (states.NOTICE_JOURNAL, ledger.journal.free_sectors() < JOURNAL_NEARLY_FULL_SECTORS),
            (states.NOTICE_LEASE_ENDS, 0 < ends_s < ledger.now_s() + LEASE_NOTICE_S),
            (states.NOTICE_LOCKED, ledger.is_locked),
            (states.NOTICE_ACKNOWLEDGEMENT, ledger.entitlements.ahead > ledger.journal.sequence),
            (states.NOTICE_READER, self.reader_failed),
            (states.NOTICE_NO_LINK, self.link_state()[2] > NO_LINK_NOTICE_S),
            (states.NOTICE_FLASH, ledger.journal.damage is not None or self._day.unreadable > 0),
            (states.NOTICE_SEAL, ledger.seal_fault),
            (states.NOTICE_ENTROPY, not self._signer.entropy_ok),
        )
        return [number for number, holds in is_true if holds] + self._of_settlement()

    def _of_settlement(self) -> list:
        """Whether records are refused or under review; looked through once for each acknowledgement."""
        marks = self._ledger.marks
        if self._settled_counter != (marks.epoch, marks.counter):
            self._settled_counter = (marks.epoch, marks.counter)
            self._settled_notices = [
                number
                for state, number in (
                    (acknowledgement.DISPUTED, states.NOTICE_DISPUTED),
                    (acknowledgement.REFUSED, states.NOTICE_REFUSED),
                )
                if marks.holds(state)
            ]
        return self._settled_notices

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
        view.recent = self._recent(programme, tap)
        self._shown = view.recent.sequence if view.recent is not None else 0
        return view

    def _recent(self, programme: int, tap: Tap) -> "Receipt | None":
        """The receipt of the family's newest redemption in the programme inside policy's window; or of the one that
        made the last try a repetition, so that the operator sees what it repeats.
        """
        served = [entry[4] for entry in spending_rules.served_before(self._ledger, programme, tap.index)]
        if not served:
            return None
        return self._day.at(self._repeated if self._repeated in served else served[0])

    async def redeem(self, programme: int, tender: int, amount_rupiah: int, items: list, pin) -> Receipt:
        """Debit and record; the receipt comes back only after the commit. Raises `Refusal`.

        The same sale again inside the re-tap window is made only where its record was shown (`CardView.recent`).
        """
        tap = self._tap
        if tap is None:
            raise Refusal(refusals.CARD_REMOVED)
        basket = tuple([tuple(item) for item in items])
        order = Order(programme, tender, amount_rupiah, basket, self._shown)
        try:
            sequence = await self._authorizer.redeem(tap, order, pin or b"")
        except Refusal as refusal:
            if refusal.number == refusals.ALREADY_SERVED:
                self._repeated = refusal.detail
            self._note(refusal)
            raise
        # From here on the sale stands; the card's own closing is a courtesy that nothing waits for.
        self._tap = None
        self._repeated = 0
        self._closing = asyncio.create_task(self._close(tap))
        return self._day.of(sequence, tap.index, tap.record)

    def _note(self, refusal: Refusal) -> None:
        """Count every refusal; a card that is not authentic is evidence and becomes an event in the chain, but only so
        often: whoever holds false cards must not be able to fill the journal.
        """
        self._count(refusal)
        if refusal.number != refusals.CARD_NOT_AUTHENTIC:
            return
        now_ms = self._clock.ticks_ms()
        recent = [at for at in self._evidence_ms if self._clock.ticks_diff(now_ms, at) < EVIDENCE_WINDOW_MS]
        if len(recent) < EVIDENCE_MAX and not self._ledger.journal.is_full():
            recent.append(now_ms)
            self._commit_event(records.EVENT_CARD_NOT_AUTHENTIC, 0, refusal.detail.to_bytes(2, "big"))
        self._evidence_ms = recent

    def _count(self, refusal: Refusal) -> None:
        """Refusals by number since the start."""
        self.refusal_counts[refusal.number] = self.refusal_counts.get(refusal.number, 0) + 1
        if refusal.number == refusals.READER_FAULT:
            self.reader_failed = True

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

    def receipts(self, first: int, count: int) -> list:
        """Redemptions, newest first, passing over the first `first`."""
        return self._day.receipts(first, count)

    def last_receipt(self) -> "Receipt | None":
        """The newest redemption, as it is known now."""
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
