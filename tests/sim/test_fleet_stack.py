"""The same promises with real processes: terminals by their keys, Mosquitto, the daemon killed with -9, the bank by HTTP."""

from pathlib import Path

import pytest

from tests.sim.fleet.stack_story import StackStory
from tools.setup import checkout

STEPS = 8

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif("mosquitto" in checkout.missing(), reason="Mosquitto could not be had"),
    pytest.mark.skipif("micropython64" in checkout.missing(), reason="MicroPython could not be had"),
]


def test_whatever_is_killed_in_between_all_sums_agree(tmp_path: Path, run_seed: int) -> None:
    story = StackStory(tmp_path, run_seed)
    print(f"seed {run_seed}: .venv/bin/python -m tests.sim.fleet --stack {run_seed} --steps {STEPS}")
    try:
        story.tell(STEPS)
    finally:
        story.stack.stop()
    print(f"seed {run_seed}: {dict(story.done)}")
