"""The tap bench plays back exactly what was recorded: the terminal says the same to the cards on every interpreter."""

import pytest

from tests.bench import tap_world
from tests.support import process


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    for variant in ("unix64", "unix32"):
        reason = process.missing_reason(variant)
        if reason:
            pytest.skip(reason)
    made = tmp_path_factory.mktemp("tap")
    tap_world.make(made)
    return made


@pytest.mark.parametrize("program", ["micropython64", "micropython32", "micropython64deb"])
@pytest.mark.parametrize("variant", sorted(tap_world.VARIANTS))
def test_every_command_and_sequence_is_the_recorded_one(folder, program, variant):
    said = tap_world.run(program, folder, variant, "check", tap_world.CARDS)
    assert said == f"checked {tap_world.CARDS}\n"


def test_a_tap_that_is_repeated_costs_the_same(folder):
    """Without chance in it: else no difference of two runs would mean anything."""
    first, second = (tap_world.run("micropython32", folder, "bank", "flash", 4) for _ in range(2))
    assert first == second
