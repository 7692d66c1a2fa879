"""What a period close counts: redeemed, voided and returned, by programme, of its newest period.

Kept beside the entitlements, because the journal may have let go of a period's first records when it is closed.
"""

import struct

from protocol import records

# Where programme and period stand in each kind of money, and where its amount does (protocol/records, LAYOUTS).
_PROGRAMME_AT = 7
_AMOUNT_AT = {records.REDEMPTION: 11, records.VOID: 10, records.RETURN: 10}
# Where a kind's count stands in a programme's numbers, its sum in rupiah behind it.
_PLACE = {records.REDEMPTION: 1, records.VOID: 3, records.RETURN: 5}
_FORM = ">BHIQIQIQ"
_OCTETS = struct.calcsize(_FORM)
NOTHING = (0, 0, 0, 0, 0, 0)


class PeriodFigures:
    """`apply` takes every slot once and in order, as the entitlements do."""

    def __init__(self) -> None:
        # programme -> [period, redeemed count and rupiah, voided count and rupiah, returned count and rupiah]
        self._held = {}

    def apply(self, kind: int, payload: bytes) -> None:
        """Take in one slot; periods only go forward, so one of an older period counts no more."""
        if kind not in _PLACE:
            return
        programme, period = payload[_PROGRAMME_AT], payload[8] << 8 | payload[9]
        held = self._held.get(programme)
        if held is None or held[0] < period:
            held = self._held[programme] = [period, 0, 0, 0, 0, 0, 0]
        if held[0] == period:
            at = _AMOUNT_AT[kind]
            place = _PLACE[kind]
            held[place] += 1
            held[place + 1] += int.from_bytes(payload[at : at + 4], "big")

    def of(self, programme: int, period: int) -> tuple:
        """(redeemed count, rupiah, voided count, rupiah, returned count, rupiah) of a programme's period."""
        held = self._held.get(programme)
        return tuple(held[1:]) if held is not None and held[0] == period else NOTHING

    def pack(self) -> bytes:
        """All of it, for a checkpoint."""
        return b"".join([_packed(programme, self._held[programme]) for programme in sorted(self._held)])

    def unpack(self, octets: bytes) -> None:
        """What `pack` gave; nothing from a checkpoint that is older than these figures."""
        self._held = {}
        for at in range(0, len(octets), _OCTETS):
            fields = struct.unpack(_FORM, octets[at : at + _OCTETS])
            self._held[fields[0]] = list(fields[1:])


def _packed(programme: int, numbers: list) -> bytes:
    """One programme's octets."""
    # lumbung: fits - counts of this terminal's own records, and sums over them
    return struct.pack(_FORM, programme, *numbers)
