"""The expander model follows the MCP23017's data sheet, and its key matrix the laws of copper."""

from hardware.buses import I2cBus, Pin
from hardware.keypad_mcp23017 import GROUND, MatrixKeypad, Mcp23017


class Wired:
    def __init__(self):
        self.interrupt_a, self.interrupt_b = Pin("INTA"), Pin("INTB")
        self.chip = Mcp23017(self.interrupt_a, self.interrupt_b)
        self.bus = I2cBus(100000)
        self.bus.attach(0x20, self.chip)

    def write(self, register, *values):
        self.bus.writeto_mem(0x20, register, bytes(values))

    def read(self, register, size=1):
        return tuple(self.bus.readfrom_mem(0x20, register, size))


def test_after_power_up_all_pins_are_inputs():
    wired = Wired()
    assert wired.read(0x00, 22) == (0xFF, 0xFF) + (0,) * 20
    assert (wired.interrupt_a.value(), wired.interrupt_b.value()) == (1, 1)


def test_an_output_follows_its_latch_and_an_input_does_not():
    wired = Wired()
    wired.write(0x14, 0x03, 0x00)
    assert wired.chip.level(0) == 0
    wired.write(0x00, 0xFE)
    assert (wired.chip.level(0), wired.chip.level(1)) == (1, 0)
    assert wired.read(0x12) == (0x01,)
    wired.write(0x12, 0x02)
    assert wired.read(0x14) == (0x02,), "writing the port writes the latch"
    assert wired.chip.level(0) == 0


def test_a_pulled_up_input_reads_1_until_a_contact_grounds_it():
    wired = Wired()
    assert wired.read(0x13) == (0x00,), "without a pull-up a loose wire is not high"
    wired.write(0x0D, 0x11)
    assert wired.read(0x13) == (0x11,)
    wired.chip.close(8, GROUND)
    assert wired.read(0x13) == (0x10,)
    wired.write(0x03, 0x01)
    assert wired.read(0x13) == (0x11,), "IPOL turns what is read"
    wired.chip.open(8, GROUND)
    assert wired.read(0x13) == (0x10,)


def test_the_last_pin_of_each_port_cannot_be_read_as_an_input():
    wired = Wired()
    wired.write(0x0C, 0xFF, 0xFF)
    assert wired.read(0x12, 2) == (0x7F, 0x7F)


def test_the_pointer_goes_on_through_all_registers_and_round():
    wired = Wired()
    wired.write(0x0C, 0x12, 0x34)
    assert wired.read(0x0C, 2) == (0x12, 0x34)
    wired.write(0x15, 0x00, 0xF0)
    assert wired.read(0x00) == (0xF0,), "after the last register comes the first"


def test_byte_mode_goes_to_and_fro_between_the_ports():
    wired = Wired()
    wired.write(0x0A, 0x20)
    wired.write(0x14, 0x01, 0x02, 0x03)
    assert wired.read(0x14, 3) == (0x03, 0x02, 0x03)


def test_bank_1_separates_the_ports():
    wired = Wired()
    wired.write(0x0A, 0x80)
    wired.write(0x10, 0x0F)
    assert wired.read(0x00) == (0xFF,) and wired.read(0x10) == (0x0F,)
    wired.write(0x05, 0x00)
    assert wired.read(0x00, 2) == (0xFF, 0x0F), "back in bank 0"


def test_interrupt_on_change_holds_until_the_port_is_read():
    wired = Wired()
    wired.write(0x0D, 0x0F)
    wired.write(0x05, 0x0F)
    wired.read(0x13)
    wired.chip.close(9, GROUND)
    assert wired.interrupt_b.value() == 0 and wired.interrupt_a.value() == 1
    assert wired.read(0x0F) == (0x02,)
    wired.chip.open(9, GROUND)
    assert wired.interrupt_b.value() == 0, "the change is kept though the key is up"
    assert wired.read(0x11) == (0x0D,), "INTCAP holds the port as it was"
    assert wired.interrupt_b.value() == 1
    assert wired.read(0x0F) == (0x00,)


def test_a_pin_without_interrupt_enabled_raises_none():
    wired = Wired()
    wired.write(0x0D, 0xFF)
    wired.write(0x05, 0x01)
    wired.chip.close(9, GROUND)
    assert wired.interrupt_b.value() == 1
    wired.chip.close(8, GROUND)
    assert wired.interrupt_b.value() == 0


def test_comparison_with_a_default_raises_again_while_the_pin_differs():
    wired = Wired()
    wired.write(0x0D, 0x01)
    wired.write(0x07, 0x01)
    wired.write(0x09, 0x01)
    wired.write(0x05, 0x01)
    assert wired.interrupt_b.value() == 1
    wired.chip.close(8, GROUND)
    assert wired.interrupt_b.value() == 0
    wired.read(0x13)
    assert wired.interrupt_b.value() == 0
    wired.chip.open(8, GROUND)
    wired.read(0x13)
    assert wired.interrupt_b.value() == 1


def test_mirror_and_polarity():
    wired = Wired()
    wired.write(0x0A, 0x42)
    assert (wired.interrupt_a.value(), wired.interrupt_b.value()) == (0, 0)
    wired.write(0x0D, 0x01)
    wired.write(0x05, 0x01)
    wired.chip.close(8, GROUND)
    assert (wired.interrupt_a.value(), wired.interrupt_b.value()) == (1, 1)


def test_a_key_joins_its_column_and_its_row():
    wired = Wired()
    keypad = MatrixKeypad(wired.chip, (0, 1), (8, 9), ("AB", "CD"))
    wired.write(0x0D, 0x03)
    wired.write(0x00, 0xFE)
    keypad.press("C")
    assert wired.read(0x13) == (0x01,), "C is in column 0, which is low, and row 1"
    wired.write(0x00, 0xFD)
    assert wired.read(0x13) == (0x03,), "the other column sees nothing"
    keypad.release("C")
    wired.write(0x00, 0xFE)
    assert wired.read(0x13) == (0x03,)


def test_three_keys_make_a_ghost_of_the_fourth():
    wired = Wired()
    keypad = MatrixKeypad(wired.chip, (0, 1), (8, 9), ("AB", "CD"))
    wired.write(0x0D, 0x03)
    wired.write(0x00, 0xFD)
    for key in "ABC":
        keypad.press(key)
    assert wired.read(0x13) == (0x00,), "row 1 is low by way of A, B and C though D is up"


def test_two_outputs_that_a_contact_joins_are_counted_as_a_short():
    wired = Wired()
    wired.write(0x14, 0x01)
    wired.write(0x00, 0xFC)
    assert wired.chip.contentions == 0
    wired.chip.close(0, 1)
    assert wired.chip.contentions == 1
    assert (wired.chip.level(0), wired.chip.level(1)) == (0, 0)


def test_watchers_hear_of_each_change_of_a_wire():
    wired = Wired()
    heard = []
    wired.chip.watch(lambda bit, level: heard.append((bit, level)))
    wired.write(0x00, 0x7F)
    wired.write(0x14, 0x80)
    wired.write(0x14, 0x80)
    wired.write(0x14, 0x00)
    assert heard == [(7, 1), (7, 0)]
