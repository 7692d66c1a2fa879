"""The virtual terminal as the bench uses it: JSON lines in and out, keys that are felt, and the mains cut by a kill."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol.records import TENDER_CASH
from tests.support import tap_world
from tools.authority.issue import Authority
from tools.authority.signing import SigningKey
from tools.hands import Counter, Visit
from tools.setup import checkout
from tools.virtual_terminal.control import ANSWER_S, TerminalError, VirtualTerminal, provision

KID = 0x77
PRINTED_TIMEOUT_S = 30.0

pytestmark = pytest.mark.skipif("micropython64" in checkout.missing(), reason="MicroPython could not be had")


class Bench:
    """One virtual terminal over a flash image, and the cards of the made-up families."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = tap_world.World()
        self.terminal = self.switch_on()
        authority = Authority(SigningKey.generate())
        provision(
            self.terminal,
            authority,
            KID,
            tap_world.NOW_S,
            self.world.sections(authority, self.now_s()),
            authority.roster(self.world.roster()),
            lambda kid: self.world.grants(authority, kid, self.now_s()),
        )

    @staticmethod
    def now_s() -> int:
        """The virtual terminal lives in the host's time, so its grants do."""
        return int(time.time())

    def switch_on(self) -> VirtualTerminal:
        """A process over the image; the firmware is not started yet."""
        return VirtualTerminal(self.folder / "flash.bin", self.folder / "log.txt")

    def power_cut(self) -> Counter:
        """Kill it, start again on the same flash, and log in."""
        self.terminal.switch_off()
        self.terminal = self.switch_on()
        return self.opened()

    def opened(self) -> Counter:
        """The counter with the shop open."""
        counter = Counter(self.terminal)
        counter.open_shop(tap_world.OPERATOR_CODE)
        return counter

    def visit(self, name: str, keys: str) -> tuple[Visit, dict[str, Any], str]:
        """What `Counter.serve` takes for cash of the first programme."""
        family = list(tap_world.FAMILIES).index(name)
        return (
            Visit(family, "1", TENDER_CASH, cash_keys=keys),
            self.world.cards[name],
            tap_world.pin_of(name),
        )

    def sold(self) -> list[int]:
        """Amounts of the redemptions in the books."""
        books = self.terminal.ask("books")
        amounts = [entry["amount_rupiah"] for entry in books["records"] if entry["kind"] == "redemption"]
        assert books["redeemed_rupiah"] == sum(amounts)
        return amounts


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.terminal.switch_off()


def printed(terminal: VirtualTerminal) -> str:
    """The next receipt, as text."""
    found: list[str] = []

    def is_there() -> bool:
        found.extend(terminal.ask("receipts")["receipts"])
        return bool(found)

    terminal.wait_for(is_there, "a receipt", PRINTED_TIMEOUT_S)
    (receipt,) = found
    return receipt


@pytest.mark.timeout(180)
def test_a_sale_its_receipt_and_the_mains_cut_in_the_middle_of_the_next(bench: Bench) -> None:
    counter = bench.opened()
    assert counter.serve(*bench.visit("programme", "50*")) == "granted"
    receipt = printed(bench.terminal)
    for words in ("BUKTI PENERIMAAN BANTUAN", "00000077-", "Rp 50.000", "Rp 150.000", "TERCATAT"):
        assert words in receipt, receipt
    assert tap_world.pin_of("programme") not in receipt
    counter.finish()

    # In the middle: the family has keyed its PIN but for the E.
    terminal = bench.terminal
    visit, card, pin = bench.visit("bank", "25*")
    terminal.press("E")
    terminal.wait_for_screen("choose")
    terminal.press("1")
    terminal.pause(ANSWER_S)
    terminal.press("2")
    terminal.wait_for_screen("tap_card")
    terminal.ask("place", name=str(visit.family), data=card)
    terminal.wait_for_screen("amount")
    terminal.press("25*E")
    terminal.wait_for_screen("confirm")
    terminal.press("E")
    terminal.wait_for_screen("pin")
    terminal.press(pin)
    counter = bench.power_cut()
    assert bench.sold() == [50_000]

    # And at the moment at which the screen says that it counts: then it does.
    assert counter.serve(visit, card, pin) == "granted"
    bench.power_cut()
    assert bench.sold() == [50_000, 25_000]
    assert bench.terminal.ask("books")["boots"] == 3


def test_what_is_asked_wrongly_is_answered_with_an_error_and_stops_nothing(bench: Bench) -> None:
    terminal = bench.terminal
    for do, fields in (
        ("nothing_that_exists", {}),
        ("press", {"keys": "1"}),
        ("books", {}),
        ("make_keys", {"kid": 1, "discards_records": False}),
        ("install", {"sections": {}, "roster": ""}),
    ):
        with pytest.raises(TerminalError, match=do):
            terminal.ask(do, **fields)
    assert terminal.ask("shown") == {"shown": "", "listening": False, "stopped": 0, "crash": 0}
    bench.opened()
    assert terminal.shown() == "idle"


def test_a_terminal_that_was_never_provisioned_shows_its_code(tmp_path: Path) -> None:
    with VirtualTerminal(tmp_path / "flash.bin", tmp_path / "log.txt") as terminal:
        terminal.ask("power_on")
        terminal.wait_for(lambda: terminal.ask("shown")["stopped"] == 302, "code 302")
        rows = terminal.ask("screen")["rows"]
        assert len(rows) == 64
        assert sum(row.count("1") for row in rows) > 300
