"""The terminal to practise on, as somebody uses it who has no board yet: everything real but the chips."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from rich.panel import Panel

from tests.sim.shop import NEEDS_MICROPYTHON
from tools.practice.town import KIDS, Practice
from tools.technician import updating
from tools.technician.__main__ import main
from tools.technician.errors import BundleError

pytestmark = [pytest.mark.timeout(180), NEEDS_MICROPYTHON]


@pytest.fixture
def practice(tmp_path):
    said = []
    practice = Practice(tmp_path, said.append)
    try:
        practice.open()
        practice.said = said
        yield practice
    finally:
        practice.close()


def lumbung(practice, *words):
    done = CliRunner().invoke(main, [words[0], "--port", practice.cable.url, *map(str, words[1:])])
    assert done.exit_code == 0, (done.output, done.stderr, done.exception)
    return done.output


def test_a_blank_terminal_is_provisioned_sells_and_survives_a_power_cut(practice):
    papers = practice.papers
    guide = "\n".join(practice.guide())
    assert practice.cable.url in guide
    assert str(papers / "kids.txt") in guide
    lumbung(
        practice, "provision", papers, "--kids", papers / "kids.txt", "--authority-key", papers / "authority.pem",
        "--gateway-config", practice.folder / "gateway.toml",
    )  # fmt: skip
    name = f"{KIDS[0]:08X}"
    assert name in lumbung(practice, "diagnose", "--language", "en")

    practice.do("nonsense")
    assert "neither keys nor a command" in practice.said[-2]
    assert isinstance(practice.said[-1], Panel), "after each line the display is shown"
    practice.do("card 99999")
    assert "which family?" in practice.said[-2]
    practice.do("card 0")
    assert practice.stack.families[0].pin in practice.said[-2]
    practice.do("remove")

    practice.do("off")
    assert "dark" in practice.said[-1]
    practice.do("E")
    assert "dark" in practice.said[-1], "keys of a terminal that is off do nothing"
    practice.do("on")
    assert name in lumbung(practice, "diagnose", "--language", "en")

    # The other things on the bench.
    practice.do("terminal 2 blank")
    assert "dark" in practice.said[-1], "nobody flashed it"
    practice.do("terminal ten")
    assert "which terminal?" in practice.said[-2]
    practice.do("terminal 1")
    practice.do("chip dies")
    assert "that has a key chip" in practice.said[-2]
    assert name in lumbung(practice, "diagnose", "--language", "en"), "the first one again, as it was"
    assert "release 1 runs from slot a" in lumbung(practice, "release")
    bundles = practice.releases
    assert updating.opened((bundles / "newer.lum").read_bytes()).number == 2
    for bundle in ("foreign.lum", "failing.lum"):
        assert updating.opened((bundles / bundle).read_bytes()).number == 3
    with pytest.raises(BundleError):
        updating.opened((bundles / "tampered.lum").read_bytes())
