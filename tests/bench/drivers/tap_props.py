"""What stands around the terminal on the tap bench: flash in RAM, entropy that repeats, readers that record and play back."""

import hashlib

from firmware.hal import pins
from firmware.hal.board import Board
from firmware.hal.flash_area import FlashArea

SECTOR = 4096
BLANK = b"\xff" * SECTOR
# Sectors of the journal that exist from the start, so that writing into them allocates nothing.
JOURNAL_SECTORS = 12


class Window:
    """A partition in the shape of `esp32.Partition` whose sectors lie in RAM: each access is one copy, as in C."""

    def __init__(self, image, offset, size, kept):
        self._size = size
        self._sectors = {}
        self.forget()
        octets = bytearray(SECTOR)
        image.seek(offset)
        for sector in range(size // SECTOR):
            image.readinto(octets)
            if sector < kept or octets != BLANK:
                self._sectors[sector] = bytearray(octets)

    def forget(self):
        """Count from zero."""
        self.reads = self.programs = self.erases = 0

    def readblocks(self, block, buffer, offset=0):
        self.reads += 1
        block += offset // SECTOR
        offset %= SECTOR
        sector = self._sectors.get(block)
        if sector is None:
            buffer[:] = b"\xff" * len(buffer)
        elif offset + len(buffer) <= SECTOR:
            buffer[:] = memoryview(sector)[offset : offset + len(buffer)]
        else:
            first = SECTOR - offset
            view = memoryview(buffer)
            view[:first] = memoryview(sector)[offset:]
            self.readblocks(block + 1, view[first:])

    def writeblocks(self, block, data, offset):
        self.programs += 1
        if block not in self._sectors:
            self._sectors[block] = bytearray(b"\xff" * SECTOR)
        self._sectors[block][offset : offset + len(data)] = data

    def ioctl(self, request, argument):
        if request == 4:
            return self._size // SECTOR
        if request == 5:
            return SECTOR
        if request == 6:
            self.erases += 1
            self._sectors[argument] = bytearray(b"\xff" * SECTOR)
        return 0


class Draws:
    """Entropy that repeats from run to run and looks random to whoever watches it."""

    def __init__(self):
        self._number = 0

    def __call__(self, count):
        out = b""
        while len(out) < count:
            self._number += 1
            out += hashlib.sha256(b"draw" + self._number.to_bytes(4, "big")).digest()
        return out[:count]


class Recorder:
    """A card model on a reader that hands over whole APDUs; keeps what was said."""

    def __init__(self, card):
        self._card = card
        self.said = []
        card.activate()

    async def transceive(self, command):
        response = bytes(self._card.exchange(bytes(command)))
        self.said.append((bytes(command).hex(), response.hex()))
        return response


class Player:
    """Plays recorded answers one after the other."""

    def __init__(self, answers):
        self._answers = answers
        self._at = 0

    async def transceive(self, command):
        self._at += 1
        return self._answers[self._at - 1]


class Checker:
    """Plays recorded answers and refuses any other command than the recorded one."""

    def __init__(self, said):
        self._said = said
        self._at = 0

    async def transceive(self, command):
        expected, answer = self._said[self._at]
        self._at += 1
        if bytes(command).hex() != expected:
            raise AssertionError(
                "command %d is %s, recorded was %s" % (self._at, bytes(command).hex(), expected)
            )
        return bytes.fromhex(answer)


def run(coroutine):
    """The result of a coroutine that waits for nothing: no scheduler's cost is counted."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something")


def open_flash(folder):
    """The areas of a provisioned terminal, and the windows behind them."""
    areas, windows = {}, {}
    with open(folder + "/image.bin", "rb") as image:
        for name, offset, size in pins.PARTITIONS:
            if name in Board.FLASH_AREAS:
                windows[name] = Window(image, offset, size, JOURNAL_SECTORS if name == "journal" else 0)
                areas[name] = FlashArea(windows[name], name)
    return areas, windows
