"""The few words that authorisation, relay and screens share: states of a record, kinds of PIN, notices.

Tenders are `protocol.records.TENDER_GOODS` and `TENDER_CASH`.
"""

# How far a record has come, as this terminal knows it (design, section 4.8).
RECORDED = 0  # committed in this terminal's journal
SEALED_AT_GATEWAY = 1  # a verified acknowledgement covers it
SETTLED = 2  # the settlement service booked it
REFUSED = 3  # finally refused by settlement; policy says who bears it
DISPUTED = 4  # under review
VOIDED = 5  # a redemption that a later record of this terminal took back

# Who checks the PIN of the card that lies on the reader.
PIN_NONE = 0
PIN_AID = 1  # the programme's aid PIN, checked by the terminal
PIN_CARD = 2  # the programme's own application checks and counts it

PIN_DIGITS = 6

# What operators answer when cards follow each other faster than families do (`reason` of a redemption); 0: not asked.
REASON_QUEUE = 1  # families stood in line
REASON_CARDS_HELD = 2  # cards were left with somebody
REASON_HELPED = 3  # a companion or neighbour helps several families
REASON_OTHER = 4
# Why a redemption is taken back (`reason` of a void).
VOID_WRONG_AMOUNT = 1
VOID_NO_GOODS = 2  # the goods were not there
VOID_FAMILY_ASKED = 3
VOID_OTHER = 4

# What the operator or a technician should know; shown by number until it is over.
NOTICE_CLOCK = 1  # clock not trusted
NOTICE_JOURNAL = 2  # journal nearly full
NOTICE_LEASE_ENDS = 3  # a grant expires soon
NOTICE_LOCKED = 4  # terminal locked
NOTICE_DISPUTED = 5  # some records are under review
NOTICE_REFUSED = 6  # some records were refused by settlement
NOTICE_PRINTER = 7  # the last document did not come out of the printer
NOTICE_ROSTER = 8  # a newer grant does not fit the roster and policy here; the old one runs on
NOTICE_TAMPER = 9  # the case is open, or was opened since the start
NOTICE_ACKNOWLEDGEMENT = 10  # an acknowledgement ahead of the journal was ignored
NOTICE_READER = 11  # card reader does not answer
NOTICE_NO_LINK = 12  # records wait longer than policy expects
NOTICE_FLASH = 13  # journal or roster flash failed, or does not give back what it held
NOTICE_SEAL = 14  # a seal of this terminal does not verify: no sale until it is repaired
NOTICE_ENTROPY = 15  # the source of randomness is in doubt; seals are made without it
NOTICE_SECTORS = 16  # journal sectors were retired; the ring goes round without them
NOTICE_SETTINGS = 17  # lines of the settings cannot be used; the others are
NOTICE_REPLACED = 18  # the gateway says that another terminal has this one's leases
NOTICE_REVOKED = 19  # the gateway says that this terminal's certificate was withdrawn
NOTICE_LAST = NOTICE_REVOKED
