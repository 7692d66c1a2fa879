"""What others said stands in tables as it is, and does nothing to the screen."""

from __future__ import annotations

import pytest

from gateway import tables

SAID = ("[/b]", "[red]no", ":smile:", "a\x1b[2Jb", "a\nb", "a\rb", "\u202eab", "S\udc80")


@pytest.mark.parametrize("said", SAID)
def test_text_of_others_is_neither_markup_nor_control(capsys, said):
    expected = "".join(letter if letter.isprintable() else "\ufffd" for letter in said)
    tables.show("title", ("reason",), [(said,)])
    assert expected in capsys.readouterr().out


def test_what_the_overview_repeats_is_as_harmless(capsys):
    totals = {f"{name}_rupiah": 0 for name in ("settled", "pending", "refused", "disputed")} | {"records": 0}
    health = {"running": True, "broker": {"error": "[/b]\n"}, "settlement": {"error": "\x1b[2J[/b]"}}
    tables.status(
        {
            "health": health, "restored": False, "totals": totals, "outbox_runs": 0, "terminals": [], "conflicts": [],
            "decisions": [], "counters": {"[/b]": 1},
        }
    )  # fmt: skip
    out = capsys.readouterr().out
    assert "not ready  [/b]\ufffd\n" in out
    assert "\ufffd[2J[/b]\n" in out
    assert "\x1b" not in out
