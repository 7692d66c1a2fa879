"""MicroPython only: starts `inside` with the firmware of this checkout, or with the one in a slot of the terminal's own flash.

Arguments: the checkout, the image of the flash, a file with the fittings as JSON. Nothing of the firmware is imported before it is chosen.
"""

import json
import sys

sys.path.insert(0, sys.argv[1])

from hardware.model_clock import HostClock
from tools.virtual_terminal import slots

with open(sys.argv[3]) as file:  # noqa: PTH123 - MicroPython has no pathlib
    slots.fittings = json.load(file)
if "slots" in slots.fittings:
    slots.here = slots.Slots(sys.argv[2], HostClock(), slots.fittings["slots"])
__import__("tools.virtual_terminal.inside")
