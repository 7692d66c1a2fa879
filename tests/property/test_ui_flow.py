"""Whatever is keyed, the conversation neither crashes nor spends unasked, and it comes back to the idle screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.worker import MicroPythonWorker

KEYS = "0123456789ECXM*#-"
MOST_RUPIAH = 99_999_999
REFUSAL_MAX = 40

# Single keys alone would hardly ever get as far as a redemption: most parts of a script are things people really do.
parts = st.one_of(
    st.sampled_from(
        [
            "E",
            "E4711E",
            "11",
            "12",
            "2",
            "EE",
            "123456E",
            "654321E",
            "1234E",
            "#E1*5E",
            "E10E",
            "M",
            "X",
            "C",
            "250*E",
            "-",
            "M81",
            "M82E1E",
            "M831E",
            "M841EE",
        ]
    ),
    st.text(KEYS, min_size=1, max_size=6),
)
scripts = st.one_of(
    st.lists(parts, max_size=20).map("".join),
    st.tuples(
        st.sampled_from(["EE4711E12", "EE4711E11E10EM", "EE4711E12EE"]), st.lists(parts, max_size=12)
    ).map(lambda pair: pair[0] + "".join(pair[1])),
    st.text(KEYS, max_size=80),
)
refusals = st.tuples(st.integers(1, REFUSAL_MAX), st.integers(0, 3)).map(list)
plays = st.fixed_dictionaries(
    {
        "script": scripts,
        "pin_kind": st.integers(0, 2),
        "tries_left": st.integers(0, 3),
        "remaining_rupiah": st.sampled_from([0, 1, 150_000, 600_000, MOST_RUPIAH, 2 * MOST_RUPIAH]),
        "recent_rupiah": st.sampled_from([0, 0, 135_000, 600_000]),
        "before_view": st.lists(refusals, max_size=2),
        "outcomes": st.lists(st.one_of(st.just("grant"), refusals), min_size=1, max_size=4),
        "card_waits": st.sampled_from([0, 0, 0, 3, -1]),
        "printer_failures": st.sampled_from([0, 0, 1, -1]),
        "stored": st.integers(0, 20),
        "asks_reason": st.booleans(),
        "goods_tap": st.booleans(),
        "hasty": st.one_of(st.just(""), st.text(KEYS.replace("-", ""), max_size=12)),
    }
)
ORDINARY: dict[str, Any] = {
    "script": "EE4711E12EE123456EE",
    "pin_kind": 1,
    "tries_left": 3,
    "remaining_rupiah": 600_000,
    "recent_rupiah": 0,
    "before_view": [],
    "outcomes": ["grant"],
    "card_waits": 0,
    "printer_failures": 0,
    "stored": 3,
    "asks_reason": False,
    "goods_tap": False,
    "hasty": "",
}


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def flow(request: pytest.FixtureRequest) -> Iterator[MicroPythonWorker]:
    """The conversation on one interpreter."""
    with MicroPythonWorker("tests/property/drivers/ui_flow.py", request.param) as worker:
        yield worker


def play(flow: MicroPythonWorker, wanted: dict[str, Any]) -> dict[str, Any]:
    """Play one script."""
    answer: dict[str, Any] = json.loads(flow.call(json.dumps(wanted).encode()))
    return answer


@given(wanted=plays)
@example(wanted=ORDINARY)
@example(wanted=ORDINARY | {"outcomes": [[6, 2], "grant"], "script": "EE4711E12EE000000EE123456E"})
@example(wanted=ORDINARY | {"outcomes": [[12, 0], "grant"], "script": "EE4711E12EE123456EEE"})
@example(wanted=ORDINARY | {"pin_kind": 0, "hasty": "EEEE", "script": "EE4711E12E"})
@example(wanted=ORDINARY | {"asks_reason": True, "script": "EE4711E12EE1123456EE"})
@example(wanted=ORDINARY | {"goods_tap": True, "script": "EE4711E11E10EME123456EEEE"})
@example(wanted=ORDINARY | {"outcomes": [[12, 0], "grant"], "script": "EM4711E82E1EEEM82E1EE"})
@example(wanted=ORDINARY | {"script": "EM4711E841EEEM841X"})
@example(wanted=ORDINARY | {"pin_kind": 0, "script": "EE4711E12EEE"})
def test_any_keys_end_on_the_idle_screen_and_spend_only_as_confirmed(
    flow: MicroPythonWorker, wanted: dict[str, Any]
) -> None:
    """PIN where it is demanded, one confirmation for each call, the PIN wiped, every commit said exactly once, none twice."""
    done = play(flow, wanted)
    assert done["wrong"] == []
    assert done["shown"] == "idle"
    assert done["granted"] == done["committed"] <= len(done["amounts"]) + done["after_sale"]
    assert len(set(map(tuple, done["done"]))) == len(done["done"])
    for amount_rupiah, sums in zip(done["amounts"], done["item_sums"], strict=True):
        assert 0 < amount_rupiah <= min(MOST_RUPIAH, wanted["remaining_rupiah"])
        if sums:
            assert amount_rupiah == sum((part + 50) // 100 for part in sums)


def test_the_ordinary_script_redeems(flow: MicroPythonWorker) -> None:
    """So that the property above is about something."""
    assert play(flow, ORDINARY)["committed"] == 1
    voided = play(flow, ORDINARY | {"script": "EM4711E82E1EE"})
    assert voided["done"] == [["void", 3]]
