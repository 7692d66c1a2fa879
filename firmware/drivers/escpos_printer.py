"""The 58 mm receipt printer: documents to ESC/POS, and sending them no faster than the printer takes them.

A document is a list of tuples:

    ("text", string, align, bold, double)   align "l", "c" or "r"; 32 letters to a line, 16 in double type
    ("rule",)
    ("feed", lines)
    ("qr", octets, dots_per_module)
    ("image", octets_per_row, octets)       rows from the top, high bit at the left, 1 is black
    ("cut",)
"""

from firmware.drivers.qr_symbol import QrSymbol, modules_for

COLUMNS = 32
DOTS_WIDE = 384

# Octets handed to the UART at once: the printer takes that many after it has raised its busy line.
CHUNK_BYTES = 64
POLL_MS = 5
BUSY_TIMEOUT_MS = 5000
STATUS_TIMEOUT_MS = 250

# Rows of an image in one command, so that a command stays far below the printer's buffer.
_BAND_ROWS = 24
# Dot lines of a text line and of its double, and the time of one at 50 mm/s.
_LINE_DOTS = 30
_DOUBLE_LINE_DOTS = 48
_DOT_LINE_US = 2500

_ALIGNMENTS = {"l": 0, "c": 1, "r": 2}
_START = b"\x1b@\x1bt\x00"
_LINE_FEED = b"\x1bd\x01"
_CUT = b"\x1dV\x01"

# Octets that QR versions 1 to 10 hold at correction level M (ISO/IEC 18004, table 7), in the mode for any octets: which
# one a printer chooses is its own business, so room is kept for this one.
_QR_CAPACITIES = (14, 26, 42, 62, 84, 106, 122, 152, 180, 213)

# DLE EOT n and the bits of its answer, of which bits 0 and 7 are 0 and bits 1 and 4 are 1 always.
_STATUS_OFFLINE = 2
_STATUS_PAPER = 4
_FIXED_BITS = 0x93
_FIXED_VALUE = 0x12
_COVER_OPEN = 0x04
_PAPER_END = 0x60


class PrinterError(Exception):
    """A document was not, or not wholly, printed; `reason` is one of the four below, `place` the element it was at."""

    SILENT = "silent"
    PAPER = "no paper"
    COVER = "cover open"
    BUSY = "busy"

    def __init__(self, reason: str, place: int):
        super().__init__("printer: %s at element %d" % (reason, place))
        self.reason = reason
        self.place = place


class Printer:
    """`uart` and the busy pin (high while the printer takes nothing) are the board's; `errors` counts failures.

    `draws_qr`: the printer has a QR command of its own; where it has none, symbols go as images, row by row.
    """

    def __init__(self, uart, busy, clock):
        self._uart = uart
        self._busy = busy
        self._clock = clock
        self._element = 0
        self._owed = 0  # octets that the printer still expects of a command that was cut off
        self._dots = 0  # dot lines that were begun since a document last came out whole
        self._done_at = clock.ticks_ms()  # when the mechanism should have printed what it was sent
        self.errors = 0
        self.draws_qr = True

    async def print_document(self, document: list) -> None:
        """Print all of `document` and return when it has come out.

        PrinterError names the element. When this is cancelled or fails, the next document begins clean.
        """
        self._element = 0
        try:
            await self._send(bytes(self._owed))  # before anything else, or it would be taken for image data
            await self.check()
            await self._send(_START)
            self._expect(self._dots)  # the rest of a document that failed comes out first
            style = Style()
            for element in document:
                self._dots += height_dots(element)
                for octets in encode(element, style, self.draws_qr):
                    await self._send(octets)
                self._expect(height_dots(element))
                self._element += 1
            await self._clock.sleep_ms(max(0, self._clock.ticks_diff(self._done_at, self._clock.ticks_ms())))
            await self.check()
            self._dots = 0
        except PrinterError:
            self.errors += 1
            raise

    async def check(self) -> None:
        """PrinterError unless the printer answers, is closed and has paper."""
        if await self._status(_STATUS_OFFLINE) & _COVER_OPEN:
            raise PrinterError(PrinterError.COVER, self._element)
        if await self._status(_STATUS_PAPER) & _PAPER_END:
            raise PrinterError(PrinterError.PAPER, self._element)

    def _expect(self, dots: int) -> None:
        """The mechanism has `dots` lines more to print, after what it is at."""
        now = self._clock.ticks_ms()
        if self._clock.ticks_diff(self._done_at, now) < 0:
            self._done_at = now
        self._done_at = self._clock.ticks_add(self._done_at, dots * _DOT_LINE_US // 1000)

    async def _status(self, kind: int) -> int:
        """The answer to a real-time status request, which the printer gives even when it is busy."""
        await self._drained(PrinterError.SILENT)
        self._uart.read()  # what came unasked
        self._uart.write(bytes((0x10, 0x04, kind)))
        started = self._clock.ticks_ms()
        while True:
            # The time first: whoever was away for long finds what came meanwhile.
            is_late = self._clock.ticks_diff(self._clock.ticks_ms(), started) >= STATUS_TIMEOUT_MS
            for answer in self._uart.read() or b"":
                if answer & _FIXED_BITS == _FIXED_VALUE:
                    return answer
            if is_late:
                raise PrinterError(PrinterError.SILENT, self._element)
            await self._clock.sleep_ms(POLL_MS)

    async def _send(self, octets: bytes) -> None:
        """One command, in chunks between which the printer may be busy."""
        view = memoryview(octets)
        self._owed = len(octets)
        while self._owed:
            await self._ready()
            sent = len(octets) - self._owed
            size = min(CHUNK_BYTES, self._owed)
            self._uart.write(view[sent : sent + size])
            self._owed -= size
            await self._drained(PrinterError.BUSY)

    async def _ready(self) -> None:
        """Until the printer takes more; what keeps it from doing so becomes the error."""
        started = self._clock.ticks_ms()
        while self._busy.value():
            if self._clock.ticks_diff(self._clock.ticks_ms(), started) >= BUSY_TIMEOUT_MS:
                await self.check()
                raise PrinterError(PrinterError.BUSY, self._element)
            await self._clock.sleep_ms(POLL_MS)

    async def _drained(self, reason: str) -> None:
        """Until the UART has sent all, so that the next write never blocks."""
        started = self._clock.ticks_ms()
        while not self._uart.txdone():
            if self._clock.ticks_diff(self._clock.ticks_ms(), started) >= BUSY_TIMEOUT_MS:
                raise PrinterError(reason, self._element)
            await self._clock.sleep_ms(POLL_MS)


class Style:
    """What the printer's type is set to; None is not known."""

    def __init__(self):
        self.align = None
        self.bold = None
        self.double = None


def encode(element: tuple, style: Style, draws_qr: bool = True):
    """Yield the commands of one element; ValueError if it is none or does not fit the paper."""
    kind = element[0]
    if kind == "text":
        yield _styled(element[2], element[3], element[4], style) + _letters(element[1]) + b"\n"
    elif kind == "rule":
        yield _styled("l", False, False, style) + b"-" * COLUMNS + b"\n"
    elif kind == "feed":
        yield bytes((0x1B, 0x64, element[1]))
    elif kind == "qr":
        modules = _qr_modules(len(element[1])) if draws_qr else modules_for(element[1])
        if modules * element[2] > DOTS_WIDE:
            raise ValueError("QR symbol wider than the paper")
        # An empty line on either side: readers want four modules of quiet around the symbol.
        yield _styled("c", False, False, style) + _LINE_FEED
        if draws_qr:
            yield _qr(element[1], element[2])
        else:
            for rows in _qr_rows(element[1], element[2]):
                yield rows
        yield _LINE_FEED
    elif kind == "image":
        if not 0 < element[1] <= DOTS_WIDE // 8 or len(element[2]) % element[1]:
            raise ValueError("image of %d octets in rows of %d" % (len(element[2]), element[1]))
        yield _styled("c", False, False, style)
        for band in _bands(element[1], element[2]):
            yield band
    elif kind == "cut":
        yield _CUT
    else:
        raise ValueError("no such element: %s" % kind)


def height_dots(element: tuple) -> int:
    """Dot lines that an element takes on paper, at least."""
    kind = element[0]
    if kind == "text":
        return _DOUBLE_LINE_DOTS if element[4] else _LINE_DOTS
    if kind == "feed":
        return _LINE_DOTS * element[1]
    if kind == "image":
        return len(element[2]) // element[1]
    if kind == "qr":
        return _qr_modules(len(element[1])) * element[2] + 2 * _LINE_DOTS
    return _LINE_DOTS if kind == "rule" else 0


def _qr_modules(size: int) -> int:
    """Modules along one side of the symbol that holds `size` octets; ValueError if the largest does not."""
    for version in range(len(_QR_CAPACITIES)):
        if size <= _QR_CAPACITIES[version]:
            return 21 + 4 * version
    raise ValueError("%d octets are too many for a QR symbol" % size)


def _styled(align: str, bold: bool, double: bool, style: Style) -> bytes:
    """Commands that bring `style` to what is wanted."""
    commands = b""
    if align != style.align:
        commands += bytes((0x1B, 0x61, _ALIGNMENTS[align]))
        style.align = align
    if bold != style.bold:
        commands += bytes((0x1B, 0x45, 1 if bold else 0))
        style.bold = bold
    if double != style.double:
        commands += bytes((0x1D, 0x21, 0x11 if double else 0x00))
        style.double = double
    return commands


def _letters(string: str) -> bytes:
    """Printable ASCII; anything else, a control code first of all, becomes a question mark."""
    return bytes([ord(letter) if " " <= letter <= "~" else 0x3F for letter in string])


def _qr(octets: bytes, dots_per_module: int) -> bytes:
    """The printer's own QR symbol: model 2, module size, correction level M, data, print (GS ( k, cn = 49)."""
    model_and_size = b"\x1d(k\x04\x001A2\x00\x1d(k\x03\x001C" + bytes((dots_per_module,))
    level_and_data = b"\x1d(k\x03\x001E1\x1d(k" + (len(octets) + 3).to_bytes(2, "little") + b"1P0" + octets
    return model_and_size + level_and_data + b"\x1d(k\x03\x001Q0"


def _qr_rows(octets: bytes, dots_per_module: int):
    """Yield a GS v 0 command for each row of modules.

    With an even number of dots the printer doubles them, so that a quarter of the octets will do: at 9600 baud and 50 mm/s
    a frame of 140 octets takes 4.7 s at 6 dots, 18 s at 7 (1.3 s by the printer's own command).
    """
    symbol = QrSymbol(octets)
    is_doubled = dots_per_module % 2 == 0
    dots = dots_per_module // 2 if is_doubled else dots_per_module
    octets_per_row = (symbol.modules * dots + 7) // 8
    head = bytes((0x1D, 0x76, 0x30, 3 if is_doubled else 0, octets_per_row, 0, dots, 0))
    for row in range(symbol.modules):
        bits = 0
        for column in range(symbol.modules):
            bits = bits << dots | ((1 << dots) - 1 if symbol.is_dark(row, column) else 0)
        bits <<= 8 * octets_per_row - symbol.modules * dots
        yield head + _without_requests(bits.to_bytes(octets_per_row, "big") * dots)


def _bands(octets_per_row: int, octets: bytes):
    """Yield GS v 0 commands of some rows each."""
    step = octets_per_row * _BAND_ROWS
    for begin in range(0, len(octets), step):
        data = _without_requests(octets[begin : begin + step])
        rows = len(data) // octets_per_row
        yield b"\x1dv0\x00" + octets_per_row.to_bytes(2, "little") + rows.to_bytes(2, "little") + data


def _without_requests(data: bytes) -> bytes:
    """Image data in which nothing reads DLE EOT n: a printer obeys that wherever it stands. One dot turns black."""
    at = data.find(b"\x10\x04")
    while at >= 0:
        data = data[: at + 1] + b"\x05" + data[at + 2 :]
        at = data.find(b"\x10\x04")
    return data
