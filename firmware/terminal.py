"""What the operator's screens talk to: redemption, inquiry, receipts and totals over the books and the card reader."""

import asyncio

from firmware import refusals, states
from firmware.authorize import Authorizer, Order, Tap
from firmware.card.errors import CardError
from firmware.card_refusals import refusal_of
from firmware.crypto.constant_time import equal
from firmware.crypto.hmac_sha256 import hmac_sha256
from firmware.ledger import document_area, slots
from firmware.refusals import Refusal
from protocol import acknowledgement, civil_date, records

OPERATOR_VERIFIER_OCTETS = 16
# Events about cards that are not authentic: at most so many in that time.
EVIDENCE_MAX = 8
EVIDENCE_WINDOW_MS = 3_600_000
JOURNAL_NEARLY_FULL_SECTORS = 32
NO_LINK_NOTICE_S = 24 * 3600
LEASE_NOTICE_S = 3 * 24 * 3600

_STATES = {
    acknowledgement.SETTLED: states.SETTLED,
    acknowledgement.REFUSED: states.REFUSED,
    acknowledgement.DISPUTED: states.DISPUTED,
}


class CardView:
    """What a family may know before it decides; `recent` is the receipt of the same redemption made just before."""

    roster_number: int
    remaining_rupiah: int
    hamlet: int
    slot: int
    pin_kind: int
    pin_tries_left: int
    recent: object


class Receipt:
    """One redemption as shown and printed; `state` is one of `firmware.states`."""

    terminal_id: str
    sequence: int
    time_s: int
    programme: int
    tender: int
    amount_rupiah: int
    remaining_rupiah: int
    items: tuple
    roster_number: int
    state: int


class Totals:
    """The day's sums, and what still waits for the gateway."""

    count: int
    goods_rupiah: int
    cash_rupiah: int
    pending_count: int
    pending_rupiah: int
    acknowledged_count: int
    acknowledged_rupiah: int
    settled_count: int
    settled_rupiah: int


class Terminal:
    """`relay` may be None (a terminal without any link); `after_commit()` is called when something was committed."""

    def __init__(self, ledger, authorizer: Authorizer, reader, relay, clock, after_commit) -> None:
        self._ledger = ledger
        self._authorizer = authorizer
        self._reader = reader
        self._relay = relay
        self._clock = clock
        self._after_commit = after_commit
        self._tap = None
        self.refusal_counts = {}
        self._evidence_ms = []
        self.terminal_id = "%08X" % ledger.kid

    @property
    def busy(self) -> bool:
        """Whether a card is being served: heavy work waits."""
        return self._tap is not None

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
            event = self._ledger.record(
                records.EVENT, code=records.EVENT_OPERATOR_LOGIN, operator=number, detail=b""
            )
            self._ledger.commit(event, slots.NO_INDEX)
            self._after_commit()
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

    def link_state(self) -> tuple:
        """(word of the link, records that wait for the gateway, seconds since the oldest of them)."""
        ledger = self._ledger
        waiting = ledger.journal.sequence - ledger.marks.sealed_through
        age_s = 0
        if waiting:
            oldest = ledger.records_from(ledger.marks.sealed_through + 1, 1)[0]
            age_s = max(0, ledger.now_s() - int.from_bytes(oldest.payload[2:6], "big"))
        return self._relay.state if self._relay is not None else "down", waiting, age_s

    def send_now(self) -> None:
        """The operator stands where there may be a signal: try at once."""
        if self._relay is not None:
            self._relay.hurry()

    def notices(self) -> list:
        """What operator or technician should know, by number (firmware.states)."""
        ledger = self._ledger
        found = []
        if ledger.time_trust == records.TRUST_UNSET:
            found.append(states.NOTICE_CLOCK)
        if ledger.journal.free_sectors() < JOURNAL_NEARLY_FULL_SECTORS:
            found.append(states.NOTICE_JOURNAL)
        now_s = ledger.now_s()
        for programme in sorted(ledger.grants):
            if ledger.grants[programme].expiry_s < now_s + LEASE_NOTICE_S:
                found.append(states.NOTICE_LEASE_ENDS)
                break
        if self._authorizer.locked:
            found.append(states.NOTICE_LOCKED)
        if self.link_state()[2] > NO_LINK_NOTICE_S:
            found.append(states.NOTICE_NO_LINK)
        return found

    # Serving.

    async def wait_for_card(self, timeout_ms: int) -> bool:
        """Whether a card is in the field in time; two cards at once are a `Refusal`.

        A card that rests on the reader since it was identified stays as it is: activating it again would reset it.
        """
        try:
            if self._tap is not None:
                if self._reader.target is not None and await self._reader.card_is_present():
                    return True
                self._tap.session.live = False
            return await self._reader.wait_for_card(timeout_ms) is not None
        except CardError as error:
            raise refusal_of(error)

    async def identify(self, programme: int) -> CardView:
        """Authenticate the card and tell what its family may still take in `programme`."""
        self._forget()
        try:
            tap = await self._authorizer.identify()
        except Refusal as refusal:
            self._note(refusal)
            raise
        self._tap = tap
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
        return view

    async def redeem(self, programme: int, tender: int, amount_rupiah: int, items: list, pin) -> Receipt:
        """Debit and record; the receipt comes back only after the commit. Raises `Refusal`."""
        tap = self._tap
        if tap is None:
            raise Refusal(refusals.CARD_REMOVED)
        order = Order(programme, tender, amount_rupiah, tuple([tuple(item) for item in items]))
        try:
            sequence = await self._authorizer.redeem(tap, order, pin or b"")
        except Refusal as refusal:
            self._note(refusal)
            raise
        # From here on the sale stands; the card's own closing is a courtesy that nothing waits for.
        self._tap = None
        asyncio.create_task(self._close(tap))
        self._after_commit()
        return self._receipt(self._ledger.records_from(sequence, 1)[0])

    def _note(self, refusal: Refusal) -> None:
        """Count every refusal; a card that is not authentic is evidence and becomes an event in the chain, but only so
        often: whoever holds false cards must not be able to fill the journal."""
        number = refusal.number
        self.refusal_counts[number] = self.refusal_counts.get(number, 0) + 1
        if number != refusals.CARD_NOT_AUTHENTIC:
            return
        now_ms = self._clock.ticks_ms()
        recent = [at for at in self._evidence_ms if self._clock.ticks_diff(now_ms, at) < EVIDENCE_WINDOW_MS]
        if len(recent) < EVIDENCE_MAX and not self._ledger.journal.is_full():
            recent.append(now_ms)
            detail = refusal.detail.to_bytes(2, "big")
            event = self._ledger.record(
                records.EVENT, code=records.EVENT_CARD_NOT_AUTHENTIC, operator=0, detail=detail
            )
            self._ledger.commit(event, slots.NO_INDEX)
        self._evidence_ms = recent

    async def _close(self, tap: Tap) -> None:
        """Second GENERATE AC where the card wants one, then the field goes off."""
        try:
            await self._authorizer.close(tap)
            await self._reader.field_off()
        except CardError:
            # Best effort by design (section 4.5): the record is committed and decides alone.
            tap.session.wipe()

    async def abandon(self) -> None:
        """The conversation is over: forget the card and switch the field off, if a sale has not done so."""
        if self._tap is not None:
            self._forget()
            # Never raises: the reader heals itself or has no field (drivers/pn532).
            await self._reader.field_off()

    def _forget(self) -> None:
        """Let go of the card before."""
        if self._tap is not None:
            self._tap.session.wipe()
            self._tap = None

    def _recent(self, programme: int, tap: Tap) -> "Receipt | None":
        """The receipt of a redemption by the same family and programme inside policy's window."""
        ledger = self._ledger
        since_s = ledger.now_s() - ledger.policy.retap_window_s
        for index, number, _, time_s, sequence in reversed(ledger.entitlements.recent):
            if index == tap.index and number == programme and time_s >= since_s:
                return self._receipt(ledger.records_from(sequence, 1)[0])
        return None

    # Looking back.

    def receipts(self, first: int, count: int) -> list:
        """Redemptions, newest first, passing over the first `first`."""
        found = []
        sequence = self._ledger.entitlements.last_sale
        while sequence > 0 and len(found) < count:
            start = max(1, sequence - 15)
            for slot in reversed(self._ledger.records_from(start, sequence - start + 1)):
                if slot.kind != records.REDEMPTION:
                    continue
                if first > 0:
                    first -= 1
                elif len(found) < count:
                    found.append(self._receipt(slot))
            sequence = start - 1
        return found

    def last_receipt(self) -> "Receipt | None":
        """The newest redemption, as it is known now."""
        sequence = self._ledger.entitlements.last_sale
        return self._receipt(self._ledger.records_from(sequence, 1)[0]) if sequence else None

    def _receipt(self, slot) -> Receipt:
        """A redemption slot as a receipt; `remaining_rupiah` is what is left now."""
        record = records.decode(slot.payload)
        receipt = Receipt()
        receipt.terminal_id = self.terminal_id
        receipt.sequence = slot.sequence
        receipt.time_s = record.time_s
        receipt.programme = record.programme
        receipt.tender = record.tender
        receipt.amount_rupiah = record.amount_rupiah
        receipt.remaining_rupiah = max(0, self._ledger.remaining_rupiah(record.programme, slot.index))
        receipt.items = record.items
        receipt.roster_number = slot.index + 1
        receipt.state = self.state_of(slot.sequence)
        return receipt

    def state_of(self, sequence: int) -> int:
        """How far a record has come, as this terminal knows it."""
        marks = self._ledger.marks
        if sequence > marks.sealed_through:
            return states.RECORDED
        return _STATES.get(marks.settlement(sequence), states.SEALED_AT_GATEWAY)

    def totals(self) -> Totals:
        """Sums over the current local day; pending ones over all days."""
        ledger = self._ledger
        totals = Totals()
        for name in ("count", "goods_rupiah", "cash_rupiah", "pending_count", "pending_rupiah"):
            setattr(totals, name, 0)
        for name in ("acknowledged_count", "acknowledged_rupiah", "settled_count", "settled_rupiah"):
            setattr(totals, name, 0)
        today = civil_date.local_date(ledger.now_s(), ledger.policy.utc_offset_minutes)
        sequence = ledger.entitlements.last_sale
        while sequence > 0:
            start = max(1, sequence - 63)
            for slot in reversed(ledger.records_from(start, sequence - start + 1)):
                if slot.kind == records.REDEMPTION and not self._add(totals, slot, today):
                    return totals
            sequence = start - 1
        return totals

    def _add(self, totals: Totals, slot, today: tuple) -> bool:
        """Add one redemption; False when it is neither of today nor pending, so that older ones cannot be either."""
        record = records.decode(slot.payload)
        amount_rupiah = record.amount_rupiah
        is_today = civil_date.local_date(record.time_s, self._ledger.policy.utc_offset_minutes) == today
        state = self.state_of(slot.sequence)
        if state == states.RECORDED:
            totals.pending_count += 1
            totals.pending_rupiah += amount_rupiah
        elif not is_today:
            return False
        if is_today:
            totals.count += 1
            if record.tender == records.TENDER_CASH:
                totals.cash_rupiah += amount_rupiah
            else:
                totals.goods_rupiah += amount_rupiah
            if state != states.RECORDED:
                totals.acknowledged_count += 1
                totals.acknowledged_rupiah += amount_rupiah
            if state == states.SETTLED:
                totals.settled_count += 1
                totals.settled_rupiah += amount_rupiah
        return True


def operator_verifier(roster_key: bytes, code: str) -> bytes:
    """What is kept of an operator's code."""
    return hmac_sha256(roster_key, b"operator" + code.encode())[:OPERATOR_VERIFIER_OCTETS]
