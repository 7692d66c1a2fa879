"""Starting a terminal whose journal holds 5,000 records: time, flash octets read, and what the books keep in the heap."""

from __future__ import annotations

import statistics
import subprocess
from typing import Any

from tests.bench.callgrind import NotMeasuredError
from tools.setup import checkout

DRIVER = checkout.ROOT / "tests" / "bench" / "drivers" / "boots.py"
HEAP = "64m"
TIMEOUT_S = 300


def run() -> list[dict[str, Any]]:
    """The rows of design section 10 that concern a start."""
    starts = _lines("micropython64", "time")
    heap = _lines("micropython32", "heap")
    how = (
        f"median of {len(starts)} starts over one modelled flash in RAM, 1,000 families, 5,000 redemptions, 64-bit port;"
        " documents, roster, journal and derived state; interpreter, imports and self-test not included"
    )
    return [
        _row(
            "boot to ready with 5,000 records", statistics.median(row[0] for row in starts) / 1000, "ms", how
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


def _lines(interpreter: str, mode: str) -> list[tuple[int, ...]]:
    """The driver's lines of numbers."""
    missing = checkout.missing()
    if interpreter in missing:
        raise NotMeasuredError(f"no {interpreter}: {missing[interpreter]}")
    done = subprocess.run(
        [str(checkout.BIN / interpreter), "-X", f"heapsize={HEAP}", str(DRIVER), mode, str(checkout.ROOT)],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    if done.returncode:
        raise RuntimeError(f"boot: exit {done.returncode}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return [tuple(int(word) for word in line.split()) for line in done.stdout.splitlines()]
