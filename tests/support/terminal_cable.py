"""A virtual terminal's cable with somebody beside it who sees what the terminal writes, and acts on it."""

from __future__ import annotations

from collections.abc import Callable

from tools.virtual_terminal.cable import Cable
from tools.virtual_terminal.control import VirtualTerminal


class TerminalCable(Cable):
    """`beside(line)` is called for each line that the terminal wrote, before it asks for more."""

    def __init__(self, terminal: VirtualTerminal, beside: Callable[[str], None] | None = None) -> None:
        super().__init__(self._ask)
        self._terminal = terminal
        self._beside = beside
        self._written = ""

    def _ask(self, typed: str) -> str:
        heard = str(self._terminal.ask("cable", typed=typed)["heard"])
        if self._beside is not None:
            *lines, self._written = (self._written + heard).split("\r\n")
            for line in lines:
                self._beside(line)
        return heard
