"""Operator and family at a virtual terminal: the keys they press and the cards they lay down, screen by screen."""

from dataclasses import dataclass
from typing import Any

from protocol.records import TENDER_CASH
from tools.virtual_terminal.control import TerminalError, VirtualTerminal

_TENDER_KEYS = {0: "1", TENDER_CASH: "2"}
# A receipt takes some seconds to print.
FINISH_TRIES = 15
FINISH_WAIT_S = 2.0
_RESULTS = ("granted", "refused")


@dataclass(frozen=True)
class Visit:
    """One family's visit: what is asked for and keyed.

    `goods`: (place in the price list from 0, keys of the quantity), in rising places; `cash_keys`: keys of the amount,
    "" for all that remains; `wrong_pins`: what is keyed first by mistake; `lifts_card`: takes the card away for the PIN.
    """

    family: int
    programme_key: str
    tender: int
    goods: tuple[tuple[int, str], ...] = ()
    cash_keys: str = ""
    wrong_pins: tuple[str, ...] = ()
    lifts_card: bool = False


class Counter:
    """A counter with one terminal, from switching on to the last receipt."""

    def __init__(self, terminal: VirtualTerminal) -> None:
        self.terminal = terminal
        self._row = 0

    def open_shop(self, operator_code: str) -> None:
        """Switch on, pass the first screen, log in; ends on the idle screen."""
        terminal = self.terminal
        terminal.ask("power_on")
        terminal.wait_for_screen("last_transaction")
        terminal.press("E")
        terminal.wait_for_screen("idle")
        terminal.press("M")
        terminal.wait_for_screen("login")
        terminal.press(operator_code + "E")
        terminal.wait_for_screen("choose")
        terminal.press("X")
        terminal.wait_for_screen("idle")

    def serve(self, visit: Visit, card: dict[str, Any], pin: str) -> str:
        """One visit up to its result; returns the name of the result's screen, which is left standing."""
        terminal = self.terminal
        terminal.press("E")
        terminal.wait_for_screen("choose")
        terminal.press(visit.programme_key)
        terminal.pause()
        terminal.press(_TENDER_KEYS[visit.tender])
        for place, keys in visit.goods:
            self._take(place, keys)
        if visit.goods:
            terminal.wait_for_screen("basket")
            terminal.press("M")
        terminal.wait_for_screen("tap_card")
        name = str(visit.family)
        terminal.ask("place", name=name, data=card)
        return self._agree(visit, card, pin)

    def _take(self, place: int, keys: str) -> None:
        """One commodity of the price list, from the row where the last one left the mark."""
        terminal = self.terminal
        terminal.wait_for_screen("basket")
        terminal.press("#" * (place - self._row) + "E")
        self._row = place
        terminal.wait_for_screen("quantity")
        terminal.press(keys + "E")

    def _agree(self, visit: Visit, card: dict[str, Any], pin: str) -> str:
        """From the tap to the result."""
        terminal = self.terminal
        self._row = 0
        if visit.tender == TENDER_CASH:
            if self._first_of("amount", "refused") == "refused":
                return "refused"
            terminal.press(visit.cash_keys + "E")
        if self._first_of("confirm", "refused") == "refused":
            return "refused"
        terminal.press("E")
        terminal.wait_for_screen("pin")
        if visit.lifts_card:
            terminal.ask("remove")
        for wrong in visit.wrong_pins:
            terminal.press(wrong + "E")
            terminal.wait_for_screen("refused")
            terminal.press("E")
            terminal.wait_for_screen("pin")
        terminal.press(pin + "E")
        if visit.lifts_card:
            terminal.wait_for_screen("tap_card")
            terminal.ask("place", name=str(visit.family), data=card)
        return self._first_of(*_RESULTS)

    def _first_of(self, *names: str) -> str:
        """The first of these screens that is seen."""
        terminal = self.terminal
        terminal.wait_for(lambda: terminal.shown() in names, "one of " + ", ".join(names))
        terminal.pause()
        return terminal.shown()

    def finish(self) -> None:
        """Back to the idle screen, the card handed back; keys pressed while the receipt prints are not taken, so the
        operator presses again.
        """
        terminal = self.terminal
        terminal.ask("remove")
        for _ in range(FINISH_TRIES):
            terminal.press("E")
            try:
                terminal.wait_for_screen("idle", FINISH_WAIT_S)
            except TerminalError:
                continue
            return
        terminal.wait_for_screen("idle", FINISH_WAIT_S)
