"""Instruction counts of MicroPython programs, under callgrind on Debian's 64-bit unix port; they repeat within 0.04 %."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.setup import checkout

HEAP = "4m"
TIMEOUT_S = 900
_COLLECTED = re.compile(r"Collected : (\d+)")


class NotMeasuredError(Exception):
    """What a bench needs is not on this machine; the text says what."""


def require(*programs: str) -> None:
    """Raise `NotMeasuredError` unless setup has provided these programs of `build/bin`."""
    missing = checkout.missing()
    for program in programs:
        if program in missing or not (checkout.BIN / program).exists():
            raise NotMeasuredError(f"no {program}: {missing.get(program, 'run `make setup` first')}")


def instructions(*arguments: str | Path, heap: str = HEAP) -> int:
    """Instructions of one run of a MicroPython program, start of the interpreter and imports included."""
    require("valgrind", "micropython64deb")
    command = [
        checkout.BIN / "valgrind",
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        *checkout.direct_argv("micropython64deb"),
        "-X",
        f"heapsize={heap}",
        *arguments,
    ]
    done = subprocess.run(
        [str(part) for part in command],
        cwd=checkout.ROOT,
        # As in the wrapper, which callgrind must not see.
        env={"MICROPYPATH": f".frozen:{checkout.ROOT}"} | os.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    found = _COLLECTED.search(done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(f"callgrind: exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return int(found[1])


def slope(count: int, arguments: Sequence[str | Path], heap: str = HEAP) -> float:
    """Instructions of one more repetition: `arguments` end before the number of repetitions."""
    more = instructions(*arguments, str(2 * count), heap=heap)
    return (more - instructions(*arguments, str(count), heap=heap)) / count
