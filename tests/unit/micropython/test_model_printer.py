"""The printer model obeys the commands it knows, records those it does not, and takes its time."""

from hardware.buses import Pin, Uart
from hardware.model_clock import ManualClock
from hardware.printer_escpos import BUFFER_BYTES, EscPosPrinter, receipt_text


class Wired:
    def __init__(self, baud=115200):
        self.clock = ManualClock()
        self.uart = Uart(self.clock, baud, txbuf=20000)
        self.busy = Pin("BUSY", 0)
        self.printer = EscPosPrinter(self.clock, self.busy)
        self.printer.connect(self.uart)

    def send(self, octets, wait_ms=10000):
        self.uart.write(octets)
        self.clock.advance_us(wait_ms * 1000)
        return self.printer.unfinished()

    def ask(self, kind):
        self.uart.write(bytes((0x10, 0x04, kind)))
        self.clock.advance_us(2000)
        self.uart.settle()
        self.clock.advance_us(2000)
        answer = self.uart.read()
        return None if answer is None else answer[0]


def test_letters_wait_for_their_line_feed():
    wired = Wired()
    assert wired.send(b"beras") == []
    assert wired.send(b"\n") == [("text", 0, [(b"beras", False, 1, 1)])]


def test_type_changes_inside_a_line_make_spans():
    wired = Wired()
    assert wired.send(b"a\x1bE\x01bc\x1d!\x11D\n") == [
        ("text", 0, [(b"a", False, 1, 1), (b"bc", True, 1, 1), (b"D", True, 2, 2)])
    ]


def test_a_line_longer_than_the_paper_goes_on_in_the_next():
    wired = Wired()
    lines = wired.send(b"x" * 40 + b"\n")
    assert [len(line[2][0][0]) for line in lines] == [32, 8]
    lines = Wired().send(b"\x1d!\x10" + b"y" * 17 + b"\n")
    assert [len(line[2][0][0]) for line in lines] == [16, 1]


def test_initialise_forgets_type_and_letters_of_the_line():
    wired = Wired()
    assert wired.send(b"\x1ba\x01\x1bE\x01\x1d!\x11abc\x1b@xyz\n") == [("text", 0, [(b"xyz", False, 1, 1)])]


def test_a_cut_ends_a_receipt():
    wired = Wired()
    wired.send(b"satu\n\x1dV\x01dua\n\x1dVB\x10")
    assert [[part[0] for part in receipt] for receipt in wired.printer.receipts()] == [
        ["text", "cut"],
        ["text", "feed", "cut"],
    ]
    assert wired.printer.unfinished() == []


def test_a_feed_prints_the_line_and_moves_the_paper():
    assert Wired().send(b"a\x1bd\x02\n")[0:2] == [("text", 0, [(b"a", False, 1, 1)]), ("feed", 30)]
    assert Wired().send(b"\x1bd\x02\n")[0] == ("feed", 60)


def test_a_raster_image_may_hold_any_octet():
    data = bytes(range(256)) * 3
    wired = Wired()
    assert wired.send(b"\x1ba\x01\x1dv0\x00\x30\x00\x10\x00" + data) == [("image", 1, 48, 16, data)]


def test_a_raster_image_may_be_doubled_either_way():
    row = b"\xa0\x01"
    for mode, rows in (
        (0, [row]),
        (1, [b"\xcc\x00\x00\x03"]),
        (2, [row] * 2),
        (3, [b"\xcc\x00\x00\x03"] * 2),
    ):
        wired = Wired()
        printed = wired.send(b"\x1dv0" + bytes((mode,)) + b"\x02\x00\x01\x00" + row)
        assert printed == [("image", 0, len(rows[0]), len(rows), b"".join(rows))]
    wired = Wired()
    assert wired.send(b"\x1dv0\x03\x19\x00\x01\x00" + bytes(25)) == []
    assert "doubled" in wired.printer.errors[0]


def test_an_image_wider_than_the_paper_is_an_error():
    wired = Wired()
    assert wired.send(b"\x1dv0\x00\x31\x00\x01\x00" + bytes(49)) == []
    assert "49 octets" in wired.printer.errors[0]


def test_a_status_request_inside_image_data_is_obeyed_and_noted():
    wired = Wired()
    wired.send(b"\x1dv0\x00\x03\x00\x01\x00\x10\x04\x01")
    assert wired.uart.read() is not None, "as real printers do"
    assert "status request" in wired.printer.errors[0]


def test_a_qr_symbol_takes_module_size_level_and_data():
    wired = Wired()
    wired.send(b"\x1d(k\x03\x001C\x05\x1d(k\x03\x001E\x33\x1d(k\x06\x001P0abc\x1d(k\x03\x001Q0")
    assert wired.printer.unfinished() == [("qr", 0, b"abc", 5, "H")]
    assert wired.printer.errors == []


def test_a_qr_symbol_wider_than_the_paper_or_too_full_is_an_error():
    wired = Wired()
    data = b"\x1d(k\x66\x001P0" + bytes(99) + b"\x1d(k\x03\x001Q0"
    assert wired.send(b"\x1d(k\x03\x001C\x10" + data) == [] and "dots" in wired.printer.errors[0]
    data = b"\x1d(k\x2f\x011P0" + bytes(300) + b"\x1d(k\x03\x001Q0"
    assert wired.send(data) == [] and "300 octets" in wired.printer.errors[1]


def test_printing_a_qr_symbol_without_data_is_an_error():
    wired = Wired()
    assert wired.send(b"\x1d(k\x03\x001Q0") == [] and len(wired.printer.errors) == 1


def test_unknown_commands_are_recorded_and_do_not_stop_the_printer():
    wired = Wired()
    assert wired.send(b"\x1bZ\x07ok\n") == [("text", 0, [(b"ok", False, 1, 1)])]
    assert wired.printer.errors == ["unknown: 1b 5a", "unknown: 07"]


def test_alignment_inside_a_line_is_noted():
    wired = Wired()
    wired.send(b"abc\x1ba\x02def\n")
    assert wired.printer.errors == ["alignment changed inside a line"]


def test_status_tells_ready_from_no_paper_and_open_cover():
    wired = Wired()
    assert [wired.ask(kind) for kind in (1, 2, 4)] == [0x12, 0x12, 0x12]
    wired.printer.set_paper(None, near_end=True)
    assert [wired.ask(kind) for kind in (1, 2, 4)] == [0x12, 0x12, 0x1E]
    wired.printer.set_paper(0)
    assert [wired.ask(kind) for kind in (1, 2, 4)] == [0x1A, 0x32, 0x7E]
    assert wired.busy.value() == 1
    wired.printer.set_paper()
    wired.printer.cover_open = True
    assert [wired.ask(kind) for kind in (1, 2, 4)] == [0x1A, 0x16, 0x12]
    assert wired.ask(7) is None


def test_without_paper_the_buffer_is_kept_and_printed_later():
    wired = Wired()
    wired.printer.set_paper(0)
    assert wired.send(b"nanti\n") == []
    wired.printer.set_paper()
    wired.clock.advance_us(1000000)
    assert len(wired.printer.unfinished()) == 1


def test_lines_take_their_time():
    wired = Wired()
    wired.uart.write(b"a\n" * 10)
    wired.clock.advance_us(5 * 75000 + 5000)
    assert 5 <= len(wired.printer.unfinished()) <= 6
    wired.clock.advance_us(5 * 75000)
    assert len(wired.printer.unfinished()) == 10


def test_the_busy_line_rises_before_the_buffer_is_full_and_falls_again():
    wired = Wired()
    wired.uart.write(b"x" * 31 + b"\n")
    wired.uart.write((b"y" * 31 + b"\n") * 130)
    wired.clock.advance_us(360000)
    assert wired.busy.value() == 1 and wired.printer.lost_octets == 0
    wired.clock.advance_us(60000000)
    assert wired.busy.value() == 0


def test_what_comes_after_the_buffer_is_full_is_lost():
    wired = Wired()
    wired.printer.set_paper(0)
    wired.send(bytes(BUFFER_BYTES + 10))
    assert wired.printer.lost_octets == 10


def test_plain_text_places_lines_and_names_pictures():
    wired = Wired()
    wired.send(b"\x1ba\x02\x1d!\x11Rp 5\n\x1b@\x1ba\x01ab\n\x1dv0\x00\x01\x00\x02\x00\x00\x00")
    wired.send(b"\x1d(k\x04\x001P0q\x1d(k\x03\x001Q0\x1dV\x00")
    lines = receipt_text(wired.printer.receipts()[0]).split("\n")
    assert lines == [
        " " * 24 + "Rp 5",
        " " * 15 + "ab",
        " " * 9 + "[image 8 x 2]",
        " " * 9 + "[QR, 1 octets]",
        "- " * 15 + "-",
        "",
    ]
