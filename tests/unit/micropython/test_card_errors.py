"""The error table: one number per failure, and messages that are safe to show."""

from firmware.card import errors


def test_numbers_and_words_are_unique_and_complete():
    numbers = [number for number, _, _ in errors.CODES]
    words = [word for _, word, _ in errors.CODES]
    assert len(set(numbers)) == len(numbers) and len(set(words)) == len(words)
    constants = {
        name.lower(): getattr(errors, name) for name in dir(errors) if name.isupper() and name != "CODES"
    }
    assert constants == {word: number for number, word, _ in errors.CODES}
    assert all(0 < number < 1000 and meaning for number, _, meaning in errors.CODES)


def test_every_class_carries_its_code_and_says_where():
    for error, code, text in (
        (errors.CardRemoved("READ RECORD"), errors.CARD_REMOVED, "READ RECORD"),
        (errors.ReaderError("two cards", errors.CARDS_COLLIDE), errors.CARDS_COLLIDE, "two cards"),
        (errors.ReaderError("no answer"), errors.READER_FAILED, "no answer"),
        (
            errors.CardProtocolError(errors.MALFORMED, "tag 77", 3, "cut"),
            errors.MALFORMED,
            "tag 77 at octet 3: cut",
        ),
        (
            errors.CardRefused(errors.COMMAND_REFUSED, "GPO", 0x6985),
            errors.COMMAND_REFUSED,
            "GPO refused, status 6985",
        ),
        (errors.CardDeclined(errors.CARD_DECLINED, 0x00), errors.CARD_DECLINED, "CID 00"),
        (errors.OtherCard("card data"), errors.OTHER_CARD, "card data"),
        (
            errors.AuthenticationError(errors.SIGNATURE_INVALID, "tag 9F4B", 1, "x"),
            errors.SIGNATURE_INVALID,
            "tag 9F4B",
        ),
        (
            errors.TerminalDeclined("denial", bytes(5)),
            errors.TERMINAL_DECLINED,
            "denial refuses TVR 0000000000",
        ),
        (errors.PinError(errors.PIN_WRONG, "wrong", 2), errors.PIN_WRONG, "wrong"),
    ):
        assert isinstance(error, errors.CardError) and isinstance(error, Exception)
        assert error.code == code and text in str(error), str(error)
