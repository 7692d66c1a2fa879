"""Measures a tap: instructions, allocated bytes, milliseconds, flash operations, and the terminal's data heap.

Path: the real `App` as it is put together on a terminal, booted from a flash image that a virtual terminal was
provisioned into (1,000 families), with a real ledger, kernel and signer. Beside it are, so that only the firmware's own
work is counted:

- the card: its answers were recorded once, from the card models, by the same taps at the same moment; they are played
  back as whole APDUs. The driver of the PN532 is not in the path.
- the flash: sectors in RAM, each access one copy; `FlashArea` and the journal's reading back are in the path.
- nonces: worked out before, put into the pool before each tap, as idle time would.

Instructions come by difference: of runs with 8 and 4 taps, and of runs that do more and less of a tap. Bytes are the
growth of `gc.mem_alloc()` on the 32-bit port with collection off, the most of eight taps.

All certificates here have the exponent 3. What 65537 costs is in firmware/card/README.md: at most 16.3 M instructions
to authenticate, cold.
"""

from __future__ import annotations

import statistics
from typing import Any

from tests.bench import tap_world
from tests.bench.callgrind import require, slope
from tests.bench.tap_world import CARDS, DRIVER, VARIANTS
from tools.setup import checkout

FOLDER = checkout.BUILD / "bench" / "tap"
TAPS = CARDS // 2
HEAP_32 = "2m"
PLAIN = {
    "programme": "programme's card",
    "programme_lifted": "programme's card, lifted for the PIN",
    "bank": "bank's card, aid PIN",
    "bank_first": "bank's card, first use (verifier unbound)",
}
BY_DIFFERENCE = (
    f"callgrind, Debian's 64-bit unix port, by difference of {2 * TAPS} and {TAPS} taps; cards played back, flash in RAM, "
    "no collection during a tap"
)
ON_32 = f"32-bit unix port, growth of gc.mem_alloc() with collection off, most of {CARDS} taps"


def run() -> list[dict[str, Any]]:
    """All figures of the tap."""
    require("micropython64", "micropython32", "micropython64deb", "valgrind", "mpy-cross")
    tap_world.make(FOLDER)
    return _flash() + _time() + _heap() + _instructions()


def _row(name: str, value: float, unit: str, how: str) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "unit": unit, "how": how}


def _slope(variant: str, mode: str) -> float:
    return slope(TAPS, (DRIVER, FOLDER, variant, mode))


def _instructions() -> list[dict[str, Any]]:
    """Instructions of both halves of a tap, and of the cryptography inside the second."""
    rows = []
    alone = _slope("programme", "none")
    for variant in VARIANTS:
        what = PLAIN[variant]
        warm = _slope(variant, "warm")
        whole = _slope(variant, "tap")
        redeem = (whole - warm) / 1e6
        if variant in ("programme", "bank"):
            cold = _slope(variant, "cold")
            rows.append(
                _row(
                    f"card in field -> authenticated, {what}, issuer cold",
                    (cold - alone) / 1e6,
                    "M instructions",
                    f"Authorizer.identify; {BY_DIFFERENCE}; issuer cache emptied before each tap",
                )
            )
            rows.append(
                _row(
                    f"card in field -> authenticated, {what}, issuer cached",
                    (warm - alone) / 1e6,
                    "M instructions",
                    f"Authorizer.identify; {BY_DIFFERENCE}",
                )
            )
        rows.append(
            _row(
                f"PIN accepted -> record committed, {what}",
                redeem,
                "M instructions",
                f"Authorizer.redeem; {BY_DIFFERENCE}; nonce pool filled",
            )
        )
        if variant in ("programme", "bank"):
            crypto = (_slope(variant, "crypto") - warm) / 1e6
            how = (
                "PIN verifier, UN, CDA signature, chain and seal alone, same inputs; by the same differences"
            )
            rows.append(_row(f"of that cryptography, {what}", crypto, "M instructions", how))
            rows.append(
                _row(f"whole / cryptography, {what}", redeem / crypto, "times", "quotient of the two above")
            )
    return rows


def _heap() -> list[dict[str, Any]]:
    """The data heap after boot and at its highest, and what a tap allocates."""
    rows: list[dict[str, Any]] = []
    for variant in VARIANTS:
        lines = _lines("micropython32", variant, "heap", HEAP_32)
        code, live = lines["heap"][0]
        taps = lines["tap"]
        if not rows:
            how = f"32-bit unix port, App.run with all tasks, {tap_world.FAMILIES:,} families, after gc.collect()"
            rows.append(
                _row(
                    "code heap (not in the data heap)",
                    code / 1024,
                    "KB",
                    "all modules of the firmware, compiled to .mpy, loaded into the heap",
                )
            )
            rows.append(_row("data heap live after boot", live / 1024, "KB", how))
        what = PLAIN[variant]
        rows.append(
            _row(f"allocated, card in field -> authenticated, {what}", _most(taps, 1) / 1024, "KB", ON_32)
        )
        rows.append(
            _row(f"allocated, PIN accepted -> record committed, {what}", _most(taps, 2) / 1024, "KB", ON_32)
        )
        rows.append(
            _row(
                f"data heap peak in a redemption, {what}",
                max(max(tap[0], tap[3]) for tap in taps) / 1024,
                "KB",
                "highest at the end of identify or of redeem, collected before the card and before the PIN as "
                "ui/service does, never inside; without screens and paper",
            )
        )
    return rows


def _time() -> list[dict[str, Any]]:
    """Milliseconds on the 64-bit port, for orientation."""
    rows = []
    how = f"64-bit unix port on this machine, median of {CARDS} taps; informative"
    for variant in ("programme", "bank"):
        times = _lines("micropython64", variant, "time", tap_world.HEAP_64)["time"]
        for place, part in enumerate(("card in field -> authenticated", "PIN accepted -> record committed")):
            median = statistics.median(tap[place] for tap in times) / 1000
            rows.append(_row(f"{part}, {PLAIN[variant]}, time", median, "ms", how))
    return rows


def _flash() -> list[dict[str, Any]]:
    """Flash operations of a redemption: for UN attempt, PIN try and its clearing (bank), record."""
    rows = []
    how = f"counted at the partition over {CARDS} taps, most of one tap"
    for variant in ("programme", "bank"):
        what = PLAIN[variant]
        taps = _lines("micropython64", variant, "flash", tap_world.HEAP_64)["flash"]
        per_append = max(programs / slots for _, _, programs, _, slots in taps)
        rows.append(_row(f"roster reads to find a family, {what}", _most(taps, 0), "reads", how))
        rows.append(_row(f"page programs of a redemption, {what}", _most(taps, 2), "programs", how))
        rows.append(_row(f"page programs of a journal append, {what}", per_append, "programs", how))
        rows.append(_row(f"sectors erased in a redemption, {what}", _most(taps, 3), "sectors", how))
    return rows


def _most(taps: list[tuple[int, ...]], place: int) -> int:
    return max(tap[place] for tap in taps)


def _lines(program: str, variant: str, mode: str, heap: str) -> dict[str, list[tuple[int, ...]]]:
    """What the driver printed, by first word."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for line in tap_world.run(program, FOLDER, variant, mode, CARDS, heap).splitlines():
        word, *numbers = line.split()
        found.setdefault(word, []).append(tuple(int(number) for number in numbers))
    return found
