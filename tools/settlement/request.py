"""What a settlement request may hold: strict reading of its JSON, every limit named, every error with its field."""

import re
from dataclasses import dataclass
from typing import Any

from protocol import write_off
from protocol.certificates import KEY_OCTETS, SIGNATURE_OCTETS
from protocol.records import RECORD_OCTETS_MAX, SEQUENCE_MAX

SEGMENTS_MAX = 1024
RECORDS_MAX = 16384
FRAMES_MAX = 16384
FRAME_OCTETS_MAX = 65536
CERTIFICATE_OCTETS_MAX = 256
DIGEST_OCTETS = 32
UN_OCTETS = 4
WRITE_OFF_OCTETS = write_off.OCTETS + SIGNATURE_OCTETS

_HEX = re.compile(r"(?:[0-9a-f]{2})*")
_KID = re.compile(r"[0-9a-f]{8}")
_SEQUENCE = re.compile(r"[1-9][0-9]{0,6}")
_IDEMPOTENCY_KEY = re.compile(r"[0-9a-f]{64}")
_FIELDS = {
    "kid",
    "certificate",
    "un_key_commitment",
    "first",
    "chain_before",
    "records",
    "seal",
    "unpredictable_numbers",
    "frames",
    "provisional",
    "write_off",
    "late",
}


class RequestError(Exception):
    """The request is not of the contract; `field` says where (`segments[0].records[3]`)."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True)
class Segment:
    """Records `first` .. `last` of one terminal, of all kinds and in order, with what proves them.

    `seal` is of the last record; `unpredictable_numbers` are by sequence; `frames` are kept as evidence, unread.
    `provisional_before`: of a segment behind a gap the chain value before it, else b""; `write_off`: what the authority
    signed about the records before the segment, else b""; `late`: sequences of what the terminal spent after its
    leases had gone to another one.
    """

    kid: int
    certificate: bytes
    un_key_commitment: bytes
    first: int
    records: tuple[bytes, ...]
    seal: bytes
    unpredictable_numbers: dict[int, bytes]
    frames: tuple[bytes, ...]
    provisional_before: bytes = b""
    write_off: bytes = b""
    late: frozenset[int] = frozenset()

    @property
    def last(self) -> int:
        """Sequence of the last record."""
        return self.first + len(self.records) - 1


def parse(body: Any) -> list[Segment]:
    """The segments of a request body; raises `RequestError`."""
    if not isinstance(body, dict):
        raise RequestError("body", "not an object")
    if set(body) - {"segments"}:
        raise RequestError("body", "holds more than segments")
    items = _array(body.get("segments"), "segments", 1, SEGMENTS_MAX)
    return [_segment(item, f"segments[{place}]") for place, item in enumerate(items)]


def kid_of(value: Any, field: str) -> int:
    """A kid in a JSON string."""
    if not isinstance(value, str):
        raise RequestError(field, "missing, or not a string")
    return parse_kid(value, field)


def parse_kid(text: str, field: str = "kid") -> int:
    """A kid of eight lower-case hexadecimal digits."""
    if not _KID.fullmatch(text):
        raise RequestError(field, "not eight lower-case hexadecimal digits")
    return int(text, 16)


def check_idempotency_key(value: str | None) -> str:
    """The header of this name: a SHA-256 in hexadecimal digits."""
    if value is None:
        raise RequestError("Idempotency-Key", "missing")
    if not _IDEMPOTENCY_KEY.fullmatch(value):
        raise RequestError("Idempotency-Key", "not 64 lower-case hexadecimal digits")
    return value


def _segment(item: Any, at: str) -> Segment:
    """One segment; `at` is its place in the request."""
    if not isinstance(item, dict):
        raise RequestError(at, "not an object")
    strange = sorted(set(item) - _FIELDS)
    if strange:
        raise RequestError(at, "holds a field that the contract does not name")
    kid = kid_of(item.get("kid"), f"{at}.kid")
    is_provisional = item.get("provisional", False)
    if not isinstance(is_provisional, bool):
        raise RequestError(f"{at}.provisional", "not true or false")
    # Of what it has booked itself the service has its own; as part of the contract it is still of the right form.
    before = b""
    if "chain_before" in item or is_provisional:
        before = hexadecimal(item.get("chain_before"), f"{at}.chain_before", DIGEST_OCTETS, DIGEST_OCTETS)
    given_up = b""
    if "write_off" in item:
        given_up = hexadecimal(item["write_off"], f"{at}.write_off", WRITE_OFF_OCTETS, WRITE_OFF_OCTETS)
    first = sequence_of(item.get("first"), f"{at}.first")
    records = tuple(
        hexadecimal(value, f"{at}.records[{place}]", 1, RECORD_OCTETS_MAX)
        for place, value in enumerate(_array(item.get("records"), f"{at}.records", 1, RECORDS_MAX))
    )
    last = first + len(records) - 1
    if last > SEQUENCE_MAX:
        raise RequestError(f"{at}.records", f"go beyond sequence {SEQUENCE_MAX}")
    return Segment(
        kid=kid,
        certificate=hexadecimal(
            item.get("certificate"), f"{at}.certificate", SIGNATURE_OCTETS + 1, CERTIFICATE_OCTETS_MAX
        ),
        un_key_commitment=hexadecimal(
            item.get("un_key_commitment"), f"{at}.un_key_commitment", DIGEST_OCTETS, DIGEST_OCTETS
        ),
        first=first,
        records=records,
        seal=hexadecimal(item.get("seal"), f"{at}.seal", KEY_OCTETS, KEY_OCTETS),
        unpredictable_numbers=_numbers(
            item.get("unpredictable_numbers"), f"{at}.unpredictable_numbers", first, last
        ),
        frames=tuple(
            hexadecimal(value, f"{at}.frames[{place}]", 1, FRAME_OCTETS_MAX)
            for place, value in enumerate(_array(item.get("frames", []), f"{at}.frames", 0, FRAMES_MAX))
        ),
        provisional_before=before if is_provisional else b"",
        write_off=given_up,
        late=_late(item.get("late", []), f"{at}.late", first, last),
    )


def _late(value: Any, field: str, first: int, last: int) -> frozenset[int]:
    """Sequences of the segment."""
    items = _array(value, field, 0, RECORDS_MAX)
    for place, item in enumerate(items):
        if sequence_of(item, f"{field}[{place}]") not in range(first, last + 1):
            raise RequestError(f"{field}[{place}]", "not of this segment")
    return frozenset(items)


def _array(value: Any, field: str, least: int, most: int) -> list[Any]:
    """A JSON array of a bounded length."""
    if not isinstance(value, list):
        raise RequestError(field, "missing, or not an array")
    if not least <= len(value) <= most:
        raise RequestError(field, f"has {len(value)} items, not {least} to {most}")
    return value


def hexadecimal(value: Any, field: str, least: int, most: int) -> bytes:
    """Octets in lower-case hexadecimal digits, of a bounded length."""
    if not isinstance(value, str):
        raise RequestError(field, "missing, or not a string")
    if len(value) > 2 * most or not _HEX.fullmatch(value) or len(value) < 2 * least:
        raise RequestError(field, f"not {least} to {most} octets in lower-case hexadecimal digits")
    return bytes.fromhex(value)


def sequence_of(value: Any, field: str) -> int:
    """A sequence as a JSON number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise RequestError(field, "missing, or not a whole number")
    if not 1 <= value <= SEQUENCE_MAX:
        raise RequestError(field, f"not in 1..{SEQUENCE_MAX}")
    return value


def _numbers(value: Any, field: str, first: int, last: int) -> dict[int, bytes]:
    """Unpredictable Numbers by sequence; only of records in this segment."""
    if not isinstance(value, dict):
        raise RequestError(field, "missing, or not an object")
    found = {}
    for key, number in value.items():
        if not _SEQUENCE.fullmatch(key) or not first <= int(key) <= last:
            raise RequestError(field, "names a sequence that is not of this segment")
        found[int(key)] = hexadecimal(number, f"{field}.{key}", UN_OCTETS, UN_OCTETS)
    return found
