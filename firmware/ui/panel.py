"""Screen, keys and sounds as one thing to talk through, with the ways in which people enter something.

Every wait ends: a key, or `NobodyAnswered` when people have walked away. The cancel key ends any wait as
`OperatorCancelled`; both are caught where the conversation starts.
"""

from firmware.states import PIN_DIGITS
from firmware.ui import format as fmt
from firmware.ui import screens
from protocol.records import AMOUNT_RUPIAH_MAX

ENTRY_TIMEOUT_MS = 60_000
PIN_TIMEOUT_MS = 45_000
REFRESH_MS = 1_000
CODE_DIGITS_MAX = 8
KEYS_FORGOTTEN_MAX = 16
QUANTITY_HUNDREDTHS_MAX = 0xFFFF
_DIGITS = "0123456789"


class OperatorCancelled(Exception):
    """The cancel key was pressed."""


class NobodyAnswered(Exception):
    """No key within the time of a wait."""


class PinBuffer:
    """The only place where a PIN's digits (ASCII) are kept; `wipe` overwrites them."""

    def __init__(self) -> None:
        self.digits = bytearray(PIN_DIGITS)
        self.count = 0

    def add(self, digit: str) -> None:
        """Keep one more digit; one too many is dropped."""
        if self.count < PIN_DIGITS:
            self.digits[self.count] = ord(digit)
            self.count += 1

    def is_complete(self) -> bool:
        """All digits are keyed."""
        return self.count == PIN_DIGITS

    def wipe(self) -> None:
        """Overwrite all digits."""
        for i in range(PIN_DIGITS):
            self.digits[i] = 0
        self.count = 0


class Panel:
    """Operator and family, seen from the terminal.

    `display` has `framebuffer` and `async show()`; `keypad` has `async get_key(timeout_ms)`: the oldest key not yet
    handed out, or None; `signals` has `key()`. `shown` is the name of the screen now seen.
    """

    def __init__(self, display, keypad, signals) -> None:
        self._display = display
        self._keypad = keypad
        self._signals = signals
        self.shown = ""

    async def show(self, draw, *values) -> None:
        """Draw one screen and bring it to the display."""
        self.shown = draw.__name__
        draw(self._display.framebuffer, *values)
        await self._display.show()

    async def poll(self, timeout_ms: int):
        """A key, or None after `timeout_ms`."""
        key = await self._keypad.get_key(timeout_ms)
        if key is not None:
            self._signals.key()
        if key == "X":
            raise OperatorCancelled
        return key

    async def key(self, timeout_ms: int = ENTRY_TIMEOUT_MS) -> str:
        """A key within `timeout_ms`."""
        key = await self.poll(timeout_ms)
        if key is None:
            raise NobodyAnswered
        return key

    async def forget_keys(self) -> bool:
        """Drop what was keyed while nothing was asked; True when the cancel key was among it."""
        is_cancelled = False
        for _ in range(KEYS_FORGOTTEN_MAX):
            key = await self._keypad.get_key(0)
            if key is None:
                break
            is_cancelled = is_cancelled or key == "X"
        return is_cancelled

    async def ask(self, keys: str, draw, *values) -> str:
        """Show a question and wait for one of `keys`: no impatient E says yes to a screen not yet seen."""
        await self.show(draw, *values)
        await self.forget_keys()
        return await self.one_of(keys)

    async def one_of(self, keys: str) -> str:
        """One of `keys`; others are passed over."""
        while True:
            key = await self.key()
            if key in keys:
                return key

    async def watch(self, draw, values, timeout_ms: int, keys: str, aside=None) -> str:
        """Show `draw` of the tuple that `values()` gives, again whenever it changes, until one of `keys`.

        `aside(alive)`: awaited at each look; whether somebody else has had the panel meanwhile.
        """
        shown = None
        waited_ms = 0
        while waited_ms < timeout_ms:
            if aside is not None and await aside(self._keypad.attended):
                shown = None
                await self.forget_keys()  # they were pressed for somebody else
            latest = values()
            if latest != shown:
                await self.show(draw, *latest)
                shown = latest
            key = await self.poll(REFRESH_MS)
            if key is None:
                waited_ms += REFRESH_MS
            elif key in keys:
                return key
            else:
                waited_ms = 0
        raise NobodyAnswered

    async def choose(self, title: str, rows: tuple) -> int:
        """The index of one of `rows`, by its digit or with the arrow keys and E."""
        chosen = 0
        while True:
            await self.show(screens.choose, title, rows, chosen)
            key = await self.key()
            if key in _DIGITS:
                index = (int(key) - 1) % 10
                if index < len(rows):
                    return index
            elif key == "E":
                return chosen
            else:
                chosen = moved(key, chosen, len(rows))

    async def code(self, is_wrong: bool) -> str:
        """The operator's code, at least one digit."""
        typed = ""
        while True:
            await self.show(screens.login, len(typed), is_wrong)
            key = await self.key()
            if key == "E" and typed:
                return typed
            if key == "C":
                typed = ""
            elif key in _DIGITS and len(typed) < CODE_DIGITS_MAX:
                typed += key

    async def amount(self, title: str, suggested_rupiah: int, remaining_rupiah: int) -> int:
        """An amount above 0; the first digit replaces the suggestion. `remaining_rupiah` -1: not known yet."""
        amount_rupiah = suggested_rupiah
        is_fresh = True
        while True:
            await self.show(screens.amount, title, amount_rupiah, remaining_rupiah)
            key = await self.key()
            if key == "E" and amount_rupiah:
                return amount_rupiah
            typed = amount_rupiah
            if key == "C":
                typed = 0 if is_fresh else amount_rupiah // 10
            elif key == "*":
                typed = amount_rupiah * 1000
            elif key in _DIGITS:
                typed = (0 if is_fresh else amount_rupiah * 10) + int(key)
            else:
                continue
            if typed <= AMOUNT_RUPIAH_MAX:
                amount_rupiah = typed
                is_fresh = False

    async def quantity(self, name: str, unit: str, price_rupiah: int) -> int:
        """Hundredths of a unit, 0 for none."""
        typed = ""
        while True:
            hundredths = fmt.parse_quantity(typed)
            sum_rupiah = fmt.line_rupiah(hundredths, price_rupiah)
            await self.show(screens.quantity, name, unit, price_rupiah, typed, sum_rupiah)
            key = await self.key()
            if key == "E":
                return hundredths
            if key == "C":
                typed = ""
            elif key == "*" and "," not in typed:
                typed = (typed or "0") + ","
            elif key in _DIGITS and _has_room(typed + key):
                typed = key if typed == "0" else typed + key

    async def pin(self, pin: PinBuffer, programme: str, amount_rupiah: int, tries_left: int) -> None:
        """Fill `pin` with six digits and the E that says yes to the amount shown."""
        pin.wipe()
        while True:
            await self.show(screens.pin, programme, amount_rupiah, pin.count, tries_left)
            key = await self.key(PIN_TIMEOUT_MS)
            if key == "E":
                if pin.is_complete():
                    return
            elif key == "C":
                pin.wipe()
            elif key in _DIGITS:
                pin.add(key)


def moved(key: str, chosen: int, count: int) -> int:
    """Where an arrow key leads in a list of `count` rows; it goes round at both ends."""
    if key == "*":
        return (chosen - 1) % count
    if key == "#":
        return (chosen + 1) % count
    return chosen


def _has_room(typed: str) -> bool:
    """A record can hold the quantity typed, and it has at most two digits behind the comma."""
    decimals = typed.partition(",")[2]
    return len(decimals) <= 2 and fmt.parse_quantity(typed) <= QUANTITY_HUNDREDTHS_MAX
