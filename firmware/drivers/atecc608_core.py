"""The ATECC608's commands as octets: groups with a CRC both ways, execution times, status codes as typed errors; no I/O.

Sources: public data sheets of the ATECC508A (DS20005927A) and the preconfigured ATECC608 parts; execution times and the
answers to a wake from the vendor's open library (calib_execution.c, atca_hal.c).
"""

# Word addresses: the first octet of a write.
WORD_RESET = b"\x00"
WORD_SLEEP = b"\x01"
WORD_IDLE = b"\x02"
WORD_COMMAND = b"\x03"

GROUP_OCTETS_MAX = 155
OVERHEAD_OCTETS = 3  # count and CRC
STATUS_GROUP_OCTETS = 4
CONFIG_OCTETS = 128
DIVIDERS = (0x00, 0x28, 0x68)  # M0, M1, M2: upper five bits of ChipMode, configuration octet 19
COUNTER_MAX = 2097151

STATUS_SELF_TEST = 0x07
STATUS_ECC_FAULT = 0x05
STATUS_AWAKE = 0x11
STATUS_WATCHDOG = 0xEE
STATUS_COMMUNICATION = 0xFF
_STATUS_TEXTS = {
    0x01: "miscompare",
    0x03: "parse error",
    STATUS_ECC_FAULT: "ECC fault",
    STATUS_SELF_TEST: "self-test failed",
    0x08: "health test of the random generator failed",
    0x0F: "execution error: locked, not configured for it, or no key",
    STATUS_WATCHDOG: "watchdog about to strike",
    STATUS_COMMUNICATION: "command arrived damaged",
}

_AWAKE = b"\x04\x11\x33\x43"
# The vendor's library knows a failed self-test at wake by exactly these octets, whose CRC is wrong (40 c2 would be
# right). So they are compared before any CRC is; with the right CRC they mean the same.
_AWAKE_BROKEN = b"\x04\x07\xc4\x40"


class AteccError(Exception):
    """What went wrong with `command`; `again`: the command was not carried out or changed nothing, so send it again."""

    again = False

    def __init__(self, command: str, what: str):
        super().__init__("ATECC608 %s: %s" % (command, what))
        self.command = command


class ChipSilent(AteccError):
    """No acknowledgement in the time that the command may take."""

    again = True


class AnswerDamaged(AteccError):
    """An answer of a wrong length or CRC, read several times."""

    again = True


class CommandFailed(AteccError):
    """The chip answered with an error; `status` is its code."""

    def __init__(self, command: str, status: int):
        text = _STATUS_TEXTS.get(status, "unknown")
        super().__init__(command, "status 0x%02x, %s" % (status, text))
        self.status = status
        self.again = status in (STATUS_ECC_FAULT, STATUS_WATCHDOG, STATUS_COMMUNICATION)


class OutcomeUnknown(AteccError):
    """A command that must not be carried out twice was taken and its answer lost: look what became of it."""


class WrongChip(AteccError):
    """What answers is no ATECC608."""


class Command:
    """One command. `octets`: size of its answer's packet, 1 for a status; `ms`: longest execution with M0, M1, M2.

    `codes`: bits that an answer of one octet may have and still be no error. `once`: must not be carried out twice.
    """

    def __init__(self, name, opcode, mode, key, data, octets, ms, codes=0, once=False):
        self.name = name
        self.octets = octets
        self.ms = ms
        self.codes = codes
        self.once = once
        body = bytes((len(data) + 7, opcode, mode, key & 0xFF, key >> 8)) + data
        self.frame = WORD_COMMAND + body + crc16(body)


def crc16(octets) -> bytes:
    """CRC of count and packet, low octet first: polynomial 0x8005, low bit first, register from zero."""
    mirrored = 0
    for octet in octets:
        mirrored ^= octet
        mirrored = mirrored >> 4 ^ _NIBBLES[mirrored & 15]
        mirrored = mirrored >> 4 ^ _NIBBLES[mirrored & 15]
    crc = 0
    for _ in range(16):
        crc = crc << 1 | mirrored & 1
        mirrored >>= 1
    return bytes((crc & 0xFF, crc >> 8))


def _nibble(value: int) -> int:
    for _ in range(4):
        value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


_NIBBLES = tuple([_nibble(value) for value in range(16)])


def read_answer(command: Command, group) -> bytes:
    """The packet of a group as it was read; raises `AnswerDamaged` or `CommandFailed`.

    `group` has room for the packet that is hoped for; an error's group is shorter.
    """
    count = group[0]
    if count != STATUS_GROUP_OCTETS and count != command.octets + OVERHEAD_OCTETS:
        raise AnswerDamaged(command.name, "count is %d" % count)
    if len(group) < count or crc16(group[: count - 2]) != bytes(group[count - 2 : count]):
        raise AnswerDamaged(command.name, "CRC does not fit")
    packet = bytes(group[1 : count - 2])
    if len(packet) == 1:
        if packet[0] == STATUS_AWAKE:
            # Of the wake, not of the command, which never came or whose answer went with the chip's sleep. As a failed
            # self-test (two of its bits) it is not to be told from that, and is asked for again.
            raise AnswerDamaged(command.name, "just woken")
        if command.octets != 1 and packet[0] == 0:
            raise AnswerDamaged(command.name, "success without its %d octets" % command.octets)
        if command.octets != 1 or packet[0] & ~command.codes:
            raise CommandFailed(command.name, packet[0])
    return packet


def check_wake(group) -> None:
    """Raise unless these four octets say that the chip is awake."""
    if group == _AWAKE:
        return
    if group == _AWAKE_BROKEN or group == b"\x04\x07" + crc16(b"\x04\x07"):
        raise CommandFailed("wake", STATUS_SELF_TEST)
    raise AnswerDamaged("wake", "not the answer of a chip just woken")


# ---------------------------------------------------------------- operations: commands that belong together


def info() -> tuple:
    """Revision, 4 octets."""
    return (Command("Info", 0x30, 0, 0, b"", 4, (5, 5, 5)),)


def random() -> tuple:
    """32 octets from the chip's generator, the same pattern each time while its configuration is open."""
    return (Command("Random", 0x1B, 0, 0, b"", 32, (23, 23, 23)),)


def sign(slot: int, digest: bytes) -> tuple:
    """A signature r || s over 32 octets with the key in a slot."""
    return _load(digest), Command("Sign", 0x41, 0xA0, slot, b"", 64, (115, 220, 665))


def verify(public: bytes, digest: bytes, signature: bytes) -> tuple:
    """00 or 01: whether the signature is not the key's."""
    data = signature + public
    return _load(digest), Command("Verify", 0x45, 0x22, 4, data, 1, (105, 295, 1085), codes=1)


def _load(digest: bytes) -> Command:
    """A digest into the buffer that Sign and Verify take it from."""
    return Command("Nonce", 0x16, 0x43, 0, digest, 1, (20, 20, 20))


def create_key(slot: int) -> tuple:
    """A new private key in a slot; its public key, 64 octets. If the answer is lost, another new key does as well."""
    return (Command("GenKey create", 0x40, 0x04, slot, b"", 64, (115, 215, 653)),)


def public_key(slot: int) -> tuple:
    """The public key of a slot, 64 octets."""
    return (Command("GenKey public", 0x40, 0x00, slot, b"", 64, (115, 215, 653)),)


def shared_x(slot: int, public: bytes) -> tuple:
    """ECDH's x, 32 octets, in the clear: it crosses the bus."""
    return (Command("ECDH", 0x43, 0x0C, slot, public, 32, (75, 172, 531)),)


def read_counter(index: int) -> tuple:
    """4 octets, the low one first."""
    return (Command("Counter read", 0x24, 0, index, b"", 4, (25, 25, 25)),)


def increment_counter(index: int) -> tuple:
    """The new value, as `read_counter`."""
    return (Command("Counter increment", 0x24, 1, index, b"", 4, (25, 25, 25), once=True),)


def self_test() -> tuple:
    """One octet, a bit for each test that failed."""
    return (Command("SelfTest", 0x77, 0x3B, 0, b"", 1, (250, 625, 2324), codes=0x3B),)


def read_config() -> tuple:
    """The configuration zone in four answers of 32 octets."""
    return tuple([Command("Read", 0x02, 0x80, block << 3, b"", 32, (5, 5, 5)) for block in range(4)])


def read_config_word(offset: int) -> tuple:
    """4 octets of the configuration zone."""
    return (Command("Read", 0x02, 0x00, offset >> 2, b"", 4, (5, 5, 5)),)


def write_config_word(offset: int, octets: bytes) -> tuple:
    """4 octets into the configuration zone; writing them twice does no harm."""
    return (Command("Write", 0x12, 0x00, offset >> 2, octets, 1, (45, 45, 45)),)


def lock_config(summary: bytes) -> tuple:
    """Close the configuration for ever, if the zone's CRC is `summary` (as `crc16` gives it)."""
    key = summary[0] | summary[1] << 8
    return (Command("Lock configuration", 0x17, 0x00, key, b"", 1, (35, 35, 35), once=True),)


def lock_data() -> tuple:
    """Close the data zone for ever; what is in it cannot be read before, so there is no summary to compare."""
    return (Command("Lock data", 0x17, 0x81, 0, b"", 1, (35, 35, 35), once=True),)
