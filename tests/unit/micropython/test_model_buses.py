"""Pins, buses, serial lines and the watchdog of the models behave as the wires and controllers they stand for."""

from hardware.buses import I2cBus, Pin, SpiBus, Uart, Watchdog, WiringError
from hardware.model_clock import HostClock, ManualClock
from tests.support.mp import raises


class Echo:
    """An SPI chip that keeps what it got and answers with the complement."""

    def __init__(self):
        self.got = b""
        self.selections = 0
        self.deselections = 0

    def select(self):
        self.selections += 1

    def deselect(self):
        self.deselections += 1

    def exchange(self, sent, received):
        self.got += bytes(sent)
        if received is not None:
            for index in range(len(sent)):
                received[index] = sent[index] ^ 0xFF


def bus_with_chip(**options):
    bus = SpiBus(4000000)
    select = Pin("SELECT")
    chip = Echo()
    bus.attach(select, chip, max_hz=5000000, **options)
    return bus, select, chip


def test_only_the_selected_chip_hears_the_bus():
    bus, select, chip = bus_with_chip()
    bus.write(b"\x01")
    select.value(0)
    bus.write(b"\x02\x03")
    select.value(1)
    bus.write(b"\x04")
    assert chip.got == b"\x02\x03" and (chip.selections, chip.deselections) == (1, 1)


def test_without_a_selected_chip_the_host_reads_ones():
    bus, _, _ = bus_with_chip()
    assert bus.read(3) == b"\xff\xff\xff"


def test_bits_are_turned_round_between_a_low_bit_first_chip_and_a_high_bit_first_bus():
    bus, select, chip = bus_with_chip(lsb_first=True)
    select.off()
    buffer = bytearray(2)
    bus.write_readinto(b"\x01\x80", buffer)
    assert chip.got == b"\x80\x01"
    assert bytes(buffer) == b"\xfe\x7f"
    bus.init(firstbit=SpiBus.LSB)
    bus.write(b"\x01")
    assert chip.got == b"\x80\x01\x01"


def test_two_selected_chips_are_a_wiring_error():
    bus, select, _ = bus_with_chip()
    other = Pin("OTHER")
    bus.attach(other, Echo(), max_hz=5000000)
    select.off()
    other.off()
    raises(WiringError, bus.write, b"\x00")


def test_a_clock_too_fast_for_the_chip_is_a_wiring_error():
    bus, select, _ = bus_with_chip()
    bus.init(baudrate=8000000)
    select.off()
    raises(WiringError, bus.write, b"\x00")


def test_a_pin_tells_watchers_and_interrupts_about_edges_only():
    pin = Pin("IRQ", 1)
    levels, falls = [], []
    pin.watch(levels.append)
    pin.irq(handler=falls.append, trigger=Pin.IRQ_FALLING)
    for level in (1, 0, 0, 1, 0):
        pin.drive(level)
    assert levels == [0, 1, 0] and falls == [pin, pin]


def test_two_chips_at_one_address_are_a_wiring_error():
    bus = I2cBus(100000)
    bus.attach(0x20, Echo())
    raises(WiringError, bus.attach, 0x20, Echo())
    assert bus.scan() == [0x20]


def test_an_absent_chip_does_not_acknowledge():
    bus = I2cBus(100000)
    assert raises(OSError, bus.readfrom, 0x30, 1).args[0] == 19


class Sink:
    def __init__(self):
        self.got = []

    def receive(self, value, now_us):
        self.got.append((now_us, value))


def test_octets_take_their_time_on_the_wire():
    clock = ManualClock()
    uart, sink = Uart(clock, 9600), Sink()
    uart.connect(sink)
    uart.write(b"ab")
    assert not uart.txdone() and sink.got == []
    clock.advance_us(1041)
    assert not uart.txdone() and sink.got == [(1041, 97)]
    clock.advance_us(1041)
    assert uart.txdone() and sink.got == [(1041, 97), (2082, 98)]
    assert uart.blocked_us == 0


def test_a_full_transmit_buffer_blocks_the_writer_and_that_is_counted():
    clock = ManualClock()
    uart, sink = Uart(clock, 9600, txbuf=8), Sink()
    uart.connect(sink)
    uart.write(bytes(8))
    assert uart.blocked_us == 0
    uart.write(bytes(2))
    assert uart.blocked_us == 2 * 1041 == clock.now_us()


def test_what_arrives_can_be_read_when_its_time_has_come_and_not_before():
    clock = ManualClock()
    uart = Uart(clock, 9600)
    uart.deliver(b"xyz")
    assert uart.any() == 0 and uart.read() is None
    clock.advance_us(2 * 1041)
    assert uart.any() == 2
    buffer = bytearray(8)
    assert uart.readinto(buffer) == 2 and bytes(buffer[:2]) == b"xy"
    clock.advance_us(1041)
    assert uart.read(8) == b"z" and uart.readinto(buffer) is None


def test_a_full_receive_buffer_loses_what_comes_later():
    clock = ManualClock()
    uart = Uart(clock, 115200, rxbuf=4)
    uart.deliver(b"123456")
    clock.advance_us(10000)
    assert uart.read() == b"1234" and uart.lost_octets == 2


def test_a_starved_watchdog_stays_expired():
    clock = ManualClock()
    dog = Watchdog(clock, 1000)
    clock.advance_us(900000)
    dog.feed()
    clock.advance_us(1000000)
    assert not dog.expired()
    clock.advance_us(1)
    assert dog.expired()
    dog.feed()
    assert dog.expired(), "a board that was reset did not go on"


def test_callbacks_of_the_manual_clock_run_at_their_moment_in_order():
    clock = ManualClock()
    seen = []
    clock.at_us(200, lambda: seen.append(("second", clock.now_us())))
    clock.at_us(100, lambda: seen.append(("first", clock.now_us())))
    clock.at_us(200, lambda: seen.append(("third", clock.now_us())))
    clock.advance_us(150)
    assert seen == [("first", 100)]
    clock.advance_us(150)
    assert seen == [("first", 100), ("second", 200), ("third", 200)] and clock.now_us() == 300


def test_the_host_clock_does_not_go_back_and_is_not_moved_by_models():
    clock = HostClock()
    before = clock.now_us()
    clock.spend_us(10000000)
    assert 0 <= clock.now_us() - before < 10000000
