"""ALPAR, the TDA8029's conversation with its host (NXP AN10207) as octets in, octets out: frames with an XOR at the end, no I/O."""

from firmware.card.errors import ReaderError

ACK = 0x60
NAK = 0xE0
DATA_MAX = 506

CARD_COMMAND = 0x00
CHECK_PRESENCE = 0x09
SEND_NUM_MASK = 0x0A
POWER_OFF = 0x4D
POWER_UP_ISO = 0x69
PRESENCE_CHANGED = 0xA0  # comes unasked

# Error numbers of a NAK that this driver tells apart.
SHORT_APDU = 0x21
CARD_ABSENT = 0xC0
SERIAL_LRC = 0xF0
SERIAL_TIME_OUT = 0xFF


class FrameDamaged(ReaderError):
    """Octets from the chip that are no whole frame."""


class Refused(ReaderError):
    """The chip answered command `opcode` with error `number`."""

    def __init__(self, opcode: int, number: int) -> None:
        super().__init__("TDA8029: command 0x%02x ended with error 0x%02x" % (opcode, number))
        self.number = number


def frame(opcode: int, data: bytes = b"") -> bytearray:
    """The frame of a command. It is built in one place, so that who sent it can overwrite it: it may hold a PIN."""
    size = len(data)
    if size > DATA_MAX:
        raise ValueError("ALPAR command of %d octets, at most %d" % (size, DATA_MAX))
    out = bytearray(size + 5)
    out[0] = ACK
    out[1] = size >> 8
    out[2] = size & 0xFF
    out[3] = opcode
    out[4 : 4 + size] = data
    out[-1] = lrc(out)
    return out


def lrc(octets) -> int:
    """Exclusive or of all octets; 0 over a whole frame."""
    value = 0
    for octet in octets:
        value ^= octet
    return value


class Receiver:
    """Puts frames together from octets as they come; what stands before a frame's first octet is skipped and counted."""

    def __init__(self) -> None:
        self.skipped = 0
        self._octets = bytearray()

    def begin(self) -> None:
        """Forget what was begun."""
        self._octets = bytearray()

    @property
    def is_empty(self) -> bool:
        """Whether no frame has begun."""
        return not self._octets

    def take(self, octets: bytes) -> tuple:
        """(frame or None, octets that follow it): a frame is (is it an ACK, opcode, data). FrameDamaged begins anew behind
        all octets given.
        """
        for index in range(len(octets)):
            octet = octets[index]
            if not self._octets and octet not in (ACK, NAK):
                self.skipped += 1
                continue
            self._octets.append(octet)
            size = self._size()
            if size > DATA_MAX + 5:
                self.begin()
                raise FrameDamaged("TDA8029: frame of %d octets" % size)
            if size and len(self._octets) == size:
                return self._whole(), octets[index + 1 :]
        return None, b""

    def _size(self) -> int:
        """Octets of the frame that was begun, 0 while unknown."""
        head = self._octets
        return (head[1] << 8 | head[2]) + 5 if len(head) >= 3 else 0

    def _whole(self) -> tuple:
        octets = self._octets
        self.begin()
        if lrc(octets):
            raise FrameDamaged("TDA8029: frame with a wrong checksum")
        return octets[0] == ACK, octets[3], bytes(octets[4:-1])
