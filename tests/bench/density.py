"""Measures how many redemptions an SMS holds on the reference day, beside what entropy would allow."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from protocol import codec, context, frame, records
from tests.bench import reference_day
from tests.bench.reference_day import Day

ROOM_OCTETS = frame.SMS_OCTETS_MAX - frame.HEADER_OCTETS - frame.TAG_OCTETS
SEALED_ROOM_OCTETS = ROOM_OCTETS - frame.SEAL_OCTETS
BACKLOG = 50


def run() -> list[dict[str, Any]]:
    """The figures of the reference day and of its variants."""
    day = reference_day.build()
    rows = _rows(day, "")
    rows.append(
        _row(
            "redemptions per unsealed SMS, entropy bound",
            ROOM_OCTETS * 8 / entropy_bits(day),
            "redemptions",
            f"{entropy_bits(day):.1f} bits per redemption: what the generator of the day draws, as if frames needed"
            " no whole number of records and no start afresh",
        )
    )
    rows.append(
        _row(
            "redemptions per unsealed SMS, entropy bound with what else the day holds",
            ROOM_OCTETS * 8 / (entropy_bits(day) + other_bits(day)),
            "redemptions",
            f"{other_bits(day):.1f} bits more per redemption: verifiers of enrolments, digests of adoptions, cryptograms of"
            " voids",
        )
    )
    rows += _backlog_rows(day)
    for variant in list(reference_day.VARIANTS)[1:]:
        rows += _rows(reference_day.build(variant), f", {variant}")
    return rows


def _row(name: str, value: float, unit: str, how: str) -> dict[str, Any]:
    return {"name": name, "value": round(value, 2), "unit": unit, "how": how}


def _rows(day: Day, suffix: str) -> list[dict[str, Any]]:
    unsealed = cut(day, ROOM_OCTETS)
    sealed = cut(day, SEALED_ROOM_OCTETS)
    holds = sorted(
        _redemptions(day, start, codec.fit(codec.PREDICTED, day.batch[start : start + 16], day.context,
                                           SEALED_ROOM_OCTETS, day.first + start)[0])
        for start in range(1, len(day.batch) - 16)
    )  # fmt: skip
    share = len([held for held in holds if held >= 4]) / len(holds)
    greedy = f"reference day{suffix}, {len(day.batch)} records cut greedily, last frame left out"
    return [
        _row("redemptions per unsealed SMS" + suffix, _mean(day, unsealed[:-1]), "redemptions", greedy),
        _row(
            f"SMS for {day.redemptions} redemptions, sealed" + suffix,
            messages(day, unsealed),
            "SMS",
            f"reference day{suffix}, unsealed frames and one that carries the seal",
        ),
        _row(
            "redemptions per self-standing sealed SMS" + suffix,
            holds[len(holds) // 2],
            "redemptions",
            f"median over all starting points; {100 * share:.0f} % hold 4 or more",
        ),
        _row(
            "redemptions per self-standing sealed SMS, mean" + suffix,
            _mean(day, sealed[:-1]),
            "redemptions",
            greedy,
        ),
    ]


def _backlog_rows(day: Day) -> list[dict[str, Any]]:
    """What records cost that a new grant found waiting, beside the same ones under the grants that they were made under."""
    batch = [octets for octets in day.batch if octets[0] != records.ADOPTION][50 : 50 + BACKLOG]
    rows = []
    for suffix, grants in (
        (" from before a new grant", {}),
        (" under the grants in force", day.context.grants),
    ):
        held = Day(context.Context(day.context.roster, day.context.policy, grants), batch)
        frames = cut(held, ROOM_OCTETS)
        octets = sum(len(payload) + frame.SMS_OCTETS_MAX - ROOM_OCTETS for _, _, payload in frames)
        literal = sum(1 + len(record) + frame.SMS_OCTETS_MAX - ROOM_OCTETS for record in batch)
        rows.append(
            _row(
                f"SMS for {BACKLOG} records{suffix}",
                messages(held, frames),
                "SMS",
                f"records 51 to {50 + BACKLOG} of the reference day, sealed at the end: {octets} octets without the seal;"
                f" literally {literal}, a message each",
            )
        )
    return rows


def cut(day: Day, room_octets: int) -> list[tuple[int, int, bytes]]:
    """(start, count, payload) of the day cut greedily into frames of at most `room_octets` of coded records."""
    frames = []
    start = 0
    while start < len(day.batch):
        count, octets = codec.fit(
            codec.PREDICTED, day.batch[start:], day.context, room_octets, day.first + start
        )
        frames.append((start, count, octets))
        start += count
    return frames


def messages(day: Day, frames: list[tuple[int, int, bytes]]) -> int:
    """Messages for the whole day where the last one carries the seal, and one more where that does not fit."""
    return len(frames) + (1 if len(frames[-1][2]) > SEALED_ROOM_OCTETS else 0)


def _redemptions(day: Day, start: int, count: int) -> int:
    return len([octets for octets in day.batch[start : start + count] if octets[0] == records.REDEMPTION])


def _mean(day: Day, frames: list[tuple[int, int, bytes]]) -> float:
    return sum(_redemptions(day, start, count) for start, count, _ in frames) / len(frames)


# What the generator draws, in bits.


def entropy_bits(day: Day) -> float:
    """Bits per redemption of the reference day that no codec can save, other records left out."""
    cryptogram = 64 + 16
    opening = math.log2(31 * 86400) / day.redemptions
    return cryptogram + opening + _order_bits(day) + _gap_bits() + _sale_bits(day)


def other_bits(day: Day) -> float:
    """Bits per redemption that nobody can predict in the day's other records, as far as they are octets."""
    octets = {records.ENROL: 16, records.ADOPTION: 32, records.VOID: 8 + 2}
    return sum(8 * octets.get(record[0], 0) for record in day.batch) / day.redemptions


def _order_bits(day: Day) -> float:
    """Who comes when: the order within each hamlet that is called, and who comes uncalled and when."""
    planned = reference_day.REDEMPTIONS * 17 // 20
    others = reference_day.REDEMPTIONS - planned
    hamlet = reference_day.FAMILIES / reference_day.HAMLETS
    whole, rest = divmod(planned, hamlet)
    bits = whole * _log2_factorial(hamlet) + _log2_factorial(hamlet) - _log2_factorial(hamlet - rest)
    free = reference_day.FAMILIES - planned
    bits += _log2_factorial(free) - _log2_factorial(free - others)
    bits += math.log2(math.comb(reference_day.REDEMPTIONS, others))
    return bits / day.redemptions


def _log2_factorial(number: float) -> float:
    return math.lgamma(number + 1) / math.log(2)


def _gap_bits() -> float:
    """Entropy of `reference_day._gap_s`, from its exact distribution."""
    gaps = {20: 1.0}
    for _ in range(3):
        gaps = _plus(gaps, dict.fromkeys(range(33), 1 / 33))
    for chance, least, count in ((0.15, 20, 101), (1 / 40, 120, 1281)):
        gaps = _plus(gaps, {0: 1 - chance, **dict.fromkeys(range(least, least + count), chance / count)})
    return _entropy(gaps.values())


def _plus(left: dict[int, float], right: dict[int, float]) -> dict[int, float]:
    """The distribution of a sum."""
    out: dict[int, float] = {}
    for a, p in left.items():
        for b, q in right.items():
            out[a + b] = out.get(a + b, 0.0) + p * q
    return out


def _sale_bits(day: Day) -> float:
    """Tender, basket, amount and the small things, from the chances that `reference_day` draws with."""
    cash = [0.9, 0.1]
    partial = [39 / 40, 1 / 40]
    arrears = len(day.context.grants[1].exceptions) / reference_day.FAMILIES
    chosen = 1 - (39 / 40) ** 2
    items = math.log2(3) + math.log2(70) + 4 * 3
    return (
        0.5 * _entropy(cash)
        + _entropy(partial)
        + _entropy(partial)
        + (1 - chosen) * (1 - arrears) * _entropy([15 / 19, 2 / 19, 2 / 19])
        + chosen * items
        + 3 * _entropy([0.99, 0.01])
        + 0.01 * 2
        + _entropy([0.98, 0.02])
    )


def _entropy(chances: Iterable[float]) -> float:
    return -sum(chance * math.log2(chance) for chance in chances if chance > 0)
