"""Documents and rosters: forensics finds what the firmware finds, whatever a power cut left, and tells no secret."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hardware import nor_faults
from tests.property.drivers import forensics_areas
from tests.support import frames
from tests.support.journal_images import Images
from tools.forensics import documents, render, report
from tools.forensics.dump import Dump

AREA = 0x4000
SECRET = (2, documents.AGREEMENT_PRIVATE, 7, 11, 13)


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def firmware(request: pytest.FixtureRequest) -> Iterator[Images]:
    with Images("tests/property/drivers/forensics_areas.py", request.param) as started:
        yield started


names = st.one_of(st.integers(1, 16), st.integers(32, 36))
saves = st.dictionaries(names, st.binary(max_size=700), min_size=1, max_size=6).map(
    lambda made: ("save", [[name, octets.hex()] for name, octets in sorted(made.items())])
)
rosters = st.integers(1, 20).map(lambda count: ("roster", frames.sample_roster(count, count, count).hex()))
cuts = st.builds(nor_faults.cut, st.integers(0, 60), st.integers(0, 4096), st.sampled_from(nor_faults.TEARS))
plans = st.one_of(
    st.none(), st.builds(nor_faults.FaultPlan, st.integers(0, 2**31), st.lists(cuts, min_size=1, max_size=4))
)


def dump_of(image: bytes) -> Dump:
    areas = {
        "journal": b"\xff" * 4096,
        "identity_a": image[:AREA],
        "identity_b": image[AREA : 2 * AREA],
        "roster_a": image[2 * AREA :],
    }
    return Dump(areas, dict.fromkeys(areas, 0))


@given(done=st.lists(st.one_of(saves, saves, rosters), min_size=1, max_size=6), plan=plans)
def test_firmware_and_forensics_find_the_same_documents(firmware, done, plan):
    _, image = firmware.ask("live", operations=done, plan=plan and [plan.seed, plan.faults])
    told, after = firmware.view(image)
    for seen in (image, after):
        held = documents.read(dump_of(seen))
        ours = sorted(held[0].sections.items()) if held else []
        assert [[name, octets.hex()] for name, octets in ours] == told["sections"], plan
        roster = documents.describe_rosters(dump_of(seen), held[0] if held else None)[0]
        if told["roster"] is None:
            assert not roster["whole"]
        elif roster["whole"]:
            assert [roster[key] for key in ("number", "families", "cards", "digest")] == told["roster"], plan


@given(made=st.dictionaries(names, st.binary(min_size=8, max_size=80), min_size=1))
def test_no_secret_is_told(firmware, made):
    operation = ("save", [[name, octets.hex()] for name, octets in sorted(made.items())])
    _, image = firmware.ask("live", operations=[operation], plan=None)
    reading = report.read(dump_of(image))
    told = report.of(reading)
    screen = io.StringIO()
    render.show(told, Console(file=screen, width=200))
    said = json.dumps(told) + screen.getvalue() + repr(reading)
    for name in SECRET:
        octets = made.get(name, b"\x00" * 8)
        shown = octets.hex()
        if any(octets) and not any(octets in other for key, other in made.items() if key not in SECRET):
            assert shown not in said
            assert repr(octets)[2:-1] not in said
            assert str(int.from_bytes(octets, "big")) not in said


@given(damage=st.lists(st.tuples(st.integers(0, forensics_areas.SIZE - 1), st.integers(1, 255)), max_size=20))
def test_damaged_areas_are_told_and_nothing_crashes(firmware, damage):
    roster = ("roster", frames.sample_roster(1, 5, 1).hex())
    _, image = firmware.ask("live", operations=[("save", [[1, "00000007"]]), roster], plan=None)
    octets = bytearray(image)
    for place, mask in damage:
        octets[place] ^= mask
    reading = report.read(dump_of(bytes(octets)))
    json.dumps(report.of(reading))
    told, _ = firmware.view(bytes(octets))
    ours = sorted(reading.documents[0].sections.items()) if reading.documents else []
    assert [[name, found.hex()] for name, found in ours] == told["sections"]
    [roster] = [one for one in documents.describe_rosters(reading.dump, None) if one["area"] == "roster_a"]
    if told["roster"] is not None and "beyond" not in told and not is_head_damaged(damage):
        named = [[entry["index"], entry["address"]] for entry in roster["damaged_entries"]]
        assert named == [one for one in told["damaged"] if one[0] >= 0]


def is_head_damaged(damage: list[tuple[int, int]]) -> bool:
    """Whether what says how many entries there are was hit."""
    head = 2 * AREA + 4096
    return any(head <= place < head + 32 for place, _ in damage)
