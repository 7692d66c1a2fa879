"""Starting a terminal whose journal holds 5,000 records: time, instructions, flash octets read, and the heap of its books."""

from __future__ import annotations

import statistics
import subprocess
from pathlib import Path
from typing import Any

from tests.bench.callgrind import require, slope
from tools.setup import checkout

DRIVER = checkout.ROOT / "tests" / "bench" / "drivers" / "boots.py"
FOLDER = checkout.BUILD / "bench" / "boot"
HEAP = "64m"
TIMEOUT_S = 300
STARTS = 15
STARTS_COUNTED = 2


def run() -> list[dict[str, Any]]:
    """The rows of design section 10 that concern a start."""
    require("micropython64", "micropython32", "micropython64deb", "valgrind")
    FOLDER.mkdir(parents=True, exist_ok=True)
    image = FOLDER / "flash.bin"
    (records, sectors), *_ = _lines("micropython64", "make", image)
    starts = _lines("micropython64", "time", image, str(STARTS))
    heap = _lines("micropython32", "heap", image)
    counted = slope(STARTS_COUNTED, (DRIVER, "count", checkout.ROOT, image), heap=HEAP)
    scene = (
        f"1,000 families, 2 programmes, {records:,} records with their marks in {sectors} sectors, the next checkpoint just"
        " due; documents, roster, journal, derived state; interpreter, imports and self-test not included"
    )
    return [
        _row(
            "boot to ready with 5,000 records",
            statistics.median(row[0] for row in starts) / 1000,
            "ms",
            f"median of {STARTS} starts over one modelled flash in RAM, 64-bit port; {scene}",
        ),
        _row(
            "boot to ready, instructions",
            counted / 1e6,
            "M instructions",
            f"callgrind, Debian's 64-bit unix port, by difference of {2 * STARTS_COUNTED} and {STARTS_COUNTED} starts; {scene}",
        ),
        _row("boot to ready, flash read", max(row[1] for row in starts) / 1024, "KB", "most of those starts"),
        _row(
            "books live after boot, 1,000 families, 5,000 records",
            heap[0][0] / 1024,
            "KB",
            "growth of the collected heap by opening the books, 32-bit port, code loaded before",
        ),
    ]


def _row(name: str, value: float, unit: str, how: str) -> dict[str, Any]:
    return {"name": name, "value": round(value, 2), "unit": unit, "how": how}


def _lines(interpreter: str, mode: str, image: Path, *count: str) -> list[tuple[int, ...]]:
    """The driver's lines of numbers."""
    command = [
        checkout.BIN / interpreter,
        "-X",
        f"heapsize={HEAP}",
        DRIVER,
        mode,
        checkout.ROOT,
        image,
        *count,
    ]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    if done.returncode:
        raise RuntimeError(f"boot: exit {done.returncode}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return [tuple(int(word) for word in line.split()) for line in done.stdout.splitlines()]
