"""A technician tests a provisioned terminal from the laptop, with hands; the outcome is a record that the gateway shows."""

from __future__ import annotations

import base64
import json

import pytest
from click.testing import CliRunner

from tests.sim.shop import NEEDS_MICROPYTHON, cash, opened, serve
from tests.support.terminal_cable import TerminalCable
from tools.stack import Stack
from tools.technician import consoles
from tools.technician.__main__ import main
from tools.technician.errors import SOME_PART_FAILED_CODE
from tools.virtual_terminal.control import VirtualTerminal

KID = 42
FAMILY = 0
NOT_FITTED = {"modem", "key-chip", "contact-reader"}

pytestmark = [NEEDS_MICROPYTHON, pytest.mark.timeout(240)]


class Hands:
    """Somebody beside the terminal who does what it asks for; `asked` is all that it asked."""

    def __init__(self, terminal: VirtualTerminal, stack: Stack) -> None:
        self._terminal = terminal
        self._card = stack.card_of(FAMILY)
        self.asked: list[str] = []

    def __call__(self, line: str) -> None:
        """A line of the console."""
        if not line.startswith("DATA "):
            return
        for told in base64.b64decode(line[5:]).decode("ascii", "replace").splitlines():
            if told.startswith("ask "):
                self.asked.append(told[4:])
                self._do(told[4:])

    def _do(self, what: str) -> None:
        if what.startswith("keys "):
            self._terminal.press(what[5])
        elif what in ("display", "strip"):
            self._terminal.press("E")
        elif what == "card":
            self._terminal.ask("place", name="technician", data=self._card)
        elif what == "case open":
            self._terminal.ask("open_case")


def test_from_the_laptops_command_to_the_gateways_list(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles, "PROBE_S", 5.0)
    stack.issue_documents()
    terminal = stack.add_terminal(KID)
    counter = opened(terminal)
    hands = Hands(terminal, stack)
    kept = stack.folder / "kept"

    with TerminalCable(terminal, hands) as cable:
        done = CliRunner().invoke(main, ["self-test", "--port", cable.url, "--keep", str(kept), "--json"])
        assert done.exit_code == 0, (done.output, done.exception)
        told = json.loads(done.stdout)
        assert {one["part"] for one in told["outcomes"] if one["verdict"] != "passed"} == NOT_FITTED
        assert "tempelkan satu kartu" in done.stderr, "the laptop says what to do"
        assert len(hands.asked) == 16 + 2 + 1 + 1 + 1

        words = ["--only", "key-chip,supply", "--fitted", "key-chip", "--language", "en"]
        done = CliRunner().invoke(main, ["self-test", "--port", cable.url, "--keep", str(kept), *words])
        assert done.exit_code == SOME_PART_FAILED_CODE, done.output
        assert "480" in done.stdout
        assert "the key chip does not answer" in done.stdout
        out = stack.folder / "out"
        done = CliRunner().invoke(main, ["rescue", "--port", cable.url, "--to", str(out), "--json"])
        files = json.loads(done.stdout)["files"]

    assert len(list(kept.glob(f"self-test-{KID:08x}-*.json"))) == 2
    terminal.ask("remove")
    terminal.wait_for_screen("idle")
    serve(stack, counter, cash(2, "50*"))

    stack.gateway_command("import", *files, "--json")
    rows = json.loads(stack.gateway_command("records", "--kid", f"{KID:08x}", "--json"))
    shown = {row["sequence"]: row["event"] for row in rows if row["kind"] == "event"}
    assert shown[told["recorded"]] == "self-test: 9 of 9 parts passed"
    assert "self-test: 1 of 2 parts passed, failed: key-chip" in shown.values()
    assert "case opened" in shown.values()
    assert told["file"].startswith(str(kept))
