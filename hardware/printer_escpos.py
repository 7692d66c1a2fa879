"""A 58 mm thermal receipt printer that takes ESC/POS over a serial line and keeps what it printed as a layout.

It understands the commands that the terminal uses; anything else goes to `errors`, since printers differ in what they
make of it. Printing takes time, so the receive buffer fills and the busy line rises; status requests (DLE EOT) are
answered as they arrive, whatever stands in the buffer. Sizes are in dots of 1/8 mm.

A receipt is a list of elements: ("text", align, [(octets, bold, width, height), ...]), ("feed", dots),
("image", align, octets_per_row, rows, octets), ("qr", align, data, dots_per_module, level), ("cut",).
"""

from hardware.qr_code import LEVELS, QrError, modules_wide, version_for

DOTS_WIDE = 384
CELL_WIDE = 12
CELL_HIGH = 24
LINE_SPACING = 30
LEFT, CENTRE, RIGHT = range(3)

DOT_LINE_US = 2500  # 50 mm/s
BUFFER_BYTES = 4096
BUSY_BELOW_FREE = 256
READY_ABOVE_FREE = 512

_LF, _DLE, _EOT, _ESC, _GS = 0x0A, 0x10, 0x04, 0x1B, 0x1D

# Length of each command with a fixed number of octets, by its first two.
_FIXED = {
    (_ESC, 0x40): 2,  # ESC @: initialise
    (_ESC, 0x45): 3,  # ESC E n: bold
    (_ESC, 0x61): 3,  # ESC a n: alignment
    (_ESC, 0x64): 3,  # ESC d n: print and feed n lines
    (_ESC, 0x74): 3,  # ESC t n: code page
    (_GS, 0x21): 3,  # GS ! n: size
    (_DLE, _EOT): 3,
}


class EscPosPrinter:
    """The printer; connect it to a `Uart`, give it its busy line, and read `receipts` and `errors`."""

    def __init__(self, clock, busy_pin):
        self._clock = clock
        self._busy_pin = busy_pin
        self._busy_pin.refresh_with(self.settle)
        self._uart = None
        self._buffer = bytearray()
        self._recent = b"\x00\x00"
        self._free_at_us = clock.now_us()  # when the mechanism has done what it was told
        self._paper_lines = None  # dot lines left, None without end
        self._near_end = False
        self.cover_open = False
        self.errors = []
        self.lost_octets = 0
        self._receipts = []
        self._current = []
        self._qr_data = b""
        self._initialise()
        self._update_busy()

    def connect(self, uart) -> None:
        self._uart = uart
        uart.connect(self)

    # -- the person at the printer

    def set_paper(self, dot_lines=None, near_end: bool = False) -> None:
        """Put in a roll with `dot_lines` left (None: enough); 0 is no paper."""
        self._advance_to(self._clock.now_us())
        self._paper_lines = dot_lines
        self._near_end = near_end
        self._free_at_us = max(self._free_at_us, self._clock.now_us())
        self._update_busy()

    def receipts(self) -> list:
        """Receipts that were cut off, oldest first."""
        self.settle()
        return list(self._receipts)

    def unfinished(self) -> list:
        """What hangs out of the printer, not yet cut."""
        self.settle()
        return list(self._current)

    def settle(self) -> None:
        """Bring line and mechanism up to the clock's time."""
        if self._uart is not None:
            self._uart.settle()
        self._advance_to(self._clock.now_us())

    # -- serial line

    def receive(self, value: int, now_us: int) -> None:
        self._advance_to(now_us)
        if self._recent == bytes([_DLE, _EOT]) and 1 <= value <= 4:
            self._uart.deliver(bytes([self._status(value)]), now_us)
        self._recent = bytes([self._recent[1], value])
        if len(self._buffer) >= BUFFER_BYTES:
            self.lost_octets += 1
        else:
            self._buffer.append(value)
        self._advance_to(now_us)

    def _status(self, kind: int) -> int:
        status = 0x12
        if kind == 1 and self._offline():
            status |= 0x08
        if kind == 2:
            status |= (0x04 if self.cover_open else 0) | (0x20 if self._paper_out() else 0)
        if kind == 4:
            status |= (0x0C if self._near_end or self._paper_out() else 0) | (
                0x60 if self._paper_out() else 0
            )
        return status

    def _paper_out(self) -> bool:
        return self._paper_lines is not None and self._paper_lines <= 0

    def _offline(self) -> bool:
        return self._paper_out() or self.cover_open

    def _update_busy(self) -> None:
        free = BUFFER_BYTES - len(self._buffer)
        if self._offline() or free < BUSY_BELOW_FREE:
            self._busy_pin.drive(1)
        elif free > READY_ABOVE_FREE:
            self._busy_pin.drive(0)

    # -- interpreter

    def _advance_to(self, now_us: int) -> None:
        """Carry out what is complete in the buffer and whose turn has come."""
        while self._buffer and self._free_at_us <= now_us and not self._offline():
            size = self._command_size()
            if size is None:
                self._free_at_us = max(self._free_at_us, now_us)
                break
            command = bytes(self._buffer[:size])
            self._buffer = self._buffer[size:]
            self._carry_out(command)
        if not self._buffer:
            self._free_at_us = max(self._free_at_us, now_us)
        self._update_busy()

    def _command_size(self):
        """Octets of the command at the head of the buffer, None while some are missing."""
        buffer = self._buffer
        first = buffer[0]
        if first not in (_ESC, _GS, _DLE):
            return 1
        if len(buffer) < 2:
            return None
        size = _FIXED.get((first, buffer[1]), 2)
        if first == _GS and buffer[1] == 0x56:  # GS V m (n)
            if len(buffer) < 3:
                return None
            size = 4 if buffer[2] in (65, 66) else 3
        elif first == _GS and buffer[1] == 0x76:  # GS v 0 m xL xH yL yH data
            if len(buffer) < 8:
                return None
            size = 8 + (buffer[4] + 256 * buffer[5]) * (buffer[6] + 256 * buffer[7])
        elif first == _GS and buffer[1] == 0x28:  # GS ( k pL pH ...
            if len(buffer) < 5:
                return None
            size = 5 + buffer[3] + 256 * buffer[4]
        return None if len(buffer) < size else size

    def _carry_out(self, command: bytes) -> None:
        first = command[0]
        if first == _LF:
            self._print_line()
        elif 0x20 <= first < 0x7F:
            self._character(first)
        elif first == 0x00:
            pass  # printers pass over NUL
        elif len(command) == 1:
            self._refuse(command)  # letters of the code page's upper half too: the terminal prints ASCII
        elif first == _ESC:
            self._escape(command)
        elif first == _GS:
            self._group(command)
        elif command[:2] != bytes([_DLE, _EOT]):  # a status request was answered when it came in
            self._refuse(command)

    def _refuse(self, command: bytes) -> None:
        self.errors.append("unknown: " + " ".join(["%02x" % value for value in command[:8]]))

    def _initialise(self) -> None:
        self._align = LEFT
        self._bold = False
        self._scale = (1, 1)
        self._line = []
        self._line_dots = 0
        self._qr_module, self._qr_level = 3, 48

    def _escape(self, command: bytes) -> None:
        code, argument = command[1], command[-1]
        if code == 0x40:
            self._initialise()
        elif code == 0x45:
            self._bold = bool(argument & 1)
        elif code == 0x61 and argument % 48 <= RIGHT:
            if self._line:
                self.errors.append("alignment changed inside a line")
            self._align = argument % 48
        elif code == 0x64:
            lines = argument
            if self._line:
                self._print_line()
                lines -= 1
            self._feed(LINE_SPACING * max(0, lines))
        elif code == 0x74 and argument == 0:
            pass  # code page 437, the only one here
        else:
            self._refuse(command)

    def _group(self, command: bytes) -> None:
        code = command[1]
        if code == 0x21 and not command[2] & 0x88:
            self._scale = ((command[2] >> 4) + 1, (command[2] & 7) + 1)
        elif code == 0x56 and command[2] in (0, 1, 48, 49, 65, 66):
            self._cut(command)
        elif code == 0x76 and command[2] in (0, 48) and command[3] % 48 <= 3:
            self._image(command)
        elif code == 0x28 and command[2] == 0x6B:
            self._qr(command)
        else:
            self._refuse(command)

    def _character(self, value: int) -> None:
        dots = CELL_WIDE * self._scale[0]
        if self._line_dots + dots > DOTS_WIDE:
            self._print_line()
        style = (self._bold,) + self._scale
        if self._line and self._line[-1][1:] == style:
            self._line[-1] = (self._line[-1][0] + bytes([value]),) + style
        else:
            self._line.append((bytes([value]),) + style)
        self._line_dots += dots

    def _print_line(self) -> None:
        height = max([CELL_HIGH * span[3] for span in self._line] + [CELL_HIGH])
        if self._line:
            self._current.append(("text", self._align, self._line))
        else:
            self._current.append(("feed", LINE_SPACING))
        self._move_paper(max(height, LINE_SPACING))
        self._line = []
        self._line_dots = 0

    def _feed(self, dots: int) -> None:
        if dots:
            self._current.append(("feed", dots))
            self._move_paper(dots)

    def _cut(self, command: bytes) -> None:
        if self._line:
            self._print_line()
        if command[2] in (65, 66):
            self._feed(command[3])
        self._current.append(("cut",))
        self._receipts.append(self._current)
        self._current = []

    def _image(self, command: bytes) -> None:
        octets_per_row = command[4] + 256 * command[5]
        rows = command[6] + 256 * command[7]
        if self._line:
            self.errors.append("image inside a line")
        if not rows or not 0 < octets_per_row <= DOTS_WIDE // 8:
            self.errors.append("image of %d octets by %d rows" % (octets_per_row, rows))
            return
        data = command[8:]
        wide, high = (
            1 + command[3] % 2,
            1 + command[3] % 48 // 2,
        )  # m: 1 doubles the width, 2 the height, 3 both
        if wide * 8 * octets_per_row > DOTS_WIDE:
            self.errors.append("image of %d octets doubled" % octets_per_row)
            return
        for kind in range(1, 5):
            if data.find(bytes([_DLE, _EOT, kind])) >= 0:
                self.errors.append("image data was taken for a status request")
        data = b"".join(
            [
                _widened(data[at : at + octets_per_row], wide) * high
                for at in range(0, len(data), octets_per_row)
            ]
        )
        self._current.append(("image", self._align, wide * octets_per_row, high * rows, data))
        self._move_paper(high * rows)

    def _qr(self, command: bytes) -> None:
        """GS ( k with cn = 49: the two-dimensional QR symbol, functions 165, 167, 169, 180 and 181."""
        body = command[5:]
        function = body[:2]
        if function == b"1A" and len(body) == 4 and body[2] == 50:
            return  # model 2, the only one that is rendered
        if function == b"1C" and len(body) == 3 and 1 <= body[2] <= 16:
            self._qr_module = body[2]
        elif function == b"1E" and len(body) == 3 and 48 <= body[2] <= 51:
            self._qr_level = body[2]
        elif function == b"1P" and len(body) > 3 and body[2] == 48:
            self._qr_data = body[3:]
        elif function == b"1Q" and len(body) == 3 and body[2] == 48 and self._qr_data:
            self._print_qr()
        else:
            self._refuse(command)

    def _print_qr(self) -> None:
        level = LEVELS[self._qr_level - 48]
        try:
            dots = modules_wide(version_for(len(self._qr_data), level)) * self._qr_module
        except QrError as error:
            self.errors.append(str(error))
            return
        if dots > DOTS_WIDE:
            self.errors.append("QR symbol of %d dots" % dots)
            return
        self._current.append(("qr", self._align, self._qr_data, self._qr_module, level))
        self._move_paper(dots)

    def _move_paper(self, dots: int) -> None:
        self._free_at_us += dots * DOT_LINE_US
        if self._paper_lines is not None:
            self._paper_lines -= dots


def _widened(row: bytes, wide: int) -> bytes:
    """A row of dots, each as often as `wide` says."""
    if wide == 1:
        return row
    bits = 0
    for octet in row:
        for shift in range(7, -1, -1):
            bits = bits << 2 | 3 * (octet >> shift & 1)
    return bits.to_bytes(2 * len(row), "big")


def receipt_text(receipt: list) -> str:
    """A receipt in 32 columns of plain text, for a console; pictures become a line that names them."""
    lines = []
    for element in receipt:
        kind = element[0]
        if kind == "text":
            text = "".join([span[0].decode() for span in element[2]])
            wide = sum([len(span[0]) * span[2] for span in element[2]])
            lines.append(_placed(text, DOTS_WIDE // CELL_WIDE - (wide - len(text)), element[1]))
        elif kind == "feed":
            lines.extend([""] * (element[1] // LINE_SPACING))
        elif kind == "image":
            lines.append(_placed("[image %d x %d]" % (8 * element[2], element[3]), 32, element[1]))
        elif kind == "qr":
            lines.append(_placed("[QR, %d octets]" % len(element[2]), 32, element[1]))
        else:
            lines.append("- " * 16)
    return "\n".join([line.rstrip() for line in lines]) + "\n"


def _placed(text: str, columns: int, align: int) -> str:
    free = max(0, columns - len(text))
    return " " * (0 if align == LEFT else free if align == RIGHT else free // 2) + text
