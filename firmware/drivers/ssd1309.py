"""The 128 x 64 OLED: a frame buffer, and sending to the SSD1309 what changed in it."""

import framebuf

WIDTH = 128
HEIGHT = 64
_PAGES = 8
_RESET_MS = 1

# SSD1309 data sheet revision 1.1, section 8 and table 9-1. The controller has no charge pump: the panel's 12.5 V comes
# from a converter of its own.
_START = bytes(
    (
        0xFD, 0x12,  # accept commands
        0xAE,  # off while it is set up
        0xD5, 0xA0,  # oscillator and divider: about 100 pictures a second
        0xA8, 0x3F,  # all 64 lines
        0xD3, 0x00,  # no offset
        0x40,  # first line is line 0
        0xA1, 0xC8,  # the panel is mounted with segment 127 at the left and COM 0 at the top
        0xDA, 0x12,  # COM pins alternate
        0xD9, 0x22,  # pre-charge
        0xDB, 0x34,  # VCOMH
        0xA4, 0xA6,  # show the RAM, lit is 1
        0x20, 0x00,  # horizontal addressing
    )
)  # fmt: skip
_ON = b"\xaf"
_OFF = b"\xae"


class DisplayError(Exception):
    """The display did not take what was sent; the message says what that was."""


class Ssd1309:
    """`framebuffer` is what to draw on (framebuf.MONO_VLSB, 1 is lit); `show` brings it to the glass.

    `spi`, the select and data/command pins, the reset pin and the clock are the board's. `errors` counts failures.
    """

    def __init__(self, spi, select, data, reset, clock):
        self._spi = spi
        self._select = select
        self._data = data
        self._reset = reset
        self._clock = clock
        octets = bytearray(WIDTH * _PAGES)
        sent = bytearray(WIDTH * _PAGES)
        self.framebuffer = framebuf.FrameBuffer(octets, WIDTH, HEIGHT, framebuf.MONO_VLSB)
        # Views made once: showing a frame must not leave garbage, since none is collected between PIN and commit.
        self._pages = _page_views(octets)
        self._sent = _page_views(sent)
        self._window = bytearray((0x21, 0, WIDTH - 1, 0x22, 0, _PAGES - 1))
        self._known = bytearray(_PAGES)  # 1 where `sent` is what the chip holds
        self.errors = 0

    async def start(self, contrast: int = 0xCF) -> None:
        """Reset the controller, set it up, and show the frame buffer. May be called again to revive a garbled panel."""
        self._reset.value(0)
        await self._clock.sleep_ms(_RESET_MS)
        self._reset.value(1)
        await self._clock.sleep_ms(_RESET_MS)
        self._send(0, _START, "set-up")
        self.set_contrast(contrast)
        for page in range(_PAGES):
            self._known[page] = 0
        await self.show()
        self._send(0, _ON, "switching on")

    async def show(self) -> None:
        """Send the pages that changed; other tasks run between two of them. DisplayError if the bus fails."""
        for page in range(_PAGES):
            if self._known[page] and self._pages[page] == self._sent[page]:
                continue
            self._show_page(page)
            await self._clock.sleep_ms(0)

    def set_contrast(self, contrast: int) -> None:
        """Brightness, 0 to 255."""
        self._send(0, bytes((0x81, contrast)), "contrast")

    def set_power(self, on: bool) -> None:
        """Dark and asleep, or lit; the picture is kept."""
        self._send(0, _ON if on else _OFF, "power")

    def _show_page(self, page: int) -> None:
        self._known[page] = 0
        self._window[4] = page
        self._send(0, self._window, "window")
        # Copied before it is sent: a task that draws meanwhile makes the page differ again.
        self._sent[page][:] = self._pages[page]
        self._send(1, self._sent[page], "page")
        self._known[page] = 1

    def _send(self, is_data: int, octets, what: str) -> None:
        """One transaction; the select pin is let go whatever happens, since the card reader shares the bus."""
        self._data.value(is_data)
        self._select.value(0)
        try:
            self._spi.write(octets)
        except OSError as error:
            self.errors += 1
            raise DisplayError("SSD1309: %s not sent, %s" % (what, error))
        finally:
            self._select.value(1)


def _page_views(octets: bytearray) -> list:
    """One view for each band of eight lines."""
    view = memoryview(octets)
    return [view[page * WIDTH : (page + 1) * WIDTH] for page in range(_PAGES)]
