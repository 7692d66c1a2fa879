"""What goes wrong around the TDA8029 model, planned ahead and repeatable from a seed."""

from hardware.chance import BadWire, Draw


class NoFaults:
    """Everything works."""

    def on_wire(self, data: bytes) -> bytes:
        """What arrives of a frame, in either direction between host and chip."""
        return data

    def pulls_before(self, command_count: int) -> bool:
        """Whether the card leaves before its n-th APDU (from 1) reaches it."""
        return False

    def pulls_after(self, command_count: int) -> bool:
        """Whether the card leaves after it has carried out its n-th APDU and before the answer is through."""
        return False

    def card_error(self, command_count: int) -> int:
        """The error that the chip reports for the n-th APDU (from 1), which the card never carries out; 0 for none."""
        return 0


class FaultPlan(NoFaults):
    """Faults at given APDUs, and random ones on the wire at given rates (per thousand frames) from a seed.

    `errors`: number of the APDU -> error: 0x81 mute, 0x83 parity, 0xC3 checksum, and so on (AN10207, error list).
    """

    def __init__(
        self, seed: int = 1, flip_permille: int = 0, drop_permille: int = 0, pull_before: int = 0, pull_after: int = 0,
        errors=None,
    ):  # fmt: skip
        self._wire = BadWire(Draw(seed), drop_permille, flip_permille)
        self._pull_before = pull_before
        self._pull_after = pull_after
        self._errors = errors or {}

    def on_wire(self, data: bytes) -> bytes:
        """Perhaps without one octet, or with one bit flipped."""
        return self._wire.carry(data)

    def pulls_before(self, command_count: int) -> bool:
        return command_count == self._pull_before

    def pulls_after(self, command_count: int) -> bool:
        return command_count == self._pull_after

    def card_error(self, command_count: int) -> int:
        return self._errors.get(command_count, 0)
