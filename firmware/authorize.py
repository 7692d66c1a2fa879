"""The critical path: from a card on the reader to a committed redemption. Read it top to bottom.

Nothing here needs a network. Whatever fails before the commit leaves the entitlement untouched; after the commit the
sale stands.
"""

from firmware import refusals
from firmware.card import oda
from firmware.card.errors import CardError
from firmware.card_refusals import refusal_of
from firmware.crypto.constant_time import equal
from firmware.crypto.hmac_sha256 import hmac_sha256
from firmware.ledger import slots
from firmware.refusals import Refusal
from firmware.states import PIN_AID, PIN_CARD
from protocol import aid_pin, card_key, records, roster, unpredictable_number
from protocol.policy import KIND_PROGRAMME

# Near the end of a kid's 23-bit sequence a new generation is asked for (design 4.5).
SEQUENCE_LIMIT = records.SEQUENCE_MAX - 4096

# Bit 0 of a redemption's flags: cards followed each other faster than families can (a question, never a refusal).
FLAG_RAPID = 1


class Order:
    """What the family asked for: `programme`, `tender`, `amount_rupiah`, `items`, `reason` (0 unless asked for one)."""

    def __init__(
        self, programme: int, tender: int, amount_rupiah: int, items: tuple, reason: int = 0
    ) -> None:
        self.programme = programme
        self.tender = tender
        self.amount_rupiah = amount_rupiah
        self.items = items
        self.reason = reason


class Tap:
    """A card that was authenticated and found on the roster: its `session`, `card_key`, `index`, `place`, `entry`."""

    def __init__(self, session, key: bytes, index: int, place: int, entry: roster.Entry) -> None:
        self.session = session
        self.card_key = key
        self.index = index
        self.place = place
        self.entry = entry

    @property
    def pin_kind(self) -> int:
        """Who checks the PIN of this card."""
        return PIN_CARD if self.session.application.kind == KIND_PROGRAMME else PIN_AID


class Authorizer:
    """`kernel`: card.kernel.CardKernel; `reader`: the card reader; `roster_key`: the programme's; `encrypt_un(block)`:
    AES under the UN key. `locked` is set when the terminal found itself rolled back."""

    def __init__(self, ledger, kernel, reader, roster_key: bytes, encrypt_un) -> None:
        self._ledger = ledger
        self._kernel = kernel
        self._reader = reader
        self._roster_key = roster_key
        self._encrypt_un = encrypt_un
        self._to_enrol = None
        self.locked = False

    async def identify(self) -> Tap:
        """Authenticate the card in the field and find its family; raises `Refusal`."""
        ledger = self._ledger
        try:
            session = await self._kernel.authenticate(self._reader, ledger.transaction_date(ledger.now_s()))
        except CardError as error:
            raise refusal_of(error)
        key = card_key.derive(
            hmac_sha256, self._roster_key, session.pan, session.pan_sequence, session.expiry
        )
        index, place = ledger.roster.find_card(key)
        if index < 0:
            session.wipe()
            raise Refusal(refusals.CARD_NOT_REGISTERED)
        entry = ledger.roster.entry(index)
        if entry.state == roster.BLOCKED or not self._is_listed(entry.cards[place], session.application):
            session.wipe()
            raise Refusal(refusals.CARD_BLOCKED)
        return Tap(session, key, index, place, entry)

    async def redeem(self, tap: Tap, order: Order, pin: bytes) -> int:
        """Authorise and commit one redemption; returns its sequence or raises `Refusal`.

        The checks that need no card come first, the PIN is looked at when the same card is surely there, and the
        journal commit is the only point of no return.
        """
        self._require_terminal_ready(order)
        self._require_entitlement(tap, order)
        proof = await self._prove(tap, order, pin)
        return self._commit(tap, order, proof)

    async def close(self, tap: Tap) -> None:
        """After the commit: tell a bank's card that its issuer was not reached (best effort), forget the card."""
        await self._kernel.close(self._reader, tap.session)
        tap.session.wipe()

    # Before the card is asked.

    def _require_terminal_ready(self, order: Order) -> None:
        """The terminal's own reasons to refuse."""
        ledger = self._ledger
        if self.locked:
            raise Refusal(refusals.TERMINAL_LOCKED)
        if ledger.journal.is_full():
            raise Refusal(refusals.JOURNAL_FULL)
        if ledger.journal.sequence >= SEQUENCE_LIMIT:
            raise Refusal(refusals.SEQUENCE_SPENT)
        grant = ledger.grants.get(order.programme)
        if grant is None:
            raise Refusal(refusals.NO_GRANT)
        if (order.programme, grant.period) in ledger.entitlements.closed:
            raise Refusal(refusals.PERIOD_CLOSED)
        if ledger.now_s() >= grant.expiry_s:
            raise Refusal(refusals.LEASE_EXPIRED)
        if ledger.time_trust == records.TRUST_UNSET:
            cap_rupiah = ledger.policy.clock_lost_cap_rupiah
            if cap_rupiah == 0:
                raise Refusal(refusals.CLOCK_NOT_TRUSTED)
            if ledger.entitlements.untrusted_rupiah + order.amount_rupiah > cap_rupiah:
                raise Refusal(refusals.CLOCK_CAP_REACHED, cap_rupiah)

    def _require_entitlement(self, tap: Tap, order: Order) -> None:
        """What the family has left, and what policy lets this kind of card draw."""
        if not 1 <= order.amount_rupiah <= records.AMOUNT_RUPIAH_MAX:
            raise Refusal(refusals.AMOUNT_NOT_ALLOWED)
        remaining_rupiah = self._ledger.remaining_rupiah(order.programme, tap.index)
        if remaining_rupiah <= 0:
            raise Refusal(refusals.NO_ENTITLEMENT)
        if order.amount_rupiah > remaining_rupiah:
            raise Refusal(refusals.AMOUNT_ABOVE_REMAINING, remaining_rupiah)
        cap_rupiah = self._cap_rupiah(tap.session.oda_level)
        if cap_rupiah >= 0 and order.amount_rupiah > cap_rupiah:
            raise Refusal(refusals.AMOUNT_ABOVE_CAP, cap_rupiah)

    def _cap_rupiah(self, oda_level: int) -> int:
        """Policy's cap for cards whose cryptogram is not bound by a signature; -1 for none."""
        if oda_level == oda.CDA:
            return -1
        policy = self._ledger.policy
        return int(policy.dda_cap_rupiah if oda_level == oda.DDA else policy.sda_cap_rupiah)

    # With the card.

    async def _prove(self, tap: Tap, order: Order, pin: bytes):
        """The card's cryptogram for this very transaction, with the PIN checked on the way."""
        ledger = self._ledger
        self._to_enrol = None
        card_pin = pin if tap.pin_kind == PIN_CARD else None
        burned = []

        def draw_unpredictable_number() -> bytes:
            if tap.pin_kind == PIN_AID:
                self._check_aid_pin(tap, pin)
            sequence, attempt = self._burn_attempt()
            burned.append(attempt)
            return unpredictable_number.derive(self._encrypt_un, sequence, attempt)

        try:
            proof = await self._kernel.generate_proof(
                self._reader,
                tap.session,
                order.amount_rupiah,
                order.tender,
                ledger.transaction_date(ledger.now_s()),
                draw_unpredictable_number,
                card_pin,
            )
        except CardError as error:
            raise refusal_of(error)
        proof.un_attempt = burned[-1]
        return proof

    def _check_aid_pin(self, tap: Tap, pin: bytes) -> None:
        """Burn a try, then compare; a right PIN clears the tries. Raises `Refusal`."""
        ledger = self._ledger
        tries = ledger.policy.pin_tries
        used = ledger.entitlements.tries(tap.index, tap.place)
        if used >= tries:
            raise Refusal(refusals.PIN_LOCKED)
        if not pin:
            raise Refusal(refusals.PIN_MISSING)
        verifier, application_index = self._verifier(tap)
        if not any(verifier):
            raise Refusal(refusals.PIN_NOT_ASSIGNED)
        ledger.burn_pin_try(tap.index, tap.place)
        if application_index == aid_pin.UNBOUND:
            offered = aid_pin.unbound(hmac_sha256, self._roster_key, tap.card_key, pin)
        else:
            offered = self._bound_verifier(tap, application_index, pin)
        if not equal(offered, verifier):
            left = tries - used - 1
            if left == 0:
                self._commit_event(records.EVENT_PIN_LOCKED, tap.card_key, tap.index)
            raise Refusal(refusals.PIN_WRONG if left else refusals.PIN_LOCKED, left)
        ledger.clear_pin_tries(tap.index, tap.place)
        if application_index == aid_pin.UNBOUND and tap.session.pin_binding:
            self._to_enrol = self._bound_verifier(tap, tap.session.application.application_index, pin)

    def _verifier(self, tap: Tap) -> tuple:
        """(verifier, application that keys it): the roster's, or what this terminal enrolled itself."""
        card = tap.entry.cards[tap.place]
        sequence = self._ledger.entitlements.enrolment(tap.index)
        if card.bound_application == aid_pin.UNBOUND and sequence:
            enrolled = records.decode(self._ledger.records_from(sequence, 1)[0].payload)
            if enrolled.card_key == tap.card_key:
                return enrolled.verifier, enrolled.application_index
        return card.verifier, card.bound_application

    def _bound_verifier(self, tap: Tap, application_index: int, pin: bytes) -> bytes:
        """The verifier that only this card's certificate can key."""
        return aid_pin.bound(hmac_sha256, tap.session.pin_binding, tap.card_key, application_index, pin)

    def _burn_attempt(self) -> tuple:
        """(sequence, attempt) of the next UN; the 256th attempt commits an event, which moves the sequence on."""
        if self._ledger.entitlements.un_attempts > unpredictable_number.ATTEMPT_MAX:
            self._commit_event(records.EVENT_UN_ATTEMPTS_SPENT, b"", slots.NO_INDEX)
        return self._ledger.burn_un_attempt()

    # Point of no return.

    def _commit(self, tap: Tap, order: Order, proof) -> int:
        """The canonical record into the journal, sealed."""
        ledger = self._ledger
        record = ledger.record(
            records.REDEMPTION,
            programme=order.programme,
            period=ledger.grants[order.programme].period,
            tender=order.tender,
            amount_rupiah=order.amount_rupiah,
            card_key=tap.card_key,
            lease=ledger.grants[order.programme].number,
            method=records.METHOD_CARD_PIN if tap.pin_kind == PIN_CARD else records.METHOD_AID_PIN,
            flags=self._flags(tap),
            reason=order.reason,
            proof=proof,
            items=order.items,
        )
        sequence = ledger.commit(record, tap.index)
        self._commit_enrolment(tap)
        return sequence

    def _flags(self, tap: Tap) -> int:
        """Whether this card ends a run that is faster than families are (policy's gap and run length)."""
        policy = self._ledger.policy
        now_s = self._ledger.now_s()
        run = 1
        for index, _, _, time_s, _ in reversed(self._ledger.entitlements.recent):
            if index == tap.index or now_s - time_s >= policy.rapid_gap_s:
                break
            now_s = time_s
            run += 1
        return FLAG_RAPID if policy.rapid_run and run >= policy.rapid_run else 0

    def _commit_enrolment(self, tap: Tap) -> None:
        """After the sale: the verifier that this card's certificate keys, for the next roster."""
        verifier = self._to_enrol
        self._to_enrol = None
        if verifier is not None:
            enrol = self._ledger.record(
                records.ENROL,
                card_key=tap.card_key,
                application_index=tap.session.application.application_index,
                verifier=verifier,
            )
            self._ledger.commit(enrol, tap.index)

    def _commit_event(self, code: int, detail: bytes, index: int) -> None:
        """An event in the chain."""
        event = self._ledger.record(records.EVENT, code=code, operator=0, detail=detail)
        self._ledger.commit(event, index)

    def _is_listed(self, card: roster.Card, application) -> bool:
        """Whether the roster lists the application that the kernel selected."""
        return bool(card.applications >> application.application_index & 1)
