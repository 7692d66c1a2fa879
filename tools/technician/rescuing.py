"""Brings the records of a terminal to where the gateway takes them: by its console, from its flash, or from a dump of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from protocol import carry, certificates, frame
from protocol.errors import ProtocolError
from tools import pinmap
from tools.carry import LINE_TIMEOUT_S, Console, ConsoleError
from tools.forensics import documents, dump, export, proof, report
from tools.forensics.documents import Documents
from tools.forensics.marks import Known
from tools.forensics.report import Reading
from tools.technician import account, cable, dumping, laptop, partitions
from tools.technician.account import Account
from tools.technician.cable import Progress
from tools.technician.errors import NOTHING_READABLE_CODE, CableError, TechnicianError, WrongDeviceError

READY_S = 60.0
# What a terminal shows that a technician took out of service at the cable, and left (firmware/app).
STANDS_BY = 310
_LOOK_S = 2.0
_BAD_WORDS, _NOT_READY = 5, 6
# Of 256 values an octet may have, so many in a partition table's place are no table.
_NOISE_VALUES = 128


class NothingReadableError(TechnicianError):
    """There is nothing in it that a rescue could take."""

    code = NOTHING_READABLE_CODE


class NoRecordsFromItError(Exception):
    """The terminal answers, but cannot give its records away; the text says why."""


@dataclass(frozen=True, slots=True)
class Rescued:
    """`way`: how it was done, as a sentence; `accounts`, the generation in force first; `files` for the gateway.

    `has_keys`: a dump among what was written holds the terminal's private keys.
    """

    way: str
    accounts: tuple[Account, ...]
    files: tuple[Path, ...]
    dump: Path | None = None
    has_keys: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing is lost that only this terminal had, and all of it proves itself."""
        return not any(one.lost or one.unproved for one in self.accounts)

    @property
    def at_stake(self) -> int:
        """Records that were saved and that the gateway lacks."""
        return sum(one.count(*account.RECOVERED, is_waiting=True) for one in self.accounts)


# -- a terminal that boots


class _Coming:
    """A carry file as it comes, line by line; `progress` hears which of the records from `first` to `last` are there."""

    def __init__(self, first: int, last: int, progress: Progress | None) -> None:
        self.octets = bytearray()
        self._place = 0
        self._first = first
        self._total = last + 1 - first
        self._progress = progress

    def take(self, part: bytes) -> None:
        """Some octets more."""
        self.octets += part
        with contextlib.suppress(ProtocolError):  # an entry that is not there in full yet
            raw, length = carry.unpack(bytes(self.octets[self._place :]))
            self._place += length
            header = frame.read_header(raw)
            if self._progress is not None and header.frame_class == frame.CLASS_RECORDS and self._total > 0:
                done = header.first + header.count - self._first
                self._progress("records", max(0, min(done, self._total)), self._total)


def by_console(
    console: Console,
    folder: Path,
    is_all: bool = False,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Rescued:
    """Have a terminal carry its records out into `KID.lmb`; what a pulled cable left of an earlier try is not asked for again.

    `is_all`: also those that the gateway has. Raises `NoRecordsFromItError` where it cannot, `CableError` where it stops.
    """
    told = _status(console)
    if int(told.get("stopped", "0")) == STANDS_BY:
        told = _back_in_service(console, told, progress, sleep)
    if int(told.get("stopped", "0")):
        raise NoRecordsFromItError(f"it has stopped itself with code {told['stopped']}")
    known = Known(sealed_through=int(told.get("sealed", "0")), reclaim_through=int(told.get("reclaim", "0")))
    head = int(told.get("head", "0"))
    begun = folder / f"{told['kid']}.lmb.part" if "kid" in told else None
    frames = _frames(begun.read_bytes()) if begun is not None and begun.exists() else []
    first = 1 if is_all else known.sealed_through + 1
    following = _next_after(frames, first)
    coming = _Coming(following, head, progress)
    try:
        command = f"carry-out {following}" if is_all or following > first else "carry-out"
        _patiently(console, command, coming, progress, sleep)
    except ConsoleError as error:
        if error.code:
            raise NoRecordsFromItError(f"it says: {error}") from error
        frames += _frames(bytes(coming.octets))
        saved = _next_after(frames, first) - first if begun is not None else 0
        if begun is not None and saved:
            _write(begun, frames)
        raise CableError(
            f"the terminal stopped answering ({error}); {saved} records are saved",
            "look at the cable and run the same command again: it goes on where it stopped",
        ) from error
    frames += _frames(bytes(coming.octets))
    if not frames and "kid" not in told:
        raise NoRecordsFromItError("it sent nothing and does not say who it is")
    kid = int(told["kid"], 16) if "kid" in told else frame.kid_of(frames[0])
    path = folder / f"{kid:08x}.lmb"
    _write(path, frames)
    if begun is not None:
        begun.unlink(missing_ok=True)
    waiting = int(told["waiting_rupiah"]) if "waiting_rupiah" in told else None
    reckoned = account.of_frames(kid, frames, int(told.get("first", "1")), head, known, waiting)
    return Rescued("the terminal runs: it carried its records out by its console", (reckoned,), (path,))


def _status(console: Console) -> dict[str, str]:
    """What the terminal says of itself; a release that has no such command says nothing."""
    try:
        return console.fetch("status")[1]
    except ConsoleError as error:
        if error.code:
            return {}
        raise CableError(
            f"the terminal stopped answering ({error})", "look at the cable and try again"
        ) from error


def _back_in_service(
    console: Console, told: dict[str, str], progress: Progress | None, sleep: Callable[[float], None]
) -> dict[str, str]:
    """Have a terminal serve that only stands by: with its books open it can give its records. What it says of itself then; `told`
    where it does not start, which is for its flash to tell.
    """
    with contextlib.suppress(ConsoleError):  # a release without `start` begins by itself, once nobody asks
        console.fetch("start")
        waited = 0.0
        while waited < READY_S:
            _rest(progress, sleep)
            waited += _LOOK_S
            try:
                if "carry-out" in console.settle():
                    return _status(console)
            except ConsoleError:
                waited += LINE_TIMEOUT_S
    return told


def _rest(progress: Progress | None, sleep: Callable[[float], None]) -> None:
    """The terminal is not ready yet."""
    if progress is not None:
        progress("it is starting", 0, 1)
    sleep(_LOOK_S)


def _patiently(
    console: Console,
    command: str,
    coming: _Coming,
    progress: Progress | None,
    sleep: Callable[[float], None],
) -> None:
    """Run a command that a terminal cannot do while it starts; an older release takes no number: it starts at the beginning."""
    waited = 0.0
    while True:
        try:
            console.fetch(command, coming.take)
        except ConsoleError as error:
            if error.code == _BAD_WORDS and " " in command:
                command = command.split(maxsplit=1)[0]
            elif error.code == _NOT_READY and waited < READY_S:
                _rest(progress, sleep)
                waited += _LOOK_S
            else:
                raise
        else:
            return


def _frames(octets: bytes) -> list[bytes]:
    """The frames of a carry file, as far as they are whole."""
    return [raw for _, raw, error in carry.read(octets) if error is None]


def _next_after(frames: Iterable[bytes], first: int) -> int:
    """The first record from `first` on that no frame carries."""
    following = first
    for octets in frames:
        header = frame.read_header(octets)
        is_next = header.frame_class == frame.CLASS_RECORDS and header.first <= following
        if is_next and header.first + header.count > following:
            following = header.first + header.count
    return following


def _write(path: Path, frames: Iterable[bytes]) -> None:
    """A carry file that only its owner may read, in place of what was there."""
    _write_octets(path, b"".join(carry.pack(octets) for octets in frames))


def _write_octets(path: Path, octets: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    laptop.keep(path, octets, 0o600)


# -- one that does not, and what somebody has read already


def by_flash(
    chip: cable.Chip,
    folder: Path,
    certificate: proof.Certificate | None = None,
    chain_start: bytes = b"",
    progress: Progress | None = None,
) -> Rescued:
    """Read a chip's whole flash and save what is in it; the chip is as it was before."""
    expected = pinmap.load()["module"]["flash_bytes"]
    if chip.flash_bytes and chip.flash_bytes != expected:
        raise WrongDeviceError(
            f"this chip's flash has {chip.flash_bytes >> 20} MB, a terminal's {expected >> 20} MB",
            "unplug it: it is no Lumbung terminal",
        )
    path, octets = dumping.take(chip, folder, progress)
    rescued = of_octets(octets, folder, certificate, chain_start)
    way = f"the flash was read through the cable (chip {chip.mac})"
    return replace(rescued, way=way, dump=path)


def of_octets(
    octets: bytes, folder: Path, certificate: proof.Certificate | None = None, chain_start: bytes = b""
) -> Rescued:
    """Save what a dump holds: a carry file of each generation whose keys are in it, a rescue bundle of the others.

    Raises `NothingReadableError` with what it looks like instead.
    """
    try:
        reading = report.read(dump.of(octets), certificate, chain_start)
    except dump.DumpError as error:
        raise NothingReadableError(
            f"this is no dump of a terminal: {error}",
            "give the whole flash as esptool reads it, or the journal partition alone",
        ) from error
    if not any(one.records for one in reading.generations):
        raise NothingReadableError(*_instead(octets, reading))
    accounts = tuple(
        account.of_dump(one, reading.sectors, _epoch(reading, one.kid)) for one in reading.generations
    )
    files = tuple(_save(reading, folder))
    has_keys = any(one.get(documents.AGREEMENT_PRIVATE) for one in reading.documents)
    return Rescued("a dump of the flash", accounts, files, has_keys=has_keys)


def _save(reading: Reading, folder: Path) -> Iterator[Path]:
    """The files for the gateway."""
    for generation in reading.generations:
        if not generation.records:
            continue
        keys = next((export.cipher(one) for one in reading.documents if one.kid == generation.kid), None)
        if keys is None:
            path = folder / f"{generation.kid:08x}.rescue"
            _write_octets(path, export.bundle(generation, reading.certificate))
        else:
            path = folder / f"{generation.kid:08x}.lmb"
            _write(path, [octets for _, _, octets in export.frames(generation, keys)])
        yield path


def _epoch(reading: Reading, kid: int) -> int:
    """The newest epoch that the documents certify, 0 where none can be read."""
    for held in reading.documents:
        if held.kid == kid:
            return _epoch_of(held)
    return 0


def _epoch_of(held: Documents) -> int:
    try:
        body, _ = certificates.split_signature(held.get(documents.EPOCH_CERTIFICATE), "epoch certificate")
        return certificates.decode_epoch(body).epoch
    except ProtocolError:
        return 0


def _instead(octets: bytes, reading: Reading) -> tuple[str, str]:
    """(What flash without records looks like, what to do)."""
    if not octets.strip(b"\xff"):
        return "this flash is blank: nothing was ever written to it", "there is nothing to rescue; flash it"
    board = pinmap.load()
    at = board["flash"]["partition_table_offset"]
    is_chip = len(octets) == board["module"]["flash_bytes"]
    is_ours = is_chip and partitions.decode(octets[at : at + partitions.TABLE_OCTETS]) == partitions.of_board(
        board
    )
    if is_ours or reading.documents:
        return "this terminal has no records yet", "there is nothing to rescue; provision it"
    if len(set(octets[at : at + partitions.TABLE_OCTETS])) > _NOISE_VALUES:
        return (
            "this flash reads as noise: it is encrypted, or of something else",
            "a terminal with an encrypted flash gives its records by its console alone; carry them by QR code",
        )
    return "this is the flash of something else: nothing of a terminal is in it", "look at what is plugged in"
