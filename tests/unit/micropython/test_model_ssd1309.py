"""The display model follows the SSD1309's data sheet: addressing, windows, remapping, reset, and what it refuses."""

from hardware.buses import Pin, SpiBus
from hardware.display_ssd1309 import Ssd1309


class Wired:
    def __init__(self):
        self.spi = SpiBus(4000000)
        self.select, self.data, self.reset = Pin("CS"), Pin("DC", 0), Pin("RES")
        self.chip = Ssd1309(self.data, self.reset)
        self.spi.attach(self.select, self.chip, max_hz=10000000)

    def command(self, *octets):
        self.send(0, bytes(octets))

    def picture(self, octets):
        self.send(1, octets)

    def send(self, is_data, octets):
        self.data.value(is_data)
        self.select.off()
        self.spi.write(octets)
        self.select.on()

    def page(self, number, first=0, last=127):
        return bytes(self.chip.ram[number * 128 + first : number * 128 + last + 1])


def test_after_reset_the_display_is_off_and_the_ram_holds_rubbish():
    wired = Wired()
    assert not wired.chip.on and wired.chip.contrast == 0x7F
    assert wired.page(0) != bytes(128)
    wired.command(0xAF, 0x81, 0x20)
    assert wired.chip.on and wired.chip.contrast == 0x20
    wired.reset.value(0)
    wired.command(0xAF)
    wired.reset.value(1)
    assert not wired.chip.on and wired.chip.contrast == 0x7F, "nothing is heard during reset"


def test_horizontal_addressing_fills_a_window_line_by_line():
    wired = Wired()
    wired.command(0x20, 0x00, 0x21, 10, 12, 0x22, 2, 3)
    wired.picture(bytes(range(1, 8)))
    assert wired.page(2, 10, 12) == b"\x07\x02\x03"
    assert wired.page(3, 10, 12) == b"\x04\x05\x06"
    assert wired.page(2, 13, 13) == b"\xa5", "outside the window nothing changes"


def test_vertical_addressing_fills_a_window_column_by_column():
    wired = Wired()
    wired.command(0x20, 0x01, 0x21, 10, 11, 0x22, 2, 3)
    wired.picture(bytes(range(1, 6)))
    assert wired.page(2, 10, 11) == b"\x05\x03"
    assert wired.page(3, 10, 11) == b"\x02\x04"


def test_page_addressing_stays_in_its_page():
    wired = Wired()
    wired.command(0x20, 0x02, 0xB5, 0x0E, 0x17)
    wired.picture(b"\x01\x02\x03")
    assert wired.page(5, 126, 127) == b"\x01\x02"
    assert wired.page(5, 0, 0) == b"\x03"


def test_segment_remap_works_on_data_that_comes_in_and_not_on_what_is_stored():
    wired = Wired()
    wired.command(0x20, 0x00, 0x21, 0, 127, 0x22, 0, 7)
    wired.picture(bytes(1024))
    wired.command(0xA1, 0x21, 0, 127, 0x22, 0, 7)
    wired.picture(b"\x77")
    wired.command(0xA0, 0x21, 0, 127, 0x22, 0, 7)
    wired.picture(b"\x33")
    assert wired.page(0, 127, 127) == b"\x77" and wired.page(0, 0, 0) == b"\x33"


def test_the_dot_at_the_upper_left_is_column_0_of_page_0_when_mounted_as_on_the_board():
    wired = Wired()
    wired.command(0xA1, 0xC8, 0x20, 0x00, 0x21, 0, 127, 0x22, 0, 7, 0xAF)
    wired.picture(b"\x01" + bytes(1023))
    rows = wired.chip.rows()
    assert rows[0] == "#" + "." * 127 and rows[1] == "." * 128
    wired.command(0xC0)
    assert wired.chip.rows()[63][0] == "#", "the COM direction turns the picture that is there"


def test_inverse_all_on_off_start_line_and_offset_change_what_is_seen_only():
    wired = Wired()
    wired.command(0xA1, 0xC8, 0x20, 0x00, 0x21, 0, 127, 0x22, 0, 7, 0xAF)
    wired.picture(b"\x01" + bytes(1023))
    assert wired.chip.pixel(0, 0) == 1 and wired.chip.pixel(1, 0) == 0
    wired.command(0xA7)
    assert wired.chip.pixel(0, 0) == 0 and wired.chip.pixel(1, 0) == 1
    wired.command(0xA6, 0xA5)
    assert wired.chip.pixel(1, 0) == 1
    wired.command(0xA4, 0x41)
    assert wired.chip.pixel(0, 63) == 1 and wired.chip.pixel(0, 0) == 0
    wired.command(0x40, 0xD3, 1)
    assert wired.chip.pixel(0, 63) == 1
    wired.command(0xAE)
    assert wired.chip.rows() == ["." * 128] * 64


def test_a_locked_chip_listens_to_the_unlock_alone():
    wired = Wired()
    wired.command(0xFD, 0x16)
    wired.command(0xAF)
    assert not wired.chip.on
    wired.command(0xFD, 0x12)
    wired.command(0xAF)
    assert wired.chip.on and not wired.chip.errors


def test_what_the_chip_does_not_know_is_recorded():
    wired = Wired()
    wired.command(0x8D, 0x14)
    assert "0x8d" in wired.chip.errors[0], "the charge pump of the SSD1306 does not exist here"
    wired.command(0x21, 5, 200)
    assert "window" in wired.chip.errors[-1]
    wired.command(0x81)
    assert "ended" in wired.chip.errors[-1]


def test_the_serial_interface_cannot_be_read():
    wired = Wired()
    wired.select.off()
    assert wired.spi.read(2) == b"\xff\xff"
