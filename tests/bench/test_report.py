"""The bench's table says met where a budget is met, and its file keeps what was not measured anew."""

import json

import pytest

from tests.bench import report
from tests.bench.__main__ import run, write
from tests.bench.callgrind import NotMeasuredError


def figure(name: str, value: float, unit: str) -> dict[str, object]:
    return {"name": name, "value": value, "unit": unit, "how": "said so"}


@pytest.mark.parametrize(
    ("name", "value", "unit", "verdict"),
    [
        ("PIN accepted -> record committed, bank's card", 7.9, "M instructions", report.MET),
        ("PIN accepted -> record committed, bank's card", 8.1, "M instructions", report.AIM_MISSED),
        ("PIN accepted -> record committed, bank's card", 25.1, "M instructions", report.MISSED),
        ("allocated, PIN accepted -> record committed, bank's card", 24, "KB", report.MET),
        ("allocated, PIN accepted -> record committed, bank's card", 24.1, "KB", report.MISSED),
        ("data heap live after boot", 40, "KB", report.AIM_MISSED),
        ("redemptions per unsealed SMS", 8.79, "redemptions", report.AIM_MISSED),
        ("redemptions per unsealed SMS", 7.99, "redemptions", report.MISSED),
        ("redemptions per unsealed SMS, free choice", 5, "redemptions", report.STATED),
        ("SMS for 300 redemptions, sealed", 34, "SMS", report.MET),
        ("PIN accepted -> record committed, bank's card, time", 900, "ms", report.STATED),
        ("whole / cryptography, bank's card", 3, "times", "aim missed"),
    ],
)
def test_a_figure_is_held_against_the_budget_of_its_name(name, value, unit, verdict):
    assert report.verdict_of(figure(name, value, unit)) == verdict


def test_no_figure_answers_to_two_budgets():
    names = ("redemptions per unsealed SMS", "verified and durable, 1 record per sealed frame")
    for name in names:
        for unit in {budget.unit for budget in report.BUDGETS}:
            assert len([budget for budget in report.BUDGETS if budget.fits(figure(name, 1, unit))]) <= 1


def test_the_file_keeps_the_figures_of_benches_that_were_not_run(tmp_path):
    out = tmp_path / "deep" / "bench.json"
    write(out, "a machine", {"tap": [figure("a", 1, "x")], "density": [figure("b", 2, "x")]})
    write(out, "another", {"tap": [figure("c", 3, "x")]})
    figures = json.loads(out.read_text())["figures"]
    assert [(one["bench"], one["name"], one["machine"]) for one in figures] == [
        ("density", "b", "a machine"),
        ("tap", "c", "another"),
    ]
    assert all({"value", "unit", "how", "taken", "verdict"} < set(one) for one in figures)


def test_a_bench_that_is_not_there_is_said_to_be_not_measured():
    with pytest.raises(NotMeasuredError, match="there is no"):
        run("nonexistent")
