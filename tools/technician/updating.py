"""Renews a terminal's application over its console, and goes on where an earlier attempt stopped."""

from __future__ import annotations

from dataclasses import dataclass

from protocol import release
from protocol.errors import ProtocolError
from tools.carry import Console, ConsoleError
from tools.technician.cable import Progress
from tools.technician.errors import BundleError, CableError, TechnicianError

PIECE_OCTETS = 4096


@dataclass(frozen=True, slots=True)
class Running:
    """What a terminal says of its slots; `trial`: starts left before it falls back, -1 where it has proved itself."""

    slot: str
    release: int
    other: int
    trial: int


class RefusedError(TechnicianError):
    """The terminal does not take it; its own words say why."""

    code = 9


def running(console: Console) -> Running:
    """Ask what runs."""
    told = _asked(console, "release")
    return Running(told["slot"], int(told["release"]), int(told["other"]), int(told["trial"]))


def update(console: Console, bundle: bytes, progress: Progress | None = None) -> int:
    """Send a bundle; the number of the release that is tried next. What is whole in the slot already is not sent again."""
    try:
        manifest, signed, signature, offset = release.decode(bundle)
    except ProtocolError as error:
        raise BundleError(
            f"this is no release bundle ({error})", "give the file release.lum that `lumbung build` wrote"
        ) from error
    files = bundle[offset:]
    if len(files) != manifest.size:
        raise BundleError(
            f"the bundle has {len(files)} octets of files, not {manifest.size}",
            "copy it again: it was cut short",
        )
    settle(console)
    place = int(_delivered(console, "release-begin", signed + signature)["next"])
    while place < len(files):
        part = files[place : place + PIECE_OCTETS]
        place = int(_delivered(console, f"release-piece {place}", part)["next"])
        if progress is not None:
            progress("sending", place, len(files))
    return int(_asked(console, "release-end")["release"])


def settle(console: Console) -> None:
    """End what a pulled cable left half-typed."""
    try:
        console.settle()
    except ConsoleError as error:
        raise _translated(error) from error


def _asked(console: Console, command: str) -> dict[str, str]:
    try:
        return console.fetch(command)[1]
    except ConsoleError as error:
        raise _translated(error) from error


def _delivered(console: Console, command: str, octets: bytes) -> dict[str, str]:
    try:
        return console.deliver(command, octets)
    except ConsoleError as error:
        raise _translated(error) from error


def _translated(error: ConsoleError) -> TechnicianError:
    if error.code:
        return RefusedError(
            f"the terminal refuses: {error}", "it runs on as before; bring a release that fits"
        )
    return CableError(
        f"the terminal does not answer ({error})", "look at the cable and run the same command again"
    )
