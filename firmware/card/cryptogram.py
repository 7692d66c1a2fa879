"""The answer to GENERATE AC: reading both formats, and what it may be given what was asked (Book 3, 6.5.5)."""

from firmware.card import apdu, tlv
from firmware.card.errors import (
    CARD_DECLINED,
    CARD_WANTS_ONLINE,
    DATA_MISSING,
    VALUE_WRONG,
    CardDeclined,
    CardProtocolError,
)

AC_OCTETS = 8
IAD_OCTETS_MAX = 32
_TYPE = 0xC0
# How much the card commits itself: it may give less than asked, never more.
_ORDER = (apdu.AAC, apdu.ARQC, apdu.TC)

# (tag, least, most octets) of what the answer may hold
_LENGTHS = (
    (0x9F27, 1, 1),
    (0x9F36, 2, 2),
    (0x9F26, AC_OCTETS, AC_OCTETS),
    (0x9F10, 0, IAD_OCTETS_MAX),
    (0x9F4B, 1, 255),
)
_WANTED = tuple([entry[0] for entry in _LENGTHS])


class Answer:
    """`cid`, `atc`: numbers; `ac`: 8 octets, empty where only the signature holds it; `iad`; `sdad`: tag 9F4B, empty
    for none; `hashed`: the parts of the answer that a signature covers.
    """

    def __init__(self, found: dict, hashed: tuple) -> None:
        for tag in (0x9F27, 0x9F36):
            if tag not in found:
                raise CardProtocolError(
                    DATA_MISSING, tlv.tag_name(tag), -1, "not in the answer to GENERATE AC"
                )
        for tag, least, most in _LENGTHS:
            if tag in found and not least <= len(found[tag]) <= most:
                raise CardProtocolError(VALUE_WRONG, tlv.tag_name(tag), -1, "%d octets" % len(found[tag]))
        self.cid = found[0x9F27][0]
        self.atc = found[0x9F36][0] << 8 | found[0x9F36][1]
        self.ac = found.get(0x9F26, b"")
        self.iad = found.get(0x9F10, b"")
        self.sdad = found.get(0x9F4B, b"")
        self.hashed = hashed
        if not self.ac and not self.sdad:
            raise CardProtocolError(DATA_MISSING, "tag 9F26", -1, "neither cryptogram nor signature")


def parse(response: bytes) -> Answer:
    """Read format 1 (tag 80) or format 2 (tag 77); raises `CardProtocolError`."""
    if len(response) and response[0] == 0x80:
        start, end = tlv.only(response, 0x80)
        if not 3 + AC_OCTETS <= end - start <= 3 + AC_OCTETS + IAD_OCTETS_MAX:
            raise CardProtocolError(VALUE_WRONG, "tag 80", start, "%d octets" % (end - start))
        ac = start + 3
        iad = ac + AC_OCTETS
        found = {
            0x9F27: bytes(response[start : start + 1]),
            0x9F36: bytes(response[start + 1 : ac]),
            0x9F26: bytes(response[ac:iad]),
            0x9F10: bytes(response[iad:end]),
        }
        return Answer(found, ())
    start, end = tlv.only(response, 0x77)
    found = {}
    tlv.collect(response, start, end, _WANTED, found)
    return Answer(found, _hashed(response, start, end))


def _hashed(response: bytes, start: int, end: int) -> tuple:
    """The data objects of a template without the signature, each with tag and length (Book 2, 6.6.1)."""
    view = memoryview(response)
    parts = []
    for tag, _, stop in tlv.objects(response, start, end):
        while not response[start]:
            start += 1  # 00 between objects belongs to none
        if tag != 0x9F4B:
            parts.append(view[start:stop])
        start = stop
    return tuple(parts)


def check_type(cid: int, asked: int) -> None:
    """Compare the cryptogram's type with what was asked for: less is the card's right, more is not."""
    given = cid & _TYPE
    if given not in _ORDER:
        raise CardProtocolError(VALUE_WRONG, "tag 9F27", -1, "cryptogram type not allowed")
    if _ORDER.index(given) > _ORDER.index(asked):
        raise CardProtocolError(VALUE_WRONG, "tag 9F27", -1, "cryptogram of a type that was not asked for")
    if given != asked:
        raise CardDeclined(CARD_DECLINED if given == apdu.AAC else CARD_WANTS_ONLINE, cid)
