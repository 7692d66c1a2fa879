"""The gateway reads modems and short messages with the same code on CPython: the same promises, kept there."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable

import pytest

from tests.support import mp

FILES = (
    "test_at_grammar",
    "test_at_lines",
    "test_at_transcripts",
    "test_sms_pdu",
    "test_sms_time",
    "test_sms_vectors",
)


def promises() -> list[Callable[[], None]]:
    found = []
    for name in FILES:
        module = importlib.import_module(f"tests.unit.micropython.{name}")
        found += [item for key, item in inspect.getmembers(module) if key.startswith("test_")]
    return found


@pytest.mark.parametrize(
    "promise", promises(), ids=lambda item: f"{item.__module__.split('.')[-1]}.{item.__name__}"
)
def test_on_cpython(promise):
    try:
        promise()
    except mp.Skip as why:
        pytest.skip(str(why))
