"""Short messages as modems and SMS centres exchange them: DELIVER, SUBMIT and STATUS-REPORT (3GPP TS 23.040, 9.2.2).

A PDU is the service centre's address as AT commands put it in front, then the TPDU. What a terminal or gateway receives
is read with `decode`; what was or will be sent (a SUBMIT, also one that lies in a modem's store) with `to_network`.
Our own frames are 8-bit data of at most 140 octets without a header; everything else is read so that it can be told
apart, counted and deleted.
"""

from protocol import sms_address, sms_time, sms_user_data
from protocol.errors import OutOfRange, Truncated, UnknownVersion
from protocol.octets import Reader
from protocol.sms_address import Address
from protocol.sms_time import Stamp, Validity
from protocol.sms_user_data import UserData

PDU_OCTETS_MAX = 255

_DELIVER = 0
_SUBMIT = 1
_STATUS_REPORT = 2
_TYPE_MASK = 0x03

# Bits of the first octet (9.2.3).
MORE_TO_SEND_NOT = 0x04  # TP-MMS: set when nothing more waits
REJECT_DUPLICATES = 0x04
STATUS_REPORT_INDICATION = 0x20
STATUS_REPORT_REQUEST = 0x20
USER_DATA_HEADER = 0x40
REPLY_PATH = 0x80
_VALIDITY_SHIFT = 3
_VALIDITY_MASK = 0x18

# Groups of TP-Status (9.2.3.15).
STATUS_DONE_BELOW = 0x20
STATUS_STILL_TRYING_BELOW = 0x40


class Deliver:
    """A message from the network: `sender`, `stamp`, `pid`, `user_data`; `centre` or None; `flags` of the first octet.

    `trailing`: octets behind the user data, which some modems show.
    """

    def __init__(self, sender: Address, stamp: Stamp, user_data: UserData) -> None:
        self.centre: "Address | None" = None
        self.flags = MORE_TO_SEND_NOT
        self.sender = sender
        self.pid = 0
        self.stamp = stamp
        self.user_data = user_data
        self.trailing = b""


class Submit:
    """A message to the network: `recipient`, `reference`, `validity`, `pid`, `user_data`; `centre` None: the SIM's own."""

    def __init__(self, recipient: Address, user_data: UserData) -> None:
        self.centre: "Address | None" = None
        self.flags = 0
        self.reference = 0
        self.recipient = recipient
        self.pid = 0
        self.validity = sms_time.none()
        self.user_data = user_data
        self.trailing = b""


class StatusReport:
    """What became of a message: its `reference` and `recipient`, when the centre took it (`stamp`), when that happened
    (`discharge`) and the `status`. A hint, no acknowledgement.

    `extra`: the optional octets behind the status as they came; `pid` and `user_data` are read from them where they are
    whole, else -1 and None.
    """

    def __init__(
        self, reference: int, recipient: Address, stamp: Stamp, discharge: Stamp, status: int
    ) -> None:
        self.centre: "Address | None" = None
        self.flags = MORE_TO_SEND_NOT
        self.reference = reference
        self.recipient = recipient
        self.stamp = stamp
        self.discharge = discharge
        self.status = status
        self.extra = b""
        self.pid = -1
        self.user_data: "UserData | None" = None

    @property
    def is_delivered(self) -> bool:
        """The message reached its telephone (or was replaced by a later one)."""
        return self.status < STATUS_DONE_BELOW

    @property
    def is_final(self) -> bool:
        """The service centre will try no more."""
        return not STATUS_DONE_BELOW <= self.status < STATUS_STILL_TRYING_BELOW


def decode(pdu: bytes, to_network: bool = False) -> "Deliver | Submit | StatusReport":
    """The message in `pdu`; a ProtocolError names field and offset. Message types that nobody may send us are refused."""
    if len(pdu) > PDU_OCTETS_MAX:
        raise OutOfRange("PDU", PDU_OCTETS_MAX, "has %d octets" % len(pdu))
    source = Reader(pdu)
    centre = sms_address.read_centre(source)
    at = source.offset
    first = source.number("first octet", 1)
    kind = first & _TYPE_MASK
    message: "Deliver | Submit | StatusReport"
    if to_network and kind == _SUBMIT:
        message = _read_submit(source, first)
    elif not to_network and kind == _DELIVER:
        message = _read_deliver(source, first)
    elif not to_network and kind == _STATUS_REPORT:
        message = _read_status_report(source, first)
    else:
        raise UnknownVersion("message type", at, "type %d is not read in this direction" % kind)
    message.centre = centre
    message.flags = first & ~(_TYPE_MASK | USER_DATA_HEADER)
    if kind == _SUBMIT:
        message.flags &= ~_VALIDITY_MASK
    return message


def decode_hex(
    text: bytes, tpdu_octets: int = -1, to_network: bool = False
) -> "Deliver | Submit | StatusReport":
    """The message in a line of a modem; `tpdu_octets` is the length that the line before it gave, -1 if unknown."""
    pdu = octets_of_hex(text)
    if tpdu_octets >= 0 and tpdu_octets != tpdu_length(pdu):
        raise OutOfRange("TPDU length", 0, "is %d, not %d" % (tpdu_length(pdu), tpdu_octets))
    return decode(pdu, to_network)


def encode(message: "Deliver | Submit | StatusReport") -> bytes:
    """The PDU of a message; OutOfRange names a field that does not fit."""
    if isinstance(message, Deliver):
        tpdu = _deliver(message)
    elif isinstance(message, Submit):
        tpdu = _submit(message)
    else:
        tpdu = _status_report(message)
    return sms_address.write_centre(message.centre) + tpdu


def tpdu_length(pdu: bytes) -> int:
    """Octets behind the service centre's address: the number that AT+CMGS wants."""
    if not pdu or len(pdu) < pdu[0] + 1:
        raise Truncated("service centre", 0, "runs over the end")
    return len(pdu) - pdu[0] - 1


def octets_of_hex(text: bytes) -> bytes:
    """The octets of hexadecimal digits of either case; OutOfRange names the place of anything else."""
    if len(text) & 1:
        raise OutOfRange("PDU", len(text) // 2, "half an octet")
    octets = bytearray()
    half = 0
    for place, letter in enumerate(text):
        if 0x30 <= letter <= 0x39:
            value = letter - 0x30
        elif 0x41 <= letter & 0xDF <= 0x46:
            value = (letter & 0xDF) - 0x37
        else:
            raise OutOfRange("PDU", place // 2, "no hexadecimal digit")
        if place & 1:
            octets.append(half << 4 | value)
        half = value
    return bytes(octets)


def _read_deliver(source: Reader, first: int) -> Deliver:
    sender = sms_address.read(source, "originating address")
    pid = source.number("protocol identifier", 1)
    dcs = source.number("data coding scheme", 1)
    stamp = sms_time.read_stamp(source, "service centre time stamp")
    message = Deliver(sender, stamp, sms_user_data.read(source, dcs, bool(first & USER_DATA_HEADER)))
    message.pid = pid
    message.trailing = _rest(source)
    return message


def _read_submit(source: Reader, first: int) -> Submit:
    reference = source.number("message reference", 1)
    recipient = sms_address.read(source, "destination address")
    pid = source.number("protocol identifier", 1)
    dcs = source.number("data coding scheme", 1)
    validity = sms_time.read_validity(source, first >> _VALIDITY_SHIFT & 3)
    message = Submit(recipient, sms_user_data.read(source, dcs, bool(first & USER_DATA_HEADER)))
    message.reference = reference
    message.pid = pid
    message.validity = validity
    message.trailing = _rest(source)
    return message


def _read_status_report(source: Reader, first: int) -> StatusReport:
    reference = source.number("message reference", 1)
    recipient = sms_address.read(source, "recipient address")
    stamp = sms_time.read_stamp(source, "service centre time stamp")
    discharge = sms_time.read_stamp(source, "discharge time")
    status = source.number("status", 1)
    message = StatusReport(reference, recipient, stamp, discharge, status)
    message.extra = _rest(source)
    _read_extra(message, first)
    return message


def _read_extra(message: StatusReport, first: int) -> None:
    """TP-PI and what it announces (9.2.3.27); modems fill the place with anything, so what is not whole is left."""
    extra = message.extra
    if not extra or extra[0] & 0xF8:
        return
    source = Reader(extra, 1)
    try:
        pid = source.number("protocol identifier", 1) if extra[0] & 1 else -1
        dcs = source.number("data coding scheme", 1) if extra[0] & 2 else 0
        user_data = None
        if extra[0] & 4:
            user_data = sms_user_data.read(source, dcs, bool(first & USER_DATA_HEADER))
    except (Truncated, UnknownVersion):
        return
    message.pid = pid
    message.user_data = user_data


def _rest(source: Reader) -> bytes:
    return source.octets("trailing octets", len(source.data) - source.offset)


def _first(kind: int, flags: int, user_data: "UserData | None", validity: "Validity | None") -> int:
    """The first octet; whether there is a header follows from the user data."""
    first = kind | flags & ~(_TYPE_MASK | USER_DATA_HEADER)
    if user_data is not None and user_data.elements is not None:
        first |= USER_DATA_HEADER
    if validity is not None:
        first = first & ~_VALIDITY_MASK | validity.form << _VALIDITY_SHIFT
    return first & 0xFF


def _deliver(message: Deliver) -> bytes:
    data = message.user_data
    head = bytes((_first(_DELIVER, message.flags, data, None),))
    head += sms_address.write(message.sender, "originating address")
    return head + bytes((message.pid, data.dcs)) + message.stamp.octets + sms_user_data.write(data)


def _submit(message: Submit) -> bytes:
    data = message.user_data
    head = bytes((_first(_SUBMIT, message.flags, data, message.validity), message.reference))
    head += sms_address.write(message.recipient, "destination address")
    return head + bytes((message.pid, data.dcs)) + message.validity.octets + sms_user_data.write(data)


def _status_report(message: StatusReport) -> bytes:
    head = bytes((_first(_STATUS_REPORT, message.flags, message.user_data, None), message.reference))
    head += sms_address.write(message.recipient, "recipient address")
    return head + message.stamp.octets + message.discharge.octets + bytes((message.status,)) + message.extra
