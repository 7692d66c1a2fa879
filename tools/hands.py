"""Operator and family at a virtual terminal: the keys they press and the cards they lay down, screen by screen."""

from dataclasses import dataclass
from typing import Any

from protocol.records import TENDER_CASH
from tools.virtual_terminal.control import ANSWER_S, GLANCE_S, TerminalError, VirtualTerminal

_TENDER_KEYS = {0: "1", TENDER_CASH: "2"}
# A receipt takes some seconds to print.
FINISH_TRIES = 15
FINISH_WAIT_S = 2.0
# Screens on the way to a result that always ask for a key, however long a slow machine takes to.
_ASKING = ("amount", "confirm")
_RESULTS = ("granted", "refused")
# Cards that follow each other faster than families do: "families stood in line".
RAPID_REASON_KEY = "1"
# Keys of what may follow a sale: the menu's entry for it, then the entry in there.
_AFTER_SALE = "M8"
_RECORDED = ("recorded", "refused")
RECEIVE, VOID, GIVE_BACK, CLOSE = "1234"


@dataclass(frozen=True)
class Visit:
    """One family's visit: what is asked for and keyed.

    `goods`: (place in the price list from 0, keys of the quantity), in rising places; `cash_keys`: keys of the amount,
    "" for all that remains; `wrong_pins`: what is keyed first by mistake; `lifts_card`: takes the card away for the PIN;
    `inserts_card`: pushes the card into the contact reader's slot instead of laying it on.
    """

    family: int
    programme_key: str
    tender: int
    goods: tuple[tuple[int, str], ...] = ()
    cash_keys: str = ""
    wrong_pins: tuple[str, ...] = ()
    lifts_card: bool = False
    inserts_card: bool = False


class Counter:
    """A counter with one terminal, from switching on to the last receipt."""

    def __init__(self, terminal: VirtualTerminal) -> None:
        self.terminal = terminal
        self._row = 0

    def open_shop(self, operator_code: str, *, stays: bool = False) -> None:
        """Switch on, pass the first screen, log in; ends on the idle screen. `stays`: a restart starts it anew."""
        self.terminal.ask("power_on", stays=stays)
        self.log_in(operator_code)

    def log_in(self, operator_code: str) -> None:
        """The same of a terminal that has started."""
        terminal = self.terminal
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
        terminal.pause(ANSWER_S)
        terminal.press(_TENDER_KEYS[visit.tender])
        for place, keys in visit.goods:
            self._take(place, keys)
        if visit.goods:
            terminal.wait_for_screen("basket")
            terminal.press("M")
        terminal.wait_for_screen("tap_card")
        name = str(visit.family)
        terminal.ask("place", name=name, data=card, inserted=visit.inserts_card)
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
        if self._first_of("pin", "choose") == "choose":
            terminal.press(RAPID_REASON_KEY)
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
            terminal.ask("place", name=str(visit.family), data=card, inserted=visit.inserts_card)
        return self._first_of(*_RESULTS)

    def _first_of(self, *names: str) -> str:
        """The first of these screens that is seen."""
        terminal = self.terminal
        terminal.wait_for(lambda: terminal.shown() in names, "one of " + ", ".join(names))
        terminal.pause(ANSWER_S if terminal.shown() in _ASKING else GLANCE_S)
        return terminal.shown()

    def begin(self, what: str) -> None:
        """From the idle screen into what may follow a sale: RECEIVE, VOID, GIVE_BACK or CLOSE."""
        terminal = self.terminal
        terminal.wait_for_screen("idle")
        keys = _AFTER_SALE + what
        for place, key in enumerate(keys, 1):
            terminal.press(key)
            terminal.pause(ANSWER_S if place < len(keys) else GLANCE_S)

    def void(self, row: int, family: int, card: dict[str, Any]) -> str:
        """Take back the redemption in a row of the list (0: the newest) with the family's card; the result's screen."""
        terminal = self.terminal
        self.begin(VOID)
        terminal.wait_for_screen("record_list")
        terminal.press("#" * row + "E")
        if self._first_of("choose", "record", "refused") != "choose":
            return terminal.shown()
        terminal.press("1")
        return self._tap_to("question", family, card)

    def receive(self, row: int, family: int, card: dict[str, Any]) -> str:
        """The family confirms by its card that it has the goods of a redemption in the list; the result's screen."""
        terminal = self.terminal
        self.begin(RECEIVE)
        terminal.wait_for_screen("record_list")
        terminal.press("#" * row + "E")
        if self._first_of("question", "record", "refused") != "question":
            return terminal.shown()
        terminal.press("M")
        return self._lay_on(family, card)

    def give_back(self, programme_key: str, family: int, card: dict[str, Any]) -> str:
        """A family hands back what is left of its lease; the result's screen."""
        terminal = self.terminal
        self.begin(GIVE_BACK)
        terminal.press(programme_key)
        terminal.wait_for_screen("tap_card")
        terminal.ask("place", name=str(family), data=card)
        if self._first_of("question", "record", "refused") != "question":
            return terminal.shown()
        terminal.press("E")
        return self._first_of(*_RECORDED)

    def close_period(self, programme_key: str) -> str:
        """Close a programme's period; the result's screen."""
        terminal = self.terminal
        self.begin(CLOSE)
        terminal.press(programme_key)
        if self._first_of("table", "record", "refused") != "table":
            return terminal.shown()
        terminal.press("E")
        terminal.wait_for_screen("question")
        terminal.press("E")
        return self._first_of(*_RECORDED)

    def _tap_to(self, name: str, family: int, card: dict[str, Any]) -> str:
        """Say yes to the question `name`, then lay the card on."""
        self.terminal.wait_for_screen(name)
        self.terminal.press("E")
        return self._lay_on(family, card)

    def _lay_on(self, family: int, card: dict[str, Any]) -> str:
        """The card that is asked for; the result's screen."""
        self.terminal.wait_for_screen("tap_card")
        self.terminal.ask("place", name=str(family), data=card)
        return self._first_of(*_RECORDED)

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
