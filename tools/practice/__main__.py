"""`python -m tools.practice`: a town in processes, and virtual terminals whose cable, keys, cards and paper are within reach.

It tells how; `lumbung` reaches the terminal on the bench through the address that it prints. The firmware is the real one and its
chips are models, so nothing that is done here can hurt anything.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click
from rich.console import Console

from tools.practice.town import Practice

FOLDER = Path("build/practice")


@click.command(help=__doc__)
@click.argument("folder", default=FOLDER, type=click.Path(file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Practise until quit, or the end of the input. The folder is emptied first."""
    out = Console(highlight=False, soft_wrap=True)
    shutil.rmtree(folder, ignore_errors=True)
    practice = Practice(folder.absolute(), out.print)
    out.print("the town starts: authority, broker, gateway, bank…")
    try:
        practice.open()
        for line in practice.guide():
            out.print(line)
        while (line := _next_line(out)) != "quit":
            practice.do(line)
    finally:
        practice.close()


def _next_line(out: Console) -> str:
    """What is typed next; the end of the input is a wish to stop."""
    try:
        return out.input("[bold]practice>[/bold] " if sys.stdin.isatty() else "")
    except (EOFError, KeyboardInterrupt):
        return "quit"


if __name__ == "__main__":
    main()
