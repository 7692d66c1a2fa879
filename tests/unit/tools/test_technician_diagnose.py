"""What `lumbung diagnose` says: an advice for everything that a terminal may tell of itself, in both languages, on any screen."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from firmware import event_log, refusals, states, watch
from tests.support.journal_images import JournalImages, chip, documents_area
from tools import pinmap
from tools.carry import Console
from tools.forensics import documents, marks
from tools.setup import checkout
from tools.technician import advice, diagnosing, faults
from tools.technician.__main__ import main
from tools.technician.advice import Crash, Finding, Weight
from tools.technician.commands import diagnose, pages
from tools.technician.diagnosing import Event
from tools.technician.errors import NOTHING_READABLE_CODE, CableError

KID = 42
HEALTHY = {
    "kid": "0000002a", "state": "running", "stopped": "0", "release": "7", "slot": "b", "keys": "software", "uptime_s": "90061",
    "boots": "12", "time_s": "1795928400", "trust": "3", "head": "310", "first": "1", "sealed": "310", "reclaim": "250",
    "sectors_free": "480", "full": "0", "waiting": "0", "waiting_rupiah": "0", "heard_s": "1795928000", "link": "up", "way": "MQTT",
    "ways": "WLAN,modem,SMS", "modem": "ready", "signal": "21", "notices": "-", "refusals": "-", "checked": "1",
    "heap_free": "2000000", "heap_used": "900000",
}  # fmt: skip


def given(status: dict[str, str], language: str = "en", findings=(), crashes=()) -> list[tuple[str, str]]:
    return [
        (one.sort, one.key)
        for one in advice.advise(HEALTHY | status, list(findings), list(crashes), language)
    ]


# -- advice


def test_a_terminal_that_is_well_gets_one_line():
    assert given({}) == [("sign", "sound")]


@pytest.mark.parametrize("language", faults.LANGUAGES)
def test_every_number_that_a_terminal_can_show_has_its_advice(language):
    notices = [
        value for name, value in vars(states).items() if name.startswith("NOTICE_") and name != "NOTICE_LAST"
    ]
    unknown = advice._UNKNOWN[language][0]
    for sort, name, numbers in (
        (faults.NOTICE, "notices", notices),
        (faults.STOPPED, "stopped", [100, 101, 205, 208, 300, 301, 302, 304, 306, 307, 308, 309, 310]),
    ):
        for number in numbers:
            [one, *_] = [
                each
                for each in advice.advise(HEALTHY | {name: str(number)}, [], [], language)
                if each.sort == sort
            ]
            assert one.what != unknown, (sort, number)
            assert one.to_do
    for number in range(1, refusals.LAST + 1):
        [one] = advice.advise(HEALTHY | {"refusals": f"{number}:3"}, [], [], language)
        assert (one.sort, one.key, one.detail) == (faults.REFUSAL, str(number), "x3")
        assert one.what != unknown


def test_what_this_laptop_does_not_know_says_so():
    [one] = advice.advise(HEALTHY | {"notices": "99"}, [], [], "en")
    assert "does not know" in one.what


def test_the_gravest_comes_first():
    found = advice.advise(
        HEALTHY | {"notices": "5,12,4", "refusals": "6:1"},
        [Finding("records-missing", 4, 9, "journal", 0x3000)],
        [Crash(101, 3, 8, "KeyError relay.py:9")] * 2,
        "en",
    )
    assert [one.weight for one in found] == sorted(one.weight for one in found)
    assert [(one.sort, one.key) for one in found if one.weight is Weight.GRAVE] == [
        ("notice", "4"),
        ("finding", "records-missing"),
    ]
    [crash] = [one for one in found if one.sort == "stopped"]
    assert crash.detail == "x2 KeyError relay.py:9"


@pytest.mark.parametrize(
    ("status", "key"),
    [
        ({"link": "down", "way": "-", "waiting": "4"}, "waiting"),
        ({"ways": "-"}, "no-way"),
        ({"modem": "no-SIM"}, "modem-no-SIM"),
        ({"modem": "SIM-locked"}, "modem-SIM-locked"),
        ({"modem": "denied"}, "modem-denied"),
        ({"modem": "searching"}, "modem-searching"),
        ({"modem": "failed"}, "modem-failed"),
        ({"signal": "4"}, "signal-weak"),
        ({"heap_free": "20000"}, "memory-low"),
        ({"broken_seals": "1"}, "broken-seals"),
        ({"unkept": "1"}, "unkept"),
        ({"checked": "0"}, "not-checked"),
    ],
)
def test_what_has_no_number_is_seen_too(status, key):
    assert given(status) == [("sign", key)]


def test_every_sign_of_the_table_can_be_given():
    told = {fault.words for fault in faults.load() if fault.sort == faults.SIGN}
    source = Path(advice.__file__).read_text(encoding="utf-8")
    modem = {f"modem-{state}" for state in ("no-SIM", "SIM-locked", "denied", "searching", "failed")}
    assert modem < told
    assert all(f'"{words}"' in source for words in told - modem)


def test_a_line_that_is_not_whole_is_no_reason_to_stop():
    assert given({"notices": "3,x", "refusals": "7", "signal": "", "waiting": "?"})[0] == ("notice", "3")


# -- a console


class Terminal:
    """A console whose answers are given: command -> (what its DATA lines hold, its last line)."""

    def __init__(self, answers: dict[str, tuple[str, str]]):
        self.answers = answers
        self._lines: list[str] = []

    def write(self, octets: bytes) -> int:
        """A command."""
        text, end = self.answers.get(octets.decode().strip(), ("", 'ERROR 1 "no such command, try help"'))
        self._lines = [
            "DATA " + base64.b64encode(text[at : at + 57].encode()).decode() for at in range(0, len(text), 57)
        ] + ([end] if end else [])
        return len(octets)

    def readline(self) -> bytes:
        """A line of the answer."""
        return (self._lines.pop(0) + "\r\n").encode() if self._lines else b""


def answers() -> dict[str, tuple[str, str]]:
    return {
        "status": (
            "",
            "OK " + " ".join(f"{name}={value}" for name, value in (HEALTHY | {"notices": "13"}).items()),
        ),
        "flash": (
            "records-missing 4 9 journal 0x3000\nsector-retired 5 5 journal 0x5000\n",
            "OK findings=2 checked=1",
        ),
        "crashes": ("101 3600 17 KeyError relay.py:120\n205 60 0 silent\n", "OK crashes=2"),
        "log": ("0 0 started 12\n1 64 refused 11\n", "OK events=2"),
    }


def test_all_that_a_terminal_tells_is_taken_in():
    found = diagnosing.ask(Console(Terminal(answers())))
    assert found.status["head"] == "310"
    assert found.findings == [
        Finding("records-missing", 4, 9, "journal", 0x3000),
        Finding("sector-retired", 5, 5, "journal", 0x5000),
    ]
    assert found.crashes == [Crash(101, 3600, 17, "KeyError relay.py:120"), Crash(205, 60, 0, "silent")]
    assert [(event.name, event.detail) for event in found.events] == [("started", 12), ("refused", 11)]


def test_what_a_stopped_terminal_does_not_offer_is_left_out():
    found = diagnosing.ask(Console(Terminal({"status": ("", "OK stopped=302 state=unprovisioned")})))
    assert (found.findings, found.crashes, found.events) == ([], [], [])
    assert [(one.sort, one.key) for one in found.advice("id")] == [("stopped", "302")]


def test_a_cable_that_is_pulled_is_a_sentence():
    terminal = Terminal(answers() | {"crashes": ("101 3600", "")})
    with pytest.raises(CableError, match="stopped answering"):
        diagnosing.ask(Console(terminal))


def test_live_shows_whole_lines_and_stops_when_asked():
    terminal = Terminal(
        {
            "live": ("1 head=3 " + "x" * 80 + "\n2\n3 refused 11\n", "OK lines=3"),
            "END": ("", "OK lines=3"),
        }
    )
    seen: list[str] = []
    diagnosing.live(Console(terminal), seen.append)
    assert [line.split()[0] for line in seen] == ["1", "2", "3"]
    seen.clear()
    diagnosing.live(Console(terminal), seen.append, 1e-9)
    assert seen in ([], seen[:1]), "no line is awaited any more"


@pytest.mark.parametrize(
    ("line", "text", "as_json"),
    [
        (
            "61 head=4 link=up",
            "    00:01:01  head 4, link up",
            {"uptime_s": 61, "changed": {"head": "4", "link": "up"}},
        ),
        ("62", "    00:01:02", {"uptime_s": 62, "changed": {}}),
        (
            "7 63 refused 11",
            "    00:01:03  refusal 11",
            {"number": 7, "uptime_s": 63, "name": "refused", "detail": 11},
        ),
    ],
)
def test_a_line_of_the_live_view_is_words_or_json(line, text, as_json):
    assert diagnose._live(line, "en", as_json=False) == text
    assert json.loads(diagnose._live(line, "en", as_json=True)) == as_json


# -- pages


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("language", faults.LANGUAGES)
def test_the_page_fits_the_screen_and_names_everything(width, language):
    found = diagnosing.ask(Console(Terminal(answers())))
    lines = pages.lines(*diagnose.page(found, language), width=width)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for word in ("0000002A", "13", "101", "205"):
        assert word in text, word
    if width > 40:
        assert "KeyError relay.py:120" in text
        assert "1 hari 01:01:01" in text if language == "id" else "1 d 01:01:01" in text


def test_both_languages_have_the_same_words():
    assert set(diagnose._WORDS["id"]) == set(diagnose._WORDS["en"])


@pytest.mark.parametrize("language", faults.LANGUAGES)
def test_every_event_of_the_log_has_its_words(language):
    assert set(diagnose._EVENTS[language]) == set(event_log.NAMES.values())
    assert diagnose._LINK == watch.LINK_STATES
    assert [state.replace(" ", "-") for state in watch.MODEM_STATES] == list(diagnose._MODEM)
    assert set(diagnose._MODEM + diagnose._LINK) <= set(diagnose._STATES_ID)
    link = Event(1, 2, "link", 2)
    assert diagnose._event(link, language) == {"id": "sambungan tersambung", "en": "link up"}[language]
    assert diagnose._event(Event(1, 2, "from-tomorrow", 9), language) == "from-tomorrow 9"


def test_every_event_of_the_log_is_one_word():
    """The laptop splits their lines at spaces."""
    assert all(len(name.split()) == 1 for name in event_log.NAMES.values())


# -- dumps


@pytest.fixture
def flash() -> bytes:
    """A terminal of 20 records of which two are gone, with a crash that a start has copied, and a lock."""
    if "micropython64" in checkout.missing():
        pytest.skip("MicroPython could not be had")
    crash = ("mark", marks.CRASH, (b"\x00\xcd\x00\x00\x00\x3c" + b"silent").hex(), 0xFFFF, 1)
    record = ("record", "00" * 60, 0xFFFF, 1)
    with JournalImages("unix64", KID, bytes(32)) as firmware:
        _, image = firmware.live([*[record] * 15, crash, ("off",), *[record] * 5])
    octets = bytearray(image)
    for sequence in (7, 8):
        at = octets.find(b"\x5c\x00\x3c" + sequence.to_bytes(3, "big"))
        octets[at + 9] ^= 1
    sections = {documents.KID: KID.to_bytes(4, "big"), documents.CHAIN_START: bytes(32)}
    return chip(journal=bytes(octets), identity_a=documents_area(sections))


def test_a_dump_tells_the_same_as_far_as_flash_knows(flash, tmp_path):
    file = tmp_path / "given.dump"
    file.write_bytes(flash)
    done = CliRunner().invoke(
        main, ["diagnose", "--dump", str(file), "--json", "--keep", str(tmp_path / "kept")]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["source"], told["status"]["kid"], told["status"]["head"]) == ("dump", "0000002a", "20")
    assert [(one["words"], one["first"], one["last"]) for one in told["findings"]] == [
        ("records-missing", 7, 8)
    ]
    assert [(one["code"], one["uptime_s"], one["after"]) for one in told["crashes"]] == [(205, 60, 15)]
    assert ("notice", "13") in [(one["sort"], one["key"]) for one in told["advice"]]
    [kept] = (tmp_path / "kept").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    assert json.loads(kept.read_text())["status"] == told["status"]


def test_a_journal_alone_says_nothing_of_documents(flash):
    journal_at = next(part for part in pinmap.load()["partition"] if part["name"] == "journal")
    journal = flash[journal_at["offset"] : journal_at["offset"] + journal_at["size"]]
    assert "stopped" not in diagnosing.read(journal).status
    assert diagnosing.read(chip(journal=journal)).status["stopped"] == "302"


def test_a_dump_of_something_else_is_a_sentence(tmp_path):
    file = tmp_path / "given.dump"
    for octets in (b"x" * 100, bytes(8 << 20)):
        file.write_bytes(octets)
        done = CliRunner().invoke(main, ["diagnose", "--dump", str(file)])
        assert done.exit_code == NOTHING_READABLE_CODE
        assert "what to do:" in done.stderr
