"""What the terminal prints of its pending records, the gateway's decoder reads off a photograph, whichever the printer."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

pytest.importorskip("PIL.Image")

from gateway import photographs
from hardware.render_receipt import raster, render_receipt
from protocol import carry, frame
from tests.support.worker import MicroPythonWorker

DRIVER = "tests/property/drivers/carry_slips.py"
# Seconds for a slip, paper included: the printer's own command, and row by row.
SECONDS_MOST = {"1": 3, "0": 7}


def thing(value: Any) -> Any:
    """What the driver made plain, as the model had it."""
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"])
    return tuple(thing(part) for part in value) if isinstance(value, list) else value


@pytest.mark.parametrize("draws_qr", ["1", "0"])
def test_slips_are_read_back_as_the_frames_that_were_printed(draws_qr: str, tmp_path: Any) -> None:
    with MicroPythonWorker(DRIVER, "unix64", heap="64m") as worker:
        told = json.loads(worker.call(draws_qr.encode()))
    receipts = [[thing(part) for part in receipt] for receipt in told["receipts"]]
    assert len(receipts) == len(told["texts"]) > 3
    assert told["seconds"] <= SECONDS_MOST[draws_qr] * len(receipts)
    kinds = {part[0] for receipt in receipts for part in receipt}
    assert ("qr" in kinds, "image" in kinds) == (draws_qr == "1", draws_qr == "0")
    found = []
    for place, receipt in enumerate(receipts):
        path = tmp_path / f"slip-{draws_qr}-{place + 1}.png"
        render_receipt(receipt, str(path))
        found += photographs.read(path.read_bytes()).texts
        assert raster(receipt).width == 384
    assert found == told["texts"]
    headers = [frame.read_header(carry.from_qr_text(text)) for text in found]
    assert sum(header.count for header in headers) == 17
    assert [header.sealed for header in headers] == [False] * (len(headers) - 1) + [True]


def test_a_photograph_of_something_else_holds_no_slip(tmp_path: Any) -> None:
    with MicroPythonWorker(DRIVER, "unix64", heap="64m") as worker:
        told = json.loads(worker.call(b"1"))
    receipt = [part for part in (thing(part) for part in told["receipts"][0]) if part[0] != "qr"]
    picture = io.BytesIO()
    raster(receipt).save(picture, "PNG")
    assert photographs.read(picture.getvalue()).texts == []
