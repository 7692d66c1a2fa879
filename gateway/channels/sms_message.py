"""Messages as the modem pool handles them: what may be a frame, what waits for a commit, what goes out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from protocol import sms_pdu, sms_time
from protocol.errors import ProtocolError
from protocol.sms_address import Address
from protocol.sms_user_data import DATA_8BIT, UserData

# A frame is as good after days, so let the network try for a week.
_VALIDITY_MINUTES = 7 * 1440


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How a modem is used; `boot_s`, `list_s`, `reply_s`: how long it may take to start, to list, to answer."""

    sends_per_minute: int = 8
    queue_max: int = 50
    look_s: float = 10.0
    quarantine_s: float = 600.0
    pause_s: float = 2.0
    boot_s: float = 30.0
    list_s: float = 30.0
    reply_s: float = 5.0


@dataclass(slots=True)
class Outgoing:
    """A frame on its way to a number; `tries` counts failures at it, `failed_at` are the ports of modems that did."""

    number: str
    octets: bytes
    tries: int = 0
    failed_at: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Pending:
    """A message that was delivered and lies in the modem until its frame is committed."""

    index: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """What came: octets, and the number that it says it is from."""

    octets: bytes
    sender: str


def frame_of(pdu: bytes) -> tuple[Frame | None, str]:
    """The frame in a message, or None and whether it is "undecodable" or "foreign"."""
    try:
        message = sms_pdu.decode_hex(pdu)
    except ProtocolError:
        return None, "undecodable"
    if not isinstance(message, sms_pdu.Deliver):
        return None, "foreign"
    data = message.user_data
    if data.alphabet != DATA_8BIT or data.concatenation is not None or data.missing or not data.content:
        return None, "foreign"
    return Frame(data.content, message.sender.number), ""


def submit(outgoing: Outgoing) -> bytes:
    """The PDU of a frame that goes out."""
    message = sms_pdu.Submit(Address(outgoing.number), UserData(outgoing.octets))
    message.validity = sms_time.relative(_VALIDITY_MINUTES)
    return sms_pdu.encode(message)


def digest_of(pdu: bytes) -> bytes:
    """What tells one stored message from another."""
    return hashlib.sha256(pdu).digest()
