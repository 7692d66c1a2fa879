"""Setting a new ATECC608 up for a terminal: the configuration as data, what would change, and the locks.

In this order, each step a technician's own decision; every step may be repeated after a power cut:

    changes = plan(await read(chip))      what differs from what is wanted; nothing is written
    await write(chip)                     writes it and reads it back
    await lock_configuration(chip)        for ever; refused unless what is read back is what is wanted, to the last octet
    await create_keys(chip)               two new keys in the slots; again for each new generation
    await lock_data(chip)                 for ever; only then does the chip agree on secrets

Slots 2 to 15 stay as delivered and are not used.
"""

from firmware.drivers import atecc608_core as core

SEAL_SLOT = 0
AGREEMENT_SLOT = 1

_WORD = 4
_LOCKS = 84  # UserExtra, UserExtraAdd, LockValue, LockConfig: not for Write
_OPEN = 0x55

# Offset, octets, what they mean (DS20005927A, configuration zone).
WANTED = (
    (16, b"\xc0", "I2C address 0x60"),
    (18, b"\x00", "no key counts its uses"),
    (19, b"\x00", "clock divider M0, watchdog 1.3 s, fixed input levels"),
    (20, b"\x81\x20", "slot 0: secret, signs digests from outside, GenKey may replace it, no ECDH"),
    (22, b"\x84\x20", "slot 1: secret, ECDH answered in the clear, GenKey may replace it, no signatures"),
    (68, b"\x00\x00\x00\x00", "no use lock, no volatile key permission, no secure boot"),
    (88, b"\xff\xff", "no slot locked"),
    (90, b"\x00\x00", "no self-test at wake, no IO protection, ECDH in the clear"),
    (96, b"\x13\x00", "slot 0: private P-256 key, public key may be read"),
    (98, b"\x13\x00", "slot 1: private P-256 key, public key may be read"),
)


class SetupRefused(Exception):
    """The chip cannot be set up, or not locked; names what and at which octet of the configuration zone."""


class Change:
    """Octets of the configuration zone from `offset` on that have to become `after`."""

    def __init__(self, offset: int, before: bytes, after: bytes, meaning: str):
        self.offset = offset
        self.before = before
        self.after = after
        self.meaning = meaning

    def __str__(self):
        return "%3d: %s -> %s  %s" % (self.offset, self.before.hex(), self.after.hex(), self.meaning)


def plan(current: bytes) -> list:
    """The changes that a configuration zone of 128 octets needs; none if it is as wanted.

    Raises `SetupRefused` where they are impossible: no ATECC608, or locked with another configuration.
    """
    if len(current) != core.CONFIG_OCTETS:
        raise SetupRefused("configuration zone of %d octets, not %d" % (len(current), core.CONFIG_OCTETS))
    if current[6] != 0x60:
        raise SetupRefused("octet 6: revision 0x%02x, no ATECC608" % current[6])
    changes = []
    for offset, after, meaning in WANTED:
        before = current[offset : offset + len(after)]
        if before != after:
            changes.append(Change(offset, before, after, meaning))
    if changes and is_locked(current):
        raise SetupRefused("octet %d: locked, and not as wanted" % changes[0].offset)
    return changes


def wanted(current: bytes) -> bytes:
    """What the zone is to hold: `current` with the changes of `plan`."""
    octets = bytearray(current)
    for change in plan(current):
        octets[change.offset : change.offset + len(change.after)] = change.after
    return bytes(octets)


def is_locked(current: bytes) -> bool:
    """Whether the configuration is closed (octet 87)."""
    return current[87] != _OPEN


def is_data_locked(current: bytes) -> bool:
    """Whether the data zone is closed (octet 86)."""
    return current[86] != _OPEN


async def read(chip) -> bytes:
    """The configuration zone, 128 octets."""
    return b"".join(await chip.run(core.read_config()))


async def write(chip) -> list:
    """Make the changes of `plan` and return them; raises `SetupRefused` if they do not read back."""
    current = await read(chip)
    changes = plan(current)
    target = wanted(current)
    for offset in range(0, core.CONFIG_OCTETS, _WORD):
        word = target[offset : offset + _WORD]
        if word != current[offset : offset + _WORD]:
            await chip.run(core.write_config_word(offset, word))
    _require_same(await read(chip), target)
    return changes


async def lock_configuration(chip) -> None:
    """Close the configuration; does nothing if it is closed and as wanted. Raises `SetupRefused`.

    Compared twice: here, octet by octet, and by the chip, which is given the CRC of what is wanted.
    """
    current = await read(chip)
    target = wanted(current)
    if is_locked(current):
        return
    _require_same(current, target)
    try:
        await chip.run(core.lock_config(core.crc16(target)))
    except core.OutcomeUnknown:
        pass  # what became of it is read below
    if not is_locked(await read(chip)):
        raise SetupRefused("octet 87: the configuration did not lock")


async def create_keys(chip) -> tuple:
    """New private keys in both slots; (seal key, agreement key, both counters), from which a generation starts."""
    current = await read(chip)
    if not is_locked(current) or plan(current):
        raise SetupRefused("octet 87: keys before the configuration is locked")
    seal_key = (await chip.run(core.create_key(SEAL_SLOT)))[0]
    agreement_key = (await chip.run(core.create_key(AGREEMENT_SLOT)))[0]
    return seal_key, agreement_key, (await _count(chip, 0), await _count(chip, 1))


async def _count(chip, index: int) -> int:
    return int.from_bytes((await chip.run(core.read_counter(index)))[0], "little")


async def lock_data(chip) -> None:
    """Close the data zone; does nothing if it is closed. Raises `SetupRefused` before there are keys."""
    current = await read(chip)
    if is_data_locked(current):
        return
    for slot in (SEAL_SLOT, AGREEMENT_SLOT):
        try:
            await chip.run(core.public_key(slot))
        except core.CommandFailed:
            raise SetupRefused("slot %d: no key" % slot)
    try:
        await chip.run(core.lock_data())
    except core.OutcomeUnknown:
        pass  # what became of it is read below
    if not is_data_locked(await read(chip)):
        raise SetupRefused("octet 86: the data zone did not lock")


def _require_same(current: bytes, target: bytes) -> None:
    for offset in range(core.CONFIG_OCTETS):
        if current[offset] != target[offset]:
            raise SetupRefused(
                "octet %d: 0x%02x read back, 0x%02x wanted" % (offset, current[offset], target[offset])
            )
