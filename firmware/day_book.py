"""Looking back: receipts and states of earlier transactions, the day's and a period's totals, without reading the journal
each time.
"""

from array import array

from firmware import states
from firmware.hal.flash_area import FlashError
from protocol import acknowledgement, records

# Kinds of record that people know as transactions, in the order of their numbers.
TRANSACTIONS = (
    records.REDEMPTION,
    records.VOID,
    records.GOODS_RECEIVED,
    records.RETURN,
    records.PERIOD_CLOSE,
)
_STATES = {
    acknowledgement.SETTLED: states.SETTLED,
    acknowledgement.REFUSED: states.REFUSED,
    acknowledgement.DISPUTED: states.DISPUTED,
}
_DAY_S = 86_400
# Records read from the journal at a time.
_PAGE = 16
# Of a transaction of today: its kind, whether in cash, and whether it was voided, in one octet.
_KIND = 0x0F
_CASH = 0x10
_VOIDED = 0x20


class Receipt:
    """One transaction as shown and printed: `kind` (protocol.records), `state` one of `firmware.states`, `remaining_rupiah`
    what is left now, `is_time_sure` whether the clock was trusted when it was made.

    Void and goods received have the `reference` to their redemption, whose programme and amount they show (0 where the
    journal has let it go). A period close has `period` and `figures` (`PeriodTotals`), its amount is what stands redeemed.
    Of a redemption that was looked up (`Terminal.look`): `voided_by`, `received_by`, `goods_tap`.
    """

    items: tuple

    def __init__(self, terminal_id: str, kind: int, sequence: int) -> None:
        self.terminal_id = terminal_id
        self.kind = kind
        self.sequence = sequence
        self.time_s = 0
        self.is_time_sure = True
        self.programme = 0
        self.tender = records.TENDER_GOODS
        self.amount_rupiah = 0
        self.remaining_rupiah = 0
        self.items = ()
        self.roster_number = 0
        self.state = states.RECORDED
        self.reference = 0
        self.period = 0
        self.figures = None
        self.voided_by = 0
        self.received_by = 0
        self.goods_tap = False


class PeriodTotals:
    """What a period close counts; `is_whole` False where older firmware did not count from the period's beginning."""

    def __init__(self, figures: tuple, is_whole: bool = True) -> None:
        self.redeemed_count, self.redeemed_rupiah = figures[0], figures[1]
        self.voided_count, self.voided_rupiah = figures[2], figures[3]
        self.returned_count, self.returned_rupiah = figures[4], figures[5]
        self.is_whole = is_whole

    @property
    def net_rupiah(self) -> int:
        """What stands redeemed."""
        return self.redeemed_rupiah - self.voided_rupiah


class Totals:
    """Of today's redemptions that stand: `count`, `goods_rupiah`, `cash_rupiah`, and of these `acknowledged_rupiah` (sealed
    at the gateway) and `settled_rupiah`. Of voids made today, whenever their redemptions were: `voided_count`,
    `voided_rupiah`. Of all days: `pending_rupiah`, redeemed in records that wait for the gateway.
    """

    def __init__(self) -> None:
        self.count = 0
        self.goods_rupiah = 0
        self.cash_rupiah = 0
        self.acknowledged_rupiah = 0
        self.settled_rupiah = 0
        self.voided_count = 0
        self.voided_rupiah = 0
        self.pending_rupiah = 0


class DayBook:
    """Keeps sequence, kind and amount of today's transactions, 9 octets each; everything older is read when it is asked
    for.

    `unreadable` counts what flash did not give back: sums and lists then end before it, and a notice says so.
    """

    def __init__(self, ledger) -> None:
        self._ledger = ledger
        self._newest = None
        self._newest_through = 0
        self._oldest_waiting = (0, 0)
        self.unreadable = 0
        self._begin_day(0)

    def _begin_day(self, day: int) -> None:
        """Nothing is known of the local day yet."""
        self._day = day
        self._through = 0
        self._first_today = self._ledger.journal.sequence + 1
        self._sequences = array("I")  # lumbung: fits - 23 bits each
        self._amounts = array("I")  # lumbung: fits - 27 bits each
        self._kinds = bytearray()
        # Redemptions of earlier days that were voided today.
        self._voided_before = []

    # Receipts.

    def receipts(self, first: int, count: int, kinds: tuple = TRANSACTIONS) -> list:
        """Transactions of these kinds, newest first, passing over the first `first`."""
        self._keep_up()
        found = []
        for place in range(len(self._sequences) - 1, -1, -1):
            if len(found) == count:
                return found
            if self._kinds[place] & _KIND in kinds:
                if first:
                    first -= 1
                else:
                    found.extend([self._receipt(slot) for slot in self._records(self._sequences[place], 1)])
        if len(found) < count:
            found.extend(self._older(first, count - len(found), kinds))
        return found

    def _older(self, skip: int, count: int, kinds: tuple) -> list:
        """Receipts of transactions before today, newest first. A void always comes before its redemption here."""
        found = []
        voided = list(self._voided_before)
        for slot in self._backwards(self._first_today):
            if slot.kind == records.VOID:
                voided.append(records.decode(slot.payload).reference_sequence)
            if slot.kind not in kinds:
                continue
            if skip:
                skip -= 1
                continue
            receipt = self._receipt(slot)
            if slot.sequence in voided:
                receipt.state = states.VOIDED
            found.append(receipt)
            if len(found) == count:
                break
        return found

    def _backwards(self, before: int):
        """Generate the chain's slots before a sequence, newest first, as far as the journal still has them."""
        while before > 1:
            start = max(1, before - _PAGE)
            held = self._records(start, before - start)
            for slot in reversed(held):
                yield slot
            if not held:
                return
            before = start

    def last(self) -> "Receipt | None":
        """The newest transaction, as it is known now; looked for once for each new record."""
        head = self._ledger.journal.sequence
        if self._newest_through != head:
            unreadable = self.unreadable
            for slot in self._backwards(head + 1):
                if slot.sequence <= self._newest_through:
                    break
                if slot.kind in TRANSACTIONS:
                    self._newest = self._receipt(slot)
                    break
            if self.unreadable == unreadable:
                self._newest_through = head
        return self.fresh(self._newest) if self._newest is not None else None

    def at(self, sequence: int) -> "Receipt | None":
        """The transaction at a sequence; None where the journal does not have it any more."""
        held = self._records(sequence, 1)
        return self._receipt(held[0]) if held else None

    def _records(self, first: int, count: int) -> list:
        """Chain slots from the journal; none where it cannot be read."""
        try:
            return self._ledger.records_from(first, count)
        except FlashError:
            self.unreadable += 1
            return []

    def _receipt(self, slot) -> Receipt:
        return self.of(slot.sequence, slot.index, records.decode(slot.payload))

    def of(self, sequence: int, index: int, record: records.Record) -> Receipt:
        """The receipt of a transaction's record of the family at a roster index."""
        receipt = Receipt("%08X" % self._ledger.kid, record.kind, sequence)
        receipt.time_s = record.time_s
        receipt.is_time_sure = record.time_trust != records.TRUST_UNSET
        if record.kind == records.PERIOD_CLOSE:
            receipt.programme = record.programme
            receipt.period = record.period
            receipt.figures = _figures_of(record)
            receipt.amount_rupiah = receipt.figures.net_rupiah
            return self.fresh(receipt)
        receipt.roster_number = index + 1
        if record.kind == records.GOODS_RECEIVED:
            receipt.reference = record.reference_sequence
            referred = self.at(record.reference_sequence)
            if referred is not None:
                receipt.programme = referred.programme
                receipt.amount_rupiah = referred.amount_rupiah
            return self.fresh(receipt)
        receipt.programme = record.programme
        receipt.amount_rupiah = record.amount_rupiah
        if record.kind == records.VOID:
            receipt.reference = record.reference_sequence
        elif record.kind == records.REDEMPTION:
            receipt.tender = record.tender
            receipt.items = tuple(record.items)
        return self.fresh(receipt)

    def fresh(self, receipt: Receipt) -> Receipt:
        """The same with what may have moved since the record was made."""
        if receipt.roster_number:
            remaining_rupiah = self._ledger.remaining_rupiah(receipt.programme, receipt.roster_number - 1)
            receipt.remaining_rupiah = max(0, remaining_rupiah)
        receipt.state = states.VOIDED if self._is_voided(receipt) else self.state_of(receipt.sequence)
        if receipt.state == states.SETTLED and receipt.kind != records.REDEMPTION:
            receipt.state = states.SEALED_AT_GATEWAY  # booked, but nobody is paid for it
        return receipt

    def _is_voided(self, receipt: Receipt) -> bool:
        """As far as today's transactions tell, and what the receipt knows itself."""
        if receipt.kind != records.REDEMPTION:
            return False
        if receipt.voided_by or receipt.sequence in self._voided_before:
            return True
        place = self._place_of(receipt.sequence)
        return place >= 0 and bool(self._kinds[place] & _VOIDED)

    def _place_of(self, sequence: int) -> int:
        """Where a transaction of today stands, -1 for none; sequences rise."""
        low, high = 0, len(self._sequences)
        while low < high:
            middle = (low + high) // 2
            if self._sequences[middle] < sequence:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self._sequences) and self._sequences[low] == sequence else -1

    def state_of(self, sequence: int) -> int:
        """How far a record has come, as this terminal knows it."""
        marks = self._ledger.marks
        if sequence > marks.sealed_through:
            return states.RECORDED
        return _STATES.get(marks.settlement(sequence), states.SEALED_AT_GATEWAY)

    # The day, and the period.

    def totals(self) -> Totals:
        """Sums over the current local day; pending ones over all days."""
        self._keep_up()
        totals = Totals()
        totals.pending_rupiah = self._pending_rupiah()
        for place in range(len(self._sequences)):
            octet = self._kinds[place]
            amount_rupiah = self._amounts[place]
            if octet & _KIND == records.VOID:
                totals.voided_count += 1
                totals.voided_rupiah += amount_rupiah
            if octet & _KIND != records.REDEMPTION or octet & _VOIDED:
                continue
            totals.count += 1
            if octet & _CASH:
                totals.cash_rupiah += amount_rupiah
            else:
                totals.goods_rupiah += amount_rupiah
            state = self.state_of(self._sequences[place])
            if state != states.RECORDED:
                totals.acknowledged_rupiah += amount_rupiah
            if state == states.SETTLED:
                totals.settled_rupiah += amount_rupiah
        return totals

    def period(self, programme: int) -> PeriodTotals:
        """What a close of the programme's period in force would count; held against the families' own sums."""
        ledger = self._ledger
        grant = ledger.grants.get(programme)
        totals = PeriodTotals(ledger.period_figures(programme, grant.period if grant is not None else 0))
        drawn_rupiah = totals.net_rupiah + totals.returned_rupiah
        totals.is_whole = grant is None or drawn_rupiah == ledger.entitlements.net_rupiah(programme)
        return totals

    def _pending_rupiah(self) -> int:
        """What waits for the gateway; the ledger has most of the sum at hand."""
        steps = self._ledger.pending_steps()
        try:
            while True:
                next(steps)
        except StopIteration as end:
            return int(end.value)
        except FlashError:
            self.unreadable += 1
            return 0

    def waiting_since_s(self) -> int:
        """Time of the oldest record that waits for the gateway; 0 where none does. Read once for each mark."""
        first = self._ledger.marks.sealed_through + 1
        if first > self._ledger.journal.sequence:
            return 0
        if self._oldest_waiting[0] != first:
            held = self._records(first, 1)
            self._oldest_waiting = (first, int.from_bytes(held[0].payload[2:6], "big") if held else 0)
        return self._oldest_waiting[1]

    def _keep_up(self) -> None:
        """Bring today's transactions up to the newest: times never fall, so today's are the last ones."""
        ledger = self._ledger
        local_s = ledger.now_s() + ledger.policy.utc_offset_minutes * 60
        if local_s // _DAY_S != self._day:
            self._begin_day(local_s // _DAY_S)
        head = ledger.journal.sequence
        if head == self._through:
            return
        begin_s = ledger.now_s() - local_s % _DAY_S
        new = []
        first_today = self._first_today
        unreadable = self.unreadable
        for slot in self._backwards(head + 1):
            if slot.sequence <= self._through or int.from_bytes(slot.payload[2:6], "big") < begin_s:
                break
            first_today = min(first_today, slot.sequence)
            if slot.kind in TRANSACTIONS:
                new.append((slot.sequence, records.decode(slot.payload)))
        if self.unreadable != unreadable:
            return
        self._through = head
        self._first_today = first_today
        for sequence, record in reversed(new):
            self._add(sequence, record)

    def _add(self, sequence: int, record: records.Record) -> None:
        """One more transaction of today."""
        octet = record.kind
        amount_rupiah = 0
        if record.kind in (records.REDEMPTION, records.VOID):
            amount_rupiah = record.amount_rupiah
        if record.kind == records.REDEMPTION and record.tender == records.TENDER_CASH:
            octet |= _CASH
        if record.kind == records.VOID:
            place = self._place_of(record.reference_sequence)
            if place >= 0:
                self._kinds[place] |= _VOIDED
            else:
                self._voided_before.append(record.reference_sequence)
        self._sequences.append(sequence)
        self._amounts.append(amount_rupiah)
        self._kinds.append(octet)


def _figures_of(record: records.Record) -> PeriodTotals:
    """The figures in a period close."""
    return PeriodTotals(
        (
            record.redeemed_count,
            record.redeemed_rupiah,
            record.voided_count,
            record.voided_rupiah,
            record.returned_count,
            record.returned_rupiah,
        )
    )
