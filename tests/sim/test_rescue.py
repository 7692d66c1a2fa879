"""A dead terminal's flash chip to sealed records: the firmware wrote it, the forensic tool reads it, the gateway takes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.store.sqlite import SqliteReader
from tests.support.gateway_desk import Desk
from tests.support.journal_images import JournalImages
from tools.forensics import dump, export, proof, report
from tools.setup import checkout

KID = 42
NO_INDEX = 0xFFFF

pytestmark = pytest.mark.skipif("micropython64" in checkout.missing(), reason="MicroPython could not be had")


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
