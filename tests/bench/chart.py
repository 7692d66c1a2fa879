"""Draws figures of several formats as bars side by side, the smallest at the top."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

OWN_COLOUR = "#1b6e3c"
BOUND_COLOUR = "#9a9a9a"
COLOUR = "#c98a2b"


def draw(figures: list[dict[str, Any]], panels: tuple[str, ...], target: Path) -> None:
    """One panel for each of `panels`, the part of a figure's name before the colon; behind it stands the format."""
    mpl.use("Agg")
    canvas, axes = plt.subplots(len(panels), 1, figsize=(8.5, 2.6 * len(panels)), layout="constrained")
    for panel, axis in zip(panels, axes, strict=True):
        rows = [
            (name, figure["value"], figure["unit"])
            for figure in figures
            for what, _, name in [figure["name"].partition(": ")]
            if what == panel
        ]
        rows.sort(key=lambda row: row[1], reverse=True)
        names, values = [row[0] for row in rows], [row[1] for row in rows]
        colours = [{"ours": OWN_COLOUR, "entropy bound": BOUND_COLOUR}.get(name, COLOUR) for name in names]
        bars = axis.barh(names, values, color=colours)
        axis.bar_label(
            bars, [f"{value:,.0f}" if value >= 100 else f"{value:.1f}" for value in values], padding=3
        )
        axis.set_title(panel, loc="left", fontsize=10)
        axis.set_xlabel(rows[0][2])
        axis.set_xlim(0, max(values) * 1.12)
        axis.spines[["top", "right"]].set_visible(False)
    target.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(target, dpi=110)
    plt.close(canvas)
