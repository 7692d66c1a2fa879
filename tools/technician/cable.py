"""The chip at the end of the cable, by the chip maker's own esptool: found, identified, read, written, verified."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import serial
from esp_pylib.logger import EspLog
from esptool import cmds
from esptool.logger import TemplateLogger, log
from esptool.util import FatalError
from serial.tools import list_ports

from tools.technician.errors import CableError, TechnicianError, WrongDeviceError

BAUD_CONNECT = 115200
CHIP = "ESP32"
_CHUNK_OCTETS = 0x10000
_ATTEMPTS = 3
_AGAIN = "look at the cable and run the same command again: it goes on where it stopped"

Progress = Callable[[str, int, int], None]
"""progress(what, done, total), in octets."""


def find_port() -> str:
    """Return the only USB serial port; several or none are an error that lists them."""
    found = [port.device for port in list_ports.comports() if port.vid is not None]
    if len(found) == 1:
        return str(found[0])
    if not found:
        raise CableError("no USB serial port is there", "plug the terminal in, or name its port with --port")
    raise CableError(f"several serial ports are there: {', '.join(found)}", "name one with --port")


class Chip:
    """A connected ESP32 with its loader running."""

    def __init__(self, esp: Any) -> None:
        self._esp = esp
        self.mac = ":".join(f"{octet:02x}" for octet in esp.read_mac("BASE_MAC"))
        size = cmds.detect_flash_size(esp)
        self.flash_bytes = _octets(size) if size else 0

    def read(self, offset: int, size: int, progress: Progress | None = None, what: str = "reading") -> bytes:
        """Read flash. A piece that is erased need not come over the cable: its digest tells."""
        octets = bytearray()
        while len(octets) < size:
            part = min(_CHUNK_OCTETS, size - len(octets))
            place = offset + len(octets)
            is_blank = part == _CHUNK_OCTETS and self.is_erased(place, part)
            octets += b"\xff" * part if is_blank else self._asked(self._esp.read_flash, place, part)
            if progress is not None:
                progress(what, len(octets), size)
        return bytes(octets)

    def md5(self, offset: int, size: int) -> str:
        """Return what the chip says of a region."""
        return str(self._asked(self._esp.flash_md5sum, offset, size))

    def is_erased(self, offset: int, size: int) -> bool:
        """Tell whether a region holds nothing."""
        return self.md5(offset, size) == hashlib.md5(b"\xff" * size, usedforsecurity=False).hexdigest()

    def write(
        self, offset: int, octets: bytes, progress: Progress | None = None, what: str = "writing"
    ) -> int:
        """Write a region, piece by piece, each verified; what is there already is passed over. Returns octets written."""
        written = 0
        for place in range(0, len(octets), _CHUNK_OCTETS):
            part = octets[place : place + _CHUNK_OCTETS]
            if self.md5(offset + place, len(part)) != hashlib.md5(part, usedforsecurity=False).hexdigest():
                self._asked(
                    cmds.write_flash, self._esp, [(offset + place, part)], no_progress=True, force=True
                )
                written += len(part)
            if progress is not None:
                progress(what, place + len(part), len(octets))
        return written

    def erase(self, offset: int, size: int) -> None:
        """Erase whole sectors."""
        self._asked(cmds.erase_region, self._esp, offset, size)

    def restart(self) -> None:
        """Start what is in flash."""
        self._asked(cmds.reset_chip, self._esp, "hard-reset")

    def _asked(self, ask: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return ask(*arguments, **options)
        except (FatalError, serial.SerialException, OSError) as error:
            raise CableError(f"the chip stopped answering ({_first_line(error)})", _AGAIN) from error


@contextlib.contextmanager
def connected(port: str, baud: int = 460_800, is_stub_used: bool = True) -> Iterator[Chip]:
    """Reset the chip into its loader and hand it out; whatever happens, the port is closed."""
    esp: Any = None
    with _quiet():
        try:
            # A loader that is deaf to the first handshake is asked again; one reset by hand is waiting already.
            esp = cmds.detect_chip(port, BAUD_CONNECT, connect_attempts=_ATTEMPTS)
            name = esp.CHIP_NAME
            if name != CHIP:
                raise WrongDeviceError(
                    f"this chip is an {name}, not an {CHIP}", "unplug it: it is no Lumbung terminal"
                )
            if is_stub_used:
                esp = cmds.run_stub(esp)
            if baud != BAUD_CONNECT:
                esp.change_baud(baud)
            cmds.attach_flash(esp)
            chip = Chip(esp)
        except FatalError as error:
            _close(esp)
            text = _first_line(error)
            if "Unexpected chip" in text:
                raise WrongDeviceError(
                    "this chip is none that esptool knows", "unplug it: it is no Lumbung terminal"
                ) from error
            raise CableError(
                f"no chip answers at {port} ({text})",
                "look which device hangs on this port; if it is a terminal, hold BOOT, press RESET, and try again",
            ) from error
        except (serial.SerialException, OSError, ValueError) as error:
            _close(esp)
            raise CableError(
                f"{port} cannot be opened or broke off ({_first_line(error)})", _AGAIN
            ) from error
        except TechnicianError:
            _close(esp)
            raise
        try:
            yield chip
        finally:
            _close(esp)


@contextlib.contextmanager
def borrowed(port: str, baud: int, *, is_stub_used: bool) -> Iterator[Chip]:
    """A chip as `connected` gives it, which starts what is in its flash afterwards, whatever became of the command."""
    with connected(port, baud, is_stub_used) as chip:
        try:
            yield chip
        finally:
            with contextlib.suppress(CableError):
                chip.restart()


def _close(esp: Any) -> None:
    if esp is not None:
        with contextlib.suppress(OSError, serial.SerialException):
            esp._port.close()  # noqa: SLF001 - esptool has no other way


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _octets(size: str) -> int:
    """Turn esptool's "8MB" into octets."""
    number = int("".join(sign for sign in size if sign.isdigit()))
    return number << (20 if size.endswith("MB") else 10)


class _Silence(TemplateLogger):  # type: ignore[misc]  # esptool has no types
    """esptool's own talk is not for technicians; what matters is said by the command."""

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing."""

    def note(self, message: str) -> None:
        """Say nothing."""

    def warning(self, message: str) -> None:
        """Say nothing."""

    def error(self, message: str) -> None:
        """Say nothing: the exception says it."""

    def stage(self, finish: bool = False) -> None:
        """Say nothing."""

    def progress_bar(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing: progress is the command's."""

    def set_verbosity(self, verbosity: str) -> None:
        """Stay silent."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = EspLog.instance
    log.set_logger(_Silence())
    try:
        yield
    finally:
        EspLog.instance = before
