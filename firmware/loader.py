"""Chooses the application's slot and starts it: this file is the flash file system's `main.py`, which updates never touch.

It imports nothing of ours before it has chosen, so that it works whatever the slots hold. What it knows is one line in
`slot.txt`, written whole or not at all (a new file renamed over the old one, which littlefs does in one step):

    a ok        slot a runs
    b 3         slot b is on trial and may be started three more times; then slot a runs again
"""

import os
import sys

SLOTS = ("a", "b")
STATE = "slot.txt"
STARTS_ON_TRIAL = 3
# In a slot whose release used all its starts and did not prove itself.
FAILED = "release.failed"
_OK = "ok"
_MARK = "firmware/main.mpy"


def read_state(root: str) -> tuple:
    """(slot, starts left or -1 for one that has proved itself); slot a where nothing can be read."""
    try:
        with open(root + STATE) as file:
            slot, left = file.read(16).split()
    except (OSError, ValueError):
        return SLOTS[0], -1
    if slot not in SLOTS:
        return SLOTS[0], -1
    if left == _OK:
        return slot, -1
    try:
        return slot, max(0, int(left))
    except ValueError:
        return slot, 0


def write_state(root: str, slot: str, left: int) -> None:
    """Replace the line; after a power cut it is the old one or the new one."""
    with open(root + STATE + ".new", "w") as file:
        file.write("%s %s" % (slot, _OK if left < 0 else left))
        file.flush()
    os.rename(root + STATE + ".new", root + STATE)


def other(slot: str) -> str:
    """The slot that does not run."""
    return SLOTS[1 - SLOTS.index(slot)]


def choose(root: str) -> str:
    """The slot to start now. A start on trial is burned before it is made; one that has used all falls back."""
    slot, left = read_state(root)
    if left == 0 and _holds_application(root, other(slot)):
        _mark_failed(root + slot)
        slot, left = other(slot), -1
        write_state(root, slot, left)
    elif left > 0:
        write_state(root, slot, left - 1)
    if not _holds_application(root, slot) and _holds_application(root, other(slot)):
        slot = other(slot)
    return slot


def confirm(root: str, slot: str) -> None:
    """The slot has proved itself: from now on it is the one that runs. Called by the application after its start."""
    if read_state(root) != (slot, -1):
        write_state(root, slot, -1)


def _mark_failed(folder: str) -> None:
    """So that nobody tries the same again unasked; a file system that takes no mark must not stop the way back."""
    try:
        with open(folder + "/" + FAILED, "w"):
            pass
    except OSError:
        pass


def _holds_application(root: str, slot: str) -> bool:
    try:
        os.stat(root + slot + "/" + _MARK)
    except OSError:
        return False
    return True


def start(root: str = "/") -> None:
    """Start the chosen slot; ends only with a restart.

    A release on trial that ends with an error, as one that does not even load, starts anew at once: behind its last start the
    release before it waits. One that has proved itself leaves its error to whoever looks at the cable.
    """
    slot = choose(root)
    sys.path.insert(0, root + slot)
    try:
        from firmware.main import start as start_application

        start_application(root, slot)
    except Exception as error:
        if read_state(root)[1] < 0:
            raise
        sys.print_exception(error)  # type: ignore[attr-defined]
        # At the end of main.py this is a soft reset (MicroPython docs, "Reset and boot sequence").
        sys.exit()


if __name__ == "__main__":
    start()
