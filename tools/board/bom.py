"""The bill of materials: what to buy for one terminal of a fitting, with marked price estimates in rupiah."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from tools.board.parts import Catalogue
from tools.board.schematic import Netlist

HEADING = ("refs", "pieces", "part", "value", "for", "estimate_rupiah_each", "estimate_rupiah")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the same part with the same value."""

    refs: tuple[str, ...]
    part: str
    value: str
    what: str
    price_rupiah: int

    @property
    def cost_rupiah(self) -> int:
        """Of all pieces."""
        return len(self.refs) * self.price_rupiah


def lines(sheet: Netlist, catalogue: Catalogue) -> list[Line]:
    """Return the lines, dearest first."""
    alike: dict[tuple[str, str], list[str]] = {}
    for ref, placed in sheet.placed.items():
        alike.setdefault((placed.kind, placed.value), []).append(ref)
    made = []
    for (kind, value), refs in alike.items():
        part = catalogue.parts[kind]
        made.append(Line(tuple(refs), part.part, value, part.what, part.price_rupiah))
    return sorted(made, key=lambda line: (-line.cost_rupiah, line.refs))


def as_csv(sheet: Netlist, catalogue: Catalogue) -> str:
    """Return the bill as CSV; its last line is the sum and says what the prices are worth."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADING)
    bill = lines(sheet, catalogue)
    for line in bill:
        writer.writerow(
            (
                " ".join(line.refs),
                len(line.refs),
                line.part,
                line.value,
                line.what,
                line.price_rupiah,
                line.cost_rupiah,
            )
        )
    total = sum(line.cost_rupiah for line in bill)
    note = f"all prices are estimates of {catalogue.prices_of}, none is a quotation"
    writer.writerow(
        (
            "",
            sum(len(line.refs) for line in bill),
            f"one terminal, fitting {sheet.fitting}",
            "",
            note,
            "",
            total,
        )
    )
    return out.getvalue()
