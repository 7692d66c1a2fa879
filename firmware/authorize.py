"""The critical path: from a card on the reader to a committed redemption. Read it top to bottom.

Nothing here needs a network. Whatever fails before the commit leaves the entitlement untouched; after the commit the
sale stands. Rules that need no card are in `spending_rules`, the aid PIN in `aid_pin_check`, the card in `card/kernel`.
"""

from firmware import refusals, spending_rules
from firmware.after_sale import AfterSale
from firmware.aid_pin_check import AidPin
from firmware.crypto.hmac_sha256 import hmac_sha256
from firmware.failures import FAILURES, refusal_of
from firmware.refusals import Refusal
from firmware.states import PIN_AID, PIN_CARD
from protocol import card_key, records, roster, unpredictable_number
from protocol.policy import KIND_PROGRAMME

# Bit 0 of a redemption's flags: cards followed each other faster than families can (a question, never a refusal).
FLAG_RAPID = 1


class Order:
    """What the family asked for: `programme`, `tender`, `amount_rupiah`, `items`.

    `again_after`: the sequence of the same sale just before, that operator and family were shown (0: none was); `reason`:
    what the operator answered to a rapid run of cards (states.REASON_*; 0: not asked).
    """

    def __init__(
        self,
        programme: int,
        tender: int,
        amount_rupiah: int,
        items: tuple,
        again_after: int = 0,
        reason: int = 0,
    ) -> None:
        self.programme = programme
        self.tender = tender
        self.amount_rupiah = amount_rupiah
        self.items = items
        self.again_after = again_after
        self.reason = reason


class Tap:
    """A card that was authenticated and found on the roster: `session`, `card_key`, roster `index` and `place` in its
    `entry`, the aid PIN's `verifier` with the application that keys it; `is_rapid`: the card ends a run of cards that
    is faster than families are; after the sale its `sequence`, the `record` and what is to be enrolled.
    """

    def __init__(self, session, key: bytes, index: int, place: int, entry: roster.Entry) -> None:
        self.session = session
        self.card_key = key
        self.index = index
        self.place = place
        self.entry = entry
        self.verifier = b""
        self.bound_application = 0
        self.is_rapid = False
        self.sequence = 0
        self.record = None
        self.enrolment = None

    @property
    def pin_kind(self) -> int:
        """Who checks the PIN of this card."""
        return PIN_CARD if self.session.application.kind == KIND_PROGRAMME else PIN_AID


class Authorizer:
    """`kernel`: card.kernel.CardKernel; `reader`: the card reader; `roster_key`: the programme's; `encrypt_un(block)`:
    AES under the UN key. `after`: what may follow a redemption (firmware/after_sale).
    """

    def __init__(self, ledger, kernel, reader, roster_key: bytes, encrypt_un) -> None:
        self._ledger = ledger
        self._kernel = kernel
        self._reader = reader
        self._roster_key = roster_key
        self._encrypt_un = encrypt_un
        self._aid_pin = AidPin(ledger, roster_key)
        self.after = AfterSale(ledger, kernel, reader, encrypt_un, self._today)

    # First tap: whose card is this?

    async def identify(self) -> Tap:
        """Authenticate the card in the field and find its family; raises `Refusal`."""
        try:
            session = await self._kernel.authenticate(self._reader, self._today())
        except FAILURES as failure:
            raise refusal_of(failure)
        try:
            return self._find(session)
        except FAILURES as failure:
            session.wipe()
            raise refusal_of(failure)
        except Refusal:
            session.wipe()
            raise

    def _find(self, session) -> Tap:
        """The family by card key. An entry that was removed still has its open lease: the grant decides, not the roster."""
        key = card_key.derive(
            hmac_sha256, self._roster_key, session.pan, session.pan_sequence, session.expiry
        )
        index, place = self._ledger.roster.find_card(key)
        if index < 0:
            raise Refusal(refusals.CARD_NOT_REGISTERED)
        entry = self._ledger.roster.entry(index)
        card = entry.cards[place]
        is_listed = card.applications >> session.application.application_index & 1
        if entry.state == roster.BLOCKED or not is_listed:
            raise Refusal(refusals.CARD_BLOCKED)
        tap = Tap(session, key, index, place, entry)
        tap.verifier, tap.bound_application = self._aid_pin.verifier_of(card, index, place)
        # Looked at once, so that the operator is asked about exactly what the record will say.
        tap.is_rapid = spending_rules.is_rapid(self._ledger, index)
        return tap

    # Second phase: with amount and PIN, the card still there or laid on again.

    async def redeem(self, tap: Tap, order: Order, pin: bytes) -> int:
        """Authorise and commit one redemption; returns its sequence, the record is then `tap.record`. Raises `Refusal`,
        and then nothing was debited. `pin`: ASCII digits, b"" for none.
        """
        ledger = self._ledger
        try:
            self._require(tap, order)
            proof = await self._prove(tap, order, pin)
            tap.record = self._record(tap, order, proof)
            tap.sequence = ledger.commit(tap.record, tap.index)  # the only point of no return
            return tap.sequence
        except FAILURES as failure:
            raise refusal_of(failure)
        finally:
            # However it ended: the number that was burned is not used any more, and events that waited go on.
            ledger.abandon()

    def _require(self, tap: Tap, order: Order) -> None:
        """All that speaks against the sale and needs no card."""
        spending_rules.require_terminal(self._ledger, order)
        spending_rules.require_family(self._ledger, order, tap)

    async def _prove(self, tap: Tap, order: Order, pin: bytes):
        """The card's cryptogram for this very transaction, with the PIN checked on the way."""
        burned = []

        def draw_unpredictable_number() -> bytes:
            # The kernel calls this when the same card is surely there and nothing else can refuse: a card pulled
            # before costs no PIN try. Try and attempt are in flash before PIN and number are used. A grant may have
            # come in since the first look at the rules; from the burned attempt on nothing else enters the chain.
            self._require(tap, order)
            if tap.pin_kind == PIN_AID:
                self._aid_pin.check(tap, pin)
            sequence, attempt = self._ledger.burn_un_attempt()
            burned.append(attempt)
            return unpredictable_number.derive(self._encrypt_un, sequence, attempt)

        proof = await self._kernel.generate_proof(
            self._reader,
            tap.session,
            order.amount_rupiah,
            order.tender,
            self._today(),
            draw_unpredictable_number,
            pin if tap.pin_kind == PIN_CARD else None,
            previous_rupiah=self._previous_rupiah(tap),
        )
        proof.un_attempt = burned[0]
        return proof

    def _record(self, tap: Tap, order: Order, proof) -> records.Record:
        """The redemption as it goes into the chain."""
        grant = self._ledger.grants[order.programme]
        return self._ledger.record(
            records.REDEMPTION,
            programme=order.programme,
            period=grant.period,
            tender=order.tender,
            amount_rupiah=order.amount_rupiah,
            card_key=tap.card_key,
            lease=grant.number,
            method=records.METHOD_CARD_PIN if tap.pin_kind == PIN_CARD else records.METHOD_AID_PIN,
            flags=FLAG_RAPID if tap.is_rapid else 0,
            reason=order.reason if tap.is_rapid else 0,
            proof=proof,
            items=order.items,
        )

    # After the commit: nothing here can undo the sale.

    async def close(self, tap: Tap) -> None:
        """Tell a bank's card that its issuer was not reached (best effort), enrol its PIN verifier, forget the card.

        What the card says to it decides nothing and is kept as a mark beside the chain (README.md). Raises one of
        `FAILURES` where enrolment or mark could not be kept: the next sale enrols again.
        """
        try:
            is_bank = bool(tap.session.closing)
            cid = await self._kernel.close(self._reader, tap.session)
            self._aid_pin.enrol(tap)
            if is_bank:
                self._ledger.record_card_closing(tap.sequence, cid & 0xFF)
        finally:
            tap.session.wipe()

    def _today(self) -> bytes:
        """The transaction date (tag 9A)."""
        return self._ledger.transaction_date(self._ledger.now_s())

    def _previous_rupiah(self, tap: Tap) -> int:
        """What this family's last redemption here took: the floor limit is held against both together (Book 3, 10.6.1)."""
        for index, _, amount_rupiah, _, _ in reversed(self._ledger.entitlements.recent):
            if index == tap.index:
                return amount_rupiah
        return 0
