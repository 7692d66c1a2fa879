"""A modelled ESP32 on a loopback port, reset lines included."""

from __future__ import annotations

from hardware.rom_loader import CablePulled, Plan, RomLoader
from tools.virtual_terminal.serial_server import LoopbackPort


class EspDevice(LoopbackPort):
    """`url` is what the technician's command takes for a port; each connection gets the next plan of faults.

    `is_raw`: octets without reset lines, much faster through pyserial; the chip then waits in its loader already, as one does that
    was reset by hand.
    """

    def __init__(self, chip: RomLoader, plans: tuple[Plan, ...] = (), is_raw: bool = False) -> None:
        super().__init__(self._received, None if is_raw else chip.set_lines)
        self.chip = chip
        self._is_raw = is_raw
        self._plans = list(plans)
        self.connections = 0

    def opened(self) -> None:
        """A new connection meets the next plan."""
        self.connections += 1
        self.chip.connect(self._plans.pop(0) if self._plans else Plan())
        if self._is_raw:
            self.chip.set_lines(dtr=False, rts=True)
            self.chip.set_lines(dtr=True, rts=False)

    def _received(self, octets: bytes) -> bytes:
        try:
            return self.chip.receive(octets)
        except CablePulled:
            self.pull()
            return b""
