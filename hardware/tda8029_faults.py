"""What goes wrong around the TDA8029 model, planned ahead and repeatable from a seed."""


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
        self._random = (seed & 0x3FFFFFFF) or 1
        self._flip_permille = flip_permille
        self._drop_permille = drop_permille
        self._pull_before = pull_before
        self._pull_after = pull_after
        self._errors = errors or {}
        self.damaged = 0

    def on_wire(self, data: bytes) -> bytes:
        """Perhaps without one octet, or with one bit flipped."""
        draw = self._below(1000)
        at = self._below(len(data))
        if draw < self._drop_permille:
            self.damaged += 1
            return data[:at] + data[at + 1 :]
        if draw < self._drop_permille + self._flip_permille:
            self.damaged += 1
            return data[:at] + bytes((data[at] ^ 1 << self._below(8),)) + data[at + 1 :]
        return data

    def pulls_before(self, command_count: int) -> bool:
        return command_count == self._pull_before

    def pulls_after(self, command_count: int) -> bool:
        return command_count == self._pull_after

    def card_error(self, command_count: int) -> int:
        return self._errors.get(command_count, 0)

    def _below(self, limit: int) -> int:
        self._random = self._random * 1103515245 + 12345 & 0x3FFFFFFF
        return (self._random >> 12) % limit
