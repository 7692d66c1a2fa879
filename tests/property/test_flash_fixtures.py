"""Flash that older firmware has written boots on today's code with all records, and today's code goes on in it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import make_flash_fixture
from tests.support.journal_images import Images, JournalImages
from tools.forensics import documents, dump, generation, marks, report, sectors
from tools.forensics.dump import Dump

MANIFEST = json.loads(make_flash_fixture.MANIFEST.read_text("utf-8"))
FIXTURES: dict[str, dict[str, Any]] = MANIFEST["fixtures"]
JOURNALS = [name for name in sorted(FIXTURES) if name.startswith("journal")]
AREAS = [name for name in sorted(FIXTURES) if name.startswith("areas")]
VARIANTS = ["unix64", "unix32"]


def image_of(name: str) -> bytes:
    return gzip.decompress((make_flash_fixture.FOLDER / f"{name}.bin.gz").read_bytes())


@pytest.fixture(params=VARIANTS)
def areas(request: pytest.FixtureRequest) -> Iterator[Images]:
    with Images(make_flash_fixture.AREAS_DRIVER, request.param) as started:
        yield started


def firmware_of(told: dict[str, Any], variant: str) -> JournalImages:
    return JournalImages(variant, told["kid"], bytes.fromhex(told["start"]), told["periods"])


def found(told: dict[str, Any]) -> str:
    return make_flash_fixture.digest([[one[0], one[3]] for one in told["records"]])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", JOURNALS)
def test_an_old_journal_boots_with_all_its_records(name, variant):
    wanted = FIXTURES[name]
    with firmware_of(wanted, variant) as firmware:
        told, after = firmware.view(image_of(name))
        assert "refused" not in told
        assert told["damage"] == ""
        assert (told["first"], told["sequence"], told["chain"]) == (
            wanted["first"],
            wanted["last"],
            wanted["chain"],
        )
        assert found(told) == wanted["records"]
        assert told["boots"] == wanted["boots"]
        assert {key: told["state"][key] for key in wanted["state"]} == wanted["state"]
        again, _ = firmware.view(after)
        assert (found(again), again["boots"]) == (wanted["records"], wanted["boots"] + 1)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", JOURNALS)
def test_new_firmware_goes_on_in_an_old_journal(name, variant):
    wanted = FIXTURES[name]
    before, sequence = image_of(name), wanted["last"]
    day = [
        ("record", "09016b0631100301000200", 0xFFFF, 3),
        ("heard", 1, 99),
        ("checkpoint",),
        ("idle", 2),
        ("off",),
    ]
    with firmware_of(wanted, variant) as firmware:
        lived, image = firmware.live(day * 4, sectors=wanted["sectors"], image=before)
        assert not lived["failures"]
        assert [one[0] for one in lived["committed"]] == list(range(sequence + 1, sequence + 13))
        told, _ = firmware.view(image)
        assert (told["damage"], told["sequence"], told["boots"]) == ("", sequence + 12, wanted["boots"] + 4)


@pytest.mark.parametrize("name", JOURNALS)
def test_forensics_reads_old_journals_too(name):
    wanted = FIXTURES[name]
    reading = report.read(dump.of(image_of(name)))
    [only] = reading.generations
    assert report.verdict(reading) == report.NO_KEY
    held = [[one.sequence, one.slot.payload.hex()] for one in only.records]
    assert make_flash_fixture.digest(held) == wanted["records"]
    assert {one.standing for one in only.records} == {generation.Standing.LINKED}
    checkpoints = report.of(reading)["generations"][0]["checkpoints"]
    assert checkpoints or "cut" in name
    assert not any("unreadable" in one["state"] for one in checkpoints)


@pytest.mark.parametrize("name", AREAS)
def test_old_documents_and_rosters_are_read(name, areas):
    wanted = FIXTURES[name]
    image = image_of(name)
    told, _ = areas.view(image)
    assert told == {"sections": wanted["sections"], "roster": wanted["roster"], "damaged": []}
    settings, _ = areas.ask("settings", image)
    assert {key: settings[key] for key in wanted["settings"]} == wanted["settings"]
    laid = Dump({"journal": b"", "identity_a": image[:0x4000], "identity_b": image[0x4000:0x8000]}, {})
    sections = documents.read(laid)[0].sections
    assert [[name, octets.hex()] for name, octets in sorted(sections.items())] == wanted["sections"]


def test_bad_sectors_stay_retired():
    """Nothing is tried again in a place that once took no header: that would cost each round its time."""
    name = "journal-bad-2-4"
    with firmware_of(FIXTURES[name], "unix64") as firmware:
        told, after = firmware.view(image_of(name))
        assert told["retired"] == [3, 4, 8]
        [only] = generation.read(sectors.read(after))
        assert only.passed
        assert marks.retired_places(only.slots) == [3, 4, 8]
        assert {(number - 1) % 9 for number in only.passed} <= {3, 4, 8}


def test_every_format_that_is_written_today_has_its_fixture(areas):
    with JournalImages("unix64", 1, bytes(32)) as firmware:
        written, _ = firmware.ask("formats")
    assert written in [FIXTURES[name]["formats"] for name in JOURNALS], "see tests/fixtures/README.md"
    written, _ = areas.ask("formats")
    assert written in [FIXTURES[name]["formats"] for name in AREAS], "see tests/fixtures/README.md"


def test_the_old_ones_are_all_there():
    """Fixtures are only ever added."""
    names = {path.name.removesuffix(".bin.gz") for path in make_flash_fixture.FOLDER.glob("*.gz")}
    assert names == set(FIXTURES) >= {
        "journal-ring-1-1", "journal-cut-1-1", "journal-ring-1-2", "journal-cut-1-2", "journal-ring-1-3", "journal-cut-1-3",
        "journal-ring-2-4", "journal-cut-2-4", "journal-bad-2-4", "areas-1-1", "areas-2-1",
    }  # fmt: skip
