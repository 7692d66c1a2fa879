"""What the operator is told when card, flash or signer fails a sale: typed errors as refusal numbers."""

from firmware import refusals
from firmware.card import errors, risk
from firmware.crypto.signer import SealRefused
from firmware.hal.flash_area import FlashError
from firmware.ledger.journal import JournalFull
from firmware.ledger.ledger import SealFault, TerminalLocked
from firmware.refusals import Refusal
from protocol.errors import ProtocolError

# Everything that may go wrong below the critical path without being a fault of the program. A `ProtocolError` there
# comes from octets that were read back from flash: what was taken in had been checked.
FAILURES = (errors.CardError, JournalFull, FlashError, ProtocolError, SealFault, SealRefused, TerminalLocked)

_CARD_NUMBERS = {
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
    errors.PIN_WRONG: refusals.PIN_WRONG,
    errors.PIN_BLOCKED: refusals.PIN_LOCKED,
    errors.PIN_UNSUPPORTED: refusals.PIN_NOT_ASSIGNED,
    errors.PIN_REQUIRED: refusals.PIN_MISSING,
    errors.PIN_FORBIDDEN: refusals.PIN_MISSING,
}


def refusal_of(failure: Exception) -> Refusal:
    """The refusal for one of `FAILURES`; `detail` is the card layer's code, or the tries left after a wrong PIN."""
    if isinstance(failure, errors.CardError):
        return _of_card(failure)
    if isinstance(failure, JournalFull):
        return Refusal(refusals.JOURNAL_FULL)
    if isinstance(failure, TerminalLocked):
        return Refusal(refusals.TERMINAL_LOCKED)
    if isinstance(failure, (SealFault, SealRefused)):
        return Refusal(refusals.SEAL_FAULT)
    return Refusal(refusals.FLASH_FAULT)


def _of_card(error: errors.CardError) -> Refusal:
    """A card's or reader's failure; what has no number of its own is a card that cannot be read."""
    if isinstance(error, errors.TerminalDeclined):
        return Refusal(_of_restrictions(error.tvr), error.code)
    number = _CARD_NUMBERS.get(error.code, refusals.CARD_UNREADABLE)
    return Refusal(number, error.tries_left if isinstance(error, errors.PinError) else error.code)


def _of_restrictions(tvr: bytes) -> int:
    """Which restriction of the card made the action codes refuse it; the dates are what people can see and mend."""
    for bit, number in (
        (risk.EXPIRED, refusals.CARD_EXPIRED),
        (risk.NOT_YET_EFFECTIVE, refusals.CARD_NOT_YET_VALID),
    ):
        if tvr[bit[0]] & bit[1]:
            return number
    return refusals.CARD_DECLINED
