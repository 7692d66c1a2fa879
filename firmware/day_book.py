"""Looking back: receipts and states of earlier redemptions, and the day's totals, without reading the journal each time."""

from array import array

from firmware import states
from firmware.hal.flash_area import FlashError
from protocol import acknowledgement, civil_date, records

_STATES = {
    acknowledgement.SETTLED: states.SETTLED,
    acknowledgement.REFUSED: states.REFUSED,
    acknowledgement.DISPUTED: states.DISPUTED,
}
# Records read from the journal at a time.
_PAGE = 16
# Of a redemption of today: its amount, and one bit for cash (AMOUNT_RUPIAH_MAX needs 27 bits).
_CASH = 1 << 27


class Receipt:
    """One redemption as shown and printed; `state` is one of `firmware.states`, `remaining_rupiah` what is left now,
    `is_time_sure` whether the clock was trusted when it was made.
    """

    terminal_id: str
    sequence: int
    time_s: int
    is_time_sure: bool
    programme: int
    tender: int
    amount_rupiah: int
    remaining_rupiah: int
    items: tuple
    roster_number: int
    state: int


class Totals:
    """Of today: `count`, `goods_rupiah`, `cash_rupiah`, and of these `acknowledged_rupiah` (sealed at the gateway) and
    `settled_rupiah`. Of all days: `pending_rupiah`, which waits for the gateway.
    """

    def __init__(self) -> None:
        self.count = 0
        self.goods_rupiah = 0
        self.cash_rupiah = 0
        self.acknowledged_rupiah = 0
        self.settled_rupiah = 0
        self.pending_rupiah = 0


class DayBook:
    """Keeps sequence and amount of today's redemptions, 8 octets each; everything older is read when it is asked for.

    `unreadable` counts what flash did not give back: sums and lists then end before it, and a notice says so.
    """

    def __init__(self, ledger) -> None:
        self._ledger = ledger
        self._today = (0, 0, 0)
        self._sequences = array("I")  # lumbung: fits - 23 bits each
        self._amounts = array("I")  # lumbung: fits - 28 bits each
        self._newest = None
        self._oldest_waiting = (0, 0)
        self.unreadable = 0

    # Receipts.

    def receipts(self, first: int, count: int) -> list:
        """Redemptions, newest first, passing over the first `first`."""
        self._keep_up()
        found = []
        held = len(self._sequences)
        for place in range(held - 1 - first, max(-1, held - 1 - first - count), -1):
            found.extend([self._receipt(slot) for slot in self._records(self._sequences[place], 1)])
        if len(found) < count:
            before = self._sequences[0] if held else self._ledger.entitlements.last_sale + 1
            found.extend(self._older(before, max(0, first - held), count - len(found)))
        return found

    def _older(self, before: int, skip: int, count: int) -> list:
        """Receipts of redemptions before a sequence, newest first."""
        found = []
        for slot in self._backwards(before):
            if skip:
                skip -= 1
                continue
            found.append(self._receipt(slot))
            if len(found) == count:
                break
        return found

    def _backwards(self, before: int):
        """Generate the redemptions before a sequence, newest first, as far as the journal still has them."""
        while before > 1:
            start = max(1, before - _PAGE)
            held = self._records(start, before - start)
            for slot in reversed(held):
                if slot.kind == records.REDEMPTION:
                    yield slot
            if not held:
                return
            before = start

    def last(self) -> "Receipt | None":
        """The newest redemption, as it is known now; read once."""
        sequence = self._ledger.entitlements.last_sale
        if not sequence:
            return None
        if self._newest is None or self._newest.sequence != sequence:
            self._newest = self.at(sequence)
        return self._fresh(self._newest) if self._newest is not None else None

    def at(self, sequence: int) -> "Receipt | None":
        """The redemption at a sequence; None where the journal does not have it any more."""
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
        """The receipt of a redemption record of the family at a roster index."""
        receipt = Receipt()
        receipt.terminal_id = "%08X" % self._ledger.kid
        receipt.sequence = sequence
        receipt.time_s = record.time_s
        receipt.is_time_sure = record.time_trust != records.TRUST_UNSET
        receipt.programme = record.programme
        receipt.tender = record.tender
        receipt.amount_rupiah = record.amount_rupiah
        receipt.items = record.items
        receipt.roster_number = index + 1
        return self._fresh(receipt)

    def _fresh(self, receipt: Receipt) -> Receipt:
        """What may have moved since the record was made."""
        index = receipt.roster_number - 1
        receipt.remaining_rupiah = max(0, self._ledger.remaining_rupiah(receipt.programme, index))
        receipt.state = self.state_of(receipt.sequence)
        return receipt

    def state_of(self, sequence: int) -> int:
        """How far a record has come, as this terminal knows it."""
        marks = self._ledger.marks
        if sequence > marks.sealed_through:
            return states.RECORDED
        return _STATES.get(marks.settlement(sequence), states.SEALED_AT_GATEWAY)

    # The day.

    def totals(self) -> Totals:
        """Sums over the current local day; pending ones over all days."""
        self._keep_up()
        totals = Totals()
        totals.pending_rupiah = self._pending_rupiah()
        totals.count = len(self._sequences)
        for place in range(totals.count):
            amount_rupiah = self._amounts[place] & (_CASH - 1)
            if self._amounts[place] & _CASH:
                totals.cash_rupiah += amount_rupiah
            else:
                totals.goods_rupiah += amount_rupiah
            state = self.state_of(self._sequences[place])
            if state != states.RECORDED:
                totals.acknowledged_rupiah += amount_rupiah
            if state == states.SETTLED:
                totals.settled_rupiah += amount_rupiah
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
        """Bring today's redemptions up to the newest: times never fall, so today's are the last ones."""
        ledger = self._ledger
        offset_minutes = ledger.policy.utc_offset_minutes
        today = civil_date.local_date(ledger.now_s(), offset_minutes)
        if today != self._today:
            self._today = today
            self._sequences = array("I")  # lumbung: fits - empty
            self._amounts = array("I")  # lumbung: fits - empty
        known = self._sequences[-1] if len(self._sequences) else 0
        if ledger.entitlements.last_sale <= known:
            return
        new = []
        for slot in self._backwards(ledger.entitlements.last_sale + 1):
            record = records.decode(slot.payload)
            if slot.sequence <= known or civil_date.local_date(record.time_s, offset_minutes) != today:
                break
            new.append((slot.sequence, record.amount_rupiah | (_CASH if record.tender else 0)))
        for sequence, amount in reversed(new):
            self._sequences.append(sequence)
            self._amounts.append(amount)
