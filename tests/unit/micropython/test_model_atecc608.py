"""The ATECC608 model: what crosses its pins, when it listens, what its configuration allows."""

import hashlib

from hardware import atecc608_curve as curve
from hardware import atecc608_frames as frames
from hardware.atecc608 import Atecc608
from hardware.atecc608_faults import FaultPlan
from hardware.atecc608_memory import COUNTER_MAX, Memory, decode_counter, encode_counter
from hardware.buses import I2cBus
from hardware.model_clock import ManualClock
from tests.support.mp import raises, vectors

ADDRESS = 0x60
AWAKE = b"\x04\x11\x33\x43"
DIGEST = bytes(range(32))
OK = b"\x00"
CURVE_MS = 700  # longer than anything on the curve with divider M0


class Draws:
    """Octets that never repeat."""

    def __init__(self):
        self.count = 0

    def __call__(self, size):
        self.count += 1
        return hashlib.sha256(b"%d" % self.count).digest()[:size]


class Host:
    """A bus with one part on it, and what a host does there."""

    def __init__(self, memory=None, hz=100000, faults=None, **part):
        self.clock = ManualClock()
        self.bus = I2cBus(hz)
        self.part = Atecc608(self.clock, memory, Draws(), faults, **part)
        self.part.attach_to(self.bus, ADDRESS)

    def wake(self):
        raises(OSError, self.bus.writeto, 0, b"\x00")
        self.clock.advance_us(1500)
        return self.bus.readfrom(ADDRESS, 4)

    def send(self, packet):
        body = bytes([len(packet) + 3]) + packet
        self.bus.writeto(ADDRESS, b"\x03" + body + frames.crc16(body))

    def packet(self, size):
        """A good group of so many octets of packet, or of a status."""
        octets = self.bus.readfrom(ADDRESS, size + 3)
        count = octets[0]
        assert count in (4, size + 3) and octets[count:] == b"\xff" * (size + 3 - count)
        assert frames.crc16(octets[: count - 2]) == octets[count - 2 : count]
        return octets[1 : count - 2]

    def ask(self, opcode, mode=0, key=0, data=b"", size=1):
        """One command after a fresh wake; what stays in the part's registers does."""
        self.bus.writeto(ADDRESS, b"\x02")
        self.wake()
        self.send(bytes((opcode, mode, key & 0xFF, key >> 8)) + data)
        self.clock.advance_us(CURVE_MS * 1000)
        return self.packet(size)


def awake(*arguments, **named):
    host = Host(*arguments, **named)
    assert host.wake() == AWAKE
    return host


def locked(data=True, slots=()):
    """A part whose configuration is closed; `slots`: (number, SlotConfig, KeyConfig, private key)."""
    memory = Memory()
    for slot, slot_config, key_config, private in slots:
        memory.config[20 + 2 * slot : 22 + 2 * slot] = bytes((slot_config & 0xFF, slot_config >> 8))
        memory.config[96 + 2 * slot : 98 + 2 * slot] = bytes((key_config & 0xFF, key_config >> 8))
        memory.keys[slot] = private
    memory.config[87] = 0
    if data:
        memory.config[86] = 0
    return memory


SIGNING = (0, 0x2081, 0x0013, 1234567)
AGREEING = (1, 0x2084, 0x0013, 7654321)


# ---------------------------------------------------------------- wake, sleep, idle


def test_asleep_it_acknowledges_nothing():
    host = Host()
    raises(OSError, host.bus.readfrom, ADDRESS, 4)
    raises(OSError, host.bus.writeto, ADDRESS, b"\x03")


def test_it_listens_one_and_a_half_milliseconds_after_the_pulse():
    host = Host()
    raises(OSError, host.bus.writeto, 0, b"\x00")
    host.clock.advance_us(1200)
    raises(OSError, host.bus.readfrom, ADDRESS, 4)
    host.clock.advance_us(300)
    assert host.bus.readfrom(ADDRESS, 4) == AWAKE


def test_a_fast_bus_does_not_wake_it():
    host = Host(hz=400000)
    raises(OSError, host.bus.writeto, 0, b"\x00")
    host.clock.advance_us(2000)
    raises(OSError, host.bus.readfrom, ADDRESS, 4)
    host.part.sda_low(59)
    assert host.part.state == "asleep"
    host.part.sda_low(60)
    assert host.part.state == "awake"
    host.clock.advance_us(1500)
    assert host.bus.readfrom(ADDRESS, 4) == AWAKE  # awake, it speaks at 400 kHz


def test_a_pulse_while_awake_changes_nothing():
    host = awake()
    host.send(b"\x30\x00\x00\x00")
    host.clock.advance_us(5000)
    raises(OSError, host.bus.writeto, 0, b"\x00")
    assert host.packet(4) == b"\x00\x00\x60\x02"
    assert host.part.wakes == 1


def test_idle_keeps_the_registers_and_sleep_loses_them():
    for word, kept in ((b"\x02", True), (b"\x01", False)):
        host = awake(locked(slots=(SIGNING,)))
        assert host.ask(0x16, 0x43, 0, DIGEST) == OK
        host.bus.writeto(ADDRESS, word)
        raises(OSError, host.bus.readfrom, ADDRESS, 4)
        assert host.wake() == AWAKE
        assert (len(host.ask(0x41, 0xA0, size=64)) == 64) is kept


def test_reset_lets_the_answer_be_read_again():
    host = awake()
    host.send(b"\x30\x00\x00\x00")
    host.clock.advance_us(5000)
    assert host.bus.readfrom(ADDRESS, 1) == b"\x07"
    assert host.bus.readfrom(ADDRESS, 8) == bytes.fromhex("000060028038") + b"\xff\xff"
    assert host.bus.readfrom(ADDRESS, 2) == b"\xff\xff"
    host.bus.writeto(ADDRESS, b"\x00")
    assert host.bus.readfrom(ADDRESS, 7) == bytes.fromhex("07000060028038")


def test_after_its_time_the_watchdog_puts_it_to_sleep():
    host = awake(locked(slots=(SIGNING,)))
    assert host.ask(0x16, 0x43, 0, DIGEST) == OK
    host.clock.advance_us(1300000)
    raises(OSError, host.bus.readfrom, ADDRESS, 4)
    assert host.part.watchdog_struck == 1
    assert host.wake() == AWAKE
    assert host.ask(0x41, 0xA0, size=64) == b"\x0f"  # the digest is gone


def test_a_command_that_the_watchdog_would_interrupt_is_refused():
    host = awake(locked(slots=(SIGNING,)))
    host.clock.advance_us(1190000)
    host.send(b"\x40\x00\x00\x00")
    assert host.packet(64) == b"\xee"
    host.bus.writeto(ADDRESS, b"\x02")
    assert host.wake() == AWAKE
    host.send(b"\x40\x00\x00\x00")
    host.clock.advance_us(115000)
    assert len(host.packet(64)) == 64


def test_the_long_watchdog_lasts_ten_seconds():
    memory = Memory()
    memory.config[19] = 0x04
    host = awake(memory)
    host.clock.advance_us(9900000)
    assert host.bus.readfrom(ADDRESS, 1) == b"\xff"
    host.clock.advance_us(200000)
    raises(OSError, host.bus.readfrom, ADDRESS, 1)


def test_traffic_to_other_chips_may_wake_it():
    host = Host()
    host.part.stray_wake()
    host.clock.advance_us(1500)
    assert host.bus.readfrom(ADDRESS, 4) == AWAKE


# ---------------------------------------------------------------- groups


def test_crc_of_known_octets():
    for octets, crc in (("", "0000"), ("01", "0383"), ("0411", "3343"), ("0730000000", "035d")):
        assert frames.crc16(bytes.fromhex(octets)) == bytes.fromhex(crc)


def test_shared_vectors_of_frames():
    given = vectors("atecc_frames_crc.json")
    for case in given["crc_vectors"]:
        assert frames.crc16(bytes.fromhex(case["data"])) == bytes.fromhex(case["crc_le"])
    wrong = []
    for case in given["frames"]:
        octets = bytes.fromhex(case["frame"])
        if frames.group(octets[1:-2]) != octets:
            wrong.append(octets)
    assert wrong == [frames.WAKE_SELF_TEST_FAILED]


def test_shared_conversations_happen():
    for conversation in vectors("atecc_frames_crc.json")["conversations"]:
        host = Host(speed_percent=200 if conversation["id"] == "info-busy" else 100)
        for step in conversation["steps"]:
            if step in ("SDA low pulse (wake)", "wake"):
                host.part.sda_low(60)
                host.clock.advance_us(1500)
            elif step == "read NACK":
                raises(OSError, host.bus.readfrom, ADDRESS, 1)
            elif step in ("delay 5 ms", "2 ms"):
                host.clock.advance_us(int(step.replace("delay ", "")[0]) * 1000)
            elif isinstance(step, dict):
                kind = list(step)[0]
                octets = bytes.fromhex(step[kind])
                if kind.startswith("write"):
                    host.bus.writeto(ADDRESS, octets)
                else:
                    assert host.bus.readfrom(ADDRESS, len(octets)) == octets
            else:
                assert step == "delay wake"
        assert host.part.state == "idle"


def test_a_damaged_command_is_answered_with_ff():
    host = awake()
    host.bus.writeto(ADDRESS, bytes.fromhex("0307300000000000"))
    assert host.packet(1) == b"\xff"
    for count in (0, 3, 6, 156):
        host.bus.writeto(ADDRESS, bytes((3, count)) + bytes(6))
        assert host.packet(1) == b"\xff"
    assert host.part.commands == 0


def test_half_a_command_is_waited_for_and_may_be_dropped():
    host = awake()
    host.bus.writeto(ADDRESS, bytes.fromhex("03073000"))
    raises(OSError, host.bus.readfrom, ADDRESS, 4)
    host.bus.writeto(ADDRESS, bytes.fromhex("030000035d"))
    host.clock.advance_us(5000)
    assert host.packet(4) == b"\x00\x00\x60\x02"
    host.bus.writeto(ADDRESS, bytes.fromhex("03073000"))
    host.bus.writeto(ADDRESS, b"\x00")
    host.bus.writeto(ADDRESS, bytes.fromhex("030730000000035d"))
    host.clock.advance_us(5000)
    assert host.packet(4) == b"\x00\x00\x60\x02"


def test_unknown_commands_and_parameters_are_parse_errors_and_noted():
    host = awake()
    assert host.ask(0x51, 0x00) == b"\x03"
    assert host.ask(0x47, 0x00) == b"\x03"
    assert host.part.engine.unsupported == [(0x51, 0), (0x47, 0)]
    assert host.ask(0x1B, 0x00, 1) == b"\x03"


def test_while_it_computes_it_acknowledges_nothing():
    for divider, sign_ms in ((0x00, 115), (0x28, 220), (0x68, 665)):
        memory = locked(slots=(SIGNING,))
        memory.config[19] = divider
        host = awake(memory)
        assert host.ask(0x16, 0x43, 0, DIGEST) == OK
        host.bus.writeto(ADDRESS, b"\x02")
        host.wake()
        host.send(b"\x41\xa0\x00\x00")
        host.clock.advance_us(sign_ms * 1000 - 1000)
        raises(OSError, host.bus.readfrom, ADDRESS, 67)
        host.clock.advance_us(1000)
        assert len(host.packet(64)) == 64


# ---------------------------------------------------------------- configuration, data, locks


def test_a_new_part_tells_who_it_is():
    host = awake()
    zone = b"".join([host.ask(0x02, 0x80, block << 3, size=32) for block in range(4)])
    assert zone[:2] == b"\x01\x23" and zone[12] == 0xEE and zone[16] == 0xC0 and zone[86:88] == b"\x55\x55"
    assert host.ask(0x02, 0x00, 1, size=4) == zone[4:8] == b"\x00\x00\x60\x02"
    assert host.ask(0x02, 0x00, 0x20, size=4) == b"\x03"
    assert host.ask(0x02, 0x80, 0x01, size=32) == b"\x03"


def test_the_configuration_is_written_outside_its_fixed_octets_until_locked():
    host = awake()
    assert host.ask(0x12, 0x00, 5, b"\x81\x20\x84\x20") == OK
    assert host.ask(0x02, 0x00, 5, size=4) == b"\x81\x20\x84\x20"
    for word in (0, 1, 2, 3, 21):
        assert host.ask(0x12, 0x00, word, bytes(4)) == b"\x0f"
    assert host.ask(0x12, 0x80, 0x10, bytes(32)) == b"\x0f"  # octets 84 to 87 are in this block
    assert host.ask(0x12, 0x80, 0x08, bytes(32)) == OK
    assert host.ask(0x12, 0x00, 5, bytes(3)) == b"\x03"
    assert host.ask(0x17, 0x80) == OK
    assert host.ask(0x12, 0x00, 5, bytes(4)) == b"\x0f"


def test_the_lock_compares_the_summary():
    host = awake()
    crc = frames.crc16(host.part.memory.config)
    right = crc[0] | crc[1] << 8
    assert host.ask(0x17, 0x00, right ^ 1) == b"\x0f"
    assert host.part.memory.config[87] == 0x55
    assert host.ask(0x17, 0x00, right) == OK
    assert host.part.memory.config[87] == 0
    assert host.ask(0x17, 0x80) == b"\x0f"  # once


def test_data_lock_follows_configuration_lock():
    host = awake()
    assert host.ask(0x17, 0x81) == b"\x0f"
    assert host.ask(0x17, 0x80) == OK
    assert host.ask(0x17, 0x01, 0x1234) == b"\x0f"
    memory = host.part.memory
    public = [bytes(memory.slots[slot]) for slot in range(16) if not memory.key_config(slot) & 1]
    crc = frames.crc16(b"".join(public) + bytes(memory.otp))
    assert host.ask(0x17, 0x01, crc[0] | crc[1] << 8) == OK
    assert host.ask(0x17, 0x81) == b"\x0f"


def test_one_slot_is_locked_where_its_configuration_lets_it():
    host = awake(locked(slots=((0, 0x2081, 0x0033, 5), (1, 0x2081, 0x0013, 6))))
    assert host.ask(0x17, 0x02 | 1 << 2) == b"\x0f"
    assert host.ask(0x17, 0x02 | 0 << 2) == OK
    assert host.ask(0x17, 0x02 | 0 << 2) == b"\x0f"
    assert host.ask(0x40, 0x04, 0, size=64) == b"\x0f"
    assert len(host.ask(0x40, 0x04, 1, size=64)) == 64


def test_data_is_written_before_its_lock_and_read_after_it():
    host = awake(locked(data=False, slots=((9, 0x0000, 0x001C, 0), (10, 0x0080, 0x001C, 0))))
    block = bytes(range(32))
    assert host.ask(0x12, 0x82, 9 << 3, block) == OK
    assert host.ask(0x12, 0x82, 9 << 3 | 2 << 8, block) == OK  # 8 octets are left there
    assert host.ask(0x12, 0x02, 9 << 3, bytes(4)) == b"\x0f"  # blocks only
    assert host.ask(0x12, 0x82, 0 << 3, block) == b"\x0f"  # a private key's slot
    assert host.ask(0x12, 0x81, 0, block) == OK
    assert host.ask(0x02, 0x82, 9 << 3, size=32) == b"\x0f"
    assert host.ask(0x17, 0x81) == OK
    assert host.ask(0x02, 0x82, 9 << 3, size=32) == block
    assert host.ask(0x02, 0x02, 9 << 3 | 2 << 8 | 1, size=4) == block[4:8]
    assert host.ask(0x02, 0x82, 9 << 3 | 2 << 8, size=32) == b"\x03"
    assert host.ask(0x02, 0x82, 10 << 3, size=32) == b"\x0f"  # secret
    assert host.ask(0x02, 0x81, 0, size=32) == block
    assert host.ask(0x12, 0x81, 0, block) == b"\x0f"
    assert host.ask(0x12, 0x02, 9 << 3, b"abcd") == OK  # WriteConfig: always
    assert host.ask(0x02, 0x02, 9 << 3, size=4) == b"abcd"


# ---------------------------------------------------------------- keys


def test_no_random_numbers_before_the_configuration_is_locked():
    host = awake()
    assert host.ask(0x1B, size=32) == b"\xff\xff\x00\x00" * 8
    assert host.ask(0x17, 0x80) == OK
    one, two = host.ask(0x1B, size=32), host.ask(0x1B, size=32)
    assert one != two and len(set(one)) > 8


def test_a_key_is_made_after_the_configuration_lock():
    host = awake(Memory())
    assert host.ask(0x40, 0x04, 0, size=64) == b"\x0f"
    host = awake(locked(data=False, slots=((0, 0x0081, 0x0013, 0),)))
    assert host.ask(0x40, 0x00, 0, size=64) == b"\x0f"  # none there yet
    public = host.ask(0x40, 0x04, 0, size=64)
    assert curve.is_on_curve(curve.decode(public))
    assert host.ask(0x40, 0x00, 0, size=64) == public
    assert host.ask(0x40, 0x04, 0, size=64) != public
    assert host.ask(0x17, 0x81) == OK
    assert host.ask(0x40, 0x04, 0, size=64) == b"\x0f"  # WriteConfig does not let it
    assert host.ask(0x40, 0x04, 3, size=64) == b"\x0f"  # no key's slot
    assert host.ask(0x40, 0x04, 16, size=64) == b"\x03"


def test_signatures_verify_and_a_digest_serves_once():
    host = awake(locked(slots=(SIGNING, AGREEING)))
    assert host.ask(0x41, 0xA0, 0, size=64) == b"\x0f"  # no digest
    for load, sign, verify in ((0x43, 0xA0, 0x22), (0x03, 0x80, 0x02)):
        assert host.ask(0x16, load, 0, DIGEST) == OK
        signature = host.ask(0x41, sign, 0, size=64)
        assert host.ask(0x41, sign, 0, size=64) == b"\x0f"
        public = curve.multiply(SIGNING[3], curve.G)
        assert curve.verify(public, DIGEST, *curve.decode(signature))
        encoded = curve.encode(public)
        assert host.ask(0x16, load, 0, DIGEST) == OK
        assert host.ask(0x45, verify, 4, signature + encoded) == OK
        assert host.ask(0x16, load, 0, DIGEST[1:] + b"\x00") == OK
        assert host.ask(0x45, verify, 4, signature + encoded) == b"\x01"
        assert host.ask(0x16, load, 0, DIGEST) == OK
        assert host.ask(0x45, verify, 4, signature + bytes(64)) == b"\x0f"
    assert host.ask(0x16, 0x43, 0, DIGEST) == OK
    assert host.ask(0x41, 0xA0, 1, size=64) == b"\x0f"  # its ReadKey lets it agree only


def test_both_ends_agree_where_the_slot_lets_them():
    host = awake(locked(slots=(SIGNING, AGREEING, (2, 0x208C, 0x0013, 99), (3, 0x0080, 0x001C, 0))))
    peer = curve.multiply(55555, curve.G)
    shared = curve.multiply(55555, curve.multiply(AGREEING[3], curve.G))[0].to_bytes(32, "big")
    assert host.ask(0x43, 0x0C, 1, curve.encode(peer), size=32) == shared
    assert host.ask(0x43, 0x00, 1, curve.encode(peer), size=32) == shared
    assert host.ask(0x43, 0x08, 1, curve.encode(peer)) == OK
    assert host.part.engine.temp_key == shared
    assert host.ask(0x43, 0x0C, 1, bytes(64), size=32) == b"\x0f"
    assert host.ask(0x43, 0x0C, 0, curve.encode(peer), size=32) == b"\x0f"
    assert host.ask(0x43, 0x0C, 2, curve.encode(peer), size=32) == b"\x0f"  # only to the next slot
    assert host.ask(0x43, 0x00, 2, curve.encode(peer)) == OK
    assert any(host.part.memory.slots[3])
    host = awake(locked(data=False, slots=(AGREEING,)))
    assert host.ask(0x43, 0x0C, 1, curve.encode(peer), size=32) == b"\x0f"


def test_a_drawn_nonce_fills_temp_key():
    host = awake(locked(slots=(SIGNING,)))
    drawn = host.ask(0x16, 0x00, 0, bytes(20), size=32)
    assert host.part.engine.temp_key == hashlib.sha256(drawn + bytes(20) + b"\x16\x00\x00").digest()
    assert host.ask(0x16, 0x00, 0, bytes(19), size=32) == b"\x03"


def test_info_tells_whether_a_slot_has_a_key():
    host = awake(locked(slots=(SIGNING, (1, 0x2081, 0x0013, 0))))
    assert host.ask(0x30, 0x01, 0, size=4) == b"\x01\x00\x00\x00"
    assert host.ask(0x30, 0x01, 1, size=4) == bytes(4)


def test_the_curve_gives_the_published_answer():
    """RFC 6979, A.2.5: P-256, SHA-256, message "sample"."""
    private = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    nonce = 0xA6E3C57DD01ABE90086538398355DD4C3B17AA873382B0F24D6129493D8AAD60
    digest = hashlib.sha256(b"sample").digest()
    assert curve.sign(private, digest, nonce) == (
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    )
    assert curve.multiply(curve.N, curve.G) is None
    assert curve.multiply(curve.N - 1, curve.G)[0] == curve.G[0]
    assert curve.add(curve.G, curve.G) == curve.multiply(2, curve.G)
    assert curve.add(curve.G, None) == curve.G


# ---------------------------------------------------------------- counters, self-test


def test_counters_are_stored_as_the_vendor_stores_them():
    assert encode_counter(0) == bytes.fromhex("ffffffff00000000")
    assert encode_counter(1) == bytes.fromhex("7fffffff00000000")
    assert encode_counter(17) == bytes.fromhex("00007fff00000000")
    assert encode_counter(32) == bytes.fromhex("ffff000000010000")
    assert encode_counter(COUNTER_MAX) == bytes.fromhex("00000001ffffffff")
    for value in list(range(200)) + [COUNTER_MAX - 33, COUNTER_MAX - 1, COUNTER_MAX]:
        assert decode_counter(encode_counter(value)) == value


def test_a_counter_counts_and_stops_at_its_end():
    memory = Memory()
    host = awake(memory)
    assert host.ask(0x24, 0x00, 0, size=4) == bytes(4)
    assert host.ask(0x24, 0x01, 0, size=4) == b"\x01\x00\x00\x00"
    assert host.ask(0x24, 0x00, 1, size=4) == bytes(4)
    assert host.ask(0x24, 0x00, 2, size=4) == b"\x03"
    memory.config[52:60] = encode_counter(COUNTER_MAX - 1)
    assert host.ask(0x24, 0x01, 0, size=4) == COUNTER_MAX.to_bytes(4, "little")
    assert host.ask(0x24, 0x01, 0, size=4) == b"\x0f"
    assert host.ask(0x24, 0x00, 0, size=4) == COUNTER_MAX.to_bytes(4, "little")


def test_an_interrupted_increment_is_lost_or_landed_or_counts_more():
    for lands, extra, found in ((False, 0, 0), (True, 0, 1), (True, 9, 10)):
        host = awake(faults=FaultPlan(lands=lands, extra=extra))
        host.send(b"\x24\x01\x00\x00")
        host.clock.advance_us(10000)
        host.part.power_cycle()
        assert host.wake() == AWAKE
        assert host.ask(0x24, 0x00, 0, size=4) == found.to_bytes(4, "little")


def test_a_failed_self_test_limits_the_part_until_it_passes():
    host = awake(locked(slots=(SIGNING,)))
    assert host.ask(0x77, 0x3B) == OK
    host.part.engine.broken_tests = 0x02
    host.send(b"\x77\x3b\x00\x00")
    host.clock.advance_us(250000)
    assert host.packet(1) == b"\x02"
    host.send(b"\x1b\x00\x00\x00")
    host.clock.advance_us(23000)
    assert host.packet(32) == b"\x07"
    host.send(b"\x02\x00\x01\x00")
    host.clock.advance_us(5000)
    assert host.packet(4) == b"\x00\x00\x60\x02"
    host.part.engine.broken_tests = 0
    host.send(b"\x77\x3b\x00\x00")
    host.clock.advance_us(250000)
    assert host.packet(1) == OK
    host.send(b"\x1b\x00\x00\x00")
    host.clock.advance_us(23000)
    assert len(host.packet(32)) == 32


def test_a_self_test_that_fails_at_wake_is_said_in_the_vendors_own_octets():
    memory = locked(slots=(SIGNING,))
    memory.config[90] = 0x01
    host = Host(memory)
    host.part.engine.broken_tests = 0x01
    assert host.wake() == b"\x04\x07\xc4\x40"
    memory.config[90] = 0x00
    host.bus.writeto(ADDRESS, b"\x01")
    assert host.wake() == AWAKE


def test_an_unhealthy_generator_is_told():
    host = awake(locked(slots=(SIGNING,)))
    host.part.engine.rng_broken = True
    assert host.ask(0x1B, size=32) == b"\x08"
    assert host.ask(0x40, 0x04, 0, size=64) == b"\x08"


# ---------------------------------------------------------------- faults


def test_planned_faults_happen_where_planned():
    host = awake(locked(slots=(SIGNING,)), faults=FaultPlan(broken_at=(1,), ecc_fault_at=(2,), deaf_at=3))
    host.send(b"\x30\x00\x00\x00")
    host.clock.advance_us(5000)
    octets = host.bus.readfrom(ADDRESS, 7)
    assert octets[:6] == bytes.fromhex("070000600280") and octets[6] == 0x38 ^ 0xFF
    host.send(b"\x40\x00\x00\x00")
    host.clock.advance_us(115000)
    assert host.packet(64) == b"\x05"
    host.send(b"\x30\x00\x00\x00")
    host.clock.advance_us(5000)
    raises(OSError, host.bus.readfrom, ADDRESS, 7)
    host.part.sda_low(100)
    raises(OSError, host.bus.readfrom, ADDRESS, 7)
    host.part.power_cycle()
    assert host.wake() == AWAKE


def test_a_refusing_part_acknowledges_none_of_the_planned_transfers():
    host = awake(faults=FaultPlan(refused=(2, 3)))
    for _ in range(3):
        raises(OSError, host.bus.writeto, ADDRESS, b"\x00")
    host.bus.writeto(ADDRESS, b"\x00")


def test_power_lost_while_a_command_crosses_the_bus_loses_it():
    host = awake()
    host.clock.at_us(host.clock.now_us() + 500, host.part.power_cycle)
    raises(OSError, host.send, b"\x30\x00\x00\x00")
    assert host.part.state == "asleep" and host.part.commands == 0
    assert host.wake() == AWAKE


def test_the_wire_loses_and_flips_alike_for_the_same_seed():
    def heard(start):
        host = Host(faults=FaultPlan(start, drop_permille=200, flip_permille=200))
        octets = []
        for _ in range(30):
            host.part.stray_wake()
            host.clock.advance_us(1500)
            try:
                octets.append(host.bus.readfrom(ADDRESS, 4))
                host.bus.writeto(ADDRESS, b"\x00")
            except OSError:
                octets.append(None)
        return octets

    assert heard(5) == heard(5)
    assert heard(5) != heard(6)
    assert len(set(heard(5))) > 3
