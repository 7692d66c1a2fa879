"""What the ATECC608's commands do: parameters and data in, a packet out; on the part's memory and its volatile registers.

Left out, answered as a parse error and listed in `unsupported`: encrypted reads and writes, MACs, internal signatures,
key derivation, AES, SHA, secure boot, UpdateExtra, keys in TempKey.
"""

import hashlib

from hardware import atecc608_curve as curve
from hardware.atecc608_frames import (
    ECC_FAULT,
    EXECUTION_ERROR,
    HEALTH_TEST_ERROR,
    MISCOMPARE,
    PARSE_ERROR,
    SELF_TEST_ERROR,
    SUCCESS,
)
from hardware.atecc608_memory import ECDH_ALLOWED, ECDH_TO_SLOT, SIGN_EXTERNAL, ZONE_CONFIG, Refused

READ = 0x02
WRITE = 0x12
NONCE = 0x16
LOCK = 0x17
RANDOM = 0x1B
COUNTER = 0x24
INFO = 0x30
GENKEY = 0x40
SIGN = 0x41
ECDH = 0x43
VERIFY = 0x45
SELFTEST = 0x77

# Longest execution in milliseconds with clock divider M0, M1, M2 (the vendor's open library, calib_execution.c).
TIMES_MS = {
    READ: (5, 5, 5),
    WRITE: (45, 45, 45),
    NONCE: (20, 20, 20),
    LOCK: (35, 35, 35),
    RANDOM: (23, 23, 23),
    COUNTER: (25, 25, 25),
    INFO: (5, 5, 5),
    GENKEY: (115, 215, 653),
    SIGN: (115, 220, 665),
    ECDH: (75, 172, 531),
    VERIFY: (105, 295, 1085),
    SELFTEST: (250, 625, 2324),
}
DIVIDERS = (0x00, 0x28, 0x68)

# Of parts whose configuration is open: no random numbers before the lock.
OPEN_PATTERN = b"\xff\xff\x00\x00" * 8

TESTS_ALL = 0x3B  # random generator, ECDSA, ECDH, AES, SHA


class Engine:
    """The part's processor. `entropy(size) -> bytes`; `broken_tests` and `rng_broken` are its defects."""

    def __init__(self, memory, entropy):
        self.memory = memory
        self._entropy = entropy
        self.broken_tests = 0
        self.rng_broken = False
        self.unsupported = []  # (opcode, mode) that the real part knows and the model does not
        self.forget()
        self._commands = {
            READ: self._read,
            WRITE: self._write,
            NONCE: self._nonce,
            LOCK: self._lock,
            RANDOM: self._random,
            COUNTER: self._counter,
            INFO: self._info,
            GENKEY: self._genkey,
            SIGN: self._sign,
            ECDH: self._ecdh,
            VERIFY: self._verify,
            SELFTEST: self._self_test,
        }

    def forget(self) -> None:
        """Power gone, or asleep: all that is volatile."""
        self.temp_key = None
        self.digest_buffer = None
        self.failed_tests = 0

    def duration_ms(self, opcode: int) -> int:
        """Longest execution at the configured clock; 1 for what is not known."""
        divider = self.memory.clock_divider()
        at = DIVIDERS.index(divider) if divider in DIVIDERS else 2
        return TIMES_MS[opcode][at] if opcode in TIMES_MS else 1

    def run(
        self, opcode: int, mode: int, key: int, data: bytes, wrong: bool = False, extra: int = 0
    ) -> bytes:
        """The answer's packet. `wrong`: computations on the curve fail; `extra`: counts of an interrupted increment."""
        self._wrong = wrong
        self._extra = extra
        try:
            if self.failed_tests and opcode != SELFTEST and (opcode != READ or mode & 3 != ZONE_CONFIG):
                raise Refused(SELF_TEST_ERROR)
            if opcode not in self._commands:
                self._unsupported(opcode, mode)
            return self._commands[opcode](mode, key, data)
        except Refused as refused:
            return bytes([refused.status])

    # ---------------------------------------------------------------- helpers

    def _unsupported(self, opcode: int, mode: int):
        self.unsupported.append((opcode, mode))
        raise Refused(PARSE_ERROR)

    def _scalar(self) -> int:
        """A number in 1..n-1 from the part's own generator."""
        if self.rng_broken:
            raise Refused(HEALTH_TEST_ERROR)
        while True:
            number = int.from_bytes(self._entropy(32), "big")
            if 0 < number < curve.N:
                return number

    def _on_curve(self) -> None:
        if self._wrong:
            raise Refused(ECC_FAULT)

    # ---------------------------------------------------------------- commands

    def _info(self, mode: int, key: int, data: bytes) -> bytes:
        if data or mode > 1:
            self._unsupported(INFO, mode)
        if mode == 0:
            return bytes(self.memory.config[4:8])
        self.memory.require_private(key)
        return bytes([1 if self.memory.keys[key] else 0, 0, 0, 0])

    def _random(self, mode: int, key: int, data: bytes) -> bytes:
        if data or key or mode > 1:
            raise Refused(PARSE_ERROR)
        if self.rng_broken:
            raise Refused(HEALTH_TEST_ERROR)
        return self._entropy(32) if self.memory.config_locked() else OPEN_PATTERN

    def _nonce(self, mode: int, key: int, data: bytes) -> bytes:
        if mode in (0x00, 0x01):
            if len(data) != 20 or key & 0x7FFF:
                raise Refused(PARSE_ERROR)
            drawn = self._random(0, 0, b"")
            self.temp_key = hashlib.sha256(drawn + data + bytes([NONCE, mode, 0])).digest()
            return drawn
        if mode & 0x1F != 0x03 or mode & 0xC0 > 0x40:
            self._unsupported(NONCE, mode)
        if key or len(data) != (64 if mode & 0x20 else 32):
            raise Refused(PARSE_ERROR)
        if mode & 0x40:
            self.digest_buffer = bytes(data)
        else:
            self.temp_key = bytes(data)
        return bytes([SUCCESS])

    def _message(self, mode: int) -> bytes:
        """The digest to sign or verify; it serves once."""
        if mode & 0x20:
            message, self.digest_buffer = self.digest_buffer, None
        else:
            message, self.temp_key = self.temp_key, None
        if message is None:
            raise Refused(EXECUTION_ERROR)
        return message[:32]

    def _sign(self, mode: int, key: int, data: bytes) -> bytes:
        if data:
            raise Refused(PARSE_ERROR)
        if mode & 0xDF != 0x80:
            self._unsupported(SIGN, mode)
        private = self.memory.key_for(key, SIGN_EXTERNAL)
        digest = self._message(mode)
        self._on_curve()
        while True:
            signature = curve.sign(private, digest, self._scalar())
            if signature:
                return curve.encode(signature)

    def _verify(self, mode: int, key: int, data: bytes) -> bytes:
        if mode & 0xDF != 0x02:
            self._unsupported(VERIFY, mode)
        if key != 4 or len(data) != 128:
            raise Refused(PARSE_ERROR)
        point = curve.decode(data[64:])
        digest = self._message(mode)
        if not curve.is_on_curve(point):
            raise Refused(EXECUTION_ERROR)
        self._on_curve()
        r, s = curve.decode(data)
        return bytes([SUCCESS if curve.verify(point, digest, r, s) else MISCOMPARE])

    def _genkey(self, mode: int, key: int, data: bytes) -> bytes:
        if data or mode not in (0x00, 0x04):
            self._unsupported(GENKEY, mode)
        if mode == 0x04:
            private = self._scalar()
            self._on_curve()
            self.memory.replace_key(key, private)
        else:
            private = self.memory.public_info(key)
            self._on_curve()
        return curve.encode(curve.multiply(private, curve.G))

    def _ecdh(self, mode: int, key: int, data: bytes) -> bytes:
        """Shared x to the output, TempKey or the next slot, as mode and SlotConfig say."""
        if mode not in (0x00, 0x08, 0x0C) or self.memory.ecdh_protection():
            self._unsupported(ECDH, mode)
        if len(data) != 64:
            raise Refused(PARSE_ERROR)
        private = self.memory.key_for(key, ECDH_ALLOWED)
        point = curve.decode(data)
        to_slot = self.memory.slot_config(key) & ECDH_TO_SLOT
        if not self.memory.data_locked() or not curve.is_on_curve(point) or (to_slot and mode):
            raise Refused(EXECUTION_ERROR)
        self._on_curve()
        shared = curve.multiply(private, point)[0].to_bytes(32, "big")
        if mode == 0x08:
            self.temp_key = shared
            return bytes([SUCCESS])
        if to_slot:
            self.memory.slots[key | 1][:32] = shared
            return bytes([SUCCESS])
        return shared

    def _counter(self, mode: int, key: int, data: bytes) -> bytes:
        if data or mode > 1 or key > 1:
            raise Refused(PARSE_ERROR)
        value = self.memory.count(key, self._extra) if mode else self.memory.counter(key)
        return value.to_bytes(4, "little")

    def _read(self, mode: int, key: int, data: bytes) -> bytes:
        if data or mode & 0x7C:
            raise Refused(PARSE_ERROR)
        return self.memory.read(mode & 3, key, 32 if mode & 0x80 else 4)

    def _write(self, mode: int, key: int, data: bytes) -> bytes:
        if mode & 0x40:
            self._unsupported(WRITE, mode)
        if mode & 0x3C or len(data) != (32 if mode & 0x80 else 4):
            raise Refused(PARSE_ERROR)
        self.memory.write(mode & 3, key, data)
        return bytes([SUCCESS])

    def _lock(self, mode: int, key: int, data: bytes) -> bytes:
        if data or mode & 0x40:
            raise Refused(PARSE_ERROR)
        self.memory.lock(mode & 3, mode >> 2 & 15, not mode & 0x80, key)
        return bytes([SUCCESS])

    def _self_test(self, mode: int, key: int, data: bytes) -> bytes:
        if data or key or mode & ~TESTS_ALL & 0xFF:
            raise Refused(PARSE_ERROR)
        self.failed_tests = self.failed_tests & ~mode | self.broken_tests & mode
        return bytes([self.failed_tests])
