"""Why the terminal says no: one number for each reason, and the error that carries it.

A number is printed, spoken on the phone and counted at the gateway: it is never given a second meaning. The sentences
stand in `firmware/ui/strings.py`. Nothing was debited when a `Refusal` is raised, but for FLASH_FAULT, which cannot know.
"""

NO_ENTITLEMENT = 1  # nothing granted to this card for the programme, or all of it spent
LEASE_EXPIRED = 2  # the lease or grant has run out by the terminal's clock
CLOCK_NOT_TRUSTED = 3  # policy does not allow spending before a trusted time arrives
CARD_BLOCKED = 4  # blocked by roster, policy or the card itself (SW 6A81, 6283)
CARD_NOT_AUTHENTIC = 5  # offline data authentication or the cryptogram's signature failed
PIN_WRONG = 6  # detail: tries left
PIN_LOCKED = 7  # no tries left; only an authority-signed release unlocks
JOURNAL_FULL = 8  # no room for a redemption; the rest is kept for void, return, close and event
TERMINAL_LOCKED = 9  # the terminal's own seal showed a rollback; it shows, prints and sends only
CARD_NOT_REGISTERED = 10  # not on the roster, and no lease could be had
TWO_CARDS = 11  # more than one card in the field
CARD_REMOVED = 12  # the card left the field before the end; no PIN try was spent
CARD_EXPIRED = 13  # application expiry date
AMOUNT_ABOVE_REMAINING = 14  # detail: remaining rupiah
CDOL_UNKNOWN = 15  # the card asks for other data than policy names for its application
CARD_DECLINED = 16  # the card answered AAC
NO_APPLICATION = 17  # no application that policy knows
CARD_UNREADABLE = 18  # the card broke the protocol or its data are malformed
OTHER_CARD = 19  # the card tapped after the PIN is not the one tapped before it
PIN_MISSING = 20  # the application demands a PIN and none was handed over
AMOUNT_ABOVE_CAP = 21  # policy cap of this kind of card; detail: the cap in rupiah
CLOCK_CAP_REACHED = 22  # policy cap of spending while the clock is not trusted
PERIOD_CLOSED = 23  # the programme's period was closed on this terminal
NO_GRANT = 24  # no applied grant for the programme
SEQUENCE_SPENT = 25  # sequence numbers near 2**23: a new generation is needed
READER_FAULT = 26  # the card reader does not answer
FLASH_FAULT = 27  # journal or roster flash failed; only the next start tells whether the record was kept
SEAL_FAULT = 28  # the signer failed or a seal did not verify
CARD_NOT_YET_VALID = 29  # application effective date
AMOUNT_NOT_ALLOWED = 30  # zero, or more than a record can hold
ALREADY_SERVED = 31  # same card, programme and amount inside the re-tap window; detail: its sequence
PIN_NOT_ASSIGNED = 32  # the roster entry has no PIN verifier
NO_ANSWER = 33  # identification or redemption did not end within its time limit
ALREADY_VOIDED = 34  # detail: the sequence of its void
GOODS_WERE_RECEIVED = 35  # the family confirmed the goods; detail: the sequence of that record
NOT_THE_CARD = 36  # this card is not the one that was debited; detail: the redemption's sequence
NO_SUCH_RECORD = 37  # the journal holds no redemption of that number that this could be done to
LEASE_RETURNED = 38  # the rest of the card's lease was handed back; detail: the sequence of the return
SETTLED_OTHERWISE = 39  # settlement refused or disputes the redemption: only the programme can mend it
TERMINAL_WITHDRAWN = 40  # detail: 1 replaced by another, 2 revoked; it shows, prints and sends only

LAST = TERMINAL_WITHDRAWN

# The card may be laid on again and the same transaction go on.
TRY_AGAIN = (TWO_CARDS, CARD_REMOVED, CARD_UNREADABLE, OTHER_CARD, NOT_THE_CARD)


class Refusal(Exception):
    """The terminal does not serve: `number` says why, `detail` is an integer whose meaning the number fixes."""

    def __init__(self, number: int, detail: int = 0) -> None:
        super().__init__("refusal %d, detail %d" % (number, detail))
        self.number = number
        self.detail = detail
