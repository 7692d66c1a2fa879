"""The ESP32's ROM loader on its serial line, and the flasher stub that it is given: packets in, packets out. CPython only.

True to what a client can see (ESP-IDF, serial protocol; esptool's own constants): SLIP framing, checksums, reply and status
lengths of ROM and stub, erasing before writing, compressed writes, MD5 of regions, reading, the registers that tell chip, MAC
and flash apart, and the circuit by which DTR and RTS reset the chip into the loader or into its application. The stub's code is
taken and not run: this model answers in its place. Times are none.
"""

import hashlib
import struct
import zlib

from hardware.nor_flash import PAGE_BYTES, SECTOR_BYTES, NorFlash

MAGIC_ESP32 = 0x00F01D83
MAGIC_ESP32_S2 = 0x000007C6
_SLIP_END = 0xC0
_SLIP_ESCAPE = 0xDB
_CHECKSUM_SEED = 0xEF

_FLASH_BEGIN, _FLASH_DATA, _FLASH_END = 0x02, 0x03, 0x04
_MEM_BEGIN, _MEM_END, _MEM_DATA = 0x05, 0x06, 0x07
_SYNC, _WRITE_REG, _READ_REG = 0x08, 0x09, 0x0A
_SPI_SET_PARAMS, _SPI_ATTACH, _READ_FLASH_SLOW, _CHANGE_BAUDRATE = 0x0B, 0x0D, 0x0E, 0x0F
_DEFL_BEGIN, _DEFL_DATA, _DEFL_END, _SPI_FLASH_MD5 = 0x10, 0x11, 0x12, 0x13
_ERASE_FLASH, _ERASE_REGION, _READ_FLASH, _RUN_USER_CODE = 0xD0, 0xD1, 0xD2, 0xD3

_ERROR_INVALID = 0x05
_ERROR_CHECKSUM = 0x07
_ERROR_FLASH = 0x08
_ERROR_DEFLATE = 0x0B

_REGISTER_MAGIC = 0x40001000
_REGISTER_CLOCK_DIVIDER = 0x3FF40014
_REGISTER_MAC = (0x3FF5A004, 0x3FF5A008)
_SPI = 0x3FF42000
_SPI_CMD, _SPI_USR2, _SPI_W0 = _SPI, _SPI + 0x24, _SPI + 0x80
_SPI_RUN = 1 << 18
_READ_ID = 0x9F
_XTAL_40_MHZ_AT_115200 = 347


class CablePulled(Exception):
    """The plan pulled the cable out here."""


class Plan:
    """What goes wrong, counted from the last connection: `pull_at_write` pulls the cable at that flash write, `lose` and `spoil` are
    the places of octets from the host that vanish or arrive changed. Each happens once.
    """

    def __init__(self, pull_at_write: int = -1, lose: tuple = (), spoil: tuple = ()) -> None:
        self.pull_at_write = pull_at_write
        self.lose = set(lose)
        self.spoil = set(spoil)


class RomLoader:
    """`flash`: the chip behind it; `flash_bytes_told`: what its identification says, for chips that lie.

    `receive(octets)` takes what the host sent and returns what goes back; `set_lines(dtr, rts)` is the reset circuit. `writes`
    counts flash writes, `is_listening` tells whether the loader runs (else the application does).
    """

    def __init__(
        self,
        flash: NorFlash,
        flash_bytes_told: int = 0,
        magic: int = MAGIC_ESP32,
        mac: bytes = b"\x24\x0a\xc4\0\0\1",
    ) -> None:
        self.flash = flash
        self.plan = Plan()
        self.writes = 0
        self.resets = 0
        self.is_listening = False
        self.is_stub = False
        self.can_take_stub = True
        self._told = flash_bytes_told or flash.size
        self._magic = magic
        self._mac = mac
        self._is_held = False
        self._registers = {}
        self._restart()

    def _restart(self) -> None:
        self._packet = bytearray()
        self._in_packet = False
        self._escaped = False
        self._inflate = None
        self._place = 0
        self._left = 0
        self._reading = None
        self._out = bytearray()

    # -- the cable

    def connect(self, plan: "Plan | None" = None) -> None:
        """A cable is plugged in."""
        self.plan = plan or Plan()
        self._count = 0
        self.writes = 0

    def set_lines(self, dtr: bool, rts: bool) -> None:
        """RTS alone holds the chip in reset, DTR alone holds IO0 low, both together do neither (the usual two transistors).

        IO0 is sampled when EN has risen, which its capacitor delays past the moment between two edges.
        """
        if rts and not dtr:
            self._is_held = True
        elif self._is_held and not (rts and dtr):
            self._is_held = False
            self._reset(to_loader=dtr)

    def _reset(self, to_loader: bool) -> None:
        self.resets += 1
        self._restart()
        self.is_stub = False
        self.is_listening = to_loader
        self._out += b"ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x%x (%s)\r\n" % (
            (0x03, b"DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2)")
            if to_loader
            else (0x13, b"SPI_FAST_FLASH_BOOT")
        )
        self._out += b"waiting for download\r\n" if to_loader else b"\r\n"

    def receive(self, octets: bytes) -> bytes:
        """Take octets from the host; what the chip answers. CablePulled where the plan says so."""
        for octet in octets:
            place = self._count
            self._count += 1
            if place in self.plan.lose:
                self.plan.lose.discard(place)
                continue
            if place in self.plan.spoil:
                self.plan.spoil.discard(place)
                octet ^= 0x20  # noqa: PLW2901 - it arrives changed
            self._take(octet)
        out, self._out = bytes(self._out), bytearray()
        return out

    def _take(self, octet: int) -> None:
        if octet == _SLIP_END:
            if self._in_packet and self._packet:
                packet, self._packet = bytes(self._packet), bytearray()
                self._in_packet = False
                if self.is_listening:
                    self._answer(packet)
            else:
                self._in_packet = True
            self._escaped = False
        elif self._in_packet:
            if self._escaped:
                octet = {0xDC: _SLIP_END, 0xDD: _SLIP_ESCAPE}.get(octet, octet)
                self._escaped = False
            elif octet == _SLIP_ESCAPE:
                self._escaped = True
                return
            self._packet.append(octet)

    def _send(self, packet: bytes) -> None:
        body = packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
        self._out += b"\xc0" + body + b"\xc0"

    # -- packets

    def _answer(self, packet: bytes) -> None:
        if self._reading is not None:
            self._read_on(packet)
            return
        if len(packet) < 8 or packet[0] != 0:
            return
        _, command, size, checksum = struct.unpack_from("<BBHI", packet)
        data = packet[8:]
        if len(data) != size:
            return  # an octet is missing: the loader waits for the rest, and the client's time runs out
        if command == _SYNC:
            for _ in range(8):
                self._reply(_SYNC, value=0 if self.is_stub else 0x20120707)
            return
        try:
            value, extra = self._do(command, data, checksum)
        except _Refusal as refusal:
            self._reply(command, error=refusal.number)
            return
        self._reply(command, value, extra)
        self._after(command, data)

    def _reply(self, command: int, value: int = 0, extra: bytes = b"", error: int = 0) -> None:
        status = bytes((1, error) if error else (0, 0)) + (b"" if self.is_stub else b"\0\0")
        self._send(struct.pack("<BBHI", 1, command, len(extra) + len(status), value) + extra + status)

    def _do(self, command: int, data: bytes, checksum: int) -> tuple:
        """(value, octets) of the reply."""
        words = struct.unpack_from("<%dI" % (min(len(data), 32) // 4), data)
        if command == _READ_REG:
            return self._read_register(words[0]), b""
        if command == _WRITE_REG:
            self._write_register(words[0], words[1])
        elif command in (_FLASH_BEGIN, _DEFL_BEGIN):
            self._begin(command, words)
        elif command in (_FLASH_DATA, _DEFL_DATA, _MEM_DATA):
            self._data(command, words, data[16:], checksum)
        elif command == _SPI_FLASH_MD5:
            digest = hashlib.md5(self.read(words[0], words[1]), usedforsecurity=False)
            return 0, digest.digest() if self.is_stub else digest.hexdigest().encode()
        elif command == _READ_FLASH_SLOW and not self.is_stub:
            return 0, self.read(words[0], 64)
        elif command == _ERASE_REGION and self.is_stub:
            self._erase(words[0], words[1])
        elif command == _ERASE_FLASH and self.is_stub:
            self._erase(0, self.flash.size)
        elif (command == _MEM_BEGIN and not self.can_take_stub) or (
            command
            not in (
                _MEM_BEGIN,
                _MEM_END,
                _FLASH_END,
                _DEFL_END,
                _SPI_SET_PARAMS,
                _SPI_ATTACH,
                _CHANGE_BAUDRATE,
            )
            and not (self.is_stub and command in (_READ_FLASH, _RUN_USER_CODE))
        ):
            raise _Refusal(_ERROR_INVALID)
        return 0, b""

    def _after(self, command: int, data: bytes) -> None:
        """What follows a reply."""
        if command == _MEM_END and struct.unpack_from("<I", data)[0] == 0:
            self.is_stub = True
            self._send(b"OHAI")
        elif command == _READ_FLASH and self.is_stub:
            offset, size, block, _ = struct.unpack("<IIII", data)
            self._reading = [offset, size, block, 0, hashlib.md5(usedforsecurity=False)]
            self._read_block()
        elif command in (_FLASH_END, _DEFL_END) and struct.unpack_from("<I", data)[0] == 0:
            self._reset(to_loader=False)

    # -- registers

    def _read_register(self, address: int) -> int:
        if address == _REGISTER_MAGIC:
            return self._magic
        if address == _REGISTER_CLOCK_DIVIDER:
            return _XTAL_40_MHZ_AT_115200
        if address == _REGISTER_MAC[0]:
            return int.from_bytes(self._mac[2:], "big")
        if address == _REGISTER_MAC[1]:
            return int.from_bytes(self._mac[:2], "big")
        return self._registers.get(address, 0)

    def _write_register(self, address: int, value: int) -> None:
        self._registers[address] = value
        if address == _SPI_CMD and value & _SPI_RUN:
            opcode = self._registers.get(_SPI_USR2, 0) & 0xFF
            capacity = self._told.bit_length() - 1  # JEDEC: two to the power of this
            self._registers[_SPI_W0] = 0xEF | 0x40 << 8 | capacity << 16 if opcode == _READ_ID else 0
            self._registers[_SPI_CMD] = 0

    # -- flash

    def _begin(self, command: int, words: tuple) -> None:
        size, offset = words[0], words[3]
        self._place = offset
        self._left = size
        self._inflate = zlib.decompressobj() if command == _DEFL_BEGIN else None
        if offset % SECTOR_BYTES or offset + size > self._told:
            raise _Refusal(_ERROR_FLASH)
        self._erase(offset, size)

    def _data(self, command: int, words: tuple, octets: bytes, checksum: int) -> None:
        total = _CHECKSUM_SEED
        for octet in octets:
            total ^= octet
        if total != checksum & 0xFF or len(octets) != words[0]:
            raise _Refusal(_ERROR_CHECKSUM)
        if command == _MEM_DATA:
            return
        if self.writes == self.plan.pull_at_write:
            # Half of what was on the way is in the flash already.
            self.plan.pull_at_write = -1
            self._program(octets[: len(octets) // 2] if command == _FLASH_DATA else b"")
            raise CablePulled
        self.writes += 1
        if command == _DEFL_DATA:
            try:
                octets = self._inflate.decompress(octets)
            except zlib.error:
                raise _Refusal(_ERROR_DEFLATE)
        self._program(octets)

    def _erase(self, offset: int, size: int) -> None:
        for sector in range(offset // SECTOR_BYTES, -(-(offset + size) // SECTOR_BYTES)):
            self.flash.sector_erase(sector % (self.flash.size // SECTOR_BYTES))

    def _program(self, octets: bytes) -> None:
        """A chip that lies about its size begins again at its start; the client's padding beyond the region is not written."""
        octets = octets[: self._left]
        self._left -= len(octets)
        done = 0
        while done < len(octets):
            place = (self._place + done) % self.flash.size
            size = min(PAGE_BYTES - place % PAGE_BYTES, len(octets) - done)
            self.flash.page_program(place, octets[done : done + size])
            done += size
        self._place += len(octets)

    def read(self, offset: int, size: int) -> bytes:
        """What the flash holds, as the loader sees it."""
        out = bytearray()
        while len(out) < size:
            place = (offset + len(out)) % self.flash.size
            part = bytearray(min(size - len(out), self.flash.size - place, 65536))
            self.flash.read_into(place, part)
            out += part
        return bytes(out)

    def _read_block(self) -> None:
        offset, size, block, sent, digest = self._reading
        part = self.read(offset + sent, min(block, size - sent))
        digest.update(part)
        self._reading[3] += len(part)
        self._send(part)

    def _read_on(self, packet: bytes) -> None:
        """The client tells how many octets it has; then the next block, or the MD5 of all."""
        if len(packet) != 4:
            return
        _, size, _, sent, digest = self._reading
        if int.from_bytes(packet, "little") != sent:
            return
        if sent < size:
            self._read_block()
        else:
            self._reading = None
            self._send(digest.digest())


class _Refusal(Exception):
    """A status that is not success."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
