"""The trap lint: finds code that CPython and ruff accept and that goes wrong, often silently, on MicroPython."""
