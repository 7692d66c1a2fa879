"""The assembly guide's drawings are those of the board, and the guide shows each of them."""

import copy
import re

import pytest

from protocol import self_test
from tools import pinmap
from tools.board import drawings, layout, parts, schematic, steps
from tools.technician.__main__ import main as lumbung

GUIDE = pinmap.ROOT / "hardware" / "ASSEMBLY.md"


@pytest.fixture(scope="module")
def catalogue():
    return parts.load()


@pytest.fixture(scope="module")
def sheet(catalogue):
    return schematic.draw("atecc608", catalogue)


@pytest.fixture(scope="module")
def pictures(sheet, catalogue):
    return drawings.drawn(layout.lay_out(sheet, catalogue, layout.load()), sheet, catalogue)


@pytest.fixture
def told():
    return copy.deepcopy(layout.load())


def faults(told, sheet, catalogue):
    return layout.faults(layout.lay_out(sheet, catalogue, told), sheet)


def test_the_drawings_in_the_repository_are_those_of_the_board(pictures):
    assert drawings.stale(pictures) == []


def test_a_drawing_that_differs_in_one_point_lacks_or_is_drawn_by_nothing_is_named(pictures, tmp_path):
    drawings.write(pictures, tmp_path)
    assert drawings.stale(pictures, tmp_path) == []
    changed = pictures["board.png"].copy()
    changed.putpixel((5, 5), (changed.getpixel((5, 5)) + 1) % 90)
    changed.save(tmp_path / "board.png")
    (tmp_path / "case-lid.png").unlink()
    (tmp_path / "old.png").write_bytes(b"")
    assert [line.split()[0] for line in drawings.stale(pictures, tmp_path)] == [
        "case-lid.png",
        "board.png",
        "old.png",
    ]


def test_the_guide_shows_every_drawing_step_by_step_and_ends_with_the_three_commands(pictures):
    text = GUIDE.read_text(encoding="utf-8")
    assert sorted(re.findall(r"\(drawings/([^)]+)\)", text)) == sorted(pictures)
    for number, step in enumerate(layout.load()["step"], 1):
        assert f"drawings/step-{number}-{step['name']}.png" in text
        assert step["title"].startswith(f"Step {number}: ")
    order = [text.rindex(f"    lumbung {command}") for command in ("flash", "provision", "self-test")]
    assert order == sorted(order)


def test_the_commands_of_the_guide_exist_with_their_options():
    """Each is parsed by the tool itself, up to the point at which it would look for a terminal."""
    told = re.findall(r"^ +lumbung (.*?)(?: {2,}#.*)?$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(told) > 8
    for line in told:
        name, *arguments = (
            line.replace("authority.pub", str(GUIDE))
            .replace("PAPERS", ".")
            .replace("build/image", ".")
            .replace("kids.txt", str(GUIDE))
            .split()
        )
        made = lumbung.commands[name].make_context(name, arguments)  # it refuses options that do not exist
        named = {*made.params.get("only", ()), *made.params.get("fitted", ())}
        assert named <= set(self_test.PARTS), line


def test_every_part_with_pins_has_a_place_and_one_step(sheet, catalogue, told):
    assert faults(told, sheet, catalogue) == []


def test_after_the_last_step_every_net_is_wired(sheet, catalogue, told):
    """Each step joins its pins to what is in; so all pins of each net are told somewhere, in the guide's words."""
    laid_out = layout.lay_out(sheet, catalogue, told)
    said: dict[str, set[str]] = {}
    for step in laid_out.steps:
        for run in steps.runs(step, laid_out, sheet, catalogue):
            said.setdefault(run.net, set()).update(run.ends)
    for net, ends in sheet.nets.items():
        assert len(said[net]) == len(ends), net


def test_wires_of_a_step_join_only_what_is_in(sheet, catalogue, told):
    laid_out = layout.lay_out(sheet, catalogue, told)
    there: set[tuple[float, float]] = set()
    for step in laid_out.steps:
        for ref in step.parts:
            there.update(laid_out.places[ref].pins.values())
        for run in steps.runs(step, laid_out, sheet, catalogue):
            for wire in run.wires:
                assert set(wire) <= there, (step.name, run.net)


def forget_a_place(told):
    del told["at"]["A12"]


def place_a_stranger(told):
    told["at"]["Z9"] = [0, 0, "left"]


def stack(told):
    told["at"]["A7"] = told["at"]["A12"]


def overhang(told):
    told["at"]["A11"] = [150, 60, "left"]


def forget_in_steps(told):
    told["step"][3]["parts"].remove("A12")


def put_in_twice(told):
    told["step"][8]["parts"].append("A12")


def leave_the_case(told):
    told["case"]["floor"][0]["at"] = [100, 70]


def stand_on_another(told):
    told["case"]["floor"][1]["at"] = [100, 100]


def come_near_the_antenna(told):
    told["case"]["lid"][0]["at"] = [110, 90]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (forget_a_place, "A12 has no place"),
        (place_a_stranger, "places Z9, which is not on the board"),
        (stack, "A7 stands on A12"),
        (overhang, "A11 hangs over the carrier board's edge"),
        (forget_in_steps, "no step puts in A12"),
        (put_in_twice, "A12 is put in twice, again in step modem"),
        (leave_the_case, "PCB1 carrier board, components up is not inside"),
        (stand_on_another, "stands on A5"),
        (come_near_the_antenna, "is nearer than 10 mm to the reader's antenna"),
    ],
)
def test_a_layout_that_cannot_be_built_is_named(sheet, catalogue, told, damage, expected):
    damage(told)
    found = faults(told, sheet, catalogue)
    assert any(expected in fault for fault in found), found
