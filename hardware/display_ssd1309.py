"""The SSD1309 controller with its 128 x 64 OLED, driven over 4-wire SPI (data sheet revision 1.1, sections 8 to 10).

Octets sent with D/C# low are commands, with D/C# high picture data for the GDDRAM at the address counters. What the
chip does not know is recorded in `errors`, where silicon would do something undefined.
"""

WIDTH = 128
PAGES = 8
HEIGHT = PAGES * 8

MODE_HORIZONTAL = 0
MODE_VERTICAL = 1
MODE_PAGE = 2

# Commands by their number of argument octets; those below 0xB0 that carry their value in the code are handled apart.
_ARGUMENTS = {
    0x20: 1,  # memory addressing mode
    0x21: 2,  # column window
    0x22: 2,  # page window
    0x2E: 0,  # deactivate scroll
    0x81: 1,  # contrast
    0xA0: 0,
    0xA1: 0,  # segment remap
    0xA4: 0,
    0xA5: 0,  # entire display on
    0xA6: 0,
    0xA7: 0,  # inverse
    0xA8: 1,  # multiplex ratio
    0xAE: 0,
    0xAF: 0,  # display off, on
    0xC0: 0,
    0xC8: 0,  # COM scan direction
    0xD3: 1,  # display offset
    0xD5: 1,  # clock divider
    0xD9: 1,  # pre-charge period
    0xDA: 1,  # COM pins
    0xDB: 1,  # VCOMH level
    0xE3: 0,  # no operation
    0xFD: 1,  # command lock
}

_LOCKED = 0x16
_UNLOCKED = 0x12


class Ssd1309:
    """The chip on its glass, mounted as on the reference board: remapped segments and COM lines show upright."""

    def __init__(self, data_pin, reset_pin):
        self._data_pin = data_pin
        self.ram = bytearray(b"\xa5" * WIDTH * PAGES)  # by page, then segment; at power-up it holds rubbish
        self.data_octets = 0
        self.errors = []
        reset_pin.watch(self._reset_changed)
        self._in_reset = not reset_pin.value()
        self._reset()

    # -- SPI

    def select(self) -> None:
        self._pending = bytearray()

    def deselect(self) -> None:
        if self._pending:
            self.errors.append(
                "command 0x%02x ended after %d octets" % (self._pending[0], len(self._pending))
            )
            self._pending = bytearray()

    def exchange(self, sent, received) -> None:
        if received is not None:
            received[:] = b"\xff" * len(received)  # the serial interface cannot be read
        if self._in_reset:
            return
        if self._data_pin.value():
            for value in sent:
                self._store(value)
        else:
            for value in sent:
                self._command_octet(value)

    # -- picture, for renderers and tests

    def pixel(self, x: int, y: int) -> int:
        """1 if the dot at column `x` from the left, row `y` from the top, is lit."""
        if not self.on:
            return 0
        if self.all_on:
            return 1
        line = y if self.com_remapped else HEIGHT - 1 - y
        row = (line + self.start_line + self.offset) % HEIGHT
        segment = WIDTH - 1 - x  # the glass is mounted with segment 127 at the left
        lit = self.ram[row // 8 * WIDTH + segment] >> (row % 8) & 1
        return lit ^ self.inverse

    def rows(self) -> list:
        """The picture as 64 strings of 128 characters, '#' lit and '.' dark."""
        return ["".join(["#" if self.pixel(x, y) else "." for x in range(WIDTH)]) for y in range(HEIGHT)]

    # -- inside

    def _reset_changed(self, level: int) -> None:
        self._in_reset = not level
        if self._in_reset:
            self._reset()

    def _reset(self) -> None:
        """State after RES# (section 8.9); the RAM keeps what it held, the display is off."""
        self._pending = bytearray()
        self.on = 0
        self.all_on = 0
        self.inverse = 0
        self.contrast = 0x7F
        self.mode = MODE_PAGE
        self.start_line = 0
        self.offset = 0
        self.multiplex = HEIGHT
        self.segments_remapped = 0
        self.com_remapped = 0
        self.locked = False
        self._columns = (0, WIDTH - 1)
        self._pages = (0, PAGES - 1)
        self._column = 0
        self._page = 0

    def _store(self, value: int) -> None:
        """Write one column of eight dots; segment remap works on data as it comes in, not on what is stored."""
        self.data_octets += 1
        segment = WIDTH - 1 - self._column if self.segments_remapped else self._column
        self.ram[self._page * WIDTH + segment] = value
        if self.mode == MODE_PAGE:
            self._column = (self._column + 1) % WIDTH
        elif self.mode == MODE_HORIZONTAL:
            self._column, carry = _next(self._column, self._columns)
            if carry:
                self._page = _next(self._page, self._pages)[0]
        else:
            self._page, carry = _next(self._page, self._pages)
            if carry:
                self._column = _next(self._column, self._columns)[0]

    def _command_octet(self, value: int) -> None:
        self._pending.append(value)
        code = self._pending[0]
        if len(self._pending) - 1 < _ARGUMENTS.get(code, 0):
            return
        arguments = self._pending[1:]
        self._pending = bytearray()
        if self.locked and code != 0xFD:
            return
        if code <= 0x1F or 0x40 <= code <= 0x7F or 0xB0 <= code <= 0xB7:
            self._short_command(code)
        elif code in _ARGUMENTS:
            self._command(code, arguments)
        else:
            self.errors.append("unknown command 0x%02x" % code)

    def _short_command(self, code: int) -> None:
        if code <= 0x0F:
            self._column = self._column & 0xF0 | code
        elif code <= 0x1F:
            self._column = (self._column & 0x0F | code << 4) & 0x7F
        elif code >= 0xB0:
            self._page = code & 7
        else:
            self.start_line = code & 0x3F

    def _command(self, code: int, arguments) -> None:
        if code == 0x20:
            self.mode = arguments[0] & 3
            if self.mode == 3:
                self.errors.append("addressing mode 3 is not defined")
        elif code == 0x21:
            self._columns = self._window(code, arguments, WIDTH)
            self._column = self._columns[0]
        elif code == 0x22:
            self._pages = self._window(code, arguments, PAGES)
            self._page = self._pages[0]
        elif code == 0x81:
            self.contrast = arguments[0]
        elif code in (0xA0, 0xA1):
            self.segments_remapped = code & 1
        elif code in (0xA4, 0xA5):
            self.all_on = code & 1
        elif code in (0xA6, 0xA7):
            self.inverse = code & 1
        elif code in (0xAE, 0xAF):
            self.on = code & 1
        elif code in (0xC0, 0xC8):
            self.com_remapped = code >> 3 & 1
        elif code == 0xA8:
            self.multiplex = (arguments[0] & 0x3F) + 1
        elif code == 0xD3:
            self.offset = arguments[0] & 0x3F
        elif code == 0xFD:
            self._lock(arguments[0])

    def _window(self, code: int, arguments, limit: int) -> tuple:
        first, last = arguments
        if first > last or last >= limit:
            self.errors.append("window 0x%02x from %d to %d" % (code, first, last))
            return (0, limit - 1)
        return (first, last)

    def _lock(self, argument: int) -> None:
        if argument not in (_LOCKED, _UNLOCKED):
            self.errors.append("command lock 0x%02x" % argument)
        self.locked = argument == _LOCKED


def _next(counter: int, window: tuple) -> tuple:
    """(next value, whether it went round) of an address counter in its window."""
    return (window[0], True) if counter >= window[1] else (counter + 1, False)
