"""What people press, see and hear besides the display, all behind the MCP23017: keys, LEDs, buzzer, case switch."""

from firmware.hal import pins
from firmware.hal.i2c_device import BusError

# Keys as the screens know them; digits are themselves. UP and DOWN are printed beside * and #.
KEY_ENTER = "E"
KEY_CLEAR = "C"
KEY_CANCEL = "X"
KEY_MENU = "M"
KEY_UP = "*"
KEY_DOWN = "#"

SCAN_INTERVAL_MS = 10
# A key counts when this many scans in a row agree: contacts of such keys bounce for up to 10 ms.
STABLE_SCANS = 3
# How often a waiting keypad looks whether the chip still has its settings: a supply dip would leave it deaf for good.
CHECK_INTERVAL_MS = 1000
# Five seconds without an answer: the terminal is of no use and its supervisor shall know.
FAILURES_MAX = 500
KEYS_WAITING_MAX = 8

SIGNAL_INTERVAL_MS = 10
LIGHT_MS = 2000
# Milliseconds of sound and silence in turn.
SOUND_KEY = (15,)
SOUND_CARD = (60,)
SOUND_GRANTED = (80, 60, 160)
SOUND_REFUSED = (600,)

# Registers in bank 0 (DS20001952, table 3-3); the second port follows the first, so both are written at once.
_IODIR = 0x00
_GPINTEN = 0x04
_IOCON = 0x0A
_GPPU = 0x0C
_GPIO = 0x12
_OLAT = 0x14
_INTERRUPT_OPEN_DRAIN = 0x04


def _mask(bits) -> int:
    total = 0
    for bit in bits:
        total |= 1 << bit
    return total


_COLUMNS = _mask(pins.KEYPAD_COLUMN_BITS)
_ROWS = _mask(pins.KEYPAD_ROW_BITS)
_INPUTS = _ROWS | 1 << pins.CASE_OPEN_BIT
_ROW_SHIFT = pins.KEYPAD_ROW_BITS[0]


class Expander:
    """The chip: outputs by bit, key matrix by column. `device` is an I2cDevice, whose BusError every method may raise.

    Columns are never driven high: a column that is not being read is an input, so that two keys held together cannot
    short two outputs.
    """

    def __init__(self, device):
        self._device = device
        self._outputs = 0
        self._pair = bytearray(2)
        self._seen = 0
        self.restarts = 0

    def start(self) -> None:
        """Put all registers right: needed once, and again after the chip lost its supply."""
        self._device.write(_IOCON, bytes((_INTERRUPT_OPEN_DRAIN,)))
        self._write_outputs()
        self._write_pair(_GPPU, _INPUTS)
        self._listen()
        self._write_pair(_GPINTEN, _INPUTS)
        self.read_inputs()

    def restart_if_lost(self) -> bool:
        """Whether the chip had forgotten its settings; they are put right then."""
        self._device.read_into(_IODIR, self._pair)
        directions = self._pair[0] | self._pair[1] << 8
        self._device.read_into(_GPPU, self._pair)
        if directions == _INPUTS and self._pair[0] | self._pair[1] << 8 == _INPUTS:
            return False
        self.restarts += 1
        self.start()
        return True

    def set_output(self, bit: int, on: bool) -> None:
        """Switch an output; its bit is named in `firmware.hal.pins`."""
        self._outputs = self._outputs | 1 << bit if on else self._outputs & ~(1 << bit)
        self._write_outputs()

    def read_inputs(self) -> int:
        """All sixteen pins; this also ends the interrupt."""
        self._device.read_into(_GPIO, self._pair)
        self._seen = self._pair[0] | self._pair[1] << 8
        return self._seen

    def case_was_open(self) -> bool:
        """The case switch as it was read last. A change raises the interrupt, so whoever scans the keys reads it; to read it
        beside them would end the interrupt of a key that they have not seen.
        """
        return bool(self._seen >> pins.CASE_OPEN_BIT & 1)

    def case_is_open(self) -> bool:
        """The case switch: closed to ground while the case is shut."""
        return bool(self.read_inputs() >> pins.CASE_OPEN_BIT & 1)

    def pressed_keys(self) -> str:
        """The keys that are down; with three or more, keys at the crossings may appear that are not."""
        if not self._rows_down():
            return ""
        found = ""
        for column in range(len(pins.KEYPAD_COLUMN_BITS)):
            self._write_pair(_IODIR, _INPUTS | _COLUMNS & ~(1 << pins.KEYPAD_COLUMN_BITS[column]))
            down = self._rows_down()
            for row in range(len(pins.KEYPAD_ROW_BITS)):
                if down >> row & 1:
                    found += pins.KEYPAD_KEYS[row][column]
        self._listen()
        self.read_inputs()  # scanning moved the rows and so raised the interrupt
        return found

    def _rows_down(self) -> int:
        return (~self.read_inputs() & _ROWS) >> _ROW_SHIFT

    def _listen(self) -> None:
        """All columns low, so that any key pulls its row down and raises the interrupt."""
        self._write_pair(_IODIR, _INPUTS)

    def _write_outputs(self) -> None:
        self._write_pair(_OLAT, self._outputs)

    def _write_pair(self, register: int, value: int) -> None:
        self._pair[0] = value & 0xFF
        self._pair[1] = value >> 8
        self._device.write(register, self._pair)


class Keypad:
    """Keys one at a time, debounced by the task `run` and handed out by `get_key`.

    `interrupt` is low while the expander has news; without news the bus stays quiet, for the other chips' sake.
    `failures` counts scans that the bus did not carry, `dropped` keys for which there was no room, `taken` all others.
    `is_listening`: somebody waits for a key and none is there. `attended()` is called whenever somebody looks for one.
    """

    def __init__(self, expander: Expander, interrupt, clock):
        self._expander = expander
        self._interrupt = interrupt
        self._clock = clock
        self._candidate = ""
        self._agreeing = 0
        self._held = ""  # the key that counted last, until all keys are up
        self._checked_ms = clock.ticks_ms()
        self._keys = []
        self.failures = 0
        self.dropped = 0
        self.taken = 0
        self.is_listening = False
        self.attended = _nothing

    @property
    def held(self) -> str:
        """The key that counted last and is not up yet, or an empty string."""
        return self._held

    async def run(self, check_in) -> None:
        """Scan for ever, calling `check_in()` each time; BusError when the expander stays silent."""
        in_a_row = 0
        while True:
            check_in()
            try:
                self.scan()
                in_a_row = 0
            except BusError:
                self.failures += 1
                in_a_row += 1
                if in_a_row >= FAILURES_MAX:
                    raise
            await self._clock.sleep_ms(SCAN_INTERVAL_MS)

    async def get_key(self, timeout_ms: int):
        """The oldest key that was not handed out yet, or None if there is none within `timeout_ms`."""
        started = self._clock.ticks_ms()
        self.attended()
        try:
            while not self._keys:
                self.attended()
                if self._clock.ticks_diff(self._clock.ticks_ms(), started) >= timeout_ms:
                    return None
                self.is_listening = True
                await self._clock.sleep_ms(SCAN_INTERVAL_MS)
            return self._keys.pop(0)
        finally:
            self.is_listening = False

    def scan(self) -> None:
        """One look at the keys; BusError if the expander does not answer."""
        self._check_chip()
        is_idle = not self._candidate and not self._held
        if is_idle and self._interrupt.value():
            return
        pressed = self._expander.pressed_keys()
        if pressed != self._candidate:
            self._candidate = pressed
            self._agreeing = 0
        self._agreeing += 1
        if self._agreeing < STABLE_SCANS:
            return
        if not pressed:
            self._held = ""
        elif len(pressed) == 1 and pressed != self._held:
            # A second finger may be down before the first is up; it counts once the first has gone.
            self._held = pressed
            self._remember(pressed)

    def _remember(self, key: str) -> None:
        if len(self._keys) < KEYS_WAITING_MAX:
            self._keys.append(key)
            self.taken += 1
        else:
            self.dropped += 1

    def _check_chip(self) -> None:
        now = self._clock.ticks_ms()
        if self._clock.ticks_diff(now, self._checked_ms) >= CHECK_INTERVAL_MS:
            self._expander.restart_if_lost()
            self._checked_ms = now


def _nothing() -> None:
    pass


class Signals:
    """Lights and sounds. Asking for one returns at once; the task `run` plays it.

    A signal that the bus does not carry is counted in `failures` and otherwise missed: no sale depends on it.
    """

    def __init__(self, expander: Expander, clock):
        self._expander = expander
        self._clock = clock
        self._sound = None
        self._light = None
        self._lit_bit = None
        self._lit_ms = 0
        self.failures = 0

    def key(self) -> None:
        """A key was taken."""
        self._sound = SOUND_KEY

    def card(self) -> None:
        """A card was seen."""
        self._sound = SOUND_CARD

    def granted(self) -> None:
        """The record is in flash."""
        self._sound = SOUND_GRANTED
        self._light = pins.GREEN_LED_BIT

    def refused(self) -> None:
        """There is no redemption."""
        self._sound = SOUND_REFUSED
        self._light = pins.RED_LED_BIT

    async def run(self, check_in) -> None:
        """Play for ever what is asked for, calling `check_in()` each time."""
        try:
            while True:
                check_in()
                self._follow_light()
                sound, self._sound = self._sound, None
                if sound is not None:
                    await self._play(sound)
                await self._clock.sleep_ms(SIGNAL_INTERVAL_MS)
        finally:
            self._switch(pins.BUZZER_BIT, False)

    def _follow_light(self) -> None:
        """Switch to the light that was asked for; switch it off when its time is over."""
        now = self._clock.ticks_ms()
        if self._light is not None:
            if self._lit_bit is not None:
                self._switch(self._lit_bit, False)
            self._lit_bit, self._light = self._light, None
            self._lit_ms = now
            self._switch(self._lit_bit, True)
        elif self._lit_bit is not None and self._clock.ticks_diff(now, self._lit_ms) >= LIGHT_MS:
            self._switch(self._lit_bit, False)
            self._lit_bit = None

    async def _play(self, sound) -> None:
        for index in range(len(sound)):
            self._switch(pins.BUZZER_BIT, index % 2 == 0)
            await self._clock.sleep_ms(sound[index])
        self._switch(pins.BUZZER_BIT, False)

    def _switch(self, bit: int, on: bool) -> None:
        try:
            self._expander.set_output(bit, on)
        except BusError:
            self.failures += 1
