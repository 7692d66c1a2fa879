"""What the tests of the parts work with: the drivers of one terminal, the technician's eyes and fingers, and what to say to them."""

from firmware.bench import alone, by_hand, codes
from firmware.bench.outcome import failed
from firmware.drivers.ssd1309 import DisplayError
from firmware.ui import bench_screens

# Part (protocol/self_test.PARTS) -> its test, in the order in which they are done: what needs nobody first, then keys,
# with which the rest is answered.
TESTS = (
    ("flash", alone.flash),
    ("clock", alone.clock),
    ("entropy", alone.entropy),
    ("key-chip", alone.key_chip),
    ("supply", alone.supply),
    ("modem", alone.modem),
    ("keypad", by_hand.keypad),
    ("display", by_hand.display),
    ("printer", by_hand.printer),
    ("reader", by_hand.reader),
    ("contact-reader", by_hand.contact_reader),
    ("case", by_hand.case),
)
PARTS = tuple([part for part, _ in TESTS])
_KEYS_FORGOTTEN_MAX = 16


class Bench:
    """`parts`: firmware.parts.Parts; `board`: hal.board.Board; `panel`: a firmware.ui.panel.Panel over the same display.

    `modem`: the modem that settings name and a task serves, None where there is none; `make_modem()`: one that nobody serves
    yet. `keys_in_chip`: this terminal's keys are in a key chip.
    """

    def __init__(self, board, parts, panel, modem=None, make_modem=None, keys_in_chip: bool = False) -> None:
        self.clock = board.clock
        self.flash = board.flash
        self.flash_octets = board.flash_octets
        self.entropy = board.entropy
        self.expander = parts.expander
        self.printer = parts.printer
        self.reader = parts.reader.contactless
        self.contact = parts.reader.contact
        self.rtc = parts.rtc
        self.key_chip = parts.key_chip
        self.supply = parts.supply
        self.modem = modem
        self.make_modem = make_modem
        self.keys_in_chip = keys_in_chip
        self.panel = panel
        self._keypad = parts.keypad
        self._signals = parts.signals
        self._expected = ()
        self._laptop_s = 0
        self._told_ms = 0
        self.asked = []  # what is to be told over the cable, oldest first

    def begin(self, expected: tuple, laptop_s: int) -> None:
        """A run: `expected` parts are on this board, so that a silent one is broken; `laptop_s`: time now, 0 for none."""
        self._expected = expected
        self._laptop_s = laptop_s
        self._told_ms = self.clock.ticks_ms()
        self.asked = []

    async def judge(self, part: str):
        """The outcome of one part's test, whatever happens in it."""
        for name, test in TESTS:
            if name == part:
                try:
                    await self.show(bench_screens.bench_at_work, part)
                    return await test(self)
                except MemoryError:
                    raise  # an exhausted heap is the supervisor's
                except Exception as error:  # lumbung: catch-all - it becomes this part's outcome, by its kind
                    return failed(codes.UNFORESEEN, type(error).__name__)
        raise ValueError(part)

    # What tests ask.

    def is_expected(self, part: str) -> bool:
        """Whether a part that does not answer is broken rather than not there."""
        return part in self._expected or (part == "key-chip" and self.keys_in_chip)

    def off_laptop_s(self, seconds: int) -> "int | None":
        """How far a time of now is ahead of the laptop's, None where that is not known."""
        if not self._laptop_s:
            return None
        passed_ms = self.clock.ticks_diff(self.clock.ticks_ms(), self._told_ms)
        return seconds - self._laptop_s - passed_ms // 1000

    def ask(self, what: str) -> None:
        """Tell the technician over the cable what is waited for."""
        self.asked.append(what)

    async def show(self, draw, *values) -> None:
        """Bring a screen to the display; where it fails, the cable alone must tell."""
        try:
            await self.panel.show(draw, *values)
        except DisplayError:
            pass

    async def key(self, timeout_ms: int) -> "str | None":
        """The next key, None where none comes in time."""
        key = await self._keypad.get_key(timeout_ms)
        if key is not None:
            self._signals.key()
        return key

    async def forget_keys(self) -> None:
        """Keys pressed before a question answer nothing."""
        for _ in range(_KEYS_FORGOTTEN_MAX):
            if await self._keypad.get_key(0) is None:
                return
