"""A technician's bench without an application: console, parts over chip models, and the technician's hands."""

import asyncio
from binascii import a2b_base64

from firmware import main

main.load()

from firmware.bench.places import AtRest  # noqa: E402
from firmware.console.console import Console  # noqa: E402
from firmware.console.lines import Lines  # noqa: E402
from firmware.console.self_test import SelfTestCommands  # noqa: E402
from firmware.parts import Parts  # noqa: E402
from hardware.pn532 import Pn532  # noqa: E402
from hardware.pn532_faults import NoFaults  # noqa: E402
from tests.support.mp_line import Line  # noqa: E402
from tests.support.mp_terminal import NOW_S, Card, Draws, card_data  # noqa: E402
from tests.support.mp_virtual_time import VirtualTime  # noqa: E402
from tools.virtual_board import VirtualBoard  # noqa: E402
from tools.virtual_terminal import fingers  # noqa: E402


class Bench:
    """`run(words)` carries `self-test` out with `hands(bench, what)` doing what it asks for; `prepare(bench)` breaks things
    first. `options`: of the virtual board, and what `fittings(models)` makes of them, given the chips' clock.
    """

    def __init__(self, release=7, faults=None, fittings=None, **options):
        self.time = VirtualTime(NOW_S)
        given = {"entropy": Draws(), "rtc_epoch_s": NOW_S}
        given.update(options)
        if fittings is not None:
            given.update(fittings(self.time.models))
        self.board = VirtualBoard(
            clock=self.time,
            model_clock=self.time.models,
            pn532_model=Pn532(self.time.models, faults or NoFaults()),
            **given,
        )
        self.redrawn = 0
        self.parts = Parts(self.board.board)
        self.place = AtRest(self.board.board, self.parts, self.redraw)
        self.commands = SelfTestCommands(lambda: self.place, lambda: release)
        self.cable = Line()
        self.asked = []
        self.silence_ms = 0

    async def redraw(self):
        self.redrawn += 1

    def run(self, words, hands=None, limit_ms=1_200_000, typed=None):
        """(part -> (verdict, code, text), values of OK), or the ERROR line; `asked` has what was asked for."""
        octets = ("self-test %s\n" % words).encode() if typed is None else typed
        return self.time.run(self.running(octets, hands or helpful), limit_ms)

    async def running(self, typed, hands):
        self.cable.outgoing = bytearray()
        self.cable.incoming += typed
        console = Console(Lines(self.cable, self.time), self.commands.commands)
        serving = asyncio.create_task(console.run(lambda: None))
        helping = None
        self.asked = []
        seen = 0
        heard_ms = self.time.ticks_ms()
        try:
            while True:
                lines = self.cable.lines()
                now_ms = self.time.ticks_ms()
                if len(lines) > seen:
                    self.silence_ms = max(self.silence_ms, self.time.ticks_diff(now_ms, heard_ms))
                    heard_ms = now_ms
                    seen = len(lines)
                asked = [line[4:] for line in told(lines) if line[:4] == "ask "]
                if len(asked) > len(self.asked):
                    self.asked = asked
                    if helping is not None:
                        helping.cancel()
                    helping = asyncio.create_task(hands(self, asked[-1]))
                last = [line for line in lines if line[:2] in ("OK", "ER")]
                if last:
                    break
                await self.time.sleep_ms(20)
        finally:
            serving.cancel()
            if helping is not None:
                helping.cancel()
        if last[0][:5] == "ERROR":
            return last[0]
        values = dict([word.split("=") for word in last[0].split()[1:]])
        found = {}
        for line in told(lines):
            if line[:4] == "end ":
                _, part, verdict, code, text = line.split(" ", 4)
                found[part] = (verdict, int(code), text)
        return found, values

    async def press(self, keys):
        """Keys, each until the terminal has taken it."""
        await fingers.press(self.board, self.parts.keypad, keys)


def told(lines):
    """The lines of text inside the DATA lines."""
    octets = b"".join([a2b_base64(line[5:]) for line in lines if line[:5] == "DATA "])
    return octets.decode().split("\n")[:-1]


async def helpful(bench, what):
    """A technician who does what is asked for, and finds everything well."""
    word, _, rest = what.partition(" ")
    if word == "keys":
        await bench.press(rest[0])
    elif word in ("display", "strip"):
        await bench.press("E")
    elif word == "card":
        bench.board.place_card(Card(card_data("programme")))
    elif word == "insert":
        bench.board.insert_card(Card(card_data("programme")))
    elif what == "case open":
        bench.board.open_case()


async def absent_minded(_bench, _what):
    """One who went for coffee."""
