"""A document comes out as it was meant, or the error says why not and at which element."""

import asyncio

from firmware.drivers.escpos_printer import COLUMNS, Printer, PrinterError, Style, encode
from firmware.drivers.qr_symbol import QrSymbol
from hardware.buses import Pin, Uart
from hardware.printer_escpos import EscPosPrinter, receipt_text
from protocol import carry
from tests.support.mp import raises
from tests.support.mp_time import ModelTime

LEFT, CENTRE, RIGHT = 0, 1, 2


class Wired:
    def __init__(self, time=None):
        self.time = time or ModelTime()
        self.uart = Uart(self.time.models, 9600, txbuf=256, rxbuf=256)
        busy = Pin("PRINTER_BUSY", 0)
        self.model = EscPosPrinter(self.time.models, busy)
        self.model.connect(self.uart)
        self.printer = Printer(self.uart, busy, self.time)

    def print(self, document):
        self.time.run(self.printer.print_document(document))
        return self

    def receipt(self):
        receipts = self.model.receipts()
        assert len(receipts) == 1, receipts
        return receipts[0]

    def was_never_blocked(self):
        return self.uart.blocked_us == 0 and self.uart.lost_octets == 0 and self.model.lost_octets == 0


def text(string, align="l", bold=False, double=False):
    return ("text", string, align, bold, double)


SLIP = [
    text("LUMBUNG", "c", True, True),
    text("STRUK BELANJA", "c", True),
    ("rule",),
    text("No.              KALTENG7-000123"),
    text("Rp 200.000", "r", True, True),
    ("feed", 3),
    ("cut",),
]


def test_a_slip_comes_out_line_by_line_in_its_type():
    wired = Wired().print(SLIP)
    assert wired.receipt() == [
        ("text", CENTRE, [(b"LUMBUNG", True, 2, 2)]),
        ("text", CENTRE, [(b"STRUK BELANJA", True, 1, 1)]),
        ("text", LEFT, [(b"-" * COLUMNS, False, 1, 1)]),
        ("text", LEFT, [(b"No.              KALTENG7-000123", False, 1, 1)]),
        ("text", RIGHT, [(b"Rp 200.000", True, 2, 2)]),
        ("feed", 90),
        ("cut",),
    ]
    assert wired.model.errors == [] and wired.was_never_blocked()


def test_the_plain_text_of_a_slip_can_be_read_on_a_console():
    lines = receipt_text(Wired().print(SLIP).receipt()).split("\n")
    assert lines[0].strip() == "LUMBUNG" and lines[2] == "-" * 32
    assert lines[3] == "No.              KALTENG7-000123"


def test_a_document_has_come_out_when_printing_returns():
    wired = Wired()
    wired.print([text("baris %d" % number) for number in range(40)] + [("cut",)])
    moment_ms = wired.time.ticks_ms()
    assert len(wired.receipt()) == 41
    assert 40 * 75 <= moment_ms <= 40 * 75 + 500, "40 lines at 50 mm/s, and hardly more"


def test_a_document_longer_than_the_printers_buffer_waits_for_the_busy_line():
    wired = Wired()
    wired.print([text("%032d" % number) for number in range(400)] + [("cut",)])
    assert len(wired.receipt()) == 401 and wired.was_never_blocked()
    assert wired.model.errors == []


def test_letters_that_the_printer_does_not_have_become_question_marks():
    wired = Wired().print([text("Ibu Nuraéni\x1b@ \x10\x04\x01"), ("cut",)])
    assert wired.receipt()[0][2][0][0] == b"Ibu Nura?ni?@ ???"
    assert wired.model.errors == []


def test_an_image_comes_out_dot_by_dot():
    octets = bytes([(7 * index) & 0xFF for index in range(12 * 50)])
    wired = Wired().print([("image", 12, octets), ("cut",)])
    parts = wired.receipt()[:-1]
    assert [part[3] for part in parts] == [24, 24, 2]
    assert b"".join([part[4] for part in parts]) == octets
    assert wired.model.errors == [] and wired.was_never_blocked()


def test_image_data_never_reads_as_a_status_request():
    octets = b"\x10\x04\x01\x10" * 3 + b"\x04\x02\x00\x00"
    wired = Wired().print([("image", 4, octets), ("cut",)])
    assert wired.model.errors == []
    printed = wired.receipt()[0][4]
    assert printed.find(b"\x10\x04") < 0 and len(printed) == len(octets)


def test_a_qr_symbol_is_left_to_the_printer_with_quiet_around_it():
    wired = Wired().print([("qr", b"\x00\x01lumbung\xff" * 12, 4), ("cut",)])
    symbol = ("qr", CENTRE, b"\x00\x01lumbung\xff" * 12, 4, "M")
    assert wired.receipt() == [("feed", 30), symbol, ("feed", 30), ("cut",)]
    assert wired.model.errors == [] and wired.was_never_blocked()


def dots_of(receipt):
    """Rows of all images of a receipt, as numbers, and how wide they are."""
    rows = []
    for part in receipt:
        if part[0] == "image":
            wide = part[2]
            rows += [int.from_bytes(part[4][at : at + wide], "big") for at in range(0, len(part[4]), wide)]
    return rows, 8 * wide


def test_where_the_printer_draws_no_symbols_they_go_row_by_row():
    octets = carry.qr_text(bytes(range(140))).encode()
    symbol = QrSymbol(octets)
    for dots, seconds in ((6, 5), (7, 18)):
        wired = Wired()
        wired.printer.draws_qr = False
        wired.print([("qr", octets, dots), ("cut",)])
        rows, wide = dots_of(wired.receipt())
        assert len(rows) == dots * symbol.modules
        wrong = 0
        for row in range(symbol.modules):
            for column in range(symbol.modules):
                middle = rows[row * dots + dots // 2] >> (wide - 1 - column * dots - dots // 2) & 1
                wrong += middle != symbol.is_dark(row, column)
        # A dot that would read as a status request turns black; never the middle of a module.
        assert wrong == 0
        assert wired.model.errors == [] and wired.was_never_blocked()
        assert wired.time.ticks_ms() < 1000 * seconds


def test_no_paper_is_told_before_anything_is_sent():
    wired = Wired()
    wired.model.set_paper(0)
    error = raises(PrinterError, wired.print, SLIP)
    assert (error.reason, error.place) == (PrinterError.PAPER, 0)
    assert wired.model.unfinished() == [] and wired.printer.errors == 1
    wired.model.set_paper()
    wired.print(SLIP)
    assert len(wired.receipt()) == len(SLIP)


def test_an_open_cover_is_told_apart_from_no_paper():
    wired = Wired()
    wired.model.cover_open = True
    assert raises(PrinterError, wired.print, SLIP).reason == PrinterError.COVER


def test_paper_that_ends_inside_a_document_is_told():
    wired = Wired()
    wired.model.set_paper(100)
    error = raises(
        PrinterError, wired.print, [text("baris %d" % number) for number in range(20)] + [("cut",)]
    )
    assert error.reason == PrinterError.PAPER
    wired.model.set_paper()
    wired.print(SLIP)
    assert wired.model.receipts()[-1][-7:] == Wired().print(SLIP).receipt()


def test_paper_that_ends_while_the_buffer_is_full_is_told_with_its_element():
    wired = Wired()
    wired.model.set_paper(200)
    error = raises(PrinterError, wired.print, [text("%032d" % number) for number in range(300)])
    assert error.reason == PrinterError.PAPER and error.place > 7


def test_a_printer_that_is_not_there_is_told():
    time = ModelTime()
    uart = Uart(time.models, 9600)
    printer = Printer(uart, Pin("PRINTER_BUSY", 0), time)
    error = raises(PrinterError, time.run, printer.print_document(SLIP))
    assert error.reason == PrinterError.SILENT and "silent" in str(error)


class OftenAway(ModelTime):
    """Whoever pauses comes back late: a collection or an erase of flash stops everything for some hundred milliseconds."""

    async def sleep_ms(self, duration_ms):
        await ModelTime.sleep_ms(self, max(duration_ms, 400))


def test_a_printer_that_answered_while_nobody_looked_is_there():
    wired = Wired(OftenAway()).print(SLIP)
    assert len(wired.receipt()) == len(SLIP)


def test_a_printer_that_stays_busy_for_no_reason_is_told():
    wired = Wired()
    wired.model._update_busy = lambda: None
    wired.model._busy_pin.drive(1)
    assert raises(PrinterError, wired.print, SLIP).reason == PrinterError.BUSY


def test_noise_on_the_line_is_not_taken_for_a_status():
    wired = Wired()
    wired.time.at_ms(1, lambda: wired.uart.deliver(b"\xff\x00\x81"))
    wired.print(SLIP)
    assert len(wired.receipt()) == len(SLIP)


def test_after_a_cancelled_image_the_next_document_begins_clean():
    wired = Wired()

    async def main():
        printing = asyncio.create_task(
            wired.printer.print_document([("image", 48, bytes(48 * 100)), ("cut",)])
        )
        await wired.time.sleep_ms(700)
        printing.cancel()
        try:
            await printing
        except asyncio.CancelledError:
            pass
        await wired.printer.print_document(SLIP)

    wired.time.run(main())
    receipt = wired.receipt()
    assert receipt[-7:] == Wired().print(SLIP).receipt(), "the slip is whole"
    assert [part[0] for part in receipt[:-7]] == ["image"], "before it hangs the stump of the image"
    assert wired.model.errors == [], wired.model.errors


def test_what_is_no_element_or_does_not_fit_the_paper_is_refused():
    bad = (
        ("barcode", "123"),
        ("qr", bytes(300), 1),
        ("qr", bytes(100), 16),
        ("image", 49, bytes(49)),
        ("image", 5, b"1"),
    )
    for element in bad:
        raises(ValueError, list, encode(element, Style()))
    assert "barcode" in str(raises(ValueError, list, encode(bad[0], Style())))
