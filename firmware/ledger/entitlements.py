"""What follows from the journal: spent amounts, PIN tries, UN attempts, enrolments, marks. Nothing here is stored.

`Entitlements.replay` takes every slot once, in order, at boot; `apply` takes each new one. The same code serves both,
so the state after a power cut is the state before it.
"""

import struct
from array import array

from firmware.ledger import slots
from protocol import acknowledgement, records

# Offsets inside canonical records that a boot scan reads without decoding (protocol/records, LAYOUTS).
_PERIOD_AT = 7
_RECENT_MAX = 8


class Entitlements:
    """`families`: entries on the roster; `periods`: programme -> period whose grant is in force.

    Amounts are rupiah. A family is its roster index; `index * 2 + place` names one of its cards.
    """

    def __init__(self, families: int, periods: dict) -> None:
        self._families = families
        self._periods = periods
        self._spent = {}
        for programme in sorted(periods):
            self._spent[programme] = array("I", [0] * families)
        self.closed = set()
        self._tries = {}
        self._enrolled = array("I", [0] * families)
        self.un_attempts = 0
        self.last_time_s = 0
        self.last_trust = records.TRUST_UNSET
        self.recent = []
        self.redeemed_count = 0
        self.redeemed_rupiah = 0
        self.voided_rupiah = 0
        self.untrusted_rupiah = 0
        self.adopted = {}
        self.counter_next = 0
        self.last_sale = 0
        self.last_adoption = 0

    # Replay.

    def apply(self, slot: slots.Slot) -> None:
        """Take in one slot, new or replayed."""
        if slot.slot_class == slots.CLASS_LOCAL:
            self._apply_local(slot)
            return
        self.un_attempts = 0
        record = slot.payload
        self.last_time_s = max(self.last_time_s, int.from_bytes(record[2:6], "big"))
        self.last_trust = record[6]
        kind = slot.kind
        if kind == records.REDEMPTION:
            self._apply_redemption(slot)
        elif kind == records.VOID:
            self._apply_void(records.decode(record), slot.index)
        elif kind == records.RETURN:
            self._apply_return(records.decode(record), slot.index)
        elif kind == records.PERIOD_CLOSE:
            closing = records.decode(record)
            self.closed.add((closing.programme, closing.period))
        elif kind == records.ENROL and slot.index < self._families:
            self._enrolled[slot.index] = slot.sequence
        elif kind == records.ADOPTION:
            adoption = records.decode(record)
            self.adopted[adoption.digest] = slot.sequence
            self.last_adoption = slot.sequence

    def _apply_redemption(self, slot: slots.Slot) -> None:
        """A redemption: spent amount, totals, and what a second tap in the window is compared with."""
        record = slot.payload
        programme, period, _, amount_rupiah = struct.unpack(">BHBI", record[_PERIOD_AT : _PERIOD_AT + 8])
        if self._periods.get(programme) == period and slot.index < self._families:
            self._spent[programme][slot.index] += amount_rupiah
        self.redeemed_count += 1
        self.redeemed_rupiah += amount_rupiah
        if record[6] == records.TRUST_UNSET:
            self.untrusted_rupiah += amount_rupiah
        else:
            self.untrusted_rupiah = 0
        self.last_sale = slot.sequence
        if len(self.recent) == _RECENT_MAX:
            self.recent.pop(0)
        time_s = int.from_bytes(record[2:6], "big")
        self.recent.append((slot.index, programme, amount_rupiah, time_s, slot.sequence))

    def _apply_void(self, void: records.Record, index: int) -> None:
        """A void gives its amount back."""
        self.voided_rupiah += void.amount_rupiah
        if self._periods.get(void.programme) == void.period and index < self._families:
            self._spent[void.programme][index] -= void.amount_rupiah
        self.recent = [entry for entry in self.recent if entry[4] != void.reference_sequence]

    def _apply_return(self, returned: records.Record, index: int) -> None:
        """A return takes the card's rest out of this terminal."""
        if self._periods.get(returned.programme) == returned.period and index < self._families:
            self._spent[returned.programme][index] += returned.amount_rupiah

    def _apply_local(self, slot: slots.Slot) -> None:
        """PIN tries, UN attempts and counter blocks."""
        if slot.kind == slots.LOCAL_PIN_TRY:
            card = slot.index * 2 + slot.payload[0]
            self._tries[card] = self._tries.get(card, 0) + 1
        elif slot.kind == slots.LOCAL_PIN_CLEAR:
            self._tries.pop(slot.index * 2 + slot.payload[0], None)
        elif slot.kind == slots.LOCAL_UN_ATTEMPT:
            self.un_attempts = slot.payload[3] + 1
        elif slot.kind == slots.LOCAL_COUNTER_BLOCK:
            self.counter_next = int.from_bytes(slot.payload, "big")

    # Questions.

    def spent_rupiah(self, programme: int, index: int) -> int:
        """What the family has drawn from the grant in force."""
        return int(self._spent[programme][index]) if programme in self._spent else 0

    def start_period(self, programme: int, period: int) -> None:
        """A grant for another period came into force: nothing of it is spent yet."""
        if self._periods.get(programme) != period:
            self._periods[programme] = period
            self._spent[programme] = array("I", [0] * self._families)

    def tries(self, index: int, place: int) -> int:
        """Aid-PIN tries burned since the last right one."""
        return int(self._tries.get(index * 2 + place, 0))

    def enrolment(self, index: int) -> int:
        """Sequence of the family's last enrol record, 0 where there is none."""
        return int(self._enrolled[index])

    def repeated(self, index: int, programme: int, amount_rupiah: int, since_s: int) -> int:
        """Sequence of a redemption of the same family, programme and amount at or after `since_s`, or 0."""
        for entry in self.recent:
            if entry[:3] == (index, programme, amount_rupiah) and entry[3] >= since_s:
                return int(entry[4])
        return 0


class Marks:
    """What the gateway has acknowledged: marks, and two bits of settlement state per record."""

    def __init__(self) -> None:
        self.epoch = 0
        self.counter = 0
        self.sealed_through = 0
        self.reclaim_through = 0
        self.time_s = 0
        self._states = bytearray()

    def apply(self, acknowledged: acknowledgement.Acknowledgement) -> None:
        """Take in an acknowledgement whose signature, order and chain digest were checked."""
        self.epoch = acknowledged.epoch
        self.counter = acknowledged.counter
        self.time_s = acknowledged.time_s
        self.sealed_through = max(self.sealed_through, acknowledged.sealed_through)
        self.reclaim_through = max(self.reclaim_through, acknowledged.reclaim_through)
        for i in range(len(acknowledged.states)):
            self._set(acknowledged.states_first + i, acknowledged.states[i])

    def is_newer(self, epoch: int, counter: int) -> bool:
        """Whether (epoch, counter) is greater than what was applied last."""
        return (epoch, counter) > (self.epoch, self.counter)

    def settlement(self, sequence: int) -> int:
        """acknowledgement.PENDING, SETTLED, REFUSED or DISPUTED."""
        place = sequence // 4
        return self._states[place] >> (2 * (sequence % 4)) & 3 if place < len(self._states) else acknowledgement.PENDING

    def _set(self, sequence: int, state: int) -> None:
        place = sequence // 4
        if place >= len(self._states):
            self._states.extend(bytes(place + 1 - len(self._states)))
        shift = 2 * (sequence % 4)
        self._states[place] = self._states[place] & ~(3 << shift) & 0xFF | state << shift
