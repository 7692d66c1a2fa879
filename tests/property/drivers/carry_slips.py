"""Driver: the slips of pending records as the printer model prints them: JSON of receipts, octets in hexadecimal.

The request is "1" where the printer has a QR command of its own, "0" where symbols go row by row.
"""

import json

from firmware import main

main.load()

from firmware.carry.codes import Codes  # noqa: E402
from firmware.drivers.escpos_printer import Printer  # noqa: E402
from firmware.ui import receipts  # noqa: E402
from hardware.buses import Pin, Uart  # noqa: E402
from hardware.printer_escpos import EscPosPrinter  # noqa: E402
from tests.support.mp_books import NOW_S  # noqa: E402
from tests.support.mp_time import ModelTime  # noqa: E402
from tests.unit.micropython.relay_bench import Bench  # noqa: E402

SALES = 14


def handle(request):
    bench = Bench(SALES)
    bench.opens = False

    async def story(bench):
        return await Codes(bench.ledger, bench.relay.frames, lambda: True).make()

    codes = bench.run(story)
    time = ModelTime()
    uart = Uart(time.models, 9600, txbuf=256, rxbuf=256)
    busy = Pin("PRINTER_BUSY", 0)
    model = EscPosPrinter(time.models, busy)
    model.connect(uart)
    printer = Printer(uart, busy, time)
    printer.draws_qr = request == b"1"
    for place in range(len(codes)):
        slip = receipts.carry_code("0000002A", (NOW_S, True, 420), place + 1, len(codes), codes[place])
        time.run(printer.print_document(slip))
    assert model.errors == [], model.errors
    told = {
        "texts": [code.text for code in codes],
        "seconds": time.ticks_ms() // 1000,
        "receipts": [[plain(part) for part in receipt] for receipt in model.receipts()],
    }
    return json.dumps(told).encode()


def plain(value):
    """Octets as {"hex": ...}, tuples as lists."""
    if isinstance(value, (bytes, bytearray)):
        return {"hex": value.hex()}
    if isinstance(value, (tuple, list)):
        return [plain(part) for part in value]
    return value
