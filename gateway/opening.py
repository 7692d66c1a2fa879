"""Frames opened: tag, salt and codec; what a frame holds under the contexts of its terminal, or the fault for which it does not."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.islands import WaitingBridge
from gateway.terminals import TerminalView
from gateway.verdicts import Fault
from gateway.waiting import WaitingFrame
from protocol import bridge, chain, frame, parts, status
from protocol.errors import ProtocolError, UnknownContext, UnknownVersion
from protocol.frame import Header


@dataclass(slots=True)
class Opened:
    """A frame whose tag was good, or the fault for which it was not opened."""

    header: Header
    batch: WaitingFrame | None = None
    report: status.Status | None = None
    bridge: WaitingBridge | None = None
    part: parts.Part | None = None
    fault: Fault | None = None
    frame_id: int = 0

    @property
    def range(self) -> tuple[int, int]:
        """(first sequence, count) of what it is about; (0, 0) of a part, which does not tell."""
        if self.part is not None:
            return 0, 0
        if self.bridge is not None:
            values = self.bridge.values
            return values[0][0], values[-1][0] - values[0][0] + 1
        return self.header.first, self.header.count


def open_frame(raw: bytes, header: Header, view: TerminalView) -> Opened:
    """Decrypt and decode one frame of a known terminal."""
    try:
        if header.frame_class == frame.CLASS_RECORDS:
            return Opened(header, batch=_open_records(raw, header, view))
        return _open_body(raw, header, view)
    except ProtocolError as error:
        return Opened(header, fault=Fault.of(error))
    except Exception as error:
        # The terminal holds the keys, so it can send anything: no input of one may stop the others.
        return Opened(
            header, fault=Fault(type(error).__name__, "records", frame.HEADER_OCTETS, "decoder failed")
        )


def batch_of(raw: bytes, header: Header, contents: list[bytes] | None) -> WaitingFrame:
    """A records frame with what it holds, None while that is not known."""
    seal_at = len(raw) - frame.SEAL_OCTETS if header.sealed else len(raw)
    return WaitingFrame(0, header.first, header.count, contents, bytes(raw[seal_at:]), seal_at)


def _open_records(raw: bytes, header: Header, view: TerminalView) -> WaitingFrame:
    batch = batch_of(raw, header, None)
    contexts: list[object] = list(view.history.held)
    if view.waiting:
        contexts += view.history.prospects(view.waiting.adoptions())
    try:
        batch.records = frame.open_records(raw, contexts, view.keys.up).records
    except UnknownContext:
        batch.records = _open_bare(raw, view)
        batch.raw = b"" if batch.records else raw
    return batch


def _open_bare(raw: bytes, view: TerminalView) -> list[bytes] | None:
    """Records from before an adoption, coded under roster and policy alone."""
    try:
        return frame.open_records(raw, view.history.bare, view.keys.up).records
    except UnknownContext:
        return None


def _open_body(raw: bytes, header: Header, view: TerminalView) -> Opened:
    if header.frame_class != frame.CLASS_UP:
        raise UnknownVersion("class", 0, "not an uplink")
    _, body = frame.open_counter(raw, view.keys.up)
    if header.codec == frame.UP_STATUS:
        return Opened(header, report=status.decode(body))
    if header.codec == frame.UP_BRIDGE:
        return Opened(header, bridge=WaitingBridge(0, bridge.decode(body).values))
    if header.codec == frame.UP_PART:
        return Opened(header, part=parts.decode_up(body))
    raise UnknownVersion("codec", 0, "unknown kind of uplink")


def foresee(batch: WaitingFrame, value: bytes) -> list[bytes] | None:
    """The chain values over a sealed frame, from `value` before it on; None where that cannot be said."""
    if not batch.records or not batch.seal:
        return None
    values = [value]
    for octets in batch.records:
        value = chain.extend(value, octets)
        values.append(value)
    return values
