"""What the MicroPython builds really offer; the firmware relies on no more than this."""

import sys

from tests.support.mp import raises, seed, skip

VARIANTS = ("unix64", "unix32", "deb64", "wasm")


def on_wasm():
    return "Emscripten" in sys.implementation._machine


def test_is_micropython():
    assert sys.implementation.name == "micropython"
    assert sys.implementation.version[:2] >= (1, 25)
    assert 0 <= seed() < 1 << 30
