"""What the card tells of itself: GET PROCESSING OPTIONS and the records of the AFL (EMV Book 3, 10.1 and 10.2)."""

from firmware.card import apdu, tlv
from firmware.card.errors import (
    COMMAND_REFUSED,
    DATA_MISSING,
    LIMIT_EXCEEDED,
    VALUE_WRONG,
    CardProtocolError,
    CardRefused,
)

RECORDS_MAX = 32
STATIC_OCTETS_MAX = 2048
PAN_OCTETS = 10

# The data objects that this kernel uses; whatever else is in the records is only hashed, where the AFL says so.
WANTED = frozenset(
    (
        0x5A, 0x5F24, 0x5F25, 0x5F28, 0x5F34, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x92, 0x93, 0x9F07, 0x9F08, 0x9F0D, 0x9F0E,
        0x9F0F, 0x9F14, 0x9F23, 0x9F32, 0x9F42, 0x9F46, 0x9F47, 0x9F48, 0x9F49, 0x9F4A,
    )
)  # fmt: skip
MANDATORY = (0x5A, 0x5F24, 0x8C, 0x8D)
# Tags of fixed length; what the others hold is checked where it is used.
LENGTHS = (
    (0x5F24, 3), (0x5F25, 3), (0x5F28, 2), (0x5F34, 1), (0x8F, 1), (0x9F07, 2), (0x9F08, 2), (0x9F0D, 5), (0x9F0E, 5),
    (0x9F0F, 5), (0x9F14, 1), (0x9F23, 1), (0x9F42, 2),
)  # fmt: skip


def parse_options(response: bytes) -> tuple:
    """(AIP, AFL) of a GPO response in format 1 (tag 80) or 2 (tag 77)."""
    form = response[0] if len(response) else 0
    if form == 0x80:
        start, end = tlv.only(response, 0x80)
        aip = bytes(response[start : start + 2])
        afl = bytes(response[start + 2 : end])
    else:
        start, end = tlv.only(response, 0x77)
        found = {}
        tlv.collect(response, start, end, (0x82, 0x94), found)
        if 0x82 not in found or 0x94 not in found:
            raise CardProtocolError(
                DATA_MISSING, "tag 82" if 0x82 not in found else "tag 94", start, "not in GPO"
            )
        aip = found[0x82]
        afl = found[0x94]
    if len(aip) != 2:
        raise CardProtocolError(VALUE_WRONG, "tag 82", start, "AIP of %d octets" % len(aip))
    return aip, afl


def parse_afl(afl: bytes) -> list:
    """The AFL as (SFI, first record, last record, records to authenticate); raises where it breaks Book 3, 10.2."""
    if not afl or len(afl) % 4:
        raise CardProtocolError(VALUE_WRONG, "tag 94", len(afl), "AFL is not entries of 4 octets")
    entries = []
    total = 0
    for at in range(0, len(afl), 4):
        sfi = afl[at] >> 3
        first = afl[at + 1]
        last = afl[at + 2]
        if afl[at] & 0x07 or not 1 <= sfi <= 30:
            raise CardProtocolError(VALUE_WRONG, "tag 94", at, "SFI not allowed")
        if first == 0 or last < first:
            raise CardProtocolError(VALUE_WRONG, "tag 94", at + 1, "records %d to %d" % (first, last))
        if afl[at + 3] > last - first + 1:
            raise CardProtocolError(
                VALUE_WRONG, "tag 94", at + 3, "more records to authenticate than to read"
            )
        total += last - first + 1
        if total > RECORDS_MAX:
            raise CardProtocolError(LIMIT_EXCEEDED, "tag 94", at, "more than %d records" % RECORDS_MAX)
        entries.append((sfi, first, last, afl[at + 3]))
    return entries


async def read_records(reader, afl: bytes) -> tuple:
    """(data objects by tag, static data to be authenticated) of all records that the AFL names.

    Of files 1 to 10 the content of template 70 is authenticated, of others the whole record (Book 2, 5.4). Raises
    `CardRefused` or `CardProtocolError`.
    """
    data = {}
    static = bytearray()
    for sfi, first, last, authenticated in parse_afl(afl):
        for number in range(first, last + 1):
            record, sw = await apdu.read_record(reader, sfi, number)
            if sw != apdu.OK:
                raise CardRefused(COMMAND_REFUSED, "READ RECORD %d/%d" % (sfi, number), sw)
            start, end = tlv.only(record, 0x70)
            # Records beyond file 10 are for the issuer to fill as it likes; only their hash matters here.
            if sfi <= 10:
                tlv.collect(record, start, end, WANTED, data)
            if number < first + authenticated:
                static.extend(record[start:end] if sfi <= 10 else record)
                if len(static) > STATIC_OCTETS_MAX:
                    raise CardProtocolError(
                        LIMIT_EXCEEDED,
                        "static data",
                        len(static),
                        "longer than %d octets" % STATIC_OCTETS_MAX,
                    )
    check_data(data)
    return data, static


async def read_counter(reader, tag: int) -> "int | None":
    """A two-octet counter by GET DATA (9F36 ATC, 9F13 last online ATC), or None where the card does not tell it."""
    response, sw = await apdu.get_data(reader, tag)
    if sw != apdu.OK:
        return None
    start, end = tlv.only(response, tag)
    if end - start != 2:
        raise CardProtocolError(VALUE_WRONG, tlv.tag_name(tag), start, "counter of %d octets" % (end - start))
    return response[start] << 8 | response[start + 1]


def check_data(data: dict) -> None:
    """Mandatory objects are there and fixed lengths are kept."""
    for tag in MANDATORY:
        if tag not in data:
            raise CardProtocolError(DATA_MISSING, tlv.tag_name(tag), -1, "not in any record")
    for tag, octets in LENGTHS:
        if tag in data and len(data[tag]) != octets:
            raise CardProtocolError(
                VALUE_WRONG, tlv.tag_name(tag), -1, "%d octets, not %d" % (len(data[tag]), octets)
            )
    sequence = data.get(0x5F34, b"\x00")[0]
    if sequence >> 4 > 9 or sequence & 0x0F > 9:
        raise CardProtocolError(VALUE_WRONG, "tag 5F34", -1, "PAN sequence number is not digits")


def padded_pan(value: bytes) -> bytearray:
    """The PAN (tag 5A, 8 to 19 digits) as 10 octets padded with F; raises without quoting it."""
    digits = len(value) * 2
    while digits and value[(digits - 1) // 2] >> (0 if digits % 2 == 0 else 4) & 0x0F == 0x0F:
        digits -= 1
    if not 8 <= digits <= 19 or len(value) > PAN_OCTETS:
        raise CardProtocolError(VALUE_WRONG, "tag 5A", -1, "PAN of a length not allowed")
    for i in range(digits):
        if value[i // 2] >> (0 if i % 2 else 4) & 0x0F > 9:
            raise CardProtocolError(VALUE_WRONG, "tag 5A", -1, "PAN is not digits")
    pan = bytearray(b"\xff" * PAN_OCTETS)
    pan[: len(value)] = value
    return pan
