"""Records out of terminals in every state to sealed records at a gateway: running, dead, read by somebody else, key chip gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.store.sqlite import SqliteReader
from hardware.nor_flash import FileStore, NorFlash
from hardware.rom_loader import RomLoader
from tests.sim.shop import NEEDS_MICROPYTHON, cash, opened, serve
from tests.support.esp_device import EspDevice
from tests.support.gateway_desk import Desk
from tests.support.journal_images import JournalImages
from tests.support.terminal_cable import TerminalCable
from tools import pinmap
from tools.forensics import dump, export, proof, report
from tools.stack import Stack
from tools.technician import consoles
from tools.technician.__main__ import main

KID = 42
CHIP_KID = 43
NO_INDEX = 0xFFFF

pytestmark = NEEDS_MICROPYTHON


def lumbung(*words: object, status: int = 0) -> dict[str, Any]:
    """What the technician's command says."""
    done = CliRunner().invoke(main, [*[str(word) for word in words], "--json"])
    assert done.exit_code == status, (done.output, done.exception)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def sealed_at_another_gateway(stack: Stack, name: str, files: list[str], kid: int) -> tuple[int, int]:
    """(sealed through, redemptions) at a gateway with the same keys and papers that has nothing of this terminal."""
    data = stack.folder / name
    shutil.copytree(stack.folder / "gateway", data)
    told = json.loads(
        stack.gateway_command("--set", f"files.data_directory={data}", "import", *files, "--json")
    )
    assert [file["refused"] for file in told["files"]] == [0] * len(files)
    [standing] = told["terminals"]
    reader = SqliteReader.open(data)
    rows = reader.records(kid, 1, 999)
    reader.close()
    return standing["sealed_through"], sum(row.octets[0] == 1 for row in rows)


@pytest.mark.timeout(240)
def test_every_way_ends_in_sealed_records(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles, "PROBE_S", 5.0)
    stack.issue_documents()
    terminal = stack.add_terminal(KID)
    counter = opened(terminal)
    serve(stack, counter, cash(0, "50*"))
    head = len(terminal.ask("books")["records"])
    out = stack.folder / "out"

    with TerminalCable(terminal) as cable:
        well = lumbung("diagnose", "--port", cable.url)
        running = lumbung("rescue", "--port", cable.url, "--to", out / "console")
    assert (well["status"]["state"], well["status"]["waiting_rupiah"]) == ("running", "50000")
    assert (running["accounts"][0]["recovered"], running["accounts"][0]["at_stake_rupiah"]) == (head, 50_000)
    assert sealed_at_another_gateway(stack, "of-console", running["files"], KID) == (head, 1)

    flash = stack.keep_flash(KID)
    monkeypatch.setattr(consoles, "PROBE_S", 0.2)
    monkeypatch.setattr(consoles, "LOOK_S", 0.1)
    size = pinmap.load()["module"]["flash_bytes"]
    before = flash.read_bytes()
    with EspDevice(RomLoader(NorFlash(size, FileStore(str(flash), size))), is_raw=True) as device:
        dead = lumbung("rescue", "--port", device.url, "--baud", 115200, "--to", out / "flash")
    assert flash.read_bytes() == before
    assert {span["found"] for span in dead["accounts"][0]["spans"]} == {"proved"}
    assert dead["accounts"][0]["sum"]["redeemed_rupiah"] == 50_000
    files = [*dead["files"], *running["files"]]  # what came before is a duplicate
    assert sealed_at_another_gateway(stack, "of-flash", files, KID) == (head, 1)

    part = stack.folder / "atecc608.json"
    counter = opened(stack.add_terminal(CHIP_KID, {"atecc608": str(part)}))
    serve(stack, counter, cash(1, "70*"))
    head = len(counter.terminal.ask("books")["records"])
    flash = stack.keep_flash(CHIP_KID)
    part.unlink()
    saved = lumbung("rescue", "--dump", flash, "--to", stack.folder / "out")
    assert {span["found"] for span in saved["accounts"][0]["spans"]} == {"proved"}, "its seals speak for it"
    [file] = saved["files"]
    assert file.endswith(".rescue")
    assert sealed_at_another_gateway(stack, "of-chip", [file], CHIP_KID) == (head, 1)


def test_what_a_dead_key_chip_left_is_imported_once_beside_what_had_come_before(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    terminal = desk.open()
    for _ in range(40):
        terminal.redeem()
    desk.deliver(terminal.frame(1, 3), terminal.frame(4, 9))
    written = [("record", octets.hex(), NO_INDEX, 1) for octets in terminal.octets[1:]]
    with JournalImages("unix64", KID, terminal.chains[0]) as firmware:
        _, image = firmware.live(written, seals=terminal.seals[1:])
    reading = report.read(dump.of(image), proof.read_certificate(terminal.certificate))
    (saved,) = export.write(reading, tmp_path / "saved")
    assert saved.suffix == ".rescue", "without the terminal's keys there are no frames"
    told = desk.json("import", saved)
    assert (told["files"][0]["new"], told["files"][0]["refused"]) == (1, 0)
    reader = SqliteReader.open(desk.data)
    rows = reader.records(KID, 1, 999)
    assert [row.octets for row in rows] == terminal.octets[1:]
    assert [row.chain for row in rows] == terminal.chains[1:]
    runs = [(row.first, row.last) for row in reader.outbox_due(2**62, 99)]
    reader.close()
    assert runs == [(1, 3), (4, 9), (10, 43)], "each goes to settlement once"
    assert desk.json("import", saved)["files"][0]["duplicate"] == 1
