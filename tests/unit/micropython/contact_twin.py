"""The contact reader's drivers against bridge, coupler and card models, in model time: nothing here waits for real."""

from firmware.drivers.sc16is750 import Sc16is750
from firmware.drivers.tda8029 import Tda8029Reader
from firmware.hal import pins
from firmware.hal.i2c_device import I2cDevice
from hardware.buses import I2cBus
from hardware.contact_card import T0Card
from hardware.model_clock import ManualClock
from hardware.sc16is750 import Sc16is750 as BridgeModel
from hardware.tda8029 import Tda8029 as CouplerModel
from tests.unit.micropython.pn532_twin import TickClock

ADDRESS = 0x48


class Echo:
    """A card that answers READ RECORD with `size` octets and everything else with what was sent to it, turned round."""

    def __init__(self, size=5, busy_ms=0):
        self.busy_ms = busy_ms
        self.seen = []
        self.size = size

    def activate(self):
        return b"\x00\x04", 0x20, b"\x01\x02\x03\x04", b"\x02\x00"

    def deactivate(self):
        pass

    def exchange(self, apdu):
        self.seen.append(bytes(apdu))
        if apdu[1] == 0xB2:
            return bytes([index & 0xFF for index in range(self.size)]) + b"\x90\x00"
        return bytes([octet ^ 0xFF for octet in apdu[5:-1]]) + b"\x90\x00"


class Twin:
    """Everything wired as on the board."""

    def __init__(self, faults=None, follows=True, start_ms=0):
        self.time = ManualClock()
        self.clock = TickClock(self.time, start_ms)
        self.bridge = BridgeModel(self.time)
        self.chip = CouplerModel(self.time, self.bridge, faults, follows)
        self.bridge.watch(lambda bit, level: self.chip.drive_sdwn(level) if bit == 0 else None)
        self.bus = I2cBus(100000)
        self.bus.attach(ADDRESS, self.bridge)
        device = I2cDevice(self.bus, ADDRESS, "SC16IS750", lambda: self.bus.pulse_clock(9))
        self.driver = Sc16is750(device, pins.CONTACT_BRIDGE_CRYSTAL_HZ)
        self.reader = Tda8029Reader(self.driver, pins.CONTACT_BRIDGE_SERIAL_BAUD, self.clock)

    def insert(self, card=None, trick=""):
        self.card = Echo() if card is None else card
        self.chip.insert(T0Card(self.card, trick))
        return self.card

    def now_ms(self):
        return self.time.now_us() // 1000


async def with_card(card=None, **more):
    """A twin whose card has power."""
    twin = Twin(**more)
    twin.insert(card)
    assert await twin.reader.wait_for_card(2000) is not None
    return twin
