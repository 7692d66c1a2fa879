"""The chip models do on CPython what they do on MicroPython: the same tests, run here."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable

import pytest

MODELS = (
    "atecc608",
    "buses",
    "ds3231",
    "ina219",
    "mcp23017",
    "nor_flash",
    "nor_flash_faults",
    "printer",
    "ssd1309",
)


def promises() -> list[Callable[[], None]]:
    found = []
    for name in MODELS:
        module = importlib.import_module(f"tests.unit.micropython.test_model_{name}")
        found += [item for key, item in inspect.getmembers(module) if key.startswith("test_")]
    return found


@pytest.mark.parametrize(
    "promise", promises(), ids=lambda item: f"{item.__module__.split('.')[-1]}.{item.__name__}"
)
def test_on_cpython(promise, monkeypatch, tmp_path):
    (tmp_path / "build").mkdir()
    monkeypatch.chdir(tmp_path)
    promise()
