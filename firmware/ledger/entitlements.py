"""What follows from the journal: spent amounts, PIN tries, UN attempts, enrolments, totals.

`apply` takes every slot once and in order, new ones and those replayed at boot, so the state after a power cut is the
state before it. `pack` and `unpack` carry it through a checkpoint.
"""

import struct
from array import array

from firmware.ledger import slots
from firmware.ledger.enrolments import Enrolments
from protocol import records

# The front of every record, and of a redemption (protocol/records, LAYOUTS), read without decoding the rest.
_REDEMPTION_FRONT = ">BBIBBHBI"
RECENT_MIN = 8

_FIXED = ">IIBIIQQQQBIIII"
_FIXED_OCTETS = struct.calcsize(_FIXED)
_RECENT = ">HBIII"
_RECENT_OCTETS = struct.calcsize(_RECENT)
_DIGEST_OCTETS = 32


class Entitlements:
    """`families`: entries on the roster; `periods`: programme -> period whose grant is in force.

    Amounts are rupiah. A family is its roster index; `index * 2 + place` names one of its cards. Indices are never
    reused, so what was spent stays right when the roster grows. `recent` is as long as policy looks back at a run of cards.
    """

    def __init__(self, families: int, periods: dict, rapid_run: int = 0) -> None:
        self._families = families
        self._recent_max = max(RECENT_MIN, rapid_run)
        self._periods = periods
        self._spent = {}
        for programme in sorted(periods):
            self._spent[programme] = self._nothing()
        # (programme, period) closed by a period close, of the periods in force.
        self.closed = set()
        self._tries = {}
        self._enrolments = Enrolments(families)
        self._un_sequence = 0
        self._un_next = 0
        self.sequence = 0
        self.last_time_s = 0
        self.last_trust = records.TRUST_UNSET
        # (index, programme, amount_rupiah, time_s, sequence) of the last redemptions, oldest first.
        self.recent = []
        self.redeemed_count = 0
        self.redeemed_rupiah = 0
        self.voided_rupiah = 0
        self.untrusted_rupiah = 0
        # What was adopted last, by (subject, programme or 0).
        self.adopted = {}
        self.counter_next = 1
        self.last_sale = 0
        self.last_adoption = 0
        self.ahead = 0

    def _nothing(self) -> array:
        return array("I", bytes(4 * self._families))  # lumbung: fits - zeros

    # Taking in.

    def apply(self, kind: int, sequence: int, index: int, payload: bytes) -> None:
        """Take in one slot, new or replayed."""
        if kind >= slots.LOCAL_FIRST:
            self._apply_local(kind, index, payload)
            return
        self.sequence = sequence
        if kind == records.REDEMPTION:
            self._apply_redemption(sequence, index, payload)
            return
        self.last_time_s = max(self.last_time_s, int.from_bytes(payload[2:6], "big"))
        self._trust(payload[6], 0)
        if kind == records.ENROL:
            self._enrolments.note(index, sequence)
        elif kind in (records.VOID, records.RETURN, records.PERIOD_CLOSE, records.ADOPTION, records.EVENT):
            self._apply_rare(kind, sequence, index, records.decode(payload))

    def _apply_redemption(self, sequence: int, index: int, payload: bytes) -> None:
        """A redemption: spent amount, totals, and what a second tap in the window is compared with."""
        front = struct.unpack_from(_REDEMPTION_FRONT, payload)
        _, _, time_s, trust, programme, period, _, amount_rupiah = front
        self.last_time_s = max(self.last_time_s, time_s)
        if self._periods.get(programme) == period and index < self._families:
            self._spent[programme][index] += amount_rupiah
        self.redeemed_count += 1
        self.redeemed_rupiah += amount_rupiah
        self._trust(trust, amount_rupiah)
        self.last_sale = sequence
        if len(self.recent) >= self._recent_max:
            self.recent.pop(0)
        self.recent.append((index, programme, amount_rupiah, time_s, sequence))

    def _trust(self, trust: int, amount_rupiah: int) -> None:
        """Spending without a trusted time adds up until a record knows the time again."""
        self.last_trust = trust
        self.untrusted_rupiah = self.untrusted_rupiah + amount_rupiah if trust == records.TRUST_UNSET else 0

    def _apply_rare(self, kind: int, sequence: int, index: int, record: records.Record) -> None:
        """Kinds that few records have."""
        if kind == records.VOID:
            self.voided_rupiah += record.amount_rupiah
            if self._counts(record, index):
                spent = self._spent[record.programme]
                spent[index] = max(0, spent[index] - record.amount_rupiah)
            self.recent = [entry for entry in self.recent if entry[4] != record.reference_sequence]
        elif kind == records.RETURN:
            # The rest of the card leaves this terminal.
            if self._counts(record, index):
                self._spent[record.programme][index] += record.amount_rupiah
        elif kind == records.PERIOD_CLOSE:
            if self._periods.get(record.programme) == record.period:
                self.closed.add((record.programme, record.period))
        elif kind == records.ADOPTION:
            self.adopted[record.subject, 0 if index == slots.NO_INDEX else index] = record.digest
            self.last_adoption = sequence
        elif record.code == records.EVENT_ACKNOWLEDGEMENT_AHEAD:
            # What terminals wrote before there was a mark for it.
            self.ahead = max(self.ahead, int.from_bytes(record.detail, "big"))

    def _counts(self, record: records.Record, index: int) -> bool:
        """Whether a record touches what was spent of a grant in force."""
        return self._periods.get(record.programme) == record.period and index < self._families

    def _apply_local(self, kind: int, index: int, payload: bytes) -> None:
        """PIN tries, UN attempts and counter blocks: each mark holds the new value."""
        if kind == slots.LOCAL_PIN_TRIES:
            card = index * 2 + payload[0]
            if payload[1]:
                self._tries[card] = payload[1]
            else:
                self._tries.pop(card, None)
        elif kind == slots.LOCAL_UN_ATTEMPT:
            self._un_sequence = int.from_bytes(payload[:3], "big")
            self._un_next = payload[3] + 1
        elif kind == slots.LOCAL_COUNTER_BLOCK:
            self.counter_next = int.from_bytes(payload, "big")
        elif kind == slots.LOCAL_AHEAD:
            self.ahead = max(self.ahead, int.from_bytes(payload, "big"))

    # Questions.

    @property
    def un_attempts(self) -> int:
        """Unpredictable Numbers burned for the next record."""
        return self._un_next if self._un_sequence == self.sequence + 1 else 0

    def spent_rupiah(self, programme: int, index: int) -> int:
        """What the family has drawn from the grant in force."""
        is_known = programme in self._spent and index < self._families
        return int(self._spent[programme][index]) if is_known else 0

    def net_rupiah(self, programme: int) -> int:
        """What all families have drawn from the grant in force or handed back."""
        return sum(self._spent[programme]) if programme in self._spent else 0

    def start_period(self, programme: int, period: int) -> None:
        """A grant came into force: nothing of a later period is spent yet."""
        held = self._periods.get(programme)
        if held != period:
            self._periods[programme] = period
            self._spent[programme] = self._nothing()
            self.closed.discard((programme, held))

    def is_adopted(self, subject: int, index: int, digest: bytes) -> bool:
        """Whether the chain has adopted that document last for its subject (and programme)."""
        return self.adopted.get((subject, 0 if index == slots.NO_INDEX else index)) == digest

    def tries(self, index: int, place: int) -> int:
        """Aid-PIN tries burned since the last right one."""
        return int(self._tries.get(index * 2 + place, 0))

    def enrolment(self, index: int, place: int) -> int:
        """Sequence of the card's last enrol record, 0 where there is none (any more: then it is made again)."""
        return int(self._enrolments.of(index, place))

    def forget_before(self, sequence: int) -> None:
        """Records before `sequence` were reclaimed: nothing may name them any more."""
        self._enrolments.forget_before(sequence)
        self.recent = [entry for entry in self.recent if entry[4] >= sequence]
        if self.last_sale < sequence:
            self.last_sale = 0

    # Checkpoint.

    def pack(self) -> bytes:
        """All of it. Arrays stand as they are in memory, low octet first on every processor that we run on."""
        # lumbung: fits - counts of this terminal's own records, and sums over them
        fixed = struct.pack(
            _FIXED,
            self.sequence,
            self.last_time_s,
            self.last_trust,
            self.last_sale,
            self.last_adoption,
            self.redeemed_count,
            self.redeemed_rupiah,
            self.voided_rupiah,
            self.untrusted_rupiah,
            len(self.recent),
            self._un_sequence,
            self._un_next,
            self.counter_next,
            self.ahead,
        )
        parts = [fixed]
        # lumbung: fits - each was unpacked from these widths
        parts.extend([struct.pack(_RECENT, *entry) for entry in self.recent])
        parts.append(bytes((len(self.adopted),)))
        for subject, programme in sorted(self.adopted):
            parts.append(bytes((subject, programme)) + self.adopted[subject, programme])
        cards = sorted(self._tries)
        parts.append(len(cards).to_bytes(2, "big"))
        parts.extend([card.to_bytes(2, "big") + bytes((self._tries[card],)) for card in cards])
        parts.append(self._enrolments.pack())
        for programme in sorted(self._periods):
            period = self._periods[programme]
            closed = (programme, period) in self.closed
            parts.append(
                bytes((programme, closed)) + period.to_bytes(2, "big") + bytes(self._spent[programme])
            )
        return b"".join(parts)

    def unpack(self, octets: bytes) -> None:
        """What `pack` gave; what was spent in periods that are not in force any more is dropped."""
        fields = struct.unpack(_FIXED, octets[:_FIXED_OCTETS])
        self.sequence, self.last_time_s, self.last_trust, self.last_sale, self.last_adoption = fields[:5]
        self.redeemed_count, self.redeemed_rupiah, self.voided_rupiah, self.untrusted_rupiah = fields[5:9]
        recent, self._un_sequence, self._un_next, self.counter_next, self.ahead = fields[9:]
        at = _FIXED_OCTETS
        for _ in range(recent):
            self.recent.append(struct.unpack(_RECENT, octets[at : at + _RECENT_OCTETS]))
            at += _RECENT_OCTETS
        count = octets[at]
        at += 1
        for _ in range(count):
            self.adopted[octets[at], octets[at + 1]] = octets[at + 2 : at + 2 + _DIGEST_OCTETS]
            at += 2 + _DIGEST_OCTETS
        count = octets[at] << 8 | octets[at + 1]
        at += 2
        for _ in range(count):
            self._tries[octets[at] << 8 | octets[at + 1]] = octets[at + 2]
            at += 3
        families, at = self._enrolments.unpack(octets, at)
        while at < len(octets):
            programme, closed, period = struct.unpack(">BBH", octets[at : at + 4])
            spent = self._nothing()
            at = self._load(spent, octets, at + 4, families)
            if self._periods.get(programme) == period:
                self._spent[programme] = spent
                if closed:
                    self.closed.add((programme, period))

    def _load(self, into: array, octets: bytes, at: int, families: int) -> int:
        """Copy `families` numbers into an array that may be longer; returns where they end."""
        end = at + 4 * families
        count = min(families, self._families)
        into[:count] = array("I", octets[at : at + 4 * count])  # lumbung: fits - copied as they are
        return end
