"""The practice town: authority, gateway, bank and broker in processes, terminals on a bench, and the words that move them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.panel import Panel

from protocol.records import TENDER_CASH
from tools import screen
from tools.district import Family
from tools.hands import Counter, Visit
from tools.practice import releases
from tools.practice.bench import KEY_CHIP, Stranger, Terminal
from tools.stack import OPERATOR_CODE, Stack
from tools.technician.build import Built
from tools.virtual_terminal.cable import Cable
from tools.virtual_terminal.control import TerminalError

KIDS = (0x0000A001, 0x0000A0FF)
KEYS = "0123456789*#ECXM"
TERMINALS_MAX = 9
# A screen has settled when it has not changed for so long; it is shown after this time at the latest.
STILL_S = 0.3
SETTLE_S = 4.0
_LOOK_S = 0.05

HELP = f"""\
keys            press them: digits * #, [bold]E[/bold]nter, [bold]C[/bold]lear, [bold]X[/bold] cancel, [bold]M[/bold]enu; for instance [bold]M{OPERATOR_CODE}E[/bold]
sell N          serve family N with Rp 50.000 in cash, logging in where nobody is; what follows is one family at a time, by hand:
card N          lay the card of family N on the reader; its PIN is told
insert N        push it into the slot instead
remove          take it away
look            the display once more (so does an empty line)
paper           what was printed since you last asked
case            open the case
off, on         cut the power, bring it back
network off, on take it away, bring it back: what is sold meanwhile stays on the terminal
pull \\[S]        pull the cable out under whoever uses it, in S seconds; it is plugged in again at once
chip dies       the key chip of this terminal answers no more
terminal N      put terminal N on the bench in this one's place, flashed and unprovisioned where it is new;
                [bold]terminal N blank[/bold]: a new chip that was never flashed; [bold]terminal N chip[/bold]: with an ATECC608 for its keys
stranger        plug a GPS mouse in instead
help, quit"""


class Practice:
    """Terminals on the bench, one at the cable; `say(what)` shows something to whoever practises."""

    def __init__(self, folder: Path, say: Callable[[object], None]) -> None:
        self.folder = folder
        self.papers = folder / "papers"
        self.releases = folder / "releases"
        self._say = say
        self.stack = Stack(folder)
        self._built: Built | None = None
        self._terminals: dict[int, Terminal] = {}
        self._number = 0
        self._at_cable: Terminal | Stranger = Stranger()
        self.cable = Cable(self._typed, self._set_lines)
        self._commands: dict[str, Callable[[str], object]] = {
            "sell": self._sell,
            "card": lambda rest: self._lay(rest, inserted=False),
            "insert": lambda rest: self._lay(rest, inserted=True),
            "remove": lambda _: self._ask("remove"),
            "look": lambda _: None,
            "paper": self._paper,
            "case": lambda _: self._ask("open_case"),
            "off": lambda _: self.terminal.switch_off(),
            "on": lambda _: self.terminal.switch_on(),
            "network": self._network,
            "pull": self._pull,
            "chip": self._chip,
            "terminal": self._put,
            "stranger": self._strange,
        }

    @property
    def terminal(self) -> Terminal:
        """The one that is on the bench, or was before something else was plugged in."""
        return self._terminals[self._number]

    def open(self) -> None:
        """Start the town, write the technician's papers, put an unprovisioned terminal on the bench and plug its cable in."""
        stack = self.stack
        stack.issue_documents()
        stack.broker.start()
        stack.start_settlement()
        stack.start_gateway()
        stack.wait_for_gateway()
        stack.write_papers(self.papers, KIDS[0])
        (self.papers / "kids.txt").write_text(f"block {KIDS[0]:08x} {KIDS[1]:08x}\n", encoding="ascii")
        self._built = releases.make(self.releases, stack.authority_key)
        self._put("1")
        self.cable.__enter__()

    def close(self) -> None:
        """Pull the cable, cut the power, end the town."""
        self.cable.__exit__(None, None, None)
        for terminal in self._terminals.values():
            terminal.close()
        self.stack.stop()

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
            self._commands[word.lower()](rest.strip().lower())
        elif word == "help":
            self._say(HELP)
        elif set(line.upper()) <= set(KEYS):
            self._ask("press", keys=line.upper())
        else:
            self._say(f"{line!r} is neither keys nor a command; [bold]help[/bold] tells what there is")

    def _ask(self, do: str, **fields: object) -> dict[str, Any]:
        """Nothing where the power is off."""
        return self.terminal.ask(do, **fields)

    def _typed(self, text: str) -> str:
        return self._at_cable.typed(text)

    def _set_lines(self, dtr: bool, rts: bool) -> None:
        self._at_cable.set_lines(dtr, rts)

    def _put(self, rest: str) -> None:
        """Another terminal takes the place of the one on the bench, which loses its power."""
        word, *more = rest.split() or [""]
        if not word.isdigit() or not 1 <= int(word) <= TERMINALS_MAX or more not in ([], ["blank"], ["chip"]):
            self._say(f"which terminal? 1 to {TERMINALS_MAX}, and for a new one blank or chip")
            return
        if self._number:
            self.terminal.switch_off()
        self._number = int(word)
        if self._number not in self._terminals:
            self._terminals[self._number] = self._new(self._number, more)
        self._at_cable = self.terminal
        self.terminal.switch_on()

    def _new(self, number: int, more: list[str]) -> Terminal:
        made = Terminal(self.folder, number, has_key_chip=more == ["chip"])
        if more != ["blank"] and self._built is not None:
            made.write(self._built.pieces)
        return made

    def _strange(self, _rest: str) -> None:
        self._at_cable = Stranger()
        self._say("a GPS mouse hangs on the cable; [bold]terminal N[/bold] plugs a terminal in again")

    def _network(self, rest: str) -> None:
        if rest == "off":
            self.stack.broker.stop()
        elif rest == "on":
            self.stack.broker.start()
        else:
            self._say("network off, or network on?")

    def _pull(self, rest: str) -> None:
        seconds = float(rest) if rest.replace(".", "", 1).isdigit() else 0.0
        timer = threading.Timer(seconds, self.cable.pull)
        timer.daemon = True
        timer.start()

    def _chip(self, rest: str) -> None:
        if rest != "dies" or KEY_CHIP not in self.terminal.fittings:
            self._say("there is [bold]chip dies[/bold], for a terminal that has a key chip (terminal N chip)")
            return
        del self.terminal.fittings[KEY_CHIP]
        self.terminal.switch_off()
        self.terminal.switch_on()

    def _family(self, rest: str) -> Family | None:
        families = self.stack.families
        if rest.isdigit() and int(rest) < len(families):
            return families[int(rest)]
        self._say(f"which family? 0 to {len(families) - 1}")
        return None

    def _lay(self, rest: str, *, inserted: bool) -> None:
        family = self._family(rest)
        if family is None:
            return
        self._say(f"family {family.index}: the {family.profile} card, PIN {family.pin}")
        self._ask("place", name=rest, data=self.stack.card_of(family.index), inserted=inserted)

    def _sell(self, rest: str) -> None:
        process = self.terminal.process
        family = self._family(rest)
        if process is None or family is None:
            return
        counter = Counter(process)
        if process.shown() in ("last_transaction", "login"):
            counter.log_in(OPERATOR_CODE)
        visit = Visit(family.index, "1", TENDER_CASH, cash_keys="50*")
        self._say(
            f"family {family.index}: {counter.serve(visit, self.stack.card_of(family.index), family.pin)}"
        )
        counter.finish()

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
            Panel("\n".join(screen.as_text(rows)), expand=False)
            if rows
            else "the display is dark: nothing runs"
        )

    def _rows(self) -> list[str]:
        return list(self._ask("screen").get("rows", []))

    def guide(self) -> Iterable[str]:
        """What to do first, as lines that can be copied."""
        port, papers = self.cable.url, self.papers
        at = f"--port {port}"
        config = self.folder / "gateway.toml"
        lumbung = "  .venv/bin/lumbung"
        yield "[bold]An unprovisioned terminal is on the bench.[/bold] In another window, in order of work:\n"
        yield (
            f"{lumbung} provision {papers} {at} --kids {papers / 'kids.txt'} \\\n"
            f"      --authority-key {papers / 'authority.pem'} --gateway-config {config}"
        )
        yield f"{lumbung} self-test {at}        # lay cards on and press keys here"
        yield f"{lumbung} diagnose {at}         # --language en, --live"
        yield f"{lumbung} update {at} {self.releases / 'newer.lum'}"
        yield f"{lumbung} rescue {at} --to {self.folder / 'rescued'}        # --by flash reads its flash as one that does not start"
        yield f"  .venv/bin/python -m gateway --config {config} import {self.folder / 'rescued'}/*.lmb"
        yield f"{lumbung} replace --help         # sell with [bold]network off[/bold], rescue, replace, then [bold]terminal 2[/bold]"
        yield f"{lumbung} flash {at} --release-key {papers / 'authority.pub'} {self.releases / releases.BUILD_FOLDER}        # [bold]terminal 3 blank[/bold]"
        yield f"{lumbung} erase {at} --export {self.folder / 'exported'}"
        yield f"  .venv/bin/python -m gateway --config {config} status\n"
        yield "Releases to practise with:"
        for line in releases.explained(self.releases):
            yield f"  {line}"
        yield ""
        yield HELP
