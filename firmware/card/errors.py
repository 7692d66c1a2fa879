"""Every way in which a card or its reader fails a tap, each with the number that the operator's screen shows.

Messages name field and place, never a PAN, a PIN or field contents, so they are safe to show and to log.
"""

# Presence and reader.
READER_FAILED = 101
CARD_REMOVED = 102
CARDS_COLLIDE = 103
# The card's answers are not what the standard allows.
MALFORMED = 110
DATA_MISSING = 111
DATA_REPEATED = 112
VALUE_WRONG = 113
LIMIT_EXCEEDED = 114
CDOL1_UNKNOWN = 115
OTHER_CARD = 116
# The card says no.
COMMAND_REFUSED = 120
CARD_BLOCKED = 121
APPLICATION_BLOCKED = 122
NO_APPLICATION = 123
CARD_DECLINED = 124
CARD_WANTS_ONLINE = 125
# Offline data authentication.
CA_KEY_UNKNOWN = 130
CA_KEY_INVALID = 131
CERTIFICATE_INVALID = 132
CERTIFICATE_EXPIRED = 133
CERTIFICATE_REVOKED = 134
SIGNATURE_INVALID = 135
AUTHENTICATION_TOO_WEAK = 136
# The terminal says no.
TERMINAL_DECLINED = 140
# The card's own PIN (programme application only).
PIN_WRONG = 150
PIN_BLOCKED = 151
PIN_UNSUPPORTED = 152
PIN_REQUIRED = 153
PIN_FORBIDDEN = 154

# (number, word, what happened): the source of the operator's sentences and of the manual.
CODES = (
    (READER_FAILED, "reader_failed", "the reader did not answer or broke its own protocol"),
    (CARD_REMOVED, "card_removed", "the card left the field before the exchange was over"),
    (CARDS_COLLIDE, "cards_collide", "more than one card in the field"),
    (
        MALFORMED,
        "malformed",
        "an answer that is cut short, lies about a length or is not coded as it must be",
    ),
    (DATA_MISSING, "data_missing", "a mandatory data object is not on the card"),
    (DATA_REPEATED, "data_repeated", "a data object is on the card twice"),
    (VALUE_WRONG, "value_wrong", "a data object holds a value that the standard does not allow"),
    (LIMIT_EXCEEDED, "limit_exceeded", "more or longer data than this terminal takes from a card"),
    (CDOL1_UNKNOWN, "cdol1_unknown", "the card asks for other data than policy names for its application"),
    (OTHER_CARD, "other_card", "the card tapped again is not the card of the first tap"),
    (COMMAND_REFUSED, "command_refused", "the card refused a command; the status word says why"),
    (CARD_BLOCKED, "card_blocked", "the issuer has blocked the card"),
    (APPLICATION_BLOCKED, "application_blocked", "the issuer has blocked the application"),
    (NO_APPLICATION, "no_application", "no application on the card that policy names"),
    (CARD_DECLINED, "card_declined", "the card answered with an AAC"),
    (CARD_WANTS_ONLINE, "card_wants_online", "the card asks for its issuer where the programme is offline"),
    (
        CA_KEY_UNKNOWN,
        "ca_key_unknown",
        "no CA public key of the index that the card names, or it has expired",
    ),
    (
        CA_KEY_INVALID,
        "ca_key_invalid",
        "a CA public key that fails its own checksum or has a size not allowed",
    ),
    (CERTIFICATE_INVALID, "certificate_invalid", "a public key certificate that does not verify"),
    (CERTIFICATE_EXPIRED, "certificate_expired", "a public key certificate that has expired"),
    (CERTIFICATE_REVOKED, "certificate_revoked", "an issuer public key certificate that has been revoked"),
    (SIGNATURE_INVALID, "signature_invalid", "a signature of the card that does not verify or is missing"),
    (
        AUTHENTICATION_TOO_WEAK,
        "authentication_too_weak",
        "the card offers less authentication than policy requires",
    ),
    (
        TERMINAL_DECLINED,
        "terminal_declined",
        "the action codes of policy or issuer refuse what the TVR shows",
    ),
    (PIN_WRONG, "pin_wrong", "the card says that the PIN is wrong"),
    (PIN_BLOCKED, "pin_blocked", "the card takes no more PIN tries"),
    (PIN_UNSUPPORTED, "pin_unsupported", "the programme's card does not ask for its offline PIN"),
    (PIN_REQUIRED, "pin_required", "the programme's card cannot be asked without its PIN"),
    (PIN_FORBIDDEN, "pin_forbidden", "a PIN was offered for a bank's application, which never gets one"),
)


class CardError(Exception):
    """Any failure of a tap; `code` is one of the numbers above."""

    code = 0

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class ReaderError(CardError):
    """The reader failed, or the field holds something else than one card."""

    def __init__(self, text: str, code: int = READER_FAILED) -> None:
        super().__init__(code, text)


class CardRemoved(CardError):
    """The card left the field; `command` says during what."""

    def __init__(self, command: str = "exchange") -> None:
        super().__init__(CARD_REMOVED, "card removed during " + command)


class CardProtocolError(CardError):
    """The card sent something that the standard does not allow: `field` names it, `offset` is the octet offset in the
    unit being read, or -1 where none applies.
    """

    def __init__(self, code: int, field: str, offset: int, reason: str) -> None:
        super().__init__(code, "%s at octet %d: %s" % (field, offset, reason))
        self.field = field
        self.offset = offset


class CardRefused(CardError):
    """The card refused `command` with the status word `sw`."""

    def __init__(self, code: int, command: str, sw: int) -> None:
        super().__init__(code, "%s refused, status %04X" % (command, sw))
        self.command = command
        self.sw = sw


class CardDeclined(CardError):
    """The card answered GENERATE AC with less than was asked for; `cid` is its Cryptogram Information Data."""

    def __init__(self, code: int, cid: int) -> None:
        super().__init__(code, "GENERATE AC answered with CID %02X" % cid)
        self.cid = cid


class OtherCard(CardError):
    """The card tapped again is another one; `what` names the first thing that differs, without its value."""

    def __init__(self, what: str) -> None:
        super().__init__(OTHER_CARD, "not the card of the first tap: " + what)


class AuthenticationError(CardError):
    """A key, certificate or signature that does not verify: `field` names it (its tag), `offset` the octet offset in
    the recovered data, or -1.
    """

    def __init__(self, code: int, field: str, offset: int, reason: str) -> None:
        super().__init__(code, "%s at octet %d: %s" % (field, offset, reason))
        self.field = field
        self.offset = offset


class TerminalDeclined(CardError):
    """An action code of policy or issuer matches the TVR (`tvr`, 5 octets); no cryptogram was asked for."""

    def __init__(self, name: str, tvr: bytes) -> None:
        super().__init__(TERMINAL_DECLINED, "action code %s refuses TVR %s" % (name, tvr.hex()))
        self.tvr = tvr


class PinError(CardError):
    """The PIN of the programme's own card; `tries_left` is the card's count, or -1 where it gave none."""

    def __init__(self, code: int, text: str, tries_left: int = -1) -> None:
        super().__init__(code, text)
        self.tries_left = tries_left
