"""What goes wrong around the ATECC608 model, planned ahead and repeatable from a seed."""

from hardware.chance import BadWire, Draw


class NoFaults:
    """Everything works."""

    def on_wire(self, octets: bytes) -> bytes:
        """What arrives of one transfer's octets, in either direction."""
        return octets

    def refuses(self, transfer_count: int) -> bool:
        """Whether the n-th transfer (from 1) is not acknowledged though the chip could."""
        return False

    def goes_deaf(self, command_count: int) -> bool:
        """Whether the chip acknowledges nothing from its n-th command (from 1) on, until its power is cut."""
        return False

    def breaks_answer(self, command_count: int) -> bool:
        """Whether the answer to the n-th command carries a wrong CRC each time it is read."""
        return False

    def computes_wrongly(self, command_count: int) -> bool:
        """Whether the n-th command, one on the curve, ends in an ECC fault."""
        return False

    def interrupted_lands(self) -> bool:
        """Whether a command that the power cut interrupted had changed the memory already."""
        return False

    def counts_extra(self) -> int:
        """By how much more than one an interrupted increment counts."""
        return 0


class FaultPlan(NoFaults):
    """Faults at given places, and random ones on the wire at given rates (per thousand transfers) from a seed.

    `refused`: (first transfer, how many). `deaf_at`, `broken_at` and `ecc_fault_at` name a command by its count.
    """

    def __init__(
        self,
        seed: int = 1,
        *,
        drop_permille: int = 0,
        flip_permille: int = 0,
        refuse_permille: int = 0,
        refused: tuple = (0, 0),
        deaf_at: int = 0,
        broken_at: tuple = (),
        ecc_fault_at: tuple = (),
        lands: bool = False,
        extra: int = 0,
    ):
        self._draw = Draw(seed)
        self._wire = BadWire(self._draw, drop_permille, flip_permille)
        self._refuse_permille = refuse_permille
        self._refused = refused
        self._deaf_at = deaf_at
        self._broken_at = broken_at
        self._ecc_fault_at = ecc_fault_at
        self._lands = lands
        self._extra = extra

    def on_wire(self, octets: bytes) -> bytes:
        """Perhaps without one octet, or with one bit flipped."""
        return self._wire.carry(octets)

    @property
    def damaged(self) -> int:
        """How many transfers were changed on the wire."""
        return self._wire.damaged

    def refuses(self, transfer_count: int) -> bool:
        first, count = self._refused
        return first <= transfer_count < first + count or self._draw.happens(self._refuse_permille)

    def goes_deaf(self, command_count: int) -> bool:
        return command_count == self._deaf_at

    def breaks_answer(self, command_count: int) -> bool:
        return command_count in self._broken_at

    def computes_wrongly(self, command_count: int) -> bool:
        return command_count in self._ecc_fault_at

    def interrupted_lands(self) -> bool:
        return self._lands

    def counts_extra(self) -> int:
        return self._extra
