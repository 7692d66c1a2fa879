"""MicroPython only: the virtual terminal's application as on the ESP32, loaded from a slot of its own flash by its loader.

Imports nothing of the firmware: which one there is, the flash decides.
"""

import sys

import vfs

from hardware.nor_flash import FileStore, NorFlash, Partition

ROOT = "/flash/"


class Slots:
    """`flash`: the chip, for the board; `running`: what the application is told of where it was started from."""

    def __init__(self, flash_path: str, clock: object, place: dict) -> None:
        """`place`: "flash_bytes", and "offset" and "size" of the file system in it."""
        self.clock = clock
        self.flash = NorFlash(place["flash_bytes"], FileStore(flash_path, place["flash_bytes"]), clock)
        partition = Partition(self.flash, "vfs", place["offset"], place["size"])
        # The stubs want a subclass of theirs where any object of that shape does.
        vfs.mount(vfs.VfsLfs2(partition), ROOT[:-1])  # type: ignore[abstract,arg-type]
        sys.path.insert(0, ROOT[:-1])
        # The flash's main.py is the loader, which does nothing when it is imported.
        slot = __import__("main").choose(ROOT)
        sys.path[0] = ROOT + slot
        self.running = (ROOT, slot)


def hurry(paces: dict) -> None:
    """Let a module's times be others than in the field: module -> name -> value."""
    for module, values in paces.items():
        __import__(module)
        for name in values:
            setattr(sys.modules[module], name, values[name])


fittings = {}
"""What this process was started with."""
here = None
"""Its `Slots`, None where the firmware is that of the checkout."""
