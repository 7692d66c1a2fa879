"""MicroPython only: presses keys as a person does who feels that the terminal has taken them, however busy it is."""

TAKEN_TIMEOUT_MS = 5000
LOOK_MS = 4


class KeyNotTaken(Exception):
    """The terminal did not take a key in time, or had no room for it."""


async def press(board, keypad, keys: str) -> None:
    """Press `keys` one after the other; `board` is the VirtualBoard, `keypad` the firmware's. Raises `KeyNotTaken`."""
    for key in keys:
        taken = keypad.taken
        dropped = keypad.dropped
        board.keypad.press(key)
        try:
            counted = await _until(board.clock, lambda: keypad.taken > taken or keypad.dropped > dropped)  # noqa: B023 - awaited here
        finally:
            board.keypad.release(key)
        released = await _until(board.clock, lambda: not keypad.held)
        if not counted or not released or keypad.dropped > dropped:
            raise KeyNotTaken(key)


async def _until(clock, condition) -> bool:
    """Whether `condition()` came to hold in time."""
    started = clock.ticks_ms()
    while not condition():
        if clock.ticks_diff(clock.ticks_ms(), started) > TAKEN_TIMEOUT_MS:
            return False
        await clock.sleep_ms(LOOK_MS)
    return True
