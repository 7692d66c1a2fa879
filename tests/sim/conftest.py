"""Fixtures of the whole-system tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sim.shop import district
from tools.stack import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A district with its services, none of them running."""
    with district(tmp_path) as made:
        yield made
