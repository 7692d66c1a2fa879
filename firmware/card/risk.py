"""What the terminal notes in the TVR before it asks for a cryptogram, and what that makes it refuse.

Processing restrictions (EMV Book 3, 10.4), terminal risk management (10.6), terminal action analysis (10.7). The TVR
(tag 95) is a bytearray of 5 octets; its bits are (octet, mask).
"""

from firmware.card.dates import is_after

ODA_NOT_PERFORMED = (0, 0x80)
SDA_SELECTED = (0, 0x02)
OTHER_VERSION = (1, 0x80)
EXPIRED = (1, 0x40)
NOT_YET_EFFECTIVE = (1, 0x20)
SERVICE_NOT_ALLOWED = (1, 0x10)
NEW_CARD = (1, 0x08)
CVM_NOT_SUCCESSFUL = (2, 0x80)
CVM_UNKNOWN = (2, 0x40)
ABOVE_FLOOR_LIMIT = (3, 0x80)
LOWER_LIMIT_EXCEEDED = (3, 0x40)
UPPER_LIMIT_EXCEEDED = (3, 0x20)

# Application Usage Control (tag 9F07): domestic and international bits by service; this terminal is no ATM.
_AUC_CASH = (0x80, 0x40)
_AUC_GOODS = (0x20, 0x10)
_AUC_NOT_ATM = 0x01

_ALL_BITS = b"\xff\xff\xff\xff\xff"
_NO_BITS = bytes(5)


def note(tvr: bytearray, bit: tuple) -> None:
    """Set one bit of the TVR."""
    tvr[bit[0]] |= bit[1]


def restrictions(
    tvr: bytearray, data: dict, country: bytes, is_cash: bool, date: bytes, version: "bytes | None" = None
) -> None:
    """Processing restrictions from the card's data objects; `country` 2 BCD octets, `date` YYMMDD, `version` the
    terminal's application version number (tag 9F09), None where policy names none.
    """
    card_version = data.get(0x9F08)
    if version is not None and card_version is not None and card_version != version:
        note(tvr, OTHER_VERSION)
    usage = data.get(0x9F07)
    if usage is not None and not _usage_allowed(usage, data.get(0x5F28), country, is_cash):
        note(tvr, SERVICE_NOT_ALLOWED)
    effective = data.get(0x5F25)
    if effective is not None and is_after(effective, date):
        note(tvr, NOT_YET_EFFECTIVE)
    if is_after(date, data[0x5F24]):
        note(tvr, EXPIRED)


def _usage_allowed(usage: bytes, issuer_country: "bytes | None", country: bytes, is_cash: bool) -> bool:
    """Whether the usage control lets goods or cash be handed out here (Book 3, 10.4.2)."""
    if not usage[0] & _AUC_NOT_ATM:
        return False
    if issuer_country is None:
        return True
    domestic, international = _AUC_CASH if is_cash else _AUC_GOODS
    return bool(usage[0] & (domestic if issuer_country == country else international))


def floor_limit(tvr: bytearray, amount_rupiah: int, previous_rupiah: int, limit_rupiah: int) -> None:
    """Floor limit, against splitting with what the card last took here (10.6.1); a limit of 0 marks everything."""
    if amount_rupiah + previous_rupiah >= limit_rupiah:
        note(tvr, ABOVE_FLOOR_LIMIT)


def velocity(
    tvr: bytearray, lower: int, upper: int, atc: "int | None", last_online_atc: "int | None"
) -> None:
    """Velocity checking (10.6.3): `atc` and `last_online_atc` are None where the card did not tell them."""
    if last_online_atc == 0:
        note(tvr, NEW_CARD)
    if atc is None or last_online_atc is None or atc <= last_online_atc:
        note(tvr, LOWER_LIMIT_EXCEEDED)
        note(tvr, UPPER_LIMIT_EXCEEDED)
        return
    offline = atc - last_online_atc
    if offline > lower:
        note(tvr, LOWER_LIMIT_EXCEEDED)
    if offline > upper:
        note(tvr, UPPER_LIMIT_EXCEEDED)


def denied_by(tvr: bytes, data: dict, application, codes: tuple) -> str:
    """The name of the first action code of `codes` that matches the TVR, or "" (10.7).

    `codes` are of "denial" and "default"; a card without an Issuer Action Code counts as all zeros for denial, all
    ones for default.
    """
    for name in codes:
        if name == "denial":
            terminal, issuer = application.tac_denial, data.get(0x9F0E, _NO_BITS)
        else:
            terminal, issuer = application.tac_default, data.get(0x9F0D, _ALL_BITS)
        for i in range(5):
            if tvr[i] & (terminal[i] | issuer[i]):
                return name
    return ""
