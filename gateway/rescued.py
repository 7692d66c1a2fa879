"""Makes frames of a rescue bundle, so that records saved from flash take the way of all others.

The gateway shares the uplink keys with the terminal, so it can put records into the frames that the terminal would have
sent; what proves them is their own seals, as ever.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.terminals import TerminalView
from gateway.verdicts import Fault
from gateway.verifier import is_sealed
from protocol import chain, codec, frame, records, rescue
from protocol.errors import ProtocolError


def frames(bundle: rescue.Bundle, view: TerminalView) -> Iterator[tuple[str, bytes, Fault | None]]:
    """(which records, frame, None), or (which record, b"", why it is none), in the order of the bundle."""
    for run in bundle.runs:
        seals = _proving(run, view)
        start = 0
        for place, (octets, _) in enumerate(run.records):
            try:
                records.decode(octets)
            except ProtocolError as error:
                yield from _framed(run, start, place, seals, view)
                yield f"record {run.first + place}", b"", Fault.of(error)
                start = place + 1
        yield from _framed(run, start, len(run.records), seals, view)


def _proving(run: rescue.Run, view: TerminalView) -> list[bytes]:
    """Per record of a run its seal, b"" where that does not hold; nothing can be said where the run hangs in the air."""
    if not run.before:
        return [seal for _, seal in run.records]
    proving = []
    value = run.before
    for place, (octets, seal) in enumerate(run.records):
        value = chain.extend(value, octets)
        proving.append(seal if is_sealed(view, run.first + place, value, seal) else b"")
    return proving


def _framed(
    run: rescue.Run, start: int, end: int, seals: list[bytes], view: TerminalView
) -> Iterator[tuple[str, bytes, Fault | None]]:
    """Frames of as many records as one takes, each ending at its last record whose seal holds: a torn seal spoils no other."""
    while start < end:
        last = min(start + codec.RECORDS_MAX, end) - 1
        sealed = next((place for place in range(last, start - 1, -1) if seals[place]), last)
        octets = frame.encode_records(
            view.kid,
            run.first + start,
            [octets for octets, _ in run.records[start : sealed + 1]],
            seals[sealed],
            codec.LITERAL,
            None,
            view.keys.up,
        )
        yield f"records {run.first + start} to {run.first + sealed}", octets, None
        start = sealed + 1
