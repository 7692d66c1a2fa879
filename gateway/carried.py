"""Takes apart what people bring: carry files, QR codes as text or photographed, saved frames, rescue bundles."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gateway import photographs, rescued
from gateway.errors import PictureError
from gateway.terminals import TerminalView
from gateway.verdicts import Fault
from protocol import carry, frame, rescue
from protocol.errors import ProtocolError

FRAME_SUFFIX = ".frame"
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_TEXT = bytes(range(0x20, 0x7F)) + b"\r\n\t"


class Sort(enum.StrEnum):
    """What a file is."""

    CARRY = "carry file"
    CODES = "QR codes as text"
    PHOTOGRAPH = "photograph"
    FRAME = "saved frame"
    RESCUE = "rescue bundle"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing in a file: `place` says where; `fault` why it is no frame that could be handed on."""

    place: str
    frame: bytes = b""
    fault: Fault | None = None


@dataclass(slots=True)
class Brought:
    """What was found in one file."""

    sort: Sort
    pieces: list[Piece] = field(default_factory=list)


def read(name: str, octets: bytes, view_of: Callable[[int], TerminalView | None]) -> Brought:
    """Every frame in a file, and everything in it that is none; `view_of` gives the terminal of a kid, where it is known.

    Never raises for what a file holds.
    """
    sort = _sort(name, octets)
    if sort is Sort.CARRY:
        found = [_piece(f"octet {offset}", raw, error) for offset, raw, error in carry.read(octets)]
    elif sort is Sort.CODES:
        lines = enumerate(octets.decode("ascii").splitlines(), 1)
        found = [_code(f"line {number}", line) for number, line in lines if line]
    elif sort is Sort.PHOTOGRAPH:
        found = _photographed(octets)
    elif sort is Sort.RESCUE:
        found = list(_rescued(octets, view_of))
    elif sort is Sort.FRAME:
        found = [_piece("octet 0", octets)]
    else:
        found = [_none("file", "is nothing that a terminal carries out")]
    return Brought(sort, found)


def _sort(name: str, octets: bytes) -> Sort:
    """By its contents; a bare frame has nothing that would tell it from anything else but its name."""
    if octets.startswith((_PNG, _JPEG)):
        return Sort.PHOTOGRAPH
    if octets.startswith(rescue.MAGIC):
        return Sort.RESCUE
    if name.endswith(FRAME_SUFFIX):
        return Sort.FRAME
    if carry.MAGIC in octets:
        return Sort.CARRY
    if carry.QR_PREFIX.encode() in octets and not octets.translate(None, _TEXT):
        return Sort.CODES
    return Sort.UNKNOWN


def _none(field_name: str, reason: str, place: str = "file") -> Piece:
    return Piece(place, fault=Fault("NotCarried", field_name, 0, reason))


def _piece(place: str, raw: bytes, error: ProtocolError | None = None) -> Piece:
    """A frame as it was found; what goes down to terminals is none of ours to take."""
    if error is not None:
        return Piece(place, fault=Fault.of(error))
    try:
        carry.pack(raw)
        header = frame.read_header(raw)
    except ProtocolError as refusal:
        # Newer versions are for the gateway to count and to answer.
        is_frame = carry.FRAME_OCTETS_MIN <= len(raw) <= carry.FRAME_OCTETS_MAX
        return Piece(place, raw) if is_frame else Piece(place, fault=Fault.of(refusal))
    if header.frame_class in (frame.CLASS_DOWN, frame.CLASS_CLEAR):
        return _none("class", f"is for terminal {header.kid:08x}, not from it", place)
    return Piece(place, raw)


def _code(place: str, text: str) -> Piece:
    try:
        return _piece(place, carry.from_qr_text(text))
    except ProtocolError as error:
        return Piece(place, fault=Fault.of(error))


def _photographed(octets: bytes) -> list[Piece]:
    try:
        found = photographs.read(octets)
    except PictureError as failure:
        return [_none("picture", str(failure))]
    pieces = [_code(f"code {number}", text) for number, text in enumerate(found.texts, 1)]
    for x, y in found.damaged:
        pieces.append(_none("code", "is there, but too damaged or blurred to be read", f"dot {x}, {y}"))
    return pieces or [_none("picture", "shows no QR code")]


def _rescued(octets: bytes, view_of: Callable[[int], TerminalView | None]) -> Iterator[Piece]:
    try:
        bundle = rescue.decode(octets)
    except ProtocolError as error:
        yield Piece("file", fault=Fault.of(error))
        return
    view = view_of(bundle.kid)
    if view is None:
        yield _none("kid", f"terminal {bundle.kid:08x} is not registered; register its certificate first")
        return
    for place, raw, fault in rescued.frames(bundle, view):
        yield Piece(place, raw, fault)
