"""What the operator is told when a card fails: the card layer's error codes as refusal numbers."""

from firmware import refusals
from firmware.card import errors

_NUMBERS = {
    errors.READER_FAILED: refusals.READER_FAULT,
    errors.CARD_REMOVED: refusals.CARD_REMOVED,
    errors.CARDS_COLLIDE: refusals.TWO_CARDS,
    errors.CDOL1_UNKNOWN: refusals.CDOL_UNKNOWN,
    errors.OTHER_CARD: refusals.OTHER_CARD,
    errors.CARD_BLOCKED: refusals.CARD_BLOCKED,
    errors.APPLICATION_BLOCKED: refusals.CARD_BLOCKED,
    errors.NO_APPLICATION: refusals.NO_APPLICATION,
    errors.CARD_DECLINED: refusals.CARD_DECLINED,
    errors.CARD_WANTS_ONLINE: refusals.CARD_DECLINED,
    errors.CA_KEY_UNKNOWN: refusals.CARD_NOT_AUTHENTIC,
    errors.CA_KEY_INVALID: refusals.CARD_NOT_AUTHENTIC,
    errors.CERTIFICATE_INVALID: refusals.CARD_NOT_AUTHENTIC,
    errors.CERTIFICATE_EXPIRED: refusals.CARD_EXPIRED,
    errors.CERTIFICATE_REVOKED: refusals.CARD_NOT_AUTHENTIC,
    errors.SIGNATURE_INVALID: refusals.CARD_NOT_AUTHENTIC,
    errors.AUTHENTICATION_TOO_WEAK: refusals.CARD_NOT_AUTHENTIC,
    errors.TERMINAL_DECLINED: refusals.CARD_EXPIRED,
    errors.PIN_WRONG: refusals.PIN_WRONG,
    errors.PIN_BLOCKED: refusals.PIN_LOCKED,
    errors.PIN_UNSUPPORTED: refusals.PIN_NOT_ASSIGNED,
    errors.PIN_REQUIRED: refusals.PIN_MISSING,
    errors.PIN_FORBIDDEN: refusals.PIN_MISSING,
}


def refusal_of(error: errors.CardError) -> refusals.Refusal:
    """The refusal for a card error; anything without a number of its own is an unreadable card."""
    number = _NUMBERS.get(error.code, refusals.CARD_UNREADABLE)
    detail = getattr(error, "tries_left", 0) if number == refusals.PIN_WRONG else error.code
    return refusals.Refusal(number, detail)
