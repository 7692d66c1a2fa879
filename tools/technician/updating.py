"""Renews a terminal's application over its console, and goes on where an earlier attempt stopped."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from firmware.console.errors import UNKNOWN_COMMAND
from protocol import release
from protocol.errors import ProtocolError
from tools.carry import Console, ConsoleError
from tools.technician.cable import Progress
from tools.technician.errors import BundleError, CableError, TechnicianError

PIECE_OCTETS = 4096


@dataclass(frozen=True, slots=True)
class Running:
    """What a terminal says of its slots; `trial`: starts left before it falls back, -1 where it has proved itself.

    `taking`: the release that comes in, by cable or over MQTT (0: none), of which `taken` of `octets` are there; `offered` at the
    broker to this terminal (0: none); `waits`: what that waits for, a word of `WAITS`; `failures`: what was refused of it;
    `failed`: the other slot's release used up its starts, and the terminal went back.
    """

    slot: str
    release: int
    other: int
    trial: int
    taking: int = 0
    taken: int = 0
    octets: int = 0
    offered: int = 0
    waits: str = ""
    failures: int = 0
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """A release as it is sent: its number, manifest with signature, and the octets of all files."""

    number: int
    head: bytes
    files: bytes


WAITS = {
    "served": "somebody is being served",
    "records": "records go out first",
    "way": "the terminal is not on Wi-Fi, and its setting release_by_modem does not allow the modem",
    "journal": "the journal is short of space: records must reach the gateway",
    "findings": "the flash is still being checked, or something was found in it: run `lumbung diagnose`",
    "seals": "records cannot be sealed now: run `lumbung diagnose`",
    "locked": "the terminal is locked, and goes on as a new generation",
    "quiet": "it starts when all records are sealed at the gateway and nobody has touched the terminal for ten minutes",
}
"""What a release over MQTT waits for (firmware/relay/release_fetch.py), in words."""


class RefusedError(TechnicianError):
    """The terminal does not take it; its own words say why."""

    code = 9


def running(console: Console) -> Running:
    """Ask what runs."""
    told = _asked(console, "release")
    numbers = {name: int(told.get(name, 0)) for name in ("taking", "taken", "offered", "failures")}
    return Running(
        told["slot"],
        int(told["release"]),
        int(told["other"]),
        int(told["trial"]),
        octets=int(told.get("of", 0)),
        waits=told.get("waits", "-").strip("-"),
        failed=told.get("failed", "0") == "1",
        **numbers,
    )


def opened(bundle: bytes) -> Bundle:
    """A bundle that is whole; `BundleError` where it is none, is cut short or was changed. Who signed it the terminal decides."""
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
    _require_whole(manifest, files)
    return Bundle(manifest.release, signed + signature, files)


def _require_whole(manifest: release.Manifest, files: bytes) -> None:
    """The terminal finds it out, too, file by file, after a minute at the cable."""
    place = 0
    for file in manifest.files:
        if hashlib.sha256(files[place : place + file.size]).digest() != file.digest:
            raise BundleError(
                f"{file.path} in the bundle is not what was built",
                "copy it again; if it stays so, do not use it: somebody has changed it",
            )
        place += file.size


def update(console: Console, bundle: Bundle, progress: Progress | None = None) -> int:
    """Send a bundle; the number of the release that is tried next. What is whole in the slot already is not sent again."""
    files = bundle.files
    place = int(_delivered(console, "release-begin", bundle.head)["next"])
    while place < len(files):
        part = files[place : place + PIECE_OCTETS]
        place = int(_delivered(console, f"release-piece {place}", part)["next"])
        if progress is not None:
            progress("sending", place, len(files))
    return int(_asked(console, "release-end")["release"])


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
    if error.code == UNKNOWN_COMMAND:
        return RefusedError(
            "this terminal's application is in no slot that could be renewed", "renew it with `lumbung flash`"
        )
    if error.code:
        return RefusedError(
            f"the terminal refuses: {error}", "it runs on as before; bring a release that fits"
        )
    return CableError(
        f"the terminal does not answer ({error})", "look at the cable and run the same command again"
    )
