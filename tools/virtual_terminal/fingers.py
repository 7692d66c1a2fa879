"""MicroPython only: presses keys as a person does who feels that the terminal has taken them, however busy it is."""

from firmware.drivers.mcp23017_keypad import Keypad
from tools.virtual_board import VirtualBoard

TAKEN_TIMEOUT_MS = 5000
LOOK_MS = 4


class KeyNotTakenError(Exception):
    """The terminal did not take a key in time, or had no room for it; names the key."""


async def press(board: VirtualBoard, keypad: Keypad, keys: str) -> None:
    """Press `keys` one after the other on the board of the firmware's `keypad`; raises `KeyNotTakenError`."""
    clock = board.clock
    for key in keys:
        taken = keypad.taken
        dropped = keypad.dropped
        started = clock.ticks_ms()
        board.keypad.press(key)
        while keypad.taken == taken and keypad.dropped == dropped:
            if clock.ticks_diff(clock.ticks_ms(), started) > TAKEN_TIMEOUT_MS:
                break
            await clock.sleep_ms(LOOK_MS)
        board.keypad.release(key)
        while keypad.held and clock.ticks_diff(clock.ticks_ms(), started) <= 2 * TAKEN_TIMEOUT_MS:
            await clock.sleep_ms(LOOK_MS)
        if keypad.taken == taken or keypad.held:
            raise KeyNotTakenError(key)
