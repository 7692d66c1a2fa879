"""Pages for people: what rich draws, as the lines that a command says."""

from __future__ import annotations

import io
import sys

from rich.console import Console, RenderableType
from rich.text import Text

WIDTH_MAX = 120


def lines(*parts: RenderableType, width: int = 0) -> list[str]:
    """Lines as wide as the terminal is, up to `WIDTH_MAX` (a `Text` is never broken: it has a path); with colours where somebody looks. `width`: another one, for tests."""
    screen = Console()
    page = Console(
        file=io.StringIO(),
        width=width or min(screen.width, WIDTH_MAX),
        force_terminal=sys.stdout.isatty(),
        highlight=False,
    )
    for part in parts:
        page.print(part, soft_wrap=isinstance(part, Text))
    drawn = page.file
    assert isinstance(drawn, io.StringIO)
    return [line.rstrip() for line in drawn.getvalue().splitlines()]


def rupiah(amount: int) -> str:
    """Whole rupiah as they are written in Indonesia."""
    return "Rp" + f"{amount:,}".replace(",", ".")
