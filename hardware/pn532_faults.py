"""What goes wrong around the PN532 model, planned ahead and repeatable from a seed."""

from hardware.chance import BadWire, Draw


class NoFaults:
    """Everything works."""

    def on_wire(self, data: bytes) -> bytes:
        """What arrives of a frame or burst, in either direction between host and chip."""
        return data

    def goes_deaf(self, command_count: int) -> bool:
        """Whether the chip stops listening at its n-th command (from 1) until it is reset."""
        return False

    def pulls_before(self, apdu_count: int) -> bool:
        """Whether the card leaves before its n-th APDU (from 1) reaches it."""
        return False

    def pulls_after(self, apdu_count: int) -> bool:
        """Whether the card leaves after it has carried out its n-th APDU and before the answer is through."""
        return False

    def on_air(self, block_count: int) -> str:
        """`timeout`, `crc` or empty for the n-th block (from 1) between chip and card."""
        return ""


class FaultPlan(NoFaults):
    """Faults at given places, and random ones on the wire at given rates (per thousand frames) from a seed."""

    def __init__(
        self,
        seed: int = 1,
        *,
        drop_permille: int = 0,
        flip_permille: int = 0,
        deaf_at_command: int = 0,
        pull_before_apdu: int = 0,
        pull_after_apdu: int = 0,
        air: dict | None = None,
    ):
        self._wire = BadWire(Draw(seed), drop_permille, flip_permille)
        self._deaf_at_command = deaf_at_command
        self._pull_before_apdu = pull_before_apdu
        self._pull_after_apdu = pull_after_apdu
        self._air = air or {}  # block count -> "timeout" or "crc"

    def on_wire(self, data: bytes) -> bytes:
        """Perhaps without one octet, or with one bit flipped."""
        return self._wire.carry(data)

    def goes_deaf(self, command_count: int) -> bool:
        """At the planned command."""
        return command_count == self._deaf_at_command

    def pulls_before(self, apdu_count: int) -> bool:
        """At the planned APDU."""
        return apdu_count == self._pull_before_apdu

    def pulls_after(self, apdu_count: int) -> bool:
        """At the planned APDU."""
        return apdu_count == self._pull_after_apdu

    def on_air(self, block_count: int) -> str:
        """At the planned blocks."""
        return self._air.get(block_count, "")
