"""Random lives of the journal on chips that fail, read by the firmware and by forensics: nothing committed may be lost.

    python -m tests.fault.flash_lives [--minutes 5] [--seed 1] [--faults cuts|silent|stuck|all]
    python -m tests.fault.flash_lives --life 1093 --faults cuts     one life again

What is found is printed with its seed. LOST: an append returned, and the record is not there at the end or another one
stands under its number. DISAGREE: forensics finds trouble that the firmware does not, or they read different books.
DAMAGED: the journal noticed and takes no record any more; cuts alone may never lead there.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from typing import Any

import click

from hardware import nor_faults
from tests.property import test_forensics_agrees as agree
from tests.support.journal_images import JournalImages

SECTOR_BYTES = 4096
OPERATIONS = 80
DAYS = 5
KINDS = ("cuts", "silent", "stuck", "all")


def draw(seed: int, kind: str) -> tuple[nor_faults.FaultPlan, int, int]:
    """(plan, sectors of the chip, days before the faults begin) of a life."""
    dice = random.Random(seed)
    # In a short ring a sector that a cut has used up is erased again, in a long one it waits for its next turn.
    sectors, days = dice.choice((5, 6, 7, 8, 16, 24)), dice.randint(0, 8)
    cuts, silences, stuck_bits = {
        "cuts": (dice.randint(1, 5), 0, 0),
        "silent": (0, dice.randint(1, 3), 0),
        "stuck": (0, 0, dice.randint(1, 3)),
        "all": (dice.randint(0, 4), dice.randint(0, 2), dice.randint(0, 2)),
    }[kind]
    end = sectors * SECTOR_BYTES
    plan = nor_faults.drawn(seed, OPERATIONS, 0, end, cuts, silences, stuck_bits)
    # A bit that sticks later takes away what was read back already, and no journal can prevent that.
    return plan, sectors, 0 if stuck_bits else days


def operations(extra_days: int) -> list[Any]:
    """Days of work, and at the end two sales with a start before each."""
    last = [("record", agree.redemption(1, amount_rupiah).hex(), 1, 1) for amount_rupiah in (5, 6)]
    return agree.DAY * (DAYS + extra_days) + [("off",), last[0], ("off",), last[1]]


def judge(firmware: JournalImages, seed: int, kind: str) -> list[str]:
    """Live one life; what was found."""
    plan, sectors, days = draw(seed, kind)
    lived, image = firmware.live(operations(DAYS if plan.stuck_bits() else 0), plan, sectors, days, agree.DAY)
    told, after = firmware.view(image)
    if "refused" in told or told["damage"]:
        return [f"DAMAGED {told.get('refused') or told['damage']} ({plan})"]
    kept = {record[0]: record[3] if len(record) > 1 else None for record in told["records"]}
    committed = lived["committed"]
    lost = [
        sequence
        for sequence, octets in committed
        if sequence >= told["first"] and kept.get(sequence) != octets
    ]
    if lost:
        return [f"LOST {lost[:8]} of {told['first']}..{told['sequence']} ({plan})"]
    try:
        agree.assert_same_slots(image, told)
        agree.assert_same_books(image, told, is_after=False)
        agree.assert_same_books(after, told, is_after=True)
    except AssertionError as error:
        return [f"DISAGREE {str(error)[:300]} ({plan})"]
    return []


@click.command(help=__doc__)
@click.option("--minutes", default=5.0)
@click.option("--seed", default=1)
@click.option("--faults", type=click.Choice(KINDS), default="cuts")
@click.option("--life", type=int, help="the seed of one life to live again")
def main(minutes: float, seed: int, faults: str, life: int | None) -> None:
    """Live until time is up."""
    counts: Counter[str] = Counter()
    end = time.monotonic() + 60 * minutes
    number = seed if life is None else life
    with JournalImages("unix64", agree.KID, agree.START, ((1, agree.PERIOD),)) as firmware:
        while True:
            for text in judge(firmware, number, faults):
                counts[text.split()[0]] += 1
                click.echo(f"--faults {faults} --life {number}: {text}")
            counts["lives"] += 1
            number += 1
            if life is not None or time.monotonic() >= end:
                break
    click.echo(", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())))
    is_bad = counts["LOST"] or counts["DISAGREE"] or (faults == "cuts" and counts["DAMAGED"])
    sys.exit(1 if is_bad else 0)


if __name__ == "__main__":
    main()
