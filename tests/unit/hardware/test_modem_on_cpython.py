"""The modem model does on CPython what it does on MicroPython: the gateway's tests live with it there."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from tests.unit.micropython import test_model_modem


def promises() -> list[Callable[[], None]]:
    return [item for key, item in inspect.getmembers(test_model_modem) if key.startswith("test_")]


@pytest.mark.parametrize("promise", promises(), ids=lambda item: item.__name__)
def test_on_cpython(promise):
    promise()
