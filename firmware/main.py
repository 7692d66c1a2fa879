"""Starts the terminal on the ESP32; the loader's `main.py` imports this and calls `start`."""

import asyncio

from firmware.app import App


def start() -> None:
    """Build the board and run until a restart."""
    # Imported here: only a real ESP32 has what it needs, and this file is compiled and checked everywhere.
    from firmware.hal import esp32_board

    asyncio.run(App(esp32_board.build(), esp32_board.restart).run())
