"""Compares what the reference day's 300 redemptions cost in our frames and in other people's formats."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table

from protocol import codec, frame, records
from tests.bench import chart, density, reference_day, report
from tests.bench.rivals import RIVALS, Rival
from tests.bench.sale import Sale, sales
from tools.setup import checkout

PART_OCTETS = 134
"""What one part of a concatenated message holds beside its header (3GPP TS 23.040, 8-bit data)."""
OVERHEAD_OCTETS = frame.HEADER_OCTETS + frame.TAG_OCTETS
OURS = "ours"
BOUND = "entropy bound"
TARGET = checkout.BUILD / "bench-formats.png"

ALONE = "octets per redemption, each signed alone"
TOGETHER = "octets per redemption, 300 under one signature"
MESSAGES_ALONE = "SMS for 300 redemptions, each signed alone"
MESSAGES = "SMS for 300 redemptions, as few as possible"
HELD = "redemptions per SMS, as few SMS as possible"


def run() -> list[dict[str, Any]]:
    """The figures of all formats; the picture goes to build/bench-formats.png."""
    made = sales()
    figures = [*_ours(), *(figure for rival in RIVALS for figure in _rival(rival, made)), *_bound(len(made))]
    chart.draw(figures, (ALONE, TOGETHER, MESSAGES), TARGET)
    return figures


def table(title: str, figures: list[dict[str, Any]]) -> Table:
    """The figures with a row for each format."""
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("format", no_wrap=True)
    values: dict[str, dict[str, float]] = {}
    for figure in figures:
        what, _, of = figure["name"].partition(": ")
        values.setdefault(of, {})[what] = figure["value"]
    columns = list(dict.fromkeys(what for row in values.values() for what in row))
    for what in columns:
        made.add_column(what, justify="right")
    for of, row in values.items():
        made.add_row(of, *(report.number(row[what]) for what in columns))
    return made


def _figure(what: str, of: str, value: float, unit: str, how: str) -> dict[str, Any]:
    return {"name": f"{what}: {of}", "value": round(value, 2), "unit": unit, "how": how}


def _figures(
    of: str, alone: float, together: float, counts: tuple[int, float], how: str
) -> list[dict[str, Any]]:
    """The rows of one format; `counts` are messages for all redemptions, each alone and as few as possible."""
    count = reference_day.REDEMPTIONS
    return [
        _figure(ALONE, of, alone, "octets", how),
        _figure(TOGETHER, of, together, "octets", how),
        _figure(MESSAGES_ALONE, of, counts[0], "SMS", how),
        _figure(MESSAGES, of, counts[1], "SMS", how),
        _figure(HELD, of, count / counts[1], "redemptions", how),
    ]


def _ours() -> list[dict[str, Any]]:
    """Our frames: one SMS each, sealed; as full SMS, the last one sealed; as two frames for MQTT, each sealed."""
    day = reference_day.build()
    day.batch = [octets for octets in day.batch if octets[0] == records.REDEMPTION]
    alone = [
        OVERHEAD_OCTETS
        + frame.SEAL_OCTETS
        + len(codec.encode(codec.PREDICTED, [octets], day.context, sequence))
        for sequence, octets in enumerate(day.batch, day.first)
    ]
    assert max(alone) <= frame.SMS_OCTETS_MAX
    frames = density.cut(day, density.ROOM_OCTETS)
    messages = density.messages(day, frames)
    half = len(day.batch) // 2
    together = sum(
        OVERHEAD_OCTETS + frame.SEAL_OCTETS
        + len(codec.encode(codec.PREDICTED, day.batch[at : at + half], day.context, day.first + at))
        for at in (0, half)
    )  # fmt: skip
    how = (
        "encrypted, with tag; each SMS is a frame that needs no other; roster, grants and policy are known to both ends"
        " (the others could not use them); under one signature: two sealed frames, of at most 256 records"
    )
    count = len(day.batch)
    return _figures(OURS, sum(alone) / count, together / count, (count, messages), how)


def _rival(rival: Rival, made: list[Sale]) -> list[dict[str, Any]]:
    alone = [len(rival.alone(sale)) for sale in made]
    batch = len(rival.together(made))
    messages_alone = sum(_parts(octets) for octets in alone)
    how = f"{rival.idiom}; not encrypted"
    if not rival.can_batch:
        how += "; knows no batch, so that each redemption is a message of its own in every row"
        together = messages_alone
    else:
        how += "; as few SMS as possible: one concatenated batch, of which no part may be lost"
        together = min(messages_alone, _parts(batch))
    return _figures(rival.name, sum(alone) / len(alone), batch / len(made), (messages_alone, together), how)


def _parts(octets: int) -> int:
    """Short messages for that many octets."""
    return 1 if octets <= frame.SMS_OCTETS_MAX else -(-octets // PART_OCTETS)


def _bound(count: int) -> list[dict[str, Any]]:
    """What no code can go below, with a frame's header, tag and signature as ours has them, and without."""
    bits = density.entropy_bits(reference_day.build())
    bare = bits / 8
    how = (
        f"{bits:.1f} bits that nobody can predict in a redemption, with our header, tag and signature once per message,"
        " fractions of messages and of octets allowed"
    )
    alone = bare + OVERHEAD_OCTETS + frame.SEAL_OCTETS
    messages = count * bare / density.ROOM_OCTETS
    together = bare + 2 * (OVERHEAD_OCTETS + frame.SEAL_OCTETS) / count
    return _figures(BOUND, alone, together, (count, messages), how)
