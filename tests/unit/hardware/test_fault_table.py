"""The fault table has a line for every number that the firmware can show, and for none that it cannot."""

import ast
import re
from pathlib import Path

from firmware import refusals, states
from firmware.bench import codes
from firmware.console import errors
from tools.technician import faults

ROOT = Path(__file__).resolve().parents[3]
TABLE = (ROOT / "hardware" / "FAULTS.md").read_text(encoding="utf-8")


def section(title):
    """Numbers in the first column of the table under a heading."""
    text = TABLE.split(f"## {title}", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| ([0-9, ]+) \|", text, re.MULTILINE)
    return [int(number) for row in rows for number in row.split(",")]


def of_firmware(module, prefix):
    """Values that a module of the firmware assigns to names with a prefix; read, not run: it needs MicroPython."""
    tree = ast.parse((ROOT / "firmware" / f"{module}.py").read_text(encoding="utf-8"))
    return [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id.startswith(prefix)
    ]


def test_every_code_of_a_stopped_terminal_has_its_line():
    tasks = [ast.literal_eval(value)[1] for value in of_firmware("app", "TASK_")]
    starts = [element.elts[0].value for element in of_firmware("stopping", "START_FAILURES")[0].elts]
    cannot_start = of_firmware("stopping", "CANNOT_START")[0].value
    expected = {100, 200, cannot_start, of_firmware("stopping", "STANDS_BY")[0].value, *starts}
    expected |= {base + number for base in (100, 200) for number in tasks}
    told = section("The terminal has stopped itself")
    assert sorted(told) == sorted(set(told)), "no code twice"
    assert set(told) == expected


def test_every_notice_has_its_line():
    notices = [
        value for name, value in vars(states).items() if name.startswith("NOTICE_") and name != "NOTICE_LAST"
    ]
    assert section("Notices") == sorted(notices)


def test_every_error_of_the_console_has_its_line():
    codes = [value for name, value in vars(errors).items() if name.isupper()]
    assert section("The console says ERROR") == sorted(codes)


def test_every_number_of_the_self_test_has_its_line():
    numbers = [value for name, value in vars(codes).items() if name.isupper()]
    assert len(set(numbers)) == len(numbers)
    assert section("A part fails in the self-test") == sorted(numbers)


def test_every_refusal_has_its_line():
    assert section("Refusals") == list(range(1, refusals.LAST + 1))


def test_every_finding_has_its_line():
    """Read, not run: the console's module needs MicroPython."""
    source = (ROOT / "firmware" / "console" / "books.py").read_text(encoding="utf-8")
    words = re.findall(r"^    findings\.[A-Z]+: \"([a-z-]+)\",$", source, re.MULTILINE)
    assert words
    assert [fault.words for fault in faults.load() if fault.sort == faults.FINDING] == words


def test_the_tables_are_those_of_the_data():
    """Else: edit hardware/faults.toml, then run `python -m tools.technician.faults`."""
    assert faults.written(TABLE) == TABLE


def test_every_fault_is_told_in_both_languages_and_in_no_sentence_twice_over():
    for fault in faults.load():
        for language in faults.LANGUAGES:
            what, to_do = fault.texts[language]
            for text in (what, to_do):
                assert text.strip() == text, fault
                assert text, fault
                assert not text.endswith("."), fault
                assert "|" not in text, fault
        assert fault.texts["id"] != fault.texts["en"], fault
    keys = [(fault.sort, key) for fault in faults.load() for key in (*fault.numbers, fault.words) if key]
    assert len(set(keys)) == len(keys)
