"""No network at all: a laptop at the cable takes the records to a gateway, and its answer back, until DIBAYAR is shown."""

import time
from pathlib import Path

import pytest

from protocol.records import TENDER_CASH
from tests.sim.shop import NEEDS_MICROPYTHON, states
from tools.carry import Console
from tools.hands import Counter, Visit
from tools.stack import OPERATOR_CODE, Stack
from tools.virtual_terminal.control import VirtualTerminal

KID = 0x54
TIMEOUT_S = 120.0

pytestmark = [
    pytest.mark.timeout(300),
    NEEDS_MICROPYTHON,
]


class Cable:
    """A serial port to a virtual terminal."""

    def __init__(self, terminal: VirtualTerminal) -> None:
        self._terminal = terminal
        self._heard = ""

    def write(self, octets: bytes) -> int:
        """Type."""
        self._heard += self._terminal.ask("cable", typed=octets.decode())["heard"]
        return len(octets)

    def readline(self) -> bytes:
        """The next line, when it is there."""
        deadline = time.monotonic() + TIMEOUT_S
        while "\n" not in self._heard and time.monotonic() < deadline:
            self._heard += self._terminal.ask("cable", typed="")["heard"]
        line, end, self._heard = self._heard.partition("\n")
        return (line + end).encode()


def sell(stack: Stack, counter: Counter, family: int, keys: str) -> None:
    """A family takes cash."""
    visit = Visit(family, "1", TENDER_CASH, cash_keys=keys)
    assert counter.serve(visit, stack.card_of(family), stack.families[family].pin) == "granted"
    counter.finish()


def test_records_and_answers_travel_by_cable_alone(stack: Stack, tmp_path: Path) -> None:
    stack.issue_documents()
    terminal = stack.add_terminal(KID)
    counter = Counter(terminal)
    counter.open_shop(OPERATOR_CODE)
    sell(stack, counter, 0, "50*")
    sell(stack, counter, 2, "70*")
    console = Console(Cable(terminal))
    octets, values = console.fetch("carry-out")
    assert int(values["records"]) > 2
    carried = tmp_path / "carried.lmb"
    carried.write_bytes(octets)

    stack.start_settlement()
    stack.start_gateway()
    answer = tmp_path / "answer.lmb"
    # The gateway may be there or not yet: whoever holds the database works the order, and the other one waits.
    stack.gateway_command("import", str(carried))
    deadline = time.monotonic() + TIMEOUT_S
    while stack.settlement_get("/v1/totals")["settled_rupiah"] != 120_000:
        assert time.monotonic() < deadline, stack.folder
        time.sleep(0.1)
    deadline = time.monotonic() + TIMEOUT_S
    while states(terminal) != ["DIBAYAR"] * 2:
        assert time.monotonic() < deadline, (states(terminal), stack.folder)
        stack.gateway_command("export", f"{KID:08x}", "--to", str(answer))
        console.deliver("carry-in", answer.read_bytes())
    # What is carried twice is booked once.
    stack.gateway_command("import", str(carried))
    assert stack.settlement_get("/v1/totals")["settled_rupiah"] == 120_000
    assert terminal.ask("books")["link"] != "up"
