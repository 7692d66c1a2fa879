"""Rescuing records: from dumps, from a chip by the real esptool, from a terminal's console; and what is said of what is missing."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.store.sqlite import SqliteReader
from hardware.nor_flash import NorFlash
from hardware.rom_loader import CablePulled, RomLoader
from protocol import acknowledgement, carry
from tests.support import frames
from tests.support.esp_device import EspDevice
from tests.support.gateway_desk import Desk
from tests.support.journal_images import JournalImages, chip, documents_area
from tools import pinmap
from tools.carry import Console
from tools.forensics import documents, marks, sectors
from tools.forensics.sectors import SlotClass
from tools.setup import checkout
from tools.technician import consoles, dumping, rescuing
from tools.technician.__main__ import main
from tools.technician.account import Found
from tools.technician.commands import pages
from tools.technician.commands.rescue import page
from tools.technician.errors import (
    LAPTOP_CODE,
    NOTHING_READABLE_CODE,
    SOMETHING_MISSING_CODE,
    CableError,
    WrongDeviceError,
)

KID = 42
NO_INDEX = 0xFFFF
SALES = 40
HEAD = SALES + 3
FLASH_BYTES = pinmap.load()["module"]["flash_bytes"]

pytestmark = pytest.mark.skipif("micropython64" in checkout.missing(), reason="MicroPython could not be had")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A gateway with a terminal of 43 records that never reached it."""
    made = Desk(tmp_path_factory.mktemp("gateway"))
    terminal = made.open()
    for _ in range(SALES):
        terminal.redeem()
    return made


def acknowledged(through: int, settled: int) -> tuple[str, int, str, int, int]:
    """The mark of an acknowledgement: sealed up to `through`, of which the first `settled` are settled and reclaimable."""
    told = acknowledgement.Acknowledgement()
    told.epoch, told.time_s = 1, frames.START_S
    told.sealed_through, told.reclaim_through = through, settled
    told.chain_digest, told.gaps = bytes(16), ()
    told.states_first, told.states = 1, (acknowledgement.SETTLED,) * settled
    payload = (7).to_bytes(4, "big") + acknowledgement.encode(told)
    return ("mark", marks.ACKNOWLEDGEMENT, payload.hex(), NO_INDEX, 1)


@pytest.fixture(scope="module")
def journal(desk: Desk) -> Iterator[bytes]:
    """That terminal's journal as the real firmware writes it; the gateway had its first ten, three of them settled."""
    terminal = desk.terminal
    written: list[Any] = [("record", octets.hex(), NO_INDEX, 1) for octets in terminal.octets[1:]]
    written.insert(12, acknowledged(10, 3))
    with JournalImages("unix64", KID, terminal.chains[0]) as firmware:
        _, image = firmware.live(written, seals=terminal.seals[1:])
    return image


@pytest.fixture(scope="module")
def sections(desk: Desk) -> dict[int, bytes]:
    """That terminal's documents."""
    private = frames.key_of("agreement", 0, KID).private_numbers().private_value.to_bytes(32, "big")
    return {
        documents.KID: KID.to_bytes(4, "big"),
        documents.AGREEMENT_PRIVATE: private,
        documents.TERMINAL_CERTIFICATE: desk.terminal.certificate,
        documents.AUTHORITY_KEY: desk.authority.public,
        documents.CHAIN_START: desk.terminal.chains[0],
        documents.FIRST_EPOCH_CERTIFICATE: desk.authority.epoch(desk.request),
    }


@pytest.fixture(scope="module")
def flash(journal: bytes, sections: dict[int, bytes]) -> bytes:
    """A dump of the whole chip."""
    return chip(journal=journal, identity_b=documents_area(sections))


def place_of(image: bytes, sequence: int) -> int:
    """Where a record's slot stands in a journal."""
    for sector in sectors.read(image):
        for slot in sector.slots:
            if slot.slot_class is SlotClass.RECORD and slot.sequence == sequence:
                return slot.address
    raise AssertionError(sequence)


def worn(image: bytes, sequence: int, at: int = 9) -> bytes:
    """A journal in which one octet of a record's slot reads otherwise."""
    octets = bytearray(image)
    octets[place_of(image, sequence) + at] ^= 0x10
    return bytes(octets)


def rescue(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["rescue", *[str(argument) for argument in arguments]])


def of_dump(octets: bytes, folder: Path, *more: object) -> tuple[int, dict[str, Any]]:
    """(exit code, what `rescue --dump --json` says)."""
    file = folder / "given.dump"
    file.write_bytes(octets)
    done = rescue("--dump", file, "--to", folder / "out", "--json", *more)
    return done.exit_code, json.loads(done.stdout)


def spans(told: dict[str, Any]) -> list[tuple[int, int, str, str]]:
    [one] = told["accounts"]
    return [(span["first"], span["last"], span["found"], span["gateway"]) for span in one["spans"]]


# -- dumps


def test_a_whole_dump_is_a_carry_file_that_the_gateway_books_to_the_last_record(flash, desk, tmp_path):
    code, told = of_dump(flash, tmp_path)
    assert code == 0
    assert spans(told) == [
        (1, 3, "proved", "settled"),
        (4, 10, "proved", "sealed"),
        (11, HEAD, "proved", "no"),
    ]
    [account] = told["accounts"]
    assert (account["recovered"], account["lost"], account["at_stake"]) == (HEAD, 0, HEAD - 10)
    assert account["sum"]["redeemed_count"] == SALES
    [file] = told["files"]
    taken = desk.json("import", file)
    assert (taken["files"][0]["sort"], taken["files"][0]["refused"]) == ("carry file", 0)
    reader = SqliteReader.open(desk.data)
    rows = reader.records(KID, 1, 999)
    reader.close()
    assert [row.octets for row in rows] == desk.terminal.octets[1:]
    assert taken["terminals"][0]["sealed_through"] == HEAD


def test_without_the_terminals_keys_its_seals_prove_a_bundle(journal, desk, tmp_path):
    certificate = desk.folder / "terminal-0000002a.cert"
    code, told = of_dump(journal, tmp_path, "--certificate", certificate)
    assert code == 0
    assert {span[2] for span in spans(told)} == {"proved"}
    [file] = told["files"]
    assert file.endswith("0000002a.rescue")
    taken = desk.json("import", file)
    assert taken["files"][0]["refused"] == 0
    assert taken["terminals"][0]["sealed_through"] == HEAD


def test_without_any_certificate_the_gateway_is_left_to_prove_it(journal, tmp_path):
    code, told = of_dump(journal, tmp_path)
    assert code == 0
    assert {span[2] for span in spans(told)} == {"gateway proves it"}


def test_what_is_missing_is_told_by_number_and_whether_the_gateway_has_it(journal, sections, tmp_path):
    holed = worn(worn(worn(journal, 20), 21), 5)
    code, told = of_dump(chip(journal=holed, identity_b=documents_area(sections)), tmp_path)
    assert code == SOMETHING_MISSING_CODE
    found = spans(told)
    assert [span for span in found if span[2] == "torn"] == [(5, 5, "torn", "sealed"), (20, 21, "torn", "no")]
    [account] = told["accounts"]
    assert account["lost"] == 2, "the gateway has the other one"
    assert account["recovered"] == HEAD - 3
    assert found[3:6] == [
        (6, 10, "gateway proves it", "sealed"),
        (11, 17, "gateway proves it", "no"),  # it has the record that is lacking here
        (18, 19, "proved", "no"),
    ]
    [behind] = [span for span in found if span[2] == "not proved"]
    assert (behind[0], account["unproved"]) == (22, behind[1] - 21)
    assert found[-1] == (behind[1] + 1, HEAD, "proved", "no"), "a sector's header takes the chain up again"
    text = rescue("--dump", tmp_path / "given.dump", "--to", tmp_path / "out").output
    assert "torn, and the gateway lacks them: 20 to 21" in text
    assert "write-off" in text
    assert " 1 sealed, 3 settled " in text, "neighbours that the gateway has are one line"


def test_a_seal_that_does_not_hold_is_made_good_by_a_later_one(journal, sections, desk, tmp_path):
    """The last seal proves all before it (design 6)."""
    terminal = desk.terminal
    written = [("record", octets.hex(), NO_INDEX, 1) for octets in terminal.octets[1:]]
    spoiled = list(terminal.seals[1:])
    spoiled[14] = bytes(64)
    with JournalImages("unix64", KID, terminal.chains[0]) as firmware:
        _, image = firmware.live(written, seals=spoiled)
        spoiled[-1] = bytes(64)
        _, at_the_end = firmware.live(written, seals=spoiled)
    code, told = of_dump(chip(journal=image, identity_b=documents_area(sections)), tmp_path)
    assert (code, {span[2] for span in spans(told)}) == (0, {"proved"})
    assert "does not verify" in told["accounts"][0]["troubles"][0]
    code, told = of_dump(chip(journal=at_the_end, identity_b=documents_area(sections)), tmp_path)
    assert code == SOMETHING_MISSING_CODE
    assert spans(told)[-1] == (HEAD, HEAD, "not proved", "no")


def test_what_a_power_cut_began_is_nobodys_loss(journal, sections, desk, tmp_path):
    cut = bytearray(journal)
    last = place_of(journal, HEAD)
    cut[last + 9] ^= 0x10
    code, told = of_dump(chip(journal=bytes(cut), identity_b=documents_area(sections)), tmp_path)
    assert code == 0
    assert (told["accounts"][0]["head"], told["accounts"][0]["cut_off"]) == (HEAD - 1, 1)


def test_no_key_is_in_what_is_shown_or_handed_on(flash, sections, tmp_path):
    code, told = of_dump(flash, tmp_path)
    text = rescue("--dump", tmp_path / "given.dump", "--to", tmp_path / "out").output
    private = sections[documents.AGREEMENT_PRIVATE]
    assert code == 0
    assert private.hex() not in json.dumps(told) + text
    for file in (tmp_path / "out").iterdir():
        assert private not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0
    assert "private keys" in text


@pytest.mark.parametrize(
    ("octets", "sentence"),
    [
        (b"", "neither a whole chip"),
        (b"x" * 4095, "neither a whole chip"),
        (bytes(FLASH_BYTES + 4096), "neither a whole chip"),
        (b"\xff" * FLASH_BYTES, "blank"),
        (bytes(range(256)) * (FLASH_BYTES // 256), "noise: it is encrypted"),
        (bytes(FLASH_BYTES), "something else"),
    ],
    ids=["empty", "cut", "too long", "blank", "noise", "zeros"],
)
def test_what_holds_no_records_says_what_it_is(octets, sentence, tmp_path):
    code, told = of_dump(octets, tmp_path)
    assert code == NOTHING_READABLE_CODE
    assert sentence in told["error"]
    assert told["advice"]
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_terminal_without_records_says_so(sections, tmp_path):
    code, told = of_dump(chip(identity_a=documents_area(sections)), tmp_path)
    assert (code, told["error"]) == (NOTHING_READABLE_CODE, "this terminal has no records yet")


# -- chips


class Pulled:
    """A connected chip whose cable is pulled at the nth piece that is read."""

    mac = "24:0a:c4:00:00:01"

    def __init__(self, octets: bytes, pulled_at: int = -1) -> None:
        self.octets = octets
        self.flash_bytes = len(octets)
        self.pulled_at = pulled_at
        self.reads: list[int] = []

    def md5(self, offset: int, size: int) -> str:
        """What the chip says of a region."""
        return hashlib.md5(self.octets[offset : offset + size], usedforsecurity=False).hexdigest()

    def read(self, offset: int, size: int) -> bytes:
        """A region."""
        if len(self.reads) == self.pulled_at:
            raise CableError("pulled", "again")
        self.reads.append(offset)
        return self.octets[offset : offset + size]


def test_a_cable_pulled_at_every_piece_costs_that_piece_alone(flash, tmp_path):
    whole = Pulled(flash)
    assert dumping.take(whole, tmp_path / "whole")[1] == flash
    journal_at = next(part["offset"] for part in pinmap.load()["partition"] if part["name"] == "journal")
    assert whole.reads[0] == journal_at, "records first"
    for pulled_at in range(len(whole.reads)):
        folder = tmp_path / str(pulled_at)
        with pytest.raises(CableError):
            dumping.take(Pulled(flash, pulled_at), folder)
        assert [path.suffix for path in folder.iterdir()] == [".part"]
        again = Pulled(flash)
        path, octets = dumping.take(again, folder)
        assert (path.read_bytes(), octets) == (flash, flash)
        assert again.reads == whole.reads[pulled_at:]


def test_a_flash_that_does_not_answer_or_is_of_another_size_is_refused(tmp_path):
    with pytest.raises(WrongDeviceError, match="does not answer"):
        rescuing.by_flash(Pulled(b""), tmp_path)
    with pytest.raises(WrongDeviceError, match="has 4 MB"):
        rescuing.by_flash(Pulled(b"\xff" * (FLASH_BYTES // 2)), tmp_path)


def loaded(rom: RomLoader, octets: bytes) -> Any:
    """A chip whose flash holds these octets."""
    for place in range(0, len(octets), 256):
        page = octets[place : place + 256]
        if page.strip(b"\xff"):
            rom.flash.page_program(place, page)
    return rom


class Pullable(RomLoader):
    """A chip whose cable is pulled once it has sent so many octets of what it was asked to read."""

    pulls_at_read = 0

    def receive(self, octets: bytes) -> bytes:
        """Octets both ways."""
        back = super().receive(octets)
        if self.pulls_at_read:
            self.pulls_at_read = max(0, self.pulls_at_read - len(back))
            if not self.pulls_at_read:
                raise CablePulled
        return back


def test_a_disk_that_is_full_is_told_before_the_chip_is_read(flash, tmp_path, monkeypatch):
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(dumping.os, "fsync", full)
    asked = Pulled(flash)
    with pytest.raises(OSError, match="No space left"):
        rescuing.by_flash(asked, tmp_path)
    assert asked.reads == []


def test_a_terminal_that_does_not_boot_is_read_by_esptool(flash, desk, tmp_path, monkeypatch):
    monkeypatch.setattr(consoles, "PROBE_S", 0.2)
    monkeypatch.setattr(consoles, "LOOK_S", 0.1)
    rom = loaded(Pullable(NorFlash(FLASH_BYTES)), flash)
    words = ("--baud", 115200, "--to", tmp_path / "out")
    with EspDevice(rom, is_raw=True) as device:
        rom.pulls_at_read = 60_000
        cut = rescue("--port", device.url, *words, "--by", "flash")
        assert (cut.exit_code, rom.pulls_at_read) == (CableError.code, 0), cut.output
        assert "goes on where it stopped" in cut.stderr
        done = rescue("--port", device.url, *words)
    assert done.exit_code == 0, done.output
    assert "no terminal answers on this port's console; reading its flash" in done.stderr
    assert f"recovered: {HEAD} of {HEAD}" in done.stdout
    assert (tmp_path / "out" / "240ac4000001.dump").read_bytes() == flash
    assert desk.json("import", tmp_path / "out" / "0000002a.lmb")["files"][0]["refused"] == 0
    assert (rom.writes, rom.flash.sector_erases) == (0, 0), "the chip is as it was"


# -- consoles


class Terminal:
    """A terminal's console at the end of a cable, as `firmware/console` answers; `cut_after`: lines until it is pulled."""

    def __init__(self, held: dict[int, bytes], status: dict[str, object], **commands: Callable[[], str]):
        self.held = held
        self.status = status
        self.commands = commands
        self.asked: list[str] = []
        self.cut_after = -1
        self._lines: list[str] = []

    def write(self, octets: bytes) -> int:
        """A command."""
        line = octets.decode().strip()
        self.asked.append(line)
        name, _, word = line.partition(" ")
        if name in self.commands:
            self._lines = [self.commands[name]()]
        elif name == "status":
            self._lines = ["OK " + " ".join(f"{key}={value}" for key, value in self.status.items())]
        elif name == "help":
            names = [one for one in ("carry-out", "status") if one not in self.commands]
            self._lines = [f"OK commands={','.join(names)} said={word}"]
        elif name == "carry-out":
            first = int(word or int(str(self.status.get("sealed", 0))) + 1)
            packed = b"".join(carry.pack(self.held[at]) for at in sorted(self.held) if at >= first)
            self._lines = [
                "DATA " + base64.b64encode(packed[at : at + 57]).decode() for at in range(0, len(packed), 57)
            ] + ["OK frames=1 records=1"]
        else:
            self._lines = ['ERROR 1 "no such command, try help"']
        return len(octets)

    def readline(self) -> bytes:
        """A line of the answer."""
        if not self._lines or self.cut_after == 0:
            return b""
        self.cut_after -= 1
        return (self._lines.pop(0) + "\r\n").encode()


@pytest.fixture
def terminal(desk: Desk) -> Terminal:
    """Each record in a frame of its own, from the gateway's mark on."""
    held = {sequence: desk.terminal.frame(sequence, sequence) for sequence in range(11, HEAD + 1)}
    status = {
        "kid": "0000002a",
        "head": HEAD,
        "sealed": 10,
        "reclaim": 3,
        "first": 2,
        "waiting_rupiah": 123_000,
    }
    return Terminal(held, status)


def test_a_terminal_that_runs_carries_its_records_out(terminal, desk, tmp_path):
    heard: list[tuple[str, int, int]] = []
    rescued = rescuing.by_console(Console(terminal), tmp_path, progress=lambda *told: heard.append(told))
    [account] = rescued.accounts
    assert rescued.is_whole
    assert [told[1] for told in heard] == sorted(told[1] for told in heard)
    assert heard[-1] == ("records", HEAD - 10, HEAD - 10)
    assert [(span.first, span.last, span.found) for span in account.spans] == [
        (1, 1, Found.LET_GO),
        (2, 3, Found.LEFT),
        (4, 10, Found.LEFT),
        (11, HEAD, Found.CARRIED),
    ]
    assert (account.waiting_rupiah, terminal.asked[-1]) == (123_000, "carry-out")
    assert desk.json("import", rescued.files[0])["files"][0]["refused"] == 0


def test_all_that_it_holds_is_had_where_that_is_asked_for(terminal, desk, tmp_path):
    terminal.held |= {sequence: desk.terminal.frame(sequence, sequence) for sequence in range(2, 11)}
    [account] = rescuing.by_console(Console(terminal), tmp_path, is_all=True).accounts
    assert terminal.asked[-1] == "carry-out 1"
    assert [(span.first, span.last, span.found) for span in account.spans][:2] == [
        (1, 1, Found.LET_GO),
        (2, 3, Found.CARRIED),
    ]
    assert account.count(Found.CARRIED) == HEAD - 1


def test_a_terminal_that_cannot_read_some_says_which(terminal, tmp_path):
    del terminal.held[20], terminal.held[21]
    [account] = rescuing.by_console(Console(terminal), tmp_path).accounts
    assert [(span.first, span.last) for span in account.lost] == [(20, 21)]


def test_who_is_cut_off_goes_on_where_it_stopped(terminal, tmp_path):
    whole = rescuing.by_console(Console(terminal), tmp_path / "whole").files[0].read_bytes()
    terminal.cut_after = 20
    with pytest.raises(CableError, match=r"[0-9]+ records are saved") as stopped:
        rescuing.by_console(Console(terminal), tmp_path / "cut")
    assert "goes on where it stopped" in stopped.value.advice
    terminal.cut_after = -1
    [file] = rescuing.by_console(Console(terminal), tmp_path / "cut").files
    assert int(terminal.asked[-1].split()[1]) > 11
    assert file.read_bytes() == whole
    assert list((tmp_path / "cut").iterdir()) == [file]


def test_a_terminal_that_starts_is_waited_for_and_one_that_never_can_is_not(terminal, tmp_path):
    rested: list[float] = []
    terminal.commands["carry-out"] = lambda: 'ERROR 6 "still starting"'
    with pytest.raises(rescuing.NoRecordsFromItError, match="still starting"):
        rescuing.by_console(Console(terminal), tmp_path, sleep=rested.append)
    assert sum(rested) >= rescuing.READY_S
    terminal.status["stopped"] = 306
    with pytest.raises(rescuing.NoRecordsFromItError, match="306"):
        rescuing.by_console(Console(terminal), tmp_path, sleep=rested.append)


def test_a_terminal_that_only_stands_by_is_started_and_gives_its_records(terminal, tmp_path):
    terminal.status["stopped"] = 310
    looks: list[float] = []

    def start() -> str:
        terminal.commands["carry-out"] = lambda: 'ERROR 1 "no such command, try help"'
        return "OK serves=0"

    def rest(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:  # it has begun anew
            terminal.status["stopped"] = 0
            del terminal.commands["carry-out"]

    terminal.commands["start"] = start
    rescued = rescuing.by_console(Console(terminal), tmp_path, sleep=rest)
    assert rescued.accounts[0].count(Found.CARRIED) == HEAD - 10
    assert terminal.asked.count("start") == 1

    terminal.status["stopped"] = 310
    terminal.commands["start"] = lambda: 'ERROR 1 "no such command, try help"'
    with pytest.raises(rescuing.NoRecordsFromItError, match="310"):
        rescuing.by_console(Console(terminal), tmp_path, sleep=rest)


def test_where_the_gateway_has_everything_there_is_nothing_to_carry(terminal, tmp_path):
    terminal.status |= {"sealed": HEAD, "waiting_rupiah": 0}
    rescued = rescuing.by_console(Console(terminal), tmp_path)
    said = pages.lines(*page(rescued))
    assert rescued.at_stake == 0
    assert said[-1] == "next: nothing to carry: the gateway has every record of this terminal"
    assert not any("gateway import" in line for line in said)

    terminal.status["head"] = HEAD + 1  # one that it cannot give
    said = pages.lines(*page(rescuing.by_console(Console(terminal), tmp_path)))
    assert any("report the missing numbers" in line for line in said)
    assert not any("nothing to carry" in line for line in said)


def test_a_release_without_status_still_gives_its_records(terminal, tmp_path):
    terminal.commands["status"] = lambda: 'ERROR 1 "no such command, try help"'
    terminal.held = {at: terminal.held[at] for at in (11, 12)}
    [account] = rescuing.by_console(Console(terminal), tmp_path).accounts
    assert (account.kid, account.count(Found.CARRIED)) == (KID, 2)


class Line:
    """A serial line on which lines come by themselves, and after each `help` those of its answer."""

    def __init__(self, before: list[bytes], answer: list[bytes]):
        self.timeout = 0.0
        self.coming = list(before)
        self.answer = answer
        self.asked = 0

    def write(self, octets: bytes) -> int:
        """What is typed."""
        self.asked += octets.count(b"help")
        self.coming += self.answer
        return len(octets)

    def readline(self) -> bytes:
        """The next line, if one comes."""
        return self.coming.pop(0) if self.coming else b""


HELP = [b"OK commands=help,status\r\n"]


@pytest.mark.parametrize(
    ("before", "answer", "is_there"),
    [
        ([], HELP, True),
        ([b"ets Jul 29 2019 12:21:46\r\n", b"\r\n"], HELP, True),
        ([b"DATA AAEC\r\n", b"PROGRESS 3 9\r\n", b"OK frames=3 records=9\r\n"], HELP, True),
        ([], [b'ERROR 2 "neither DATA nor END"\r\n'], True),
        ([], [], False),
        ([b"+CSQ: 21,99\r\n"], [b"OKAY\r\n"], False),
    ],
    ids=["quiet", "starting", "in the middle of an answer", "waiting for octets", "silent", "something else"],
)
def test_a_console_is_found_and_left_in_step(before, answer, is_there):
    line = Line(before, answer)
    assert consoles.answers(consoles.Cable(line), 0.05) is is_there
    assert line.coming == [], "what is asked next gets its own answer"


def test_a_device_that_babbles_is_no_terminal():
    class Babbler(Line):
        def readline(self) -> bytes:
            """Always another."""
            return b"$GPGGA,123519,4807.038,N\r\n"

    started = time.monotonic()
    assert not consoles.answers(consoles.Cable(Babbler([], [])), 0.05)
    assert time.monotonic() - started < 30


class Stopped(Pullable):
    """A terminal that shows a code: on the first connection its console speaks, on the next its ROM loader."""

    is_console = False

    def connect(self, plan=None) -> None:
        """A cable is plugged in."""
        super().connect(plan)
        self.is_console = not self.is_console

    def receive(self, octets: bytes) -> bytes:
        """A line and its answer."""
        if not self.is_console:
            return super().receive(octets)
        told = {b"help": b"OK commands=help,status", b"status": b"OK state=stopped stopped=306"}
        return b"".join(told[line] + b"\r\n" for line in octets.split() if line in told)


def test_a_terminal_that_shows_a_code_is_read_by_its_flash(flash, tmp_path):
    rom = loaded(Stopped(NorFlash(FLASH_BYTES)), flash)
    with EspDevice(rom, is_raw=True) as device:
        done = rescue("--port", device.url, "--baud", 115200, "--to", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["why"] == "the terminal answers, but gives no records: it has stopped itself with code 306"
    assert told["accounts"][0]["recovered"] == HEAD


def test_a_full_disk_is_a_sentence(tmp_path, flash):
    file = tmp_path / "given.dump"
    file.write_bytes(flash)
    (tmp_path / "full").write_bytes(b"")
    done = rescue("--dump", file, "--to", tmp_path / "full" / "out")
    assert done.exit_code == LAPTOP_CODE
    assert "what to do: make room" in done.stderr
