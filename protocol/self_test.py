"""The detail of a self-test's event: which parts of a terminal were tested, which of them passed, and by which release.

A part is named by its place in `PARTS`, which is also its bit; a place once given means one part for ever.
"""

from protocol.errors import OutOfRange, TrailingData, Truncated

PARTS = (
    "reader",
    "keypad",
    "display",
    "printer",
    "modem",
    "flash",
    "clock",
    "entropy",
    "key-chip",
    "supply",
    "case",
    "contact-reader",
)
DETAIL_OCTETS = 8
_RELEASE_MAX = 0xFFFFFFFF


class SelfTest:
    """`run` and `passed`: bit maps of `PARTS`; a part that is not fitted was not run. `release`: 0 for none built."""

    def __init__(self, run: int, passed: int, release: int) -> None:
        self.run = run
        self.passed = passed
        self.release = release


def encode(told: SelfTest) -> bytes:
    """The detail's octets; raises `OutOfRange`."""
    if not 0 <= told.run <= 0xFFFF:
        raise OutOfRange("run", 0, "not in 0..65535")
    if told.passed & ~told.run:
        raise OutOfRange("passed", 2, "names a part that was not run")
    if not 0 <= told.release <= _RELEASE_MAX:
        raise OutOfRange("release", 4, "not in 0..%d" % _RELEASE_MAX)
    return told.run.to_bytes(2, "big") + told.passed.to_bytes(2, "big") + told.release.to_bytes(4, "big")


def decode(detail: bytes) -> SelfTest:
    """What a detail says; raises a `ProtocolError` naming field and offset."""
    if len(detail) < DETAIL_OCTETS:
        raise Truncated("self-test", len(detail), "needs %d octets" % DETAIL_OCTETS)
    if len(detail) > DETAIL_OCTETS:
        raise TrailingData("self-test", DETAIL_OCTETS, "%d octets left over" % (len(detail) - DETAIL_OCTETS))
    run = int.from_bytes(detail[:2], "big")
    passed = int.from_bytes(detail[2:4], "big")
    if passed & ~run:
        raise OutOfRange("passed", 2, "names a part that was not run")
    return SelfTest(run, passed, int.from_bytes(detail[4:], "big"))


def names(bits: int) -> list:  # type: ignore[type-arg]
    """The parts of a bit map; one that this release does not know is `part n`."""
    return [PARTS[i] if i < len(PARTS) else "part %d" % i for i in range(16) if bits >> i & 1]


def bit(part: str) -> int:
    """The bit of a part; ValueError for a name that is none."""
    return 1 << PARTS.index(part)
