"""The ATECC608's groups: count, packet, CRC-16; with the status codes that a packet of one octet carries."""

SUCCESS = 0x00
MISCOMPARE = 0x01
PARSE_ERROR = 0x03
ECC_FAULT = 0x05
SELF_TEST_ERROR = 0x07
HEALTH_TEST_ERROR = 0x08
EXECUTION_ERROR = 0x0F
AFTER_WAKE = 0x11
WATCHDOG_NEAR = 0xEE
COMMUNICATION_ERROR = 0xFF

COUNT_MIN = 4
COUNT_MAX = 155
COMMAND_COUNT_MIN = 7  # count, opcode, two parameters of 1 and 2 octets, CRC

# What the vendor's library expects of a chip whose self-test at wake failed. Its last two octets are not the CRC of the
# first two (that is 40 c2); the model sends what the library compares with, octet by octet.
WAKE_SELF_TEST_FAILED = b"\x04\x07\xc4\x40"


def crc16(octets: bytes) -> bytes:
    """Polynomial 0x8005, register from zero, each octet's low bit first; two octets, the lower one first."""
    crc = 0
    for octet in octets:
        for bit in range(8):
            turned = octet >> bit & 1 ^ crc >> 15
            crc = crc << 1 & 0xFFFF
            if turned:
                crc ^= 0x8005
    return bytes([crc & 0xFF, crc >> 8])


def group(packet: bytes) -> bytes:
    """A packet with its count and CRC."""
    body = bytes([len(packet) + 3]) + bytes(packet)
    return body + crc16(body)


def status(code: int) -> bytes:
    """The group that carries one status code."""
    return group(bytes([code]))
