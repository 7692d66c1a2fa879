"""Images of journals and documents made by the real firmware on MicroPython, for tests of what reads them."""

from __future__ import annotations

import binascii
import json
from typing import Any, Self

from tests.support.worker import MicroPythonWorker
from tools import pinmap

SECTOR = 4096


class Images:
    """One MicroPython process with a driver that lives lives and reads images; `common` goes with each request."""

    def __init__(self, driver: str, variant: str, **common: Any) -> None:
        self._worker = MicroPythonWorker(driver, variant, timeout_s=60)
        self._common = common

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.close()

    def ask(self, what: str, image: bytes = b"", **values: Any) -> tuple[dict[str, Any], bytes]:
        """One request to the driver: (answer, image)."""
        text = json.dumps({"what": what} | self._common | values).encode()
        answer = self._worker.call(len(text).to_bytes(4, "big") + text + image)
        length = int.from_bytes(answer[:4], "big")
        return json.loads(answer[4 : 4 + length]), answer[4 + length :]

    def view(self, image: bytes) -> tuple[dict[str, Any], bytes]:
        """The firmware's own reading of an image, and the image behind the start that this takes."""
        return self.ask("view", image)


class JournalImages(Images):
    """Journals of one kid."""

    def __init__(
        self, variant: str, kid: int, start: bytes, periods: tuple[tuple[int, int], ...] = ()
    ) -> None:
        driver = "tests/property/drivers/forensics_journal.py"
        super().__init__(driver, variant, kid=kid, start=start.hex(), periods=periods)

    def live(
        self,
        operations: list[Any],
        plan: Any = None,
        sectors: int = 8,
        days: int = 0,
        day: list[Any] | None = None,
        seals: list[bytes] | None = None,
        image: bytes = b"",
    ) -> tuple[dict[str, Any], bytes]:
        """A life; `plan` (a `FaultPlan`) is armed after `days` of the operations `day`; `seals`: those of each record.

        `image`: what the chip holds before; a new one by default.
        """
        faults = plan and [plan.seed, plan.faults]
        values = {"days": days, "day": day or [], "seals": [seal.hex() for seal in seals or []]}
        return self.ask("live", image, sectors=sectors, operations=operations, plan=faults, **values)


def chip(**areas: bytes) -> bytes:
    """A dump of the whole flash with these areas, by partition name."""
    board = pinmap.load()
    flash = bytearray(b"\xff" * board["module"]["flash_bytes"])
    for part in board["partition"]:
        octets = areas.pop(part["name"], b"")
        assert len(octets) <= part["size"]
        flash[part["offset"] : part["offset"] + len(octets)] = octets
    assert not areas, f"no such partition: {sorted(areas)}"
    return bytes(flash)


def documents_area(sections: dict[int, bytes], generation: int = 1) -> bytes:
    """A documents area as the format's description has it."""
    body = b"".join(
        bytes((name,)) + len(octets).to_bytes(2, "big") + octets for name, octets in sections.items()
    )
    header = b"LDOC\x01\0\0\0" + generation.to_bytes(4, "big") + len(body).to_bytes(4, "big")
    header = with_crc(header + binascii.crc32(body).to_bytes(4, "big"))
    page = header + b"\xff" * (256 - len(header))
    return page + page + b"\xff" * (2048 - 512) + body


def with_crc(octets: bytes) -> bytes:
    """Octets with their CRC-32 behind them."""
    return octets + binascii.crc32(octets).to_bytes(4, "little")
