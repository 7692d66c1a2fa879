"""The two ways of a redemption as data, and the terminal's own data objects that fill the card's lists.

Programme application: the card checks its own PIN and gives a TC. Bank application: no PIN ever, the card gives an
ARQC, which is the proof; a second GENERATE AC asks for an AAC and decides nothing.
"""

from firmware.card import apdu, cvm
from protocol.policy import KIND_BANK, KIND_PROGRAMME
from protocol.records import TENDER_CASH, TENDER_GOODS

# ISO 4217 gives the rupiah two decimals, so cards and banks count amounts in hundredths; tag 5F36 says so.
HUNDREDTHS = 100
CURRENCY_EXPONENT = b"\x02"
AMOUNT_RUPIAH_MAX = 10**10 - 1

# Transaction type (tag 9C, ISO 8583 processing code) by tender.
TRANSACTION_TYPES = {TENDER_GOODS: 0x00, TENDER_CASH: 0x01}

# Authorisation Response Code (tag 8A) "unable to go online, declined" (Book 4, Annex A6).
UNABLE_TO_GO_ONLINE = b"Z3"

# Tag 9F40: cash and goods, numeric and function keys, print and display for attendant and cardholder.
ADDITIONAL_CAPABILITIES = b"\xc0\x00\x90\xf0\x01"


class Way:
    """`cryptogram`: what the first GENERATE AC asks for; `cvms`: the verification methods that may be performed;
    `action_codes`: which of denial and default refuse before asking; `closes`: whether a second GENERATE AC follows;
    `terminal_type` (tag 9F35) and `capabilities` (tag 9F33) as the card is told.
    """

    def __init__(
        self,
        cryptogram: int,
        cvms: tuple,
        action_codes: tuple,
        closes: bool,
        terminal_type: int,
        capabilities: bytes,
    ) -> None:
        self.cryptogram = cryptogram
        self.cvms = cvms
        self.action_codes = action_codes
        self.closes = closes
        self.terminal_type = terminal_type
        self.capabilities = capabilities


WAYS = {
    # Attended, offline only; plaintext PIN to the card; SDA, DDA, CDA.
    KIND_PROGRAMME: Way(apdu.TC, (cvm.PLAINTEXT_PIN,), ("denial", "default"), False, 0x23, b"\x20\x80\xc8"),
    # Attended, the issuer sees the cryptogram later; no verification method at all.
    KIND_BANK: Way(apdu.ARQC, (), ("denial",), True, 0x22, b"\x20\x00\xc8"),
}


def bcd(number: int, octets: int) -> bytes:
    """`number` as packed decimal digits (format n), right aligned."""
    out = bytearray(octets)
    for i in range(octets - 1, -1, -1):
        number, pair = divmod(number, 100)
        out[i] = pair // 10 << 4 | pair % 10
    return bytes(out)


def terminal_values(application, amount_rupiah: int, tender: int, date: bytes, number: bytes) -> dict:
    """The terminal's data objects by tag, before TVR (95) and CVM Results (9F34) are known: those are zeros and "not
    performed". `number` is the Unpredictable Number (4 octets), `date` YYMMDD.

    What a record does not hold (time of day, ICC Dynamic
    Number, Data Authentication Code, ...) is not here, so that lists get zeros for it and settlement can rebuild them.
    """
    if not 0 <= amount_rupiah <= AMOUNT_RUPIAH_MAX:
        raise ValueError("amount_rupiah out of range")
    way = WAYS[application.kind]
    return {
        0x9F02: bcd(amount_rupiah * HUNDREDTHS, 6),
        0x9F03: bytes(6),
        0x9F1A: application.country_code.to_bytes(2, "big"),
        0x5F2A: application.currency_code.to_bytes(2, "big"),
        0x5F36: CURRENCY_EXPONENT,
        0x95: bytes(5),
        0x9A: date,
        0x9C: bytes((TRANSACTION_TYPES[tender],)),
        0x9F33: way.capabilities,
        0x9F34: cvm.NOT_PERFORMED,
        0x9F35: bytes((way.terminal_type,)),
        0x9F37: number,
        0x9F40: ADDITIONAL_CAPABILITIES,
    }
