"""The pictures of screens and receipts that people look at can be made."""

from __future__ import annotations

from pathlib import Path

import pytest

# Pillow belongs to the tools; a checkout without them still tests the terminal.
image = pytest.importorskip("PIL.Image")

from tests.support import process  # noqa: E402
from tools import render_ui  # noqa: E402


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with all pictures."""
    reason = process.missing_reason("unix64")
    if reason:
        pytest.skip(reason)
    assert render_ui.main([str(tmp_path)]) == 0
    return tmp_path


def test_every_screen_and_receipt_becomes_a_picture(made: Path) -> None:
    """One each, of the size of what they show, none of them blank."""
    screens = sorted((made / "screen").glob("*.png"))
    receipts = sorted((made / "receipt").glob("*.png"))
    assert {path.stem for path in screens} >= {"idle", "pin", "granted-0", "refused-14", "stopped"}
    assert {path.stem for path in receipts} >= {"sale-0", "totals", "refused-14", "goods-received"}
    for path in screens:
        with image.open(path) as picture:
            assert picture.size == (128 * render_ui.ZOOM, 64 * render_ui.ZOOM)
            assert len(picture.getcolors()) > 1, path.stem
    for path in receipts:
        with image.open(path) as picture:
            assert picture.size[0] == render_ui.PAPER_WIDTH + 2 * render_ui.MARGIN
            assert len(picture.getcolors()) > 1, path.stem
