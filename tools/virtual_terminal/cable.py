"""A virtual terminal's USB cable as a loopback address that pyserial opens, for commands as they are typed."""

from __future__ import annotations

from collections.abc import Callable

from tools.virtual_terminal.serial_server import LoopbackPort, SetLines


class Cable(LoopbackPort):
    """While it is plugged in, `typed(text)` is called again and again: it gets what the laptop wrote, often nothing, and gives
    what the terminal wrote, an octet for each character.

    `set_lines(dtr, rts)`: the cable has reset lines, too, and speaks RFC 2217.
    """

    def __init__(self, typed: Callable[[str], str], set_lines: SetLines | None = None) -> None:
        super().__init__(lambda octets: typed(octets.decode("latin-1")).encode("latin-1"), set_lines)
