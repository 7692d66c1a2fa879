"""The commands for what people carry: `import` what terminals carried out, `export` what goes back to one."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from gateway import carried, keys, loader, photographs, report
from gateway.carried import Brought, Piece
from gateway.carrier import FRAMES_MAX
from gateway.cli_parts import Kid, as_json, give_order, guarded, tell
from gateway.config import Config
from gateway.contexts import Library
from gateway.errors import GatewayError
from gateway.publish import Order
from gateway.store.sqlite import SqliteReader
from gateway.terminals import TerminalView
from gateway.verdicts import EVIDENCE, Fault, Outcome
from protocol import carry, frame
from protocol.errors import ProtocolError

OCTETS_MAX = 128 << 20
_ORDER_OCTETS_MAX = 2 << 20
_REFUSED_EXIT_STATUS = 4
_SHOWN_MAX = 20
_NEW, _DUPLICATE, _REFUSED = "new", "duplicate", "refused"


@dataclass(slots=True)
class _File:
    """What became of one file: per piece (place, new/duplicate/refused, outcome, fault)."""

    path: Path
    sort: str = carried.Sort.UNKNOWN.value
    pieces: list[tuple[str, str, str, Fault | None]] = field(default_factory=list)

    def add(self, place: str, outcome: str, fault: Fault | None) -> None:
        """One more piece; what was handed on has one of the gateway's outcomes."""
        known = set(Outcome)
        if outcome == Outcome.DUPLICATE:
            became = _DUPLICATE
        elif outcome in known - EVIDENCE - {Outcome.EVICTED}:
            became = _NEW
        else:
            became = _REFUSED
        self.pieces.append((place, became, outcome, fault))

    def count(self, became: str) -> int:
        """How many pieces became that."""
        return sum(each[1] == became for each in self.pieces)

    def as_json(self) -> dict[str, Any]:
        """A stable form for programs."""
        return {
            "file": str(self.path),
            "sort": self.sort,
            **{became: self.count(became) for became in (_NEW, _DUPLICATE, _REFUSED)},
            "pieces": [
                {
                    "place": place,
                    "became": became,
                    "outcome": outcome,
                    "fault": asdict(fault) if fault else None,
                }
                for place, became, outcome, fault in self.pieces
            ],
        }


@click.command("import")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@as_json
@click.pass_obj
@guarded
def import_command(config: Config, files: tuple[Path, ...], is_json: bool) -> None:
    """Take in what was carried out of terminals, by any way and any number of times.

    FILES are carry files, photographs (PNG, JPEG) of printed QR codes, text with one scanned QR code in a line, and what
    the forensic tool saved (.frame, .rescue). Exit status 4 where anything in them was refused.
    """
    told = []
    kids: set[int] = set()
    for path in files:
        one = _File(path)
        brought = _read(config, path)
        one.sort = brought.sort.value
        for piece, outcome, fault in _handed_on(config, brought):
            one.add(piece.place, outcome, fault)
            kids |= _kid_of(piece.frame)
        told.append(one)
        if not is_json:
            _show(one)
    standings = _standings(config, kids)
    if is_json:
        tell({"files": [one.as_json() for one in told], "terminals": standings}, is_json=True)
    else:
        for standing in standings:
            click.echo(
                "terminal {kid}: {state}, sealed through {sealed_through}, {gaps}".format(
                    **_in_words(standing)
                )
            )
    sys.exit(_REFUSED_EXIT_STATUS if any(one.count(_REFUSED) for one in told) else 0)


def _read(config: Config, path: Path) -> Brought:
    """What is in a file; nothing in it ends the command."""
    try:
        if path.stat().st_size > OCTETS_MAX:
            return Brought(carried.Sort.UNKNOWN, [_refused("size", f"is above {OCTETS_MAX} octets")])
        octets = path.read_bytes()
    except OSError as failure:
        return Brought(carried.Sort.UNKNOWN, [_refused("file", failure.strerror or type(failure).__name__)])
    return carried.read(path.name, octets, lambda kid: _view(config, kid))


def _refused(field_name: str, reason: str) -> Piece:
    return Piece("file", fault=Fault("NotCarried", field_name, 0, reason))


def _view(config: Config, kid: int) -> TerminalView | None:
    """A terminal with its keys, as far as the database knows it."""
    ring = keys.load(config.keys)
    reader = SqliteReader.open(config.data)
    try:
        library = Library(reader.document, config.ingest.contexts_cached_max)
        return loader.load(reader, library, ring, kid, config.ingest.waiting_frames_max)
    finally:
        reader.close()


def _handed_on(config: Config, brought: Brought) -> Iterator[tuple[Piece, str, Fault | None]]:
    """Every piece with what became of it, in the order of the file; frames go to the gateway by the handful."""
    batch: list[Piece] = []
    octets = 0
    for piece in [*brought.pieces, None]:
        if batch and (
            piece is None or not piece.frame or len(batch) == FRAMES_MAX or octets > _ORDER_OCTETS_MAX
        ):
            yield from _judged(config, batch)
            batch, octets = [], 0
        if piece is not None and piece.frame:
            batch.append(piece)
            octets += len(piece.frame)
        elif piece is not None:
            yield piece, "not_carried", piece.fault


def _judged(config: Config, batch: list[Piece]) -> Iterator[tuple[Piece, str, Fault | None]]:
    packed = b"".join(carry.pack(piece.frame) for piece in batch)
    verdicts = give_order(config, Order.IMPORT, packed, 0)["verdicts"]
    for piece, verdict in zip(batch, verdicts, strict=True):
        fault = verdict["fault"]
        yield piece, verdict["outcome"], Fault(**fault) if fault else None


def _kid_of(raw: bytes) -> set[int]:
    try:
        return {frame.kid_of(raw)}
    except ProtocolError:
        return set()


def _show(one: _File) -> None:
    """One file in a few lines: the sums, then what was refused and why."""
    counts = ", ".join(f"{one.count(became)} {became}" for became in (_NEW, _DUPLICATE, _REFUSED))
    click.echo(f"{one.path}: {one.sort}; {counts}")
    waiting = Counter(outcome for _, became, outcome, _ in one.pieces if became == _NEW)
    for outcome, count in waiting.items():
        click.echo(f"  {count} {outcome.replace('_', ' ')}")
    refused = [each for each in one.pieces if each[1] == _REFUSED]
    for place, _, outcome, fault in refused[:_SHOWN_MAX]:
        click.echo(f"  {place}: {outcome.replace('_', ' ')}{f': {fault}' if fault else ''}")
    if len(refused) > _SHOWN_MAX:
        click.echo(f"  and {len(refused) - _SHOWN_MAX} more; --json tells all")


def _standings(config: Config, kids: set[int]) -> list[dict[str, Any]]:
    """Where the terminals stand whose frames were brought, so that the bearer knows what is still missing."""
    reader = SqliteReader.open(config.data)
    try:
        rows = [row for kid in sorted(kids) if (row := reader.terminal(kid)) is not None]
    finally:
        reader.close()
    return [report.standing(row) for row in rows]


def _in_words(standing: dict[str, Any]) -> dict[str, Any]:
    gaps = ", ".join(f"{first} to {first + count - 1}" for first, count, _ in standing["gaps"])
    return standing | {"gaps": f"missing {gaps}" if gaps else "nothing missing before that"}


@click.command("export")
@click.argument("kid", type=Kid())
@click.option("--to", "to", type=click.Path(dir_okay=False, path_type=Path), help="Carry file for USB.")
@click.option("--qr", "qr", type=click.Path(dir_okay=False, path_type=Path), help="Pages of QR codes (PNG).")
@as_json
@click.pass_obj
@guarded
def export_command(config: Config, kid: int, to: Path | None, qr: Path | None, is_json: bool) -> None:
    """Make all that a terminal is owed, to be carried to it.

    That is its acknowledgement with gaps and settlement states, grants, a new epoch's certificate, where it has
    fallen behind its own seals, the notice of it, and a new roster, which no page has room for. The terminal takes the
    file over USB. It has no camera: the pages are for a telephone, which scans them and passes the text on.
    """
    if to is None and qr is None:
        raise click.UsageError("give --to FILE, --qr FILE, or both")
    octets = bytes.fromhex(str(give_order(config, Order.EXPORT, b"", kid)["octets"]))
    frames = [raw for _, raw, _ in carry.read(octets)]
    written = []
    try:
        if to is not None:
            to.write_bytes(octets)
            written.append(str(to))
        if qr is not None:
            written += _pages(qr, kid, [raw for raw in frames if len(raw) <= frame.SMS_OCTETS_MAX])
    except OSError as failure:
        raise GatewayError(file=failure.filename, reason=failure.strerror) from failure
    tell({"kid": f"{kid:08x}", "frames": len(frames), "octets": len(octets), "files": written}, is_json)


def _pages(path: Path, kid: int, frames: list[bytes]) -> list[str]:
    """Write one PNG per page: FILE.png, or FILE-1.png and so on where there are several."""
    heading = f"{kid:08x}   {time.strftime('%d-%m-%Y %H:%M')}"
    pages = photographs.pages(heading, [carry.qr_text(raw) for raw in frames])
    written = []
    for number, page in enumerate(pages, 1):
        name = path if len(pages) == 1 else path.with_stem(f"{path.stem}-{number}")
        page.save(name, "PNG")
        written.append(str(name))
    return written
