"""Pytest set-up of all tests: MicroPython collection, the run's seed, hypothesis profiles, a real Mosquitto."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.core
import pytest

from tests.support import collect
from tools.brokers import MosquittoBroker
from tools.setup import checkout

EXAMPLES_NORMAL = 60

hypothesis.settings.register_profile(
    "lumbung",
    deadline=None,
    max_examples=int(os.environ.get("LUMBUNG_EXAMPLES", EXAMPLES_NORMAL)),
    print_blob=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("lumbung")


def pytest_configure(config: pytest.Config) -> None:
    """Fix the seed of this run; LUMBUNG_SEED repeats an earlier one."""
    given = os.environ.get("LUMBUNG_SEED")
    config.stash[collect.SEED] = int(given) if given else secrets.randbelow(1 << 30)
    # One seed repeats the whole run, hypothesis included.
    hypothesis.core.global_force_seed = config.stash[collect.SEED]
    # Workers of xdist inherit the environment, so that all use the same seed.
    os.environ["LUMBUNG_SEED"] = str(config.stash[collect.SEED])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole systems first: their tests mostly wait, and at the end of a run nothing would be left to do meanwhile."""
    items.sort(key=lambda item: "/tests/sim/" not in item.path.as_posix())


def pytest_report_header(config: pytest.Config) -> str:
    """Name the seed."""
    return f"lumbung: LUMBUNG_SEED={config.stash[collect.SEED]}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what this machine lacks, so that nobody takes skipped tests for passed ones."""
    missing = checkout.missing()
    if missing:
        terminalreporter.section("left out on this machine")
        for name, reason in missing.items():
            terminalreporter.line(f"{name}: {reason}")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> Any:
    """Collect files below a `micropython` directory as MicroPython tests."""
    if collect.is_micropython_test(module_path):
        return collect.MicroPythonFile.from_parent(parent, path=module_path)
    return None


@pytest.fixture
def run_seed(pytestconfig: pytest.Config) -> int:
    """The seed of this run, for tests that draw their own random input."""
    return pytestconfig.stash[collect.SEED]


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Callable[..., MosquittoBroker]]:
    """Start real Mosquitto brokers in a test.

    `broker = mosquitto("persistence true", ...)` returns one that runs with these configuration lines. Each has a free loopback port of its own and keeps it over `stop()` and `start()`; all are ended by the fixture.
    """
    reason = checkout.missing().get("mosquitto")
    if reason:
        pytest.skip(f"no mosquitto: {reason}")
    brokers: list[MosquittoBroker] = []

    def started(*config_lines: str) -> MosquittoBroker:
        folder = tmp_path / f"mosquitto-{len(brokers)}"
        folder.mkdir()
        broker = MosquittoBroker(config_lines, folder=folder)
        brokers.append(broker)
        broker.start()
        return broker

    yield started
    for broker in brokers:
        broker.stop()
