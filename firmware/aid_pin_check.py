"""The aid PIN at the counter: a try burned in flash before the PIN is looked at, and the verifier bound at first use.

Only an authority-signed release unlocks a locked PIN; that release has no message yet, so in this version it comes with
the next generation of the terminal.
"""

from firmware import refusals
from firmware.crypto.constant_time import equal
from firmware.crypto.hmac_sha256 import hmac_sha256
from firmware.ledger import slots
from firmware.refusals import Refusal
from protocol import aid_pin, records


class AidPin:
    """Checks PINs against the roster's verifiers, or those that this terminal enrolled itself."""

    def __init__(self, ledger, roster_key: bytes) -> None:
        self._ledger = ledger
        self._roster_key = roster_key

    def verifier_of(self, card, index: int, place: int) -> tuple:
        """(verifier, application whose certificate keys it or aid_pin.UNBOUND) of a roster card."""
        if card.bound_application == aid_pin.UNBOUND:
            sequence = self._ledger.entitlements.enrolment(index, place)
            held = self._ledger.records_from(sequence, 1) if sequence else ()
            for slot in held:
                enrolled = records.decode(slot.payload)
                if enrolled.card_key == card.card_key:
                    return enrolled.verifier, enrolled.application_index
        return card.verifier, card.bound_application

    def check(self, tap, pin: bytes) -> None:
        """Burn a try, then compare `pin` (six ASCII digits); a right one clears the tries. Raises `Refusal`."""
        ledger = self._ledger
        used = ledger.entitlements.tries(tap.index, tap.place)
        tries = ledger.policy.pin_tries
        if used >= tries:
            raise Refusal(refusals.PIN_LOCKED)
        if len(pin) != aid_pin.PIN_DIGITS:
            raise Refusal(refusals.PIN_MISSING)
        bound = tap.bound_application
        own = tap.session.application.application_index
        # A verifier that another application's certificate keys says nothing about this PIN.
        if not any(tap.verifier) or bound not in (aid_pin.UNBOUND, own):
            raise Refusal(refusals.PIN_NOT_ASSIGNED)
        ledger.burn_pin_try(tap.index, tap.place)
        if bound == aid_pin.UNBOUND:
            offered = aid_pin.unbound(hmac_sha256, self._roster_key, tap.card_key, pin)
        else:
            offered = self._bound(tap, pin)
        if not equal(offered, tap.verifier):
            self._refuse(tap, tries - used - 1)
        ledger.clear_pin_tries(tap.index, tap.place)
        if bound == aid_pin.UNBOUND and tap.session.pin_binding:
            tap.enrolment = self._bound(tap, pin)

    def _bound(self, tap, pin: bytes) -> bytes:
        """The verifier that only the present card's certificate can key."""
        session = tap.session
        own = session.application.application_index
        return aid_pin.bound(hmac_sha256, session.pin_binding, tap.card_key, own, pin)

    def _refuse(self, tap, left: int) -> None:
        """A wrong PIN; the last one is an event in the chain, so that the programme can help."""
        if left:
            raise Refusal(refusals.PIN_WRONG, left)
        event = self._ledger.record(
            records.EVENT, code=records.EVENT_PIN_LOCKED, operator=0, detail=tap.card_key
        )
        self._ledger.commit(event, tap.index)
        raise Refusal(refusals.PIN_LOCKED)

    def enrol(self, tap) -> None:
        """After the sale: the verifier that this card's certificate keys, for the next roster and for the next tap."""
        verifier, tap.enrolment = tap.enrolment, None
        if verifier is not None:
            enrolment = self._ledger.record(
                records.ENROL,
                card_key=tap.card_key,
                application_index=tap.session.application.application_index,
                verifier=verifier,
            )
            self._ledger.commit(enrolment, tap.index | (slots.SECOND_CARD if tap.place else 0))
