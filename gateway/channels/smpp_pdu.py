"""SMPP 3.4 protocol data units: cut out of a stream, read, and made; smpplib does the fields, no I/O here.

Whatever smpplib cannot read is an `UnreadableError`: a centre passes on what strangers sent, and that ends no link.
"""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass

from smpplib import consts, smpp
from smpplib.client import SimpleSequenceGenerator

from gateway.channels.sms_message import Frame
from protocol import sms_user_data
from protocol.errors import ProtocolError
from protocol.octets import Reader
from protocol.sms_user_data import DATA_8BIT, DCS_8BIT, USER_DATA_OCTETS_MAX, UserData

HEADER_OCTETS = 16
# A message_payload has at most 65,535 octets (5.3.2.32); the other fields of a PDU are small.
PDU_OCTETS_MAX = 70_000

OK = consts.SMPP_ESME_ROK
THROTTLED = consts.SMPP_ESME_RTHROTTLED
QUEUE_FULL = consts.SMPP_ESME_RMSGQFUL
INVALID_COMMAND = consts.SMPP_ESME_RINVCMDID
PERMANENT_FAULT = consts.SMPP_ESME_RX_P_APPN
"""Never send this again."""

# Octets as they are (5.2.19); 0xF4 is the coding group with a message class.
_BINARY_CODINGS = (0x02, 0x04)
_CLASS_GROUP = 0xF0
_CLASS_BINARY = 0x04
_HAS_HEADER = 0x40
_TYPE_MASK = 0x3C
_IS_RECEIPT = 0x04
_TON_INTERNATIONAL = 1
_TON_ALPHANUMERIC = 5
_NPI_ISDN = 1
# A frame is as good after days, so let the network try for a week: a relative time (7.1.1).
_VALIDITY = "000007000000000R"
_INTERFACE_VERSION = 0x34

# smpplib tells of unknown fields in words; they come from strangers, and are counted here instead.
logging.getLogger("smpplib.command").disabled = True


class UnreadableError(Exception):
    """These octets are no PDU of SMPP 3.4."""


class Cutter:
    """Cuts a stream into PDUs."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, octets: bytes) -> list[bytes]:
        """Whole PDUs; raises `UnreadableError` at a length that none has: after it nothing can be found any more."""
        self._held += octets
        found = []
        while len(self._held) >= HEADER_OCTETS:
            length = int.from_bytes(self._held[:4], "big")
            if not HEADER_OCTETS <= length <= PDU_OCTETS_MAX:
                raise UnreadableError(f"a PDU of {length} octets")
            if len(self._held) < length:
                break
            found.append(bytes(self._held[:length]))
            del self._held[:length]
        return found


@dataclass(frozen=True, slots=True)
class Header:
    """What every PDU begins with."""

    command: int
    status: int
    sequence: int


def header(pdu: bytes) -> Header:
    """The header of a whole PDU."""
    return Header(*struct.unpack(">LLL", pdu[4:HEADER_OCTETS]))


# Commands (5.1.2.1).
RESPONSE = 0x80000000
GENERIC_NACK = 0x80000000
SUBMIT = 0x00000004
SUBMIT_RESPONSE = RESPONSE | SUBMIT
DELIVER = 0x00000005
UNBIND = 0x00000006
BIND_RESPONSE = RESPONSE | 0x00000009
ENQUIRE = 0x00000015
ALERT = 0x00000102


@dataclass(frozen=True, slots=True)
class Message:
    """A deliver_sm: `octets` of user data with their header, `coding`; `receipted` names the message of a receipt, b"" where
    this is none, and `is_delivered` is what the receipt says.
    """

    sender: str
    octets: bytes
    coding: int
    has_header: bool
    parts: int
    is_receipt: bool
    receipted: bytes
    is_delivered: bool


def read_message(pdu: bytes) -> Message:
    """The fields of a deliver_sm that matter; raises `UnreadableError`."""
    try:
        return _message(pdu)
    except UnreadableError:
        raise
    except Exception as failure:
        # smpplib leaves the checking to its caller: lookups, slices and conversions fail in as many ways.
        raise UnreadableError(type(failure).__name__) from failure


def _message(pdu: bytes) -> Message:
    read = smpp.parse_pdu(pdu, client=SimpleSequenceGenerator(), allow_unknown_opt_params=True)
    octets = bytes(read.short_message or b"")
    if len(octets) != (read.sm_length or 0):
        raise UnreadableError("the message is cut off")
    octets = octets or bytes(read.message_payload or b"")
    sign = "+" if read.source_addr_ton == _TON_INTERNATIONAL else ""
    is_receipt = read.esm_class & _TYPE_MASK == _IS_RECEIPT
    name, is_delivered = _receipt(read, octets) if is_receipt else (b"", False)
    return Message(
        sign + bytes(read.source_addr or b"").decode("latin-1"),
        octets,
        int(read.data_coding),
        bool(read.esm_class & _HAS_HEADER),
        int(read.sar_total_segments or 1),
        is_receipt,
        name,
        is_delivered,
    )


def _receipt(read: object, text: bytes) -> tuple[bytes, bool]:
    """(message id, delivered) of a receipt: its own fields, or the text that most centres write (appendix B)."""
    words = dict(word.split(b":", 1) for word in text.split() if word.count(b":") == 1)
    name = bytes(getattr(read, "receipted_message_id", None) or words.get(b"id", b""))
    state = getattr(read, "message_state", None)
    is_delivered = (
        words.get(b"stat") == b"DELIVRD" if state is None else state == consts.SMPP_MESSAGE_STATE_DELIVERED
    )
    return name.rstrip(b"\0"), is_delivered


def read_message_id(pdu: bytes) -> bytes:
    """What a submit_sm_resp calls the message; b"" where it does not say."""
    return pdu[HEADER_OCTETS:].partition(b"\0")[0][:64]


def frame_of(message: Message) -> tuple[Frame | None, str]:
    """The frame in a message, or None and whether it is "undecodable", "foreign" or "oversize"."""
    coding = message.coding
    is_binary = (
        coding in _BINARY_CODINGS or coding & (_CLASS_GROUP | _CLASS_BINARY) == _CLASS_GROUP | _CLASS_BINARY
    )
    if not is_binary or message.parts != 1:
        return None, "foreign"
    if len(message.octets) > USER_DATA_OCTETS_MAX:
        return None, "oversize"
    octets = message.octets
    if message.has_header:
        try:
            source = Reader(bytes((len(octets),)) + octets)
            data: UserData = sms_user_data.read(source, DCS_8BIT, True)
        except ProtocolError:
            return None, "undecodable"
        if data.alphabet != DATA_8BIT or data.concatenation is not None:
            return None, "foreign"
        octets = data.content
    if not octets:
        return None, "foreign"
    return Frame(octets, message.sender), ""


Address = tuple[int, int, str]
"""Type of number, numbering plan, digits."""


class Maker:
    """Makes what we send; each request takes the next sequence number, which starts over with a connection."""

    def __init__(self) -> None:
        self._sequences = SimpleSequenceGenerator()

    def bind(self, system_id: str, password: str, system_type: str) -> bytes:
        """bind_transceiver."""
        return self._make(
            "bind_transceiver",
            system_id=system_id,
            password=password,
            system_type=system_type,
            interface_version=_INTERFACE_VERSION,
        )[1]

    def submit(self, source: Address, number: str, octets: bytes) -> tuple[int, bytes]:
        """(sequence, submit_sm) of a message to a number, with a receipt asked for."""
        ton, npi, address = source
        to_ton, to_npi, to_address = address_of(number)
        return self._make(
            "submit_sm",
            source_addr_ton=ton,
            source_addr_npi=npi,
            source_addr=address,
            dest_addr_ton=to_ton,
            dest_addr_npi=to_npi,
            destination_addr=to_address,
            esm_class=0,
            data_coding=DCS_8BIT,
            registered_delivery=1,
            validity_period=_VALIDITY,
            short_message=octets,
        )

    def enquire(self) -> bytes:
        """enquire_link."""
        return self._make("enquire_link")[1]

    def unbind(self) -> bytes:
        """Say goodbye."""
        return self._make("unbind")[1]

    def _make(self, command: str, **fields: object) -> tuple[int, bytes]:
        made = smpp.make_pdu(command, client=self._sequences, **fields)
        return int(made.sequence), bytes(made.generate())


def response(command: int, sequence: int, status: int = OK) -> bytes:
    """The answer to a request: of deliver_sm with its empty message id, of the others the header alone."""
    body = b"\0" if command == DELIVER else b""
    return struct.pack(">LLLL", HEADER_OCTETS + len(body), RESPONSE | command, status, sequence) + body


def nack(sequence: int, status: int) -> bytes:
    """generic_nack."""
    return struct.pack(">LLLL", HEADER_OCTETS, GENERIC_NACK, status, sequence)


def address_of(number: str) -> Address:
    """A number as SMPP has it: + is international, digits are what the operator knows, else it is a name."""
    if number.startswith("+"):
        return _TON_INTERNATIONAL, _NPI_ISDN, number[1:]
    if number.isdigit() or not number:
        return 0, _NPI_ISDN if number else 0, number
    return _TON_ALPHANUMERIC, 0, number
