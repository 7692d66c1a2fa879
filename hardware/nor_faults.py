"""What goes wrong in a flash chip, as data: a seeded plan of cuts, silent failures and stuck bits that can be printed.

A plan says at which operations (programs and erases, counted from 0 when the plan is armed, over all power cycles) what
happens. Its `repr` is the Python expression that makes it again, so a failing run is repeated by pasting what it printed.
"""

# How the cells that a cut operation had not finished are left. `torn_bytes` octets were finished before.
CLEAN = "clean"  # the rest is as before
MARGINAL = "marginal"  # a few octets at the tear are half way, and undecided; an erase is torn in either of its phases
RANDOM = (
    "random"  # each bit of the rest is old or new for good; a sector is a mix of FF, old octets and torn ones
)
UNSTABLE = "unstable"  # as RANDOM, with bits that read differently each time until their sector is erased
WEAK = "weak"  # all looks done, but some bits hold only for a few reads
TEARS = (CLEAN, MARGINAL, RANDOM, UNSTABLE, WEAK)

_CUT = "cut"
_SILENT = "silent"
_STUCK = "stuck"
_OPERANDS = {_CUT: 4, _SILENT: 3, _STUCK: 4}


def cut(operation: int, torn_bytes: int = 0, tear: str = MARGINAL) -> tuple:
    """Power fails in that operation after `torn_bytes` octets."""
    return (_CUT, operation, torn_bytes, tear)


def silent(operation: int, done_bytes: int = 0) -> tuple:
    """That operation does only its first `done_bytes` octets and reports success."""
    return (_SILENT, operation, done_bytes)


def stuck(address: int, mask: int, level: int) -> tuple:
    """The bits of `mask` at `address` read as `level` (0 or 1) for good, whatever is done to them."""
    return (_STUCK, address, mask, level)


class Dice:
    """A repeatable series that is the same on every interpreter (Lehmer, modulus 2**31 - 1, multiplier 48271)."""

    def __init__(self, seed: int):
        self._state = seed % 2147483646 + 1
        for _ in range(4):  # small seeds would start with small numbers
            self._state = self._state * 48271 % 2147483647

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        self._state = self._state * 48271 % 2147483647
        return (self._state >> 3) % limit

    def octet(self) -> int:
        """A number from 0 to 255."""
        return self.below(256)


class FaultPlan:
    """`faults`: what `cut`, `silent` and `stuck` return. `seed` decides how cells are torn; `ValueError` names what is no
    fault.
    """

    def __init__(self, seed: int, faults=()):
        self.seed = seed
        self.faults = [tuple(fault) for fault in faults]
        for fault in self.faults:
            _check(fault)

    def __repr__(self) -> str:
        return "FaultPlan(%d, %r)" % (self.seed, self.faults)

    def by_operation(self) -> dict:
        """Cuts and silent failures by operation; of two at one operation the later in the plan counts."""
        return {fault[1]: fault for fault in self.faults if fault[0] != _STUCK}

    def stuck_bits(self) -> list:
        """(address, mask, level) of every stuck bit."""
        return [fault[1:] for fault in self.faults if fault[0] == _STUCK]


def is_cut(fault: tuple) -> bool:
    """Whether power fails."""
    return fault[0] == _CUT


def drawn(
    seed: int, operations: int, begin: int, end: int, cuts: int = 1, silences: int = 0, stuck_bits: int = 0
) -> FaultPlan:
    """A plan drawn by `seed`: that many cuts and silent failures among the next `operations`, and single stuck bits at
    addresses from `begin` to before `end`.
    """
    dice = Dice(seed)
    faults = [
        # Half of the tears fall within a slot; an erase is torn anywhere in its sector.
        cut(dice.below(operations), dice.below((256, 4097)[dice.below(2)]), TEARS[dice.below(len(TEARS))])
        for _ in range(cuts)
    ]
    faults += [silent(dice.below(operations), dice.below(2) * dice.below(256)) for _ in range(silences)]
    faults += [
        stuck(begin + dice.below(end - begin), 1 << dice.below(8), dice.below(2)) for _ in range(stuck_bits)
    ]
    return FaultPlan(seed, faults)


def _check(fault: tuple) -> None:
    if not fault or len(fault) != _OPERANDS.get(fault[0], 0):
        raise ValueError("no fault: %r" % (fault,))
    if fault[1] < 0 or fault[2] < 0 or (fault[0] == _CUT and fault[3] not in TEARS):
        raise ValueError("no fault: %r" % (fault,))
    if fault[0] == _STUCK and (not 0 < fault[2] < 256 or fault[3] not in (0, 1)):
        raise ValueError("no fault: %r" % (fault,))
