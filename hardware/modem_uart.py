"""The host's serial port towards the modem model, which goes on living while the host only looks for octets."""

from hardware.buses import Uart


class ModemUart(Uart):
    """A UART whose device is moved along in time whenever the host looks."""

    def settle(self) -> None:
        """Hand over what has left, then let the modem do what is due."""
        super().settle()
        if self._device is not None:
            self._device.advance(self._clock.now_us())
