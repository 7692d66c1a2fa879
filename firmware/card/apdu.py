"""ISO 7816-4 commands as EMV uses them (Book 3, 6), and what a status word makes the terminal do next.

The reader is an object with `await reader.transceive(command: bytes) -> bytes`: the response with its status word. It
raises `CardRemoved` or `ReaderError` of `firmware.card.errors`.
"""

from firmware.card.errors import (
    COMMAND_REFUSED,
    LIMIT_EXCEEDED,
    MALFORMED,
    VALUE_WRONG,
    CardProtocolError,
    CardRefused,
)
from firmware.card.tlv import encode

OK = 0x9000
RESPONSE_OCTETS_MAX = 1024
# A card that says "more" or "other length" for ever is stopped here.
CONTINUATIONS_MAX = 8

# P1 of GENERATE AC (Book 3, 6.5.5): what is asked for, and whether signed (CDA).
AAC = 0x00
TC = 0x40
ARQC = 0x80
SIGNED = 0x10


def _status(response: bytes) -> int:
    """The status word at the end of a response."""
    if len(response) < 2:
        raise CardProtocolError(MALFORMED, "status word", len(response), "response shorter than 2 octets")
    return response[-2] << 8 | response[-1]


def _expects_data(command: bytes) -> bool:
    """Whether a short command ends with an Le (cases 2 and 4)."""
    return len(command) == 5 or (len(command) > 5 and len(command) == 6 + command[4])


async def _resend(reader, command: bytes, sw: int) -> tuple:
    """(response, status word) of a command sent again with the length that the card names (6Cxx)."""
    if not _expects_data(command):
        raise CardProtocolError(VALUE_WRONG, "status word", 0, "6C for a command without Le")
    response = await reader.transceive(bytes(command[:-1]) + bytes((sw & 0xFF,)))
    sw = _status(response)
    if sw >> 8 == 0x6C:
        raise CardProtocolError(VALUE_WRONG, "status word", len(response) - 2, "6C twice")
    return response, sw


async def _rest(reader, first: bytes, sw: int) -> tuple:
    """(data, status word) of a response that the card hands out in parts (61xx, GET RESPONSE)."""
    data = bytearray(first)
    for _ in range(CONTINUATIONS_MAX):
        command = bytes((0x00, 0xC0, 0x00, 0x00, sw & 0xFF))
        response = await reader.transceive(command)
        sw = _status(response)
        if sw >> 8 == 0x6C:
            response, sw = await _resend(reader, command, sw)
        data.extend(memoryview(response)[:-2])
        if len(data) > RESPONSE_OCTETS_MAX:
            raise CardProtocolError(
                LIMIT_EXCEEDED, "response", len(data), "longer than %d" % RESPONSE_OCTETS_MAX
            )
        if sw >> 8 != 0x61:
            return data, sw
    raise CardProtocolError(
        LIMIT_EXCEEDED, "response", len(data), "in more than %d parts" % CONTINUATIONS_MAX
    )


async def transmit(reader, command: bytes) -> tuple:
    """Send a command; returns (data, status word) with 61xx and 6Cxx already followed.

    A warning (62xx, 63xx) without data to a command that sends and expects data makes the terminal ask for the data
    (contact cards under T=0 hold it back); the warning stays the result.
    """
    # Every coroutine in between costs the heap a hundred octets for each command, so the usual way has none.
    response = await reader.transceive(command)
    sw = _status(response)
    if sw >> 8 == 0x6C:
        response, sw = await _resend(reader, command, sw)
    data = memoryview(response)[:-2]
    kind = sw >> 8
    if kind == 0x61:
        return await _rest(reader, data, sw)
    if kind in (0x62, 0x63) and not len(data) and len(command) > 5 and _expects_data(command):
        data, after = await _rest(reader, b"", 0)
        if after != OK:
            data = data[:0]
    return data, sw


async def command(reader, name: str, octets: bytes) -> bytes:
    """The data of a command that must succeed; `name` goes into the error."""
    data, sw = await transmit(reader, octets)
    if sw != OK:
        raise CardRefused(COMMAND_REFUSED, name, sw)
    return data


async def select(reader, name: bytes, next_occurrence: bool = False) -> tuple:
    """SELECT by DF name; returns (FCI, status word)."""
    head = bytes((0x00, 0xA4, 0x04, 0x02 if next_occurrence else 0x00, len(name)))
    return await transmit(reader, head + name + b"\x00")


async def get_processing_options(reader, pdol_data: bytes) -> bytes:
    """GET PROCESSING OPTIONS with the data that the PDOL asked for; returns AIP and AFL as the card coded them."""
    body = encode(0x83, pdol_data)
    return await command(reader, "GPO", b"\x80\xa8\x00\x00" + bytes((len(body),)) + body + b"\x00")


async def read_record(reader, sfi: int, number: int) -> tuple:
    """READ RECORD; returns (record, status word)."""
    return await transmit(reader, bytes((0x00, 0xB2, number, sfi << 3 | 0x04, 0x00)))


async def get_data(reader, tag: int) -> tuple:
    """GET DATA of a two-octet tag; returns (object, status word)."""
    return await transmit(reader, bytes((0x80, 0xCA, tag >> 8, tag & 0xFF, 0x00)))


async def internal_authenticate(reader, ddol_data: bytes) -> bytes:
    """INTERNAL AUTHENTICATE; returns the signed data as the card coded it."""
    octets = b"\x00\x88\x00\x00" + bytes((len(ddol_data),)) + ddol_data + b"\x00"
    return await command(reader, "INTERNAL AUTHENTICATE", octets)


async def verify(reader, pin: bytes) -> int:
    """VERIFY with a plaintext PIN of 4 to 12 ASCII digits; returns the status word.

    Only for the programme's own application. The block (Book 3, table 24) is wiped before this returns, and the reader wipes
    what it copies. What stays out of reach: the single digits, which are small integers and live in no buffer, and what
    the interpreter's own SPI call hands to the hardware.
    """
    block = bytearray(b"\x00\x20\x00\x80\x08\x20\xff\xff\xff\xff\xff\xff\xff")
    block[5] |= len(pin)
    for i in range(len(pin)):
        place = 6 + i // 2
        digit = pin[i] - 0x30
        block[place] = digit << 4 | 0x0F if i % 2 == 0 else block[place] & 0xF0 | digit
    try:
        sw = _status(await reader.transceive(block))
    finally:
        for i in range(len(block)):
            block[i] = 0
    return sw


async def generate_ac(reader, reference: int, cdol_data: bytes) -> bytes:
    """GENERATE AC; `reference` is AAC, TC or ARQC, or'ed with SIGNED for CDA. Returns the card's template."""
    head = bytes((0x80, 0xAE, reference, 0x00, len(cdol_data)))
    return await command(reader, "GENERATE AC", head + cdol_data + b"\x00")
