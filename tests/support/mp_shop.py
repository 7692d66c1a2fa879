"""A shop with one running terminal: `App.run` with all its tasks in virtual time, and the hands and eyes of people.

`Shop().open(story)` switches the terminal on, awaits `story(shop)` and switches it off; the next `open` is its next life.
"""

import asyncio

import framebuf

from firmware import main

main.load()

from firmware.ui import screens  # noqa: E402
from hardware.printer_escpos import receipt_text  # noqa: E402
from tests.support.mp_terminal import (  # noqa: E402
    FLASH_BYTES,
    NOW_S,
    App,
    Card,
    Draws,
    NoFaults,
    NorFlash,
    Pn532,
    VirtualBoard,
    card_data,
    family,
    provisioned_flash,
)
from tests.support.mp_virtual_time import VirtualTime  # noqa: E402
from tools.virtual_terminal import fingers  # noqa: E402

OPERATOR_CODE = "1234"
SEEN_TIMEOUT_MS = 60000
LOOK_MS = 10


class Shop:
    """One terminal over `flash` (a provisioned one by default); `restarts` are the codes with which it ended itself."""

    def __init__(self, flash=None, rtc_epoch_s=NOW_S):
        self.flash = provisioned_flash() if flash is None else flash
        self.rtc_epoch_s = rtc_epoch_s
        self.now_s = NOW_S
        self.restarts = []
        self.running = ()  # (root, slot) of a flash file system
        self.cards = {}
        self.fittings = lambda models: {}  # more options of the board, given the chips' clock
        self.prepare = lambda shop: None  # called when board and app are there, before power

    def open(self, story):
        """Switch on, live through `story(shop)`, switch off; returns what the story returns."""
        self.time = VirtualTime(self.now_s)
        self.board = VirtualBoard(
            flash=self.flash,
            clock=self.time,
            model_clock=self.time.models,
            pn532_model=Pn532(self.time.models, NoFaults()),
            rtc_epoch_s=self.rtc_epoch_s and self.now_s,
            entropy=Draws(),
            **self.fittings(self.time.models),
        )
        self.app = App(self.board.board, self.restarts.append, self.running)
        self.prepare(self)
        try:
            return self.time.run(self._live(story))
        finally:
            self.now_s = max(self.now_s, self.time.epoch_seconds()) + 5

    async def _live(self, story):
        self.task = asyncio.create_task(self.app.run())
        try:
            return await story(self)
        finally:
            self.task.cancel()

    # Eyes.

    @property
    def shown(self):
        """The name of the screen, empty before there is one."""
        return self.app.flow.panel.shown if self.app.flow is not None else ""

    async def until(self, condition, what):
        """Wait until `condition()` holds."""
        for _ in range(SEEN_TIMEOUT_MS // LOOK_MS):
            if condition():
                return
            await asyncio.sleep_ms(LOOK_MS)
        raise AssertionError(
            "waited for %s, the screen shows %s, restarts %s" % (what, self.shown, self.restarts)
        )

    async def see(self, name):
        """Until the screen `name` waits for a key."""
        await self.until(lambda: self.shown == name and self.app.keypad.is_listening, name)

    def shows(self, draw, *values):
        """Whether the display shows exactly what `draw` makes of `values`."""
        octets = bytearray(1024)
        wanted = framebuf.FrameBuffer(octets, 128, 64, framebuf.MONO_VLSB)
        draw(wanted, *values)
        pixel = self.board.display.pixel
        return all(pixel(x, y) == wanted.pixel(x, y) for y in range(64) for x in range(128))

    async def see_stopped(self, code, last=()):
        """Until the display shows that code."""
        await self.until(lambda: self.shows(screens.stopped, code, last), "code %d" % code)

    def papers(self):
        """What was printed, as text."""
        return [receipt_text(receipt) for receipt in self.board.printer.receipts()]

    # Hands.

    async def press(self, keys):
        """Keys, one after the other."""
        await fingers.press(self.board, self.app.keypad, keys)

    def place(self, name):
        """A family's card on the reader; its chip remembers."""
        if name not in self.cards:
            self.cards[name] = Card(card_data(name))
        self.board.place_card(self.cards[name])

    async def begin(self):
        """From power to the idle screen, logged in."""
        await self.see("last_transaction")
        await self.press("E")
        await self.see("idle")
        await self.press("M")
        await self.see("login")
        await self.press(OPERATOR_CODE + "E")
        await self.see("choose")
        await self.press("X")
        await self.see("idle")

    async def ask_for_card(self):
        """Cash of the first programme is chosen."""
        await self.press("E")
        await self.see("choose")
        await self.press("1")
        await self.see("choose")
        await self.press("2")
        await self.see("tap_card")

    async def ask_for_pin(self, name, keys):
        """A family lays its card on and wants that much cash; False where it is refused at once."""
        await self.ask_for_card()
        self.place(name)
        await self.until(lambda: self.shown in ("amount", "refused"), "amount")
        if self.shown == "refused":
            return False
        await self.see("amount")
        await self.press(keys + "E")
        await self.see("confirm")
        await self.press("E")
        await self.see("pin")
        return True

    async def cash(self, name, keys, pin=None):
        """A family takes cash of the first programme; ends on the screen that says how it went."""
        if await self.ask_for_pin(name, keys):
            await self.press((pin or family(name)["pin"]) + "E")
            await self.until(lambda: self.shown in ("granted", "refused"), "result")

    async def hand_over(self):
        """The receipt is printed, the card handed back, the next family may come."""
        await self.see(self.shown)
        self.board.remove_card()
        await self.press("E")
        await self.see("idle")


def empty_flash():
    """A chip as it comes from the factory."""
    return NorFlash(FLASH_BYTES)
