"""An ATECC608 model on a bus, its driver, and one time for both; parts that are new or set up as a terminal's."""

import hashlib

from firmware.drivers import atecc608_core as core
from firmware.drivers.atecc608 import Atecc608
from firmware.drivers.atecc608_setup import WANTED
from hardware import atecc608 as model
from hardware import atecc608_curve as curve
from hardware.atecc608_memory import Memory
from hardware.buses import I2cBus
from tests.support.mp import seed
from tests.support.mp_time import ModelTime

ADDRESS = 0x60
BUS_HZ = 100000
SEAL_PRIVATE = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
AGREE_PRIVATE = 0x7D7DC5F71EB29DDAF80D6214632EEAE03D9058AF1FB6D22ED80BADB62BC1A534

DIGEST = hashlib.sha256(b"what is signed").digest()
SEAL_KEY = curve.encode(curve.multiply(SEAL_PRIVATE, curve.G))
AGREE_KEY = curve.encode(curve.multiply(AGREE_PRIVATE, curve.G))
PEER_PRIVATE = 31337
PEER_KEY = curve.encode(curve.multiply(PEER_PRIVATE, curve.G))
SHARED_X = curve.multiply(PEER_PRIVATE, curve.decode(AGREE_KEY))[0].to_bytes(32, "big")
SIGNATURE = curve.encode(curve.sign(SEAL_PRIVATE, DIGEST, 4711))
COUNT = 40  # on the head counter of a part that `operations` runs on


class Stream:
    """Octets that look random and are the same for the same seed."""

    def __init__(self, start):
        self._start = b"%d" % start
        self.count = 0

    def __call__(self, size):
        octets = b""
        while len(octets) < size:
            self.count += 1
            octets += hashlib.sha256(self._start + b":%d" % self.count).digest()
        return octets[:size]


def set_up_memory(count=0):
    """A part as `atecc608_setup` leaves it, with known keys; `count` on its head counter."""
    memory = Memory()
    for offset, octets, _ in WANTED:
        memory.config[offset : offset + len(octets)] = octets
    memory.config[86:88] = b"\x00\x00"
    memory.keys[0] = SEAL_PRIVATE
    memory.keys[1] = AGREE_PRIVATE
    if count:
        memory.count(0, count - 1)
    return memory


class LookingTime(ModelTime):
    """Each look at the clock takes its time, an estimate for the ESP32: what waits by looking sees time pass."""

    LOOK_US = 21

    def ticks_ms(self):
        self.models.advance_us(self.LOOK_US)
        return ModelTime.ticks_ms(self)


class Twin:
    """`driver` on `part`; `memory` None is a set-up part. `time` is a ModelTime that moves with each look by default."""

    def __init__(self, memory=None, faults=None, time=None, **part):
        self.time = time or LookingTime()
        self.bus = I2cBus(BUS_HZ)
        self.part = model.Atecc608(
            self.time.models, memory or set_up_memory(), Stream(seed()), faults, **part
        )
        self.part.attach_to(self.bus, ADDRESS)
        self.driver = Atecc608(self.bus, ADDRESS, self.time, lambda: self.bus.pulse_clock(9))

    def now_ms(self):
        return self.time.models.now_us() // 1000

    def later(self, delay_us, action):
        """Do something to the part when so much time has passed."""
        self.time.models.at_us(self.time.models.now_us() + delay_us, action)


def is_signature(octets):
    return curve.verify(curve.decode(SEAL_KEY), DIGEST, *curve.decode(octets))


def operations():
    """(operation, whether its answers on a set-up part with COUNT commits are right), one for each kind of command."""
    count = COUNT.to_bytes(4, "little")
    one_more = (COUNT + 1).to_bytes(4, "little")
    return (
        (core.info(), lambda answers: answers == [b"\x00\x00\x60\x02"]),
        (core.random(), lambda answers: len(set(answers[0])) > 8),
        (core.sign(0, DIGEST), lambda answers: is_signature(answers[1])),
        (core.verify(SEAL_KEY, DIGEST, SIGNATURE), lambda answers: answers == [b"\x00", b"\x00"]),
        (core.verify(PEER_KEY, DIGEST, SIGNATURE), lambda answers: answers == [b"\x00", b"\x01"]),
        (core.create_key(2), lambda answers: curve.is_on_curve(curve.decode(answers[0]))),
        (core.public_key(1), lambda answers: answers == [AGREE_KEY]),
        (core.shared_x(1, PEER_KEY), lambda answers: answers == [SHARED_X]),
        (core.read_counter(0), lambda answers: answers == [count]),
        (core.increment_counter(0), lambda answers: answers == [one_more]),
        (core.self_test(), lambda answers: answers == [b"\x00"]),
        (core.read_config(), lambda answers: b"".join(answers)[20:24] == b"\x81\x20\x84\x20"),
        (core.read_config_word(16), lambda answers: answers == [b"\xc0\x00\x00\x00"]),
    )
