"""A seeded story on the whole stack of real processes: virtual terminals by their keys, Mosquitto, the daemon, the bank.

Here time is the host's, so the seed decides what is done and in which order, not what overtakes what: whatever the daemon
was doing when SIGKILL came, the sums must be right in the end.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter as Tally
from collections.abc import Callable
from pathlib import Path
from typing import Any

from protocol.records import TENDER_CASH
from tools.hands import Counter, Visit
from tools.stack import OPERATOR_CODE, Stack
from tools.virtual_terminal.control import VirtualTerminal

FIRST_KID = 0x51
PAID = "DIBAYAR"
END_S = 180.0
LOOK_S = 0.1
# Families with an amount of their own in the made-up grants (tools/district), of which some have nothing.
APART = (7, 23, 120, 400)


class StackStory:
    """`sold`: kid -> rupiah of each sale whose family was told that it counts; `done`: how often what was done."""

    def __init__(self, folder: Path, seed: int, terminals: int = 2) -> None:
        self.stack = Stack(folder)
        self.seed = seed
        self.sold: dict[int, list[int]] = {FIRST_KID + number: [] for number in range(terminals)}
        self.done: Tally[str] = Tally()
        self._dice = random.Random(f"{seed}/stack")
        self._families = (index for index in range(len(self.stack.families)) if index not in APART)
        self._counters: dict[int, Counter] = {}
        self._up: set[str] = set()

    def tell(self, steps: int) -> None:
        """Begin with everything up, do so many things, then drain and check."""
        self.stack.issue_documents()
        for kid in self.sold:
            self._open(kid, self.stack.add_terminal(kid))
        self._mend()
        actions = (
            self.sell,
            self.sell,
            self.kill_gateway,
            self.break_broker,
            self.break_bank,
            self.cut_power,
        )
        for _ in range(steps):
            self._dice.choice(actions)()
        self._mend()
        self._drain()
        self._check()

    def _open(self, kid: int, terminal: VirtualTerminal) -> None:
        counter = self._counters[kid] = Counter(terminal)
        counter.open_shop(OPERATOR_CODE)

    # What is done.

    def sell(self) -> None:
        """A family that was not here before takes cash; perhaps power fails while its receipt is printed."""
        kid = self._dice.choice(list(self.sold))
        index = next(self._families)
        thousands = self._dice.randint(1, 60)
        family = self.stack.families[index]
        counter = self._counters[kid]
        visit = Visit(index, "1", TENDER_CASH, cash_keys=f"{thousands}*")
        assert counter.serve(visit, self.stack.card_of(index), family.pin) == "granted"
        self.sold[kid].append(1000 * thousands)
        self.done["sales"] += 1
        if self._dice.random() < 0.3:
            self.cut_power(kid)
        else:
            counter.finish()
        self._send(kid)

    def _send(self, kid: int) -> None:
        """The operator asks to send at once."""
        terminal = self._counters[kid].terminal
        terminal.press("M")
        terminal.wait_for_screen("choose")
        terminal.press("6")
        terminal.wait_for_screen("pending")
        terminal.press("MX")
        terminal.wait_for_screen("choose")
        terminal.press("X")
        terminal.wait_for_screen("idle")

    def cut_power(self, kid: int = 0) -> None:
        """A terminal's plug is pulled, and put in again."""
        chosen = kid or self._dice.choice(list(self.sold))
        self._open(chosen, self.stack.power_cut(chosen))
        self.done["power cuts"] += 1

    def kill_gateway(self) -> None:
        """SIGKILL, perhaps with records just on their way; it comes back at once or later."""
        if "gateway" in self._up:
            self.stack.kill_service("gateway", signal.SIGKILL)
            self._up.remove("gateway")
            self.done["gateway killed"] += 1
        if self._dice.random() < 0.7:
            self._start("gateway")

    def break_broker(self) -> None:
        """The broker goes, or comes back."""
        if "broker" in self._up:
            self.stack.broker.stop()
            self._up.remove("broker")
            self.done["broker stopped"] += 1
        else:
            self._start("broker")

    def break_bank(self) -> None:
        """The bank is away, killed in whatever it does, or comes back."""
        if "bank" in self._up:
            self.stack.kill_service("settlement", signal.SIGKILL)
            self._up.remove("bank")
            self.done["bank killed"] += 1
        else:
            self._start("bank")

    def _start(self, name: str) -> None:
        if name not in self._up:
            begin: dict[str, Callable[[], Any]] = {
                "broker": self.stack.broker.start,
                "bank": self.stack.start_settlement,
                "gateway": self.stack.start_gateway,
            }
            begin[name]()
            self._up.add(name)

    def _mend(self) -> None:
        for name in ("broker", "bank", "gateway"):
            self._start(name)
        self.stack.wait_for_gateway()

    # The end.

    def _drain(self) -> None:
        """Until every terminal knows that all of its sales are paid."""
        end_s = time.monotonic() + END_S
        for kid in self.sold:
            self._send(kid)
        while not all(self._states(kid) == [PAID] * len(self.sold[kid]) for kid in self.sold):
            assert time.monotonic() < end_s, {kid: self._books(kid) for kid in self.sold}
            time.sleep(LOOK_S)

    def _books(self, kid: int) -> dict[str, Any]:
        return self._counters[kid].terminal.ask("books")

    def _redemptions(self, kid: int) -> list[dict[str, Any]]:
        return [entry for entry in self._books(kid)["records"] if entry["kind"] == "redemption"]

    def _states(self, kid: int) -> list[str]:
        return [entry["state"] for entry in self._redemptions(kid)]

    def _check(self) -> None:
        """Families, terminals, gateway and bank agree to the rupiah."""
        for kid, amounts in self.sold.items():
            assert [entry["amount_rupiah"] for entry in self._redemptions(kid)] == amounts, f"{kid:08x}"
        total = sum(sum(amounts) for amounts in self.sold.values())
        bank = self.stack.settlement_get("/v1/totals")
        assert bank["settled_rupiah"] == bank["redeemed_rupiah"] == total, bank
        assert bank["refused_rupiah"] == bank["disputed_rupiah"] == 0, bank
        status = self.stack.gateway_status()
        assert status["totals"]["settled_rupiah"] == total, status["totals"]
        assert status["totals"]["pending_rupiah"] == 0
        assert status["conflicts"] == []
