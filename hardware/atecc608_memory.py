"""What the ATECC608 keeps without power: configuration zone, keys, data slots, counters; and who may do what to them.

Layout and bits follow the public data sheets of the ATECC508A (DS20005927A) and of the preconfigured ATECC608 parts, and
the vendor's open library. The full data sheet of the ATECC608 is under a non-disclosure agreement and was not used.
"""

from hardware.atecc608_frames import EXECUTION_ERROR, PARSE_ERROR, crc16

CONFIG_OCTETS = 128
OTP_OCTETS = 64
SLOTS = 16
SLOT_OCTETS = (36,) * 8 + (416,) + (72,) * 7
COUNTER_MAX = 2097151

ZONE_CONFIG, ZONE_OTP, ZONE_DATA = 0, 1, 2

# Offsets in the configuration zone.
_CHIP_MODE = 19
_SLOT_CONFIG = 20
_COUNTERS = 52
_LOCK_VALUE = 86
_LOCK_CONFIG = 87
_SLOT_LOCKED = 88
_CHIP_OPTIONS = 90
_KEY_CONFIG = 96
_UNLOCKED = 0x55

# SlotConfig of a private key: low four bits of what is ReadKey for other slots.
SIGN_EXTERNAL = 0x0001
ECDH_ALLOWED = 0x0004
ECDH_TO_SLOT = 0x0008
IS_SECRET = 0x0080
GENKEY_ALLOWED = 0x2000
WRITE_CONFIG = 0xF000
# KeyConfig.
PRIVATE = 0x0001
PUBLIC_INFO = 0x0002
KEY_TYPE = 0x001C
TYPE_P256 = 0x0010
LOCKABLE = 0x0020

# A new part: serial number 0123..ee with six octets of its own, I2C address 0xc0, all zones open.
_NEW = (
    "012300000000600200000000ee014100c0000000832087208f20c48f8f8f8f8f9f8faf8f000000000000000000000000"
    "0000af8fffffffff00000000ffffffff000000000000000000000000000000000000000000005555ffff000000000000"
    "3300330033001c001c001c001c001c003c003c003c003c003c003c003c001c00"
)


class Refused(Exception):
    """The chip answers the command with `status`."""

    def __init__(self, status: int):
        super().__init__("status 0x%02x" % status)
        self.status = status


def new_config(serial: bytes) -> bytearray:
    """The configuration zone of a part as it is delivered; `serial` is the six octets that differ."""
    config = bytearray(bytes.fromhex(_NEW))
    config[2:4] = serial[:2]
    config[8:12] = serial[2:6]
    return config


def encode_counter(value: int) -> bytes:
    """A monotonic counter as it is stored: two runs of 16 bits cleared one by one, two binary counts of 32 each."""
    later = max(0, value - 16)
    runs = 0xFFFF >> value % 32, 0xFFFF >> later % 32
    return b"".join([number.to_bytes(2, "big") for number in runs + (value // 32, later // 32)])


def decode_counter(octets: bytes) -> int:
    """What `encode_counter` stored."""
    cleared = [16 - _ones(octets[at] << 8 | octets[at + 1]) for at in (0, 2)]
    value = (octets[4] << 8 | octets[5]) * 32 + cleared[0]
    return value + cleared[1] if cleared[0] == 16 else value


class Memory:
    """One part's memory. Methods that a command calls raise `Refused`."""

    def __init__(self, serial: bytes = b"\x4c\x75\x6d\x62\x75\x6e"):
        self.config = new_config(serial)
        self.otp = bytearray(b"\xff" * OTP_OCTETS)
        self.slots = [bytearray(size) for size in SLOT_OCTETS]
        self.keys = [0] * SLOTS  # private keys; 0 where there is none

    # ---------------------------------------------------------------- configuration

    def config_locked(self) -> bool:
        return self.config[_LOCK_CONFIG] != _UNLOCKED

    def data_locked(self) -> bool:
        return self.config[_LOCK_VALUE] != _UNLOCKED

    def clock_divider(self) -> int:
        """Upper five bits of ChipMode: 0x00 is M0, 0x28 is M1, 0x68 is M2."""
        return self.config[_CHIP_MODE] & 0xF8

    def long_watchdog(self) -> bool:
        return bool(self.config[_CHIP_MODE] & 0x04)

    def tests_itself_at_wake(self) -> bool:
        return bool(self.config[_CHIP_OPTIONS] & 0x01)

    def ecdh_protection(self) -> int:
        """ChipOptions: 0 where ECDH may answer in the clear."""
        return self.config[_CHIP_OPTIONS + 1] & 0x03

    def slot_config(self, slot: int) -> int:
        at = _SLOT_CONFIG + 2 * slot
        return self.config[at] | self.config[at + 1] << 8

    def key_config(self, slot: int) -> int:
        at = _KEY_CONFIG + 2 * slot
        return self.config[at] | self.config[at + 1] << 8

    def slot_locked(self, slot: int) -> bool:
        return not self.config[_SLOT_LOCKED + slot // 8] >> slot % 8 & 1

    # ---------------------------------------------------------------- keys

    def require_private(self, slot: int) -> None:
        """A slot for a private P-256 key of a configured part."""
        if slot >= SLOTS:
            raise Refused(PARSE_ERROR)
        kind = self.key_config(slot)
        if not self.config_locked() or not kind & PRIVATE or kind & KEY_TYPE != TYPE_P256:
            raise Refused(EXECUTION_ERROR)

    def key_for(self, slot: int, permission: int) -> int:
        """The private key in a slot whose SlotConfig grants `permission`."""
        self.require_private(slot)
        if not self.keys[slot] or not self.slot_config(slot) & permission:
            raise Refused(EXECUTION_ERROR)
        return self.keys[slot]

    def public_info(self, slot: int) -> int:
        """The private key in a slot whose public key may be told."""
        self.require_private(slot)
        if not self.keys[slot] or not self.key_config(slot) & PUBLIC_INFO:
            raise Refused(EXECUTION_ERROR)
        return self.keys[slot]

    def replace_key(self, slot: int, private: int) -> None:
        """GenKey: always while the data zone is open, afterwards where SlotConfig allows it."""
        self.require_private(slot)
        allowed = not self.data_locked() or self.slot_config(slot) & GENKEY_ALLOWED
        if not allowed or self.slot_locked(slot):
            raise Refused(EXECUTION_ERROR)
        self.keys[slot] = private

    # ---------------------------------------------------------------- counters

    def counter(self, index: int) -> int:
        at = _COUNTERS + 8 * index
        return decode_counter(self.config[at : at + 8])

    def count(self, index: int, extra: int = 0) -> int:
        """One more, or some more after an interruption; refused at the end."""
        value = self.counter(index) + 1 + extra
        if value > COUNTER_MAX:
            raise Refused(EXECUTION_ERROR)
        at = _COUNTERS + 8 * index
        self.config[at : at + 8] = encode_counter(value)
        return value

    # ---------------------------------------------------------------- reading, writing, locking

    def read(self, zone: int, address: int, size: int) -> bytes:
        """4 or 32 octets."""
        store, at = self._place(zone, address, size)
        if at + size > len(store):
            raise Refused(PARSE_ERROR)
        if zone != ZONE_CONFIG and not self.data_locked():
            raise Refused(EXECUTION_ERROR)
        if zone == ZONE_DATA and self.slot_config(address >> 3 & 15) & IS_SECRET:
            raise Refused(EXECUTION_ERROR)
        return bytes(store[at : at + size])

    def write(self, zone: int, address: int, octets: bytes) -> None:
        """4 or 32 octets in the clear; what reaches over the end of a slot is padding."""
        store, at = self._place(zone, address, len(octets))
        if at >= len(store):
            raise Refused(PARSE_ERROR)
        if zone == ZONE_CONFIG:
            # The first 16 octets are the vendor's; 84 to 87 belong to UpdateExtra and Lock.
            if self.config_locked() or at < 16 or at <= 84 < at + len(octets):
                raise Refused(EXECUTION_ERROR)
        elif not self._may_write(zone, address >> 3 & 15, len(octets)):
            raise Refused(EXECUTION_ERROR)
        fitting = octets[: len(store) - at]
        store[at : at + len(fitting)] = fitting

    def lock(self, what: int, slot: int, check: bool, summary: int) -> None:
        """0 the configuration, 1 data and OTP, 2 one slot; `summary` is compared where `check`."""
        if what == 2:
            lockable = self.key_config(slot) & LOCKABLE and not self.slot_locked(slot)
            if not self.config_locked() or not lockable:
                raise Refused(EXECUTION_ERROR)
            self.config[_SLOT_LOCKED + slot // 8] &= ~(1 << slot % 8) & 0xFF
            return
        if what == 3:
            raise Refused(PARSE_ERROR)
        done = self.data_locked() if what else self.config_locked()
        if done or (what and not self.config_locked()):
            raise Refused(EXECUTION_ERROR)
        if check and self._summary(what) != summary:
            raise Refused(EXECUTION_ERROR)
        self.config[_LOCK_VALUE if what else _LOCK_CONFIG] = 0

    def _summary(self, what: int) -> int:
        octets = bytes(self.config)
        if what:
            open_slots = [slot for slot in range(SLOTS) if not self.key_config(slot) & PRIVATE]
            octets = b"".join([bytes(self.slots[slot]) for slot in open_slots]) + bytes(self.otp)
        crc = crc16(octets)
        return crc[0] | crc[1] << 8

    def _place(self, zone: int, address: int, size: int):
        """(store, offset) of an address: word in bits 0-2, block above; the data zone has its slot in between."""
        word = address & 7
        if zone == 3 or (size == 32 and word):
            raise Refused(PARSE_ERROR)
        if zone == ZONE_DATA:
            return self.slots[address >> 3 & 15], (address >> 8) * 32 + word * 4
        at = (address >> 3) * 32 + word * 4
        store = self.config if zone == ZONE_CONFIG else self.otp
        if at >= len(store):
            raise Refused(PARSE_ERROR)
        return store, at

    def _may_write(self, zone: int, slot: int, size: int) -> bool:
        """Before the data zone is locked anything but keys, in blocks; then what SlotConfig leaves open, OTP never."""
        if not self.config_locked():
            return False
        if not self.data_locked():
            return size == 32 and (zone == ZONE_OTP or not self.key_config(slot) & PRIVATE)
        if zone == ZONE_OTP or self.key_config(slot) & PRIVATE or self.slot_locked(slot):
            return False
        return not self.slot_config(slot) & WRITE_CONFIG


def _ones(number: int) -> int:
    total = 0
    while number:
        total += number & 1
        number >>= 1
    return total
