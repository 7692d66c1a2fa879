"""Takes any frame apart field by field for people: without keys its header, with keys what is inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway import opening
from gateway.keys import GatewayCipher
from gateway.terminals import TerminalView
from protocol import acknowledgement, bridge, certificates, codec, frame, notice, parts, records, status
from protocol.errors import ProtocolError

_CLASSES = {
    frame.CLASS_RECORDS: "records",
    frame.CLASS_UP: "up",
    frame.CLASS_DOWN: "down",
    frame.CLASS_CLEAR: "clear",
}
_KINDS = {
    (frame.CLASS_RECORDS, codec.LITERAL): "literal",
    (frame.CLASS_RECORDS, codec.PREDICTED): "predicted",
    (frame.CLASS_UP, frame.UP_STATUS): "status",
    (frame.CLASS_UP, frame.UP_BRIDGE): "bridge",
    (frame.CLASS_UP, frame.UP_PART): "part",
    (frame.CLASS_DOWN, frame.DOWN_ACKNOWLEDGEMENT): "acknowledgement",
    (frame.CLASS_DOWN, frame.DOWN_GRANT): "grant",
    (frame.CLASS_DOWN, frame.DOWN_NOTICE): "rollback notice",
    (frame.CLASS_DOWN, frame.DOWN_STANDING): "standing",
    (frame.CLASS_CLEAR, frame.CLEAR_EPOCH_CERTIFICATE): "epoch certificate",
}
_UP_BODIES: dict[int, Callable[[bytes], object]] = {
    frame.UP_STATUS: status.decode, frame.UP_BRIDGE: bridge.decode, frame.UP_PART: parts.decode_up,
}  # fmt: skip
_COUNT_OCTETS = 9


@dataclass(slots=True)
class Description:
    """What could be read: `fields` as (offset, octets, name, value), then the contents; `error` where reading stopped."""

    octets: int
    fields: list[tuple[int, int, str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    body: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    error: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """A stable form for programs."""
        names = ("offset", "octets", "field", "value")
        return {
            "octets": self.octets,
            "fields": [dict(zip(names, each, strict=True)) for each in self.fields],
            "records": self.records,
            "body": self.body,
            "note": self.note,
            "error": self.error or None,
        }


def describe(raw: bytes, view: TerminalView | None = None, down: GatewayCipher | None = None) -> Description:
    """Read as much of a frame as its octets and the given keys allow."""
    told = Description(len(raw))
    try:
        _header(raw, told)
        header = frame.read_header(raw)
        if header.frame_class == frame.CLASS_RECORDS and header.sealed:
            _add(told, raw, len(raw) - frame.SEAL_OCTETS, frame.SEAL_OCTETS, "seal")
        if header.frame_class == frame.CLASS_CLEAR:
            _clear(raw, told)
        elif header.frame_class == frame.CLASS_DOWN:
            _down(raw, told, down)
        elif view is None:
            told.note = "no keys of this terminal here: only the header can be read"
        elif header.frame_class == frame.CLASS_RECORDS:
            _records(raw, header, told, view)
        else:
            _, body = frame.open_counter(raw, view.keys.up)
            told.body = _values(_UP_BODIES.get(header.codec, status.decode)(body))
    except ProtocolError as error:
        told.error = {
            "error": type(error).__name__, "field": error.field, "offset": error.offset, "reason": error.reason,
        }  # fmt: skip
    return told


def _add(told: Description, raw: bytes, offset: int, octets: int, name: str, value: Any = None) -> None:
    taken = raw[offset : offset + octets]
    if len(taken) == octets and offset >= 0:
        told.fields.append((offset, octets, name, taken.hex() if value is None else value))


def _header(raw: bytes, told: Description) -> None:
    """Field by field, as far as the octets go."""
    if not raw:
        return
    frame_class, kind = raw[0] >> 6, raw[0] & 0x3F
    named = _KINDS.get((frame_class, kind), "unknown")
    _add(told, raw, 0, 1, "class and codec", f"{_CLASSES[frame_class]} ({frame_class}), {named} ({kind})")
    _add(told, raw, 1, 4, "kid")
    if frame_class == frame.CLASS_RECORDS:
        first = int.from_bytes(raw[5:8], "big")
        sealed = "sealed" if first & 0x800000 else "unsealed"
        _add(told, raw, 5, 3, "sealed and first sequence", f"{sealed}, {first & 0x7FFFFF}")
        if len(raw) >= _COUNT_OCTETS:
            _add(told, raw, 8, 1, "count", raw[8] + 1)
    else:
        _add(told, raw, 5, 4, "counter", int.from_bytes(raw[5:9], "big"))
    _add(told, raw, 9, 4, "salt")


def _records(raw: bytes, header: frame.Header, told: Description, view: TerminalView) -> None:
    opened = opening.open_frame(raw, header, view)
    if opened.fault is not None:
        told.error = {
            "error": opened.fault.error, "field": opened.fault.field, "offset": opened.fault.offset,
            "reason": opened.fault.reason,
        }  # fmt: skip
        if header.codec == codec.LITERAL:
            _literal_so_far(raw, header, told, view)
    elif opened.batch is not None and opened.batch.records is None:
        told.note = "the tag is good, but none of the held contexts explains the records"
    elif opened.batch is not None:
        for place, octets in enumerate(opened.batch.records or ()):
            told.records.append({"sequence": header.first + place} | record_values(octets))


def _literal_so_far(raw: bytes, header: frame.Header, told: Description, view: TerminalView) -> None:
    """The records before the one that cannot be read."""
    nonce = raw[: frame.HEADER_OCTETS]
    end = len(raw) - (frame.SEAL_OCTETS if header.sealed else 0)
    try:
        plaintext = view.keys.up.decrypt(nonce, raw[frame.HEADER_OCTETS : end], nonce)
        offset = 0
        while offset < len(plaintext):
            octets = plaintext[offset + 1 : offset + 1 + plaintext[offset]]
            told.records.append({"sequence": header.first + len(told.records)} | record_values(octets))
            offset += 1 + plaintext[offset]
    except ProtocolError:
        return


def record_values(octets: bytes) -> dict[str, Any]:
    """A canonical record's fields by name."""
    record = records.decode(octets)
    told = _values(record)
    told["kind"] = records.name(record.kind)
    if getattr(record, "proof", None) is not None:
        told["proof"] = _values(record.proof)
    return told


def _values(holder: object) -> dict[str, Any]:
    """The attributes of a protocol object, octets as hex."""
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in vars(holder).items()}


def _clear(raw: bytes, told: Description) -> None:
    header, body = frame.open_clear(raw)
    if header.codec == frame.CLEAR_EPOCH_CERTIFICATE:
        certificate, signature = certificates.split_signature(body, "epoch certificate")
        told.body = _values(certificates.decode_epoch(certificate)) | {"signature": signature.hex()}


def _down(raw: bytes, told: Description, down: GatewayCipher | None) -> None:
    if down is None:
        told.note = "no keys of this terminal here: only the header can be read"
        return
    header, body = frame.open_counter(raw, down)
    if header.codec == frame.DOWN_NOTICE:
        told.body = _values(notice.decode(body))
        return
    signed, signature = certificates.split_signature(body, "downlink")
    if header.codec == frame.DOWN_ACKNOWLEDGEMENT:
        told.body = _values(acknowledgement.decode(signed)) | {"signature": signature.hex()}
    elif header.codec == frame.DOWN_STANDING:
        told.body = _values(notice.decode_standing(signed)) | {"signature": signature.hex()}
    else:
        told.body = {"grant": signed.hex(), "signature": signature.hex()}
