"""Makes a terminal on the cable one of the programme's, from wherever it is: keys, certificate, clock, papers, all read back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from protocol.errors import ProtocolError
from tools.authority.issue import Authority, RequestRefusedError
from tools.carry import Console, ConsoleError
from tools.technician import laptop, updating
from tools.technician.cable import Progress
from tools.technician.errors import CableError, HoldsRecordsError, TechnicianError, WrongDeviceError
from tools.technician.kids import KidBlock, KidError
from tools.technician.papers import (
    REQUEST_OCTETS,
    Folder,
    Papers,
    PapersError,
    RegisteredElsewhereError,
    Request,
)

BLANK, BEGUN, KEYS, READY = "blank", "begun", "keys", "ready"
SOFTWARE, CHIP = "software", "chip"
PIECE_OCTETS = 8192
START_TIMEOUT_S = 90.0
_LOOK_S = 0.2
# A terminal lets its answer leave before it begins anew; who asks in between is not heard, and waits for the whole timeout.
_LEAVE_S = 1.5
# Of two clocks that are right; a laptop that lost its own is years behind.
CLOCK_SLACK_S = 86_400
_CLOCK_SET_S = 5
_DAY = "%Y-%m-%d"
_SETTLE_ATTEMPTS = 2
# Eight signatures to verify at almost a second each, then the roster's sectors to erase and write: half a minute at worst.
_INSTALL_PATIENCE = 3

Ask = Callable[[str, str], bool]
"""ask(what is about to be done, what has to be typed): whether it was typed."""


class NotConfirmedError(TechnicianError):
    """Somebody has to say yes to something that cannot be undone."""

    code = 14


class ClockError(TechnicianError):
    """The time cannot be right."""

    code = 15


class NotServingError(TechnicianError):
    """It has its papers, and does not start with them."""

    code = 16


@dataclass(frozen=True, slots=True)
class Identity:
    """What a terminal says of itself; `records`: generations whose records new keys would put at risk."""

    state: str
    kid: int
    serves: bool
    records: tuple[int, ...]
    request: Request | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What the technician wants: a kid (None: the block's next, or the one it has), where keys are made (None: in the chip
    where there is one), whether keys that wait for papers are made anew, and the generation whose records are safe.
    """

    kid: int | None = None
    storage: str | None = None
    anew: bool = False
    discards: int | None = None


@dataclass(frozen=True, slots=True)
class Office:
    """What the laptop has: the papers, its block of kids, the authority's key, the kids that the gateway knows; the last three if
    it has them.
    """

    folder: Folder
    kids: KidBlock | None = None
    authority: Authority | None = None
    registered: frozenset[int] = frozenset()


def _no_terminal() -> WrongDeviceError:
    return WrongDeviceError("what answers is no Lumbung terminal", "look which device hangs on this port")


class Terminal:
    """The terminal at the other end of a console that provisions."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def identity(self) -> Identity:
        """Who it is; `WrongDeviceError` where something else answers."""
        commands = self._settle()
        if "identity" not in commands:
            raise WrongDeviceError(
                "its release is too old to be provisioned at the cable", "flash or update it first"
            )
        octets, told = self.ask("identity")
        try:
            kid = 0 if told["kid"] == "-" else int(told["kid"], 16)
            records = tuple(int(one, 16) for one in told["records"].split(",") if one != "-")
            request = Request(octets) if len(octets) == REQUEST_OCTETS else None
            return Identity(told["state"], kid, told["serves"] == "1", records, request)
        except (KeyError, ValueError) as error:
            raise _no_terminal() from error

    def _settle(self) -> list[str]:
        """All commands; a terminal that opening the port has reset may not have heard the first question."""
        for attempt in range(_SETTLE_ATTEMPTS):
            try:
                return self._console.settle()
            except ConsoleError as error:
                if attempt == _SETTLE_ATTEMPTS - 1:
                    raise (_no_terminal() if self._console.strays else self._failed(error)) from error
        raise AssertionError

    def ask(self, command: str, patience: int = 0) -> tuple[bytes, dict[str, str]]:
        """A command without octets: what it sends, and the values of its OK. `patience`: `tools.carry.Console.fetch`."""
        try:
            return self._console.fetch(command, patience=patience)
        except ConsoleError as error:
            raise self._failed(error) from error

    def give(self, command: str, octets: bytes) -> dict[str, str]:
        """A command that takes octets."""
        try:
            return self._console.deliver(command, octets)
        except ConsoleError as error:
            raise self._failed(error) from error

    def _failed(self, error: ConsoleError) -> TechnicianError:
        if error.code:
            return updating.RefusedError(
                f"the terminal refuses: {error}", "it is as it was before; do what it says"
            )
        return CableError(
            f"the terminal does not answer ({error})",
            "look at the cable and run the same command again: it goes on where it stopped",
        )

    def wait(self, holds: Callable[[Identity], bool]) -> Identity | None:
        """Look until `holds(identity)`, through a restart that was just asked for; None when it does not in time, an error where nobody answers."""
        deadline = time.monotonic() + START_TIMEOUT_S
        time.sleep(_LEAVE_S)
        while True:
            try:
                identity = self.identity()
                if holds(identity):
                    return identity
                if time.monotonic() > deadline:
                    return None
            except (CableError, WrongDeviceError):
                if time.monotonic() > deadline:
                    raise
                # else it is starting, and says so in its own words
            time.sleep(_LOOK_S)


def prepare(terminal: Terminal, office: Office, wish: Wish, ask: Ask) -> Request:
    """Bring a terminal to where it has keys, and keep their request in the folder.

    One that has keys keeps them, unless they are to be made anew or its generation is given up.
    """
    identity = terminal.identity()
    gives_up = wish.discards in identity.records
    if identity.state == READY and not gives_up:
        if wish.kid not in (None, identity.kid):
            raise HoldsRecordsError(
                f"this terminal is {identity.kid:08x} and in use",
                "leave --kid out to finish what it lacks; for a new generation save its records first (`lumbung rescue`), "
                f"then give --discard-records {identity.kid:08x}",
            )
    elif identity.state != KEYS or wish.anew or gives_up:
        identity = _make_keys(terminal, office, wish, ask, identity)
    elif wish.kid not in (None, identity.kid):
        raise KidError(
            f"this terminal has begun as {identity.kid:08x}, not as {wish.kid:08x}",
            "leave --kid out to go on with it, or give --anew to begin again with the other kid",
        )
    if identity.request is None:
        raise _no_terminal()
    if identity.state != READY:
        laptop.keep(office.folder.request_path(identity.kid), identity.request.octets)
    return identity.request


def _make_keys(terminal: Terminal, office: Office, wish: Wish, ask: Ask, identity: Identity) -> Identity:
    """New keys, in the chip where there is one; the identity with them."""
    _require_safe(identity, wish)
    _require_kid(office, wish, identity)
    if identity.serves:
        terminal.ask("stand-by")
        if terminal.wait(lambda now: not now.serves) is None:
            raise NotServingError(
                "the terminal does not let go of its work", "wait until no card is served, then run it again"
            )
    storage = _storage(terminal, wish, ask)
    kid = _kid(office, wish, identity)
    discarded = "".join(f" {one:08x}" for one in identity.records)
    try:
        octets, _ = terminal.ask(f"keys {kid:08x} {storage}{discarded}")
        now = terminal.identity()
    except TechnicianError as error:
        # Nobody knows whether the terminal heard it, so it is never given to another one.
        error.advice += (
            f" (kid {kid:08x} is taken: this terminal goes on with it if it has it, no other one gets it)"
        )
        raise
    if now.request is None or now.request.octets != octets or now.kid != kid:
        raise updating.RefusedError(
            "the keys do not read back as they were made", "run it again; if it stays so, replace the module"
        )
    return now


def _require_safe(identity: Identity, wish: Wish) -> None:
    """Records that only this terminal has are given up by name, and by nothing else."""
    for kid in identity.records:
        if kid != wish.discards:
            raise HoldsRecordsError(
                f"this terminal may hold records of {kid:08x} that nobody else has",
                f"save them with `lumbung rescue`, then give --discard-records {kid:08x}",
            )


def _storage(terminal: Terminal, wish: Wish, ask: Ask) -> str:
    """Where the keys are made; a chip's configuration is closed after its changes were shown and confirmed."""
    if wish.storage == SOFTWARE:
        return SOFTWARE
    octets, told = terminal.ask("chip")
    if told["present"] != "1":
        if wish.storage == CHIP:
            raise WrongDeviceError("no ATECC608 answers", "look at its solder joints, or give --software")
        return SOFTWARE
    if told["locked"] != "1":
        changes = octets.decode("ascii", "replace")
        if not ask(f"the key chip's configuration will be written and closed FOR EVER:\n{changes}", "yes"):
            raise NotConfirmedError(
                "nothing was locked", "read the changes; say --lock yes, or use --software"
            )
        terminal.ask("chip-lock for-ever")
        if terminal.ask("chip")[1] != {"present": "1", "locked": "1", "data": told["data"], "changes": "0"}:
            raise updating.RefusedError("the chip's configuration does not read back", "replace the chip")
    return CHIP


def _kid(office: Office, wish: Wish, identity: Identity) -> int:
    """A kid that nobody has; on disk as taken before the terminal hears of it."""
    if _has_begun(wish, identity):
        return identity.kid
    kid = wish.kid
    if office.kids is not None:
        kid = office.kids.take(time.strftime(_DAY), wish.kid)
    assert kid is not None
    _require_unused(office, kid)
    return kid


def _has_begun(wish: Wish, identity: Identity) -> bool:
    return identity.state == BEGUN and wish.kid in (None, identity.kid) and not wish.anew


def _require_kid(office: Office, wish: Wish, identity: Identity) -> None:
    """What can be known of the number before a terminal is taken out of service for it."""
    if _has_begun(wish, identity):
        return
    if wish.kid is not None:
        _require_unused(office, wish.kid)
    elif office.kids is None:
        raise KidError(
            "no kid was given", "give --kid, or --kids with the block that was allotted to this laptop"
        )


def _require_unused(office: Office, kid: int) -> None:
    if kid in office.registered:
        raise RegisteredElsewhereError(
            f"kid {kid:08x} is registered at the gateway already",
            "a kid is never used twice: give another one",
        )
    for path in (office.folder.certificate_path(kid), office.folder.request_path(kid)):
        if path.exists():
            raise RegisteredElsewhereError(
                f"kid {kid:08x} was given to other keys: {path}",
                "a kid is never used twice: give another one",
            )


def certify(office: Office, request: Request, *, is_in_use: bool) -> bytes | None:
    """The certificate: the one in the folder, or made now where the authority's key is here; else None. A terminal in use was
    certified before: one that this folder knows nothing of is somebody else's.
    """
    certificate = office.folder.certificate(request)
    if certificate is None and is_in_use:
        raise RegisteredElsewhereError(
            f"this terminal is {request.kid:08x} and in use, and {office.folder.path} has no certificate of it",
            "it is another programme's, or was provisioned from another folder: leave it as it is, or use that folder",
        )
    if certificate is None and office.authority is not None:
        try:
            _, certificate = office.authority.terminal_request(request.octets, int(time.time()))
        except (RequestRefusedError, ProtocolError) as error:
            raise PapersError(
                f"the authority refuses the request: {error}", "run it again with --anew"
            ) from error
        path = office.folder.certificate_path(request.kid)
        laptop.keep(path, certificate)
        office.folder.check_certificate(path, request)
    return certificate


def set_clock(terminal: Terminal, issued_s: int, warn: Callable[[str], None]) -> int:
    """Set the terminal's clock by the laptop's and read it back; returns its seconds."""
    now_s = int(time.time())
    if now_s < issued_s - CLOCK_SLACK_S:
        raise ClockError(
            f"the laptop's clock says {_moment(now_s)}, and the certificates are of {_moment(issued_s)}",
            "set the laptop's clock and run it again",
        )
    if now_s < issued_s:
        warn(f"the laptop's clock is {issued_s - now_s} s before the certificates' time")
    told = terminal.ask(f"clock {now_s}")[1]
    seconds = int(told["seconds"])
    if told["trusted"] != "1" or not 0 <= seconds - now_s <= _CLOCK_SET_S:
        raise ClockError(
            f"the terminal's clock reads {_moment(seconds)} after it was set to {_moment(now_s)}",
            "look at the clock module and its battery",
        )
    return seconds


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def print_label(terminal: Terminal, warn: Callable[[str], None]) -> None:
    """A label on the terminal's own paper; a printer that fails costs no terminal, there is the picture."""
    try:
        terminal.ask(f"label {time.strftime(_DAY)}")
    except updating.RefusedError as error:
        warn(f"the label was not printed: {error}")


def install(terminal: Terminal, papers: Papers, progress: Progress | None = None) -> None:
    """Bring the papers, let the terminal verify and store them, and compare what it reads back from its flash."""
    total = sum(map(len, papers.sections.values())) + len(papers.roster)
    sent = 0
    for name, offset, part in _pieces(papers):
        terminal.give(f"document {name} {offset}", part)
        sent += len(part)
        if progress is not None:
            progress("papers", sent, total)
    told = terminal.ask(f"install {papers.manifest}", _INSTALL_PATIENCE)[1]
    if told.get("manifest") != papers.manifest:
        raise updating.RefusedError("what the terminal stored is not what was sent", "run it again")


def _pieces(papers: Papers) -> Iterator[tuple[str, int, bytes]]:
    """(name, offset, octets) of everything."""
    named = [(str(name), papers.sections[name]) for name in sorted(papers.sections)]
    for name, octets in [*named, ("roster", papers.roster)]:
        for offset in range(0, max(len(octets), 1), PIECE_OCTETS):
            yield name, offset, octets[offset : offset + PIECE_OCTETS]


def resume(terminal: Terminal) -> None:
    """Have a terminal serve again that an earlier visit took out of service: each question would keep it waiting."""
    if not terminal.identity().serves:
        with contextlib.suppress(updating.RefusedError):  # an older release starts only once nobody asks
            terminal.ask("start")


def require_serving(terminal: Terminal, kid: int) -> Identity:
    """Wait until the terminal has started with its papers."""
    identity = terminal.wait(lambda now: now.serves)
    if identity is None or identity.kid != kid or identity.state != READY:
        raise NotServingError(
            f"terminal {kid:08x} has its papers and does not start with them",
            "read the code on its screen; hardware/FAULTS.md tells what it means",
        )
    return identity
