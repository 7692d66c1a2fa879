"""A terminal to practise on: a town in processes, and one virtual terminal whose cable, keys, cards and paper are within reach.

python -m tools.practice shows how; `lumbung` reaches the terminal through the address that it prints. The firmware is the real
one and its chips are models, so nothing that is done here can hurt anything.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.panel import Panel

from tools import screen
from tools.stack import OPERATOR_CODE, Stack
from tools.virtual_terminal.cable import Cable
from tools.virtual_terminal.control import TerminalError, VirtualTerminal

FOLDER = Path("build/practice")
KIDS = (0x0000A001, 0x0000A0FF)
KEYS = "0123456789*#ECXM"
# A screen has settled when it has not changed for so long; it is shown after this time at the latest.
STILL_S = 0.3
SETTLE_S = 4.0
_LOOK_S = 0.05

HELP = f"""\
keys        press them: digits * #, [bold]E[/bold]nter, [bold]C[/bold]lear, [bold]X[/bold] cancel, [bold]M[/bold]enu; for instance [bold]M{OPERATOR_CODE}E[/bold]
card N      lay the card of family N on the reader; its PIN is told
insert N    push it into the slot instead
remove      take it away
look        the display once more (so does an empty line)
paper       what was printed since you last asked
case        open the case
off, on     cut the power, bring it back
help, quit"""


class Practice:
    """One terminal on the bench; `say(what)` shows something to whoever practises."""

    def __init__(self, folder: Path, say: Callable[[object], None]) -> None:
        self.folder = folder
        self.papers = folder / "papers"
        self._say = say
        self.stack = Stack(folder)
        self.terminal: VirtualTerminal | None = None
        self.cable = Cable(self._typed)
        self._commands: dict[str, Callable[[str], object]] = {
            "card": lambda rest: self._lay(rest, inserted=False),
            "insert": lambda rest: self._lay(rest, inserted=True),
            "remove": lambda _: self._ask("remove"),
            "look": lambda _: None,
            "paper": self._paper,
            "case": lambda _: self._ask("open_case"),
            "off": lambda _: self._off(),
            "on": lambda _: self.switch_on(),
        }

    def open(self) -> None:
        """Start the town, write the technician's papers, switch a blank terminal on, plug its cable in."""
        stack = self.stack
        stack.issue_documents()
        stack.broker.start()
        stack.start_settlement()
        stack.start_gateway()
        stack.wait_for_gateway()
        stack.write_papers(self.papers, KIDS[0])
        (self.papers / "kids.txt").write_text(f"block {KIDS[0]:08x} {KIDS[1]:08x}\n", encoding="ascii")
        self.switch_on()
        self.cable.__enter__()

    def close(self) -> None:
        """Pull the cable, cut the power, end the town."""
        self.cable.__exit__(None, None, None)
        self._off()
        self.stack.stop()

    def switch_on(self) -> None:
        """Power for the terminal, whose flash is as it was."""
        if self.terminal is None:
            fittings = {"contact_reader": True}
            self.terminal = VirtualTerminal(
                self.folder / "flash.bin", self.folder / "terminal.log", fittings=fittings
            )
            self.terminal.ask("power_on", stays=True)

    def _off(self) -> None:
        terminal, self.terminal = self.terminal, None
        if terminal is not None:
            terminal.switch_off()

    def do(self, line: str) -> None:
        """One line of whoever practises; afterwards the display as it is then."""
        try:
            self._carry_out(line.strip())
        except TerminalError as error:
            self._say(f"nothing came of it ({error})")
        self._show()

    def _carry_out(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word.lower() in self._commands:
            self._commands[word.lower()](rest.strip())
        elif word == "help":
            self._say(HELP)
        elif set(line.upper()) <= set(KEYS):
            self._ask("press", keys=line.upper())
        else:
            self._say(f"{line!r} is neither keys nor a command; [bold]help[/bold] tells what there is")

    def _ask(self, do: str, **fields: object) -> dict[str, Any]:
        """Nothing where the power is off."""
        terminal = self.terminal
        return terminal.ask(do, **fields) if terminal is not None else {}

    def _typed(self, text: str) -> str:
        """What the cable brings, and what the terminal answers; a terminal without power is silent."""
        return str(self._ask("cable", typed=text).get("heard", ""))

    def _lay(self, rest: str, *, inserted: bool) -> None:
        families = self.stack.families
        if not rest.isdigit() or int(rest) >= len(families):
            self._say(f"which family? 0 to {len(families) - 1}")
            return
        family = families[int(rest)]
        self._say(f"family {family.index}: the {family.profile} card, PIN {family.pin}")
        self._ask("place", name=rest, data=self.stack.card_of(family.index), inserted=inserted)

    def _paper(self, _rest: str) -> None:
        for receipt in self._ask("receipts").get("receipts", []):
            self._say(Panel(receipt, expand=False))

    def _show(self) -> None:
        """The display, once it stands still."""
        rows = self._rows()
        still_since, until = time.monotonic(), time.monotonic() + SETTLE_S
        while rows and time.monotonic() < min(still_since + STILL_S, until):
            time.sleep(_LOOK_S)
            now = self._rows()
            if now != rows:
                rows, still_since = now, time.monotonic()
        self._say(
            Panel("\n".join(screen.as_text(rows)), expand=False) if rows else "the display is dark: it is off"
        )

    def _rows(self) -> list[str]:
        return list(self._ask("screen").get("rows", []))

    def guide(self) -> Iterable[str]:
        """What to do first, as lines that can be copied."""
        port, papers = self.cable.url, self.papers
        lumbung = "  .venv/bin/lumbung"
        yield "[bold]A blank terminal is on the bench.[/bold] In another window:\n"
        yield (
            f"{lumbung} provision {papers} --port {port} --kids {papers / 'kids.txt'} \\\n"
            f"      --authority-key {papers / 'authority.pem'} --gateway-config {self.folder / 'gateway.toml'}"
        )
        yield f"{lumbung} self-test --port {port}        # lay cards on and press keys here"
        yield f"{lumbung} diagnose --port {port}"
        yield f"{lumbung} rescue --port {port} --to {self.folder / 'rescued'}"
        yield f"  .venv/bin/python -m gateway --config {self.folder / 'gateway.toml'} status\n"
        yield HELP


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
