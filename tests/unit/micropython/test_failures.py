"""Every failure below the critical path has a refusal that tells the operator what to do; none is a crash."""

from firmware import main

main.load()

from firmware import failures, refusals  # noqa: E402
from firmware.card import errors, risk  # noqa: E402
from firmware.crypto.signer import SealRefused  # noqa: E402
from firmware.hal.flash_area import FlashError  # noqa: E402
from firmware.ledger.journal import JournalDamaged, JournalFull  # noqa: E402
from firmware.ledger.ledger import SealFault  # noqa: E402
from protocol.errors import NotCanonical  # noqa: E402

HEAP = "16m"


class AnyCardError(errors.CardError):
    """A card error of a given code."""


def refusal_of(failure):
    assert isinstance(failure, failures.FAILURES), failure
    return failures.refusal_of(failure)


def test_every_card_error_has_a_refusal_and_names_its_code():
    for code, word, _ in errors.CODES:
        refusal = refusal_of(AnyCardError(code, word))
        assert 1 <= refusal.number <= refusals.LAST, word
        assert refusal.detail == code, word


def test_what_the_family_can_mend_is_told_apart_from_what_the_technician_must():
    for code in (errors.CARD_REMOVED, errors.CARDS_COLLIDE, errors.OTHER_CARD, errors.MALFORMED):
        assert refusal_of(AnyCardError(code, "")).number in refusals.TRY_AGAIN
    for code in (errors.READER_FAILED, errors.CARD_BLOCKED, errors.SIGNATURE_INVALID, errors.CDOL1_UNKNOWN):
        assert refusal_of(AnyCardError(code, "")).number not in refusals.TRY_AGAIN


def test_nothing_that_concerns_authenticity_is_called_a_bad_read():
    for code in (
        errors.CA_KEY_UNKNOWN,
        errors.CA_KEY_INVALID,
        errors.CERTIFICATE_INVALID,
        errors.CERTIFICATE_REVOKED,
        errors.SIGNATURE_INVALID,
        errors.AUTHENTICATION_TOO_WEAK,
    ):
        assert refusal_of(AnyCardError(code, "")).number == refusals.CARD_NOT_AUTHENTIC


def test_a_wrong_pin_tells_the_tries_that_are_left():
    refusal = refusal_of(errors.PinError(errors.PIN_WRONG, "", 2))
    assert (refusal.number, refusal.detail) == (refusals.PIN_WRONG, 2)
    assert refusal_of(errors.PinError(errors.PIN_BLOCKED, "", 0)).number == refusals.PIN_LOCKED


def test_a_restriction_is_told_by_its_date_where_it_has_one():
    for bits, number in (
        ((risk.EXPIRED,), refusals.CARD_EXPIRED),
        ((risk.NOT_YET_EFFECTIVE,), refusals.CARD_NOT_YET_VALID),
        ((risk.EXPIRED, risk.SERVICE_NOT_ALLOWED), refusals.CARD_EXPIRED),
        ((risk.SERVICE_NOT_ALLOWED,), refusals.CARD_DECLINED),
        ((risk.ABOVE_FLOOR_LIMIT,), refusals.CARD_DECLINED),
    ):
        tvr = bytearray(5)
        for bit in bits:
            risk.note(tvr, bit)
        assert refusal_of(errors.TerminalDeclined("denial", bytes(tvr))).number == number


def test_flash_and_signer_have_numbers_of_their_own():
    for failure, number in (
        (JournalFull(), refusals.JOURNAL_FULL),
        (FlashError("journal", 0, "program failed"), refusals.FLASH_FAULT),
        (JournalDamaged(0, "does not read back"), refusals.FLASH_FAULT),
        (NotCanonical("cards", 8, "a second card without a first"), refusals.FLASH_FAULT),
        (SealRefused("chain"), refusals.SEAL_FAULT),
        (SealFault(), refusals.SEAL_FAULT),
    ):
        assert refusal_of(failure).number == number, failure
    assert not isinstance(TypeError(), failures.FAILURES)
