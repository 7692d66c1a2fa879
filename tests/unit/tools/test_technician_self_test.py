"""`lumbung self-test` as it is typed: against the real firmware of a terminal without papers, and what a laptop does with it."""

from __future__ import annotations

import base64
import json

import pytest
from click.testing import CliRunner

from firmware.bench import codes
from protocol import self_test
from tests.sim.shop import NEEDS_MICROPYTHON
from tests.support.terminal_cable import TerminalCable
from tools.carry import Console
from tools.technician import faults, self_testing
from tools.technician.__main__ import main
from tools.technician.commands.self_test import _WORDS
from tools.technician.errors import SOME_PART_FAILED_CODE, CableError
from tools.virtual_terminal.control import VirtualTerminal


def lumbung(*words, code=0):
    """(what the command says, what it asks)."""
    done = CliRunner().invoke(main, ["self-test", *map(str, words)])
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout, done.stderr


@NEEDS_MICROPYTHON
@pytest.mark.timeout(120)
def test_a_blank_terminal_is_tested_and_a_file_keeps_it(tmp_path):
    with VirtualTerminal(tmp_path / "flash.bin", tmp_path / "terminal.log") as terminal:
        terminal.ask("power_on")
        with TerminalCable(terminal) as cable:
            common = ("--port", cable.url, "--keep", tmp_path / "kept")
            said, _ = lumbung(*common, "--json", "--only", "flash,clock,entropy,key-chip,supply,modem")
            told = json.loads(said)
            verdicts = {outcome["part"]: outcome["verdict"] for outcome in told["outcomes"]}
            assert verdicts == {
                "flash": "passed", "clock": "passed", "entropy": "passed", "supply": "passed",
                "key-chip": "absent", "modem": "absent",
            }  # fmt: skip
            assert (told["passed"], told["kid"], told["recorded"]) == (True, "00000000", 0)
            kept = json.loads((tmp_path / "kept" / told["file"].rsplit("/", 1)[1]).read_text("utf-8"))
            assert kept["outcomes"] == told["outcomes"]

            said, _ = lumbung(
                *common, "--only", "key-chip,supply", "--fitted", "key-chip", code=SOME_PART_FAILED_CODE
            )
            for words in (
                "key-chip",
                "GAGAL",
                "480",
                "chip kunci tidak menjawab",
                "ganti dengan generasi baru",
            ):
                assert words in said, said


@NEEDS_MICROPYTHON
@pytest.mark.timeout(120)
def test_hands_at_a_terminal_that_shows_its_code(tmp_path):
    with VirtualTerminal(tmp_path / "flash.bin", tmp_path / "terminal.log") as terminal:
        terminal.ask("power_on")
        asked = []

        def hands(line):
            for told in base64.b64decode(line[5:]).decode().splitlines() if line.startswith("DATA ") else ():
                word, _, what = told.partition(" ")
                if word == "ask":
                    asked.append(what)
                    terminal.press(what[5] if what.startswith("keys ") else "E")

        words = ("--keep", tmp_path, "--only", "keypad,display,printer", "--language", "en")
        with TerminalCable(terminal, hands) as cable:
            said, prompts = lumbung("--port", cable.url, *words)
        assert len(asked) == 16 + 2 + 1
        assert prompts.count("press each key once") == 1, "once, not for each key"
        assert prompts.count("look at the display") == 2
        assert "All parts that were tested passed." in said
        [strip] = terminal.ask("receipts")["receipts"]
        assert "LUMBUNG" in strip
        assert terminal.ask("shown")["stopped"] == 302


class Recorded:
    """A terminal that says what was recorded of one."""

    def __init__(self, *lines):
        self._lines = [line.encode() + b"\r\n" for line in lines]
        self.typed = b""

    def write(self, octets):
        """Octets to the terminal."""
        self.typed += octets
        return len(octets)

    def readline(self):
        """The next line; none once all were read."""
        return self._lines.pop(0) if self._lines else b""


def data(*lines):
    """DATA lines as the terminal cuts them: after 57 octets, wherever that is."""
    octets = "".join(line + "\n" for line in lines).encode()
    return ["DATA " + base64.b64encode(octets[at : at + 57]).decode() for at in range(0, len(octets), 57)]


def heard_of(*lines):
    """(report, all that was heard, what was typed)."""
    port = Recorded(*lines)
    heard = []
    report = self_testing.run(
        Console(port), self_test.PARTS, (), 1_790_000_000, lambda *told: heard.append(told)
    )
    return report, heard, port.typed


def test_lines_are_put_together_however_they_were_cut():
    text = "x" * 90
    report, heard, typed = heard_of(
        "PROGRESS 0 2", *data("begin reader", "ask card", f"end reader passed 0 {text}", "begin case", "end case failed 501 stays shut"),
        "PROGRESS 2 2", "OK kid=0000002a release=7 run=0401 passed=0001 recorded=12",
    )  # fmt: skip
    assert typed == b"self-test time=1790000000\n"
    assert heard == [
        ("begin", "reader", ""), ("ask", "reader", "card"), ("end", "reader", ""), ("begin", "case", ""), ("end", "case", ""),
    ]  # fmt: skip
    assert report.outcomes == [
        self_testing.Outcome("reader", "passed", 0, text),
        self_testing.Outcome("case", "failed", 501, "stays shut"),
    ]
    assert (report.kid, report.release, report.recorded) == ("0000002a", 7, 12)
    assert [one.part for one in report.failed] == ["case"]


def test_a_busy_terminal_and_a_pulled_cable_are_sentences():
    with pytest.raises(self_testing.NotNowError, match="at work") as refused:
        heard_of('ERROR 6 "the operator is at work"')
    assert refused.value.advice == faults.find(faults.CONSOLE, 6).texts["en"][1]
    with pytest.raises(CableError, match="does not answer"):
        heard_of("PROGRESS 0 2")


def test_parts_are_chosen_by_name():
    assert self_testing.chosen((), ()) == self_test.PARTS
    assert self_testing.chosen(("supply", "reader"), ()) == ("reader", "supply")
    assert self_testing.chosen((), self_test.PARTS[1:]) == self_test.PARTS[:1]
    for only, skip in ((("tape",), ()), ((), ("tape",)), (("reader",), ("reader",))):
        with pytest.raises(self_testing.PartsError):
            self_testing.chosen(only, skip)
    said, _ = lumbung("--json", "--only", "tape", code=self_testing.PartsError.code)
    assert "reader" in json.loads(said)["advice"]


def test_every_failure_and_everything_asked_has_its_words_in_both_languages():
    numbers = [number for name, number in vars(codes).items() if name.isupper()]
    assert all(faults.find(faults.SELF_TEST, number) for number in numbers)
    assert _WORDS["id"].keys() == _WORDS["en"].keys()
    for language in faults.LANGUAGES:
        assert all(_WORDS[language].values())
