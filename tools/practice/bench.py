"""What stands on the practice bench at the end of the cable: a terminal with its ROM loader, or something that is none."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from firmware.hal import pins
from hardware.nor_flash import FileStore, NorFlash
from hardware.rom_loader import RomLoader
from tools import pinmap
from tools.technician import partitions
from tools.technician.build import Piece
from tools.virtual_terminal.control import TerminalEndedError, VirtualTerminal

VFS = next((offset, size) for name, offset, size in pins.PARTITIONS if name == "vfs")
KEY_CHIP = "atecc608"
# A release proves itself sooner than in the field (firmware/console/releases): nobody learns anything from the wait.
PACES = {"firmware.console.releases": {"PROVED_AFTER_MS": 20_000}}
_LOOK_S = 0.1
_MAC = b"\x24\x0a\xc4\0\0"


class Terminal:
    """One terminal: its flash in a file, its ROM loader where the reset lines lead there, else what its flash starts.

    `number` is the bench's own for it; `has_key_chip`: an ATECC608 is on its board. What the chips keep without power is in `folder`.
    """

    def __init__(self, folder: Path, number: int, *, has_key_chip: bool) -> None:
        self.flash = folder / f"flash-{number}.bin"
        self._log = folder / f"terminal-{number}.log"
        self.fittings: dict[str, Any] = {
            "contact_reader": True,
            "cards": str(folder / "cards.json"),
            "slots": {"flash_bytes": pins.FLASH_BYTES, "offset": VFS[0], "size": VFS[1]},
            "paces": PACES,
        }
        if has_key_chip:
            self.fittings[KEY_CHIP] = str(folder / f"atecc608-{number}.json")
        self._store = FileStore(str(self.flash), pins.FLASH_BYTES)
        self._rom = RomLoader(NorFlash(pins.FLASH_BYTES, self._store), mac=_MAC + bytes((number,)))
        self._rom.connect()
        self._process: VirtualTerminal | None = None
        self._has_power = False
        # The cable, whoever practises and the one who looks after it each have a thread.
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def write(self, pieces: Iterable[Piece]) -> None:
        """Put pieces onto its flash, as a flashing at another bench did."""
        for piece in pieces:
            self._store.write(piece.offset, piece.octets)

    def switch_on(self) -> None:
        """Power, with the flash as it is."""
        with self._lock:
            self._has_power = True
            self._start()

    def switch_off(self) -> None:
        """Cut the power in the middle of whatever it does."""
        with self._lock:
            self._has_power = False
            self._stop()

    def close(self) -> None:
        """Take it away for good."""
        self._closing.set()
        self._keeper.join()
        self.switch_off()
        self._store.close()

    @property
    def process(self) -> VirtualTerminal | None:
        """What runs on it, None where nothing does."""
        return self._process

    def ask(self, do: str, **fields: object) -> dict[str, Any]:
        """What is done to a terminal that runs (tools/virtual_terminal/inside); nothing where it does not."""
        with self._lock:
            process = self._process
        if process is None:
            return {}
        try:
            return process.ask(do, **fields)
        except TerminalEndedError:
            return {}

    # At the cable.

    def typed(self, text: str) -> str:
        """What the laptop sent, and what comes back."""
        if not self._has_power:
            return ""
        with self._lock:
            rom = self._rom.receive(text.encode("latin-1") if self._rom.is_listening else b"")
        return rom.decode("latin-1") + str(self.ask("cable", typed=text).get("heard", ""))

    def set_lines(self, dtr: bool, rts: bool) -> None:
        """The reset circuit: it leads into the loader or into what the flash starts."""
        with self._lock:
            resets = self._rom.resets
            self._rom.set_lines(dtr, rts)
            if self._rom.resets != resets:
                self._stop()
                self._start()

    def _start(self) -> None:
        if self._process is None and self._has_power and not self._rom.is_listening and self._is_flashed():
            process = VirtualTerminal(self.flash, self._log, fittings=self.fittings)
            self._process = process
            with contextlib.suppress(TerminalEndedError):  # one that cannot start: its keeper tries again
                process.ask("power_on", stays=True)

    def _stop(self) -> None:
        if self._process is not None:
            self._process.switch_off()
            self._process = None

    def _is_flashed(self) -> bool:
        """Whether the runtime would find anything: flashing writes our table last."""
        board = pinmap.load()
        table = bytearray(partitions.TABLE_OCTETS)
        self._store.read_into(board["flash"]["partition_table_offset"], table)
        return partitions.decode(bytes(table)) == partitions.of_board(board)

    def _keep(self) -> None:
        """A chip that resets itself starts again, into what its flash then holds."""
        while not self._closing.wait(_LOOK_S):
            with self._lock:
                if self._process is not None and self._process.has_ended:
                    self._stop()
                    self._start()


class Stranger:
    """A GPS mouse: it talks all the time, and hears nothing."""

    _PERIOD_S = 0.2

    def __init__(self) -> None:
        self._told_at = 0.0

    def typed(self, _text: str) -> str:
        """Another sentence, every now and then."""
        if time.monotonic() - self._told_at < self._PERIOD_S:
            return ""
        self._told_at = time.monotonic()
        return "$GPGGA,123519,0113.21,S,11350.88,E,1,08,0.9,31.4,M,46.9,M,,*47\r\n"

    def set_lines(self, dtr: bool, rts: bool) -> None:
        """It has no reset lines."""
