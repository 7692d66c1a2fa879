"""Formats what it is asked to: JSON in, JSON out."""

import json

from firmware.ui import format as fmt
from firmware.ui import receipts
from tests.property.drivers.ui_fakes import receipt


def redemption(fields: dict, programme: str, goods: list, offset: int) -> list:
    """A receipt's document."""
    return receipts.redemption(receipt(**fields), programme, goods, offset, receipts.FAMILY, True)


ACTIONS = {
    "rupiah": fmt.rupiah,
    "quantity": fmt.quantity,
    "parse_quantity": fmt.parse_quantity,
    "line_rupiah": fmt.line_rupiah,
    "date": fmt.date,
    "clock": fmt.clock,
    "wrap": fmt.wrap,
    "shorten": fmt.shorten,
    "sides": fmt.sides,
    "plain": fmt.plain,
    "redemption": redemption,
}


def handle(request: bytes) -> bytes:
    """`[action, argument, ...]`."""
    wanted = json.loads(request)
    return json.dumps(ACTIONS[wanted[0]](*wanted[1:])).encode()
