"""What happens at a terminal beside its sales: refusals are counted, faults kept in mind, events go into the chain."""

from firmware import refusals
from firmware.failures import FAILURES, refusal_of
from firmware.ledger import slots
from firmware.refusals import Refusal
from protocol import records, self_test

# Events that whoever stands there can bring about at will: at most so many of a kind in that time.
EVIDENCE_MAX = 8
EVIDENCE_WINDOW_MS = 3_600_000


class Incidents:
    """`reader_failed`: no card was read since the reader failed; `printer_failed`: the last document did not come out;
    `case_was_opened`: since the start; `refusal_counts`: by number since the start.
    """

    def __init__(self, ledger, clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._evidence_ms = {}
        self.reader_failed = False
        self.printer_failed = False
        self.case_was_opened = False
        self.refusal_counts = {}

    def case_opened(self) -> None:
        """Somebody opened the case."""
        self.case_was_opened = True
        self._commit_evidence(records.EVENT_TAMPER, b"")

    def record_self_test(self, detail: bytes) -> int:
        """Keep what a self-test found (protocol/self_test); the event's sequence, 0 where it cannot be kept."""
        good = self_test.decode(detail).passed
        self.reader_failed = self.reader_failed and not good & self_test.bit("reader")
        self.printer_failed = self.printer_failed and not good & self_test.bit("printer")
        return self._commit_evidence(records.EVENT_SELF_TEST, detail)

    def _note(self, refusal: Refusal) -> None:
        """Count every refusal; a card that is not authentic is evidence and becomes an event in the chain."""
        self._count(refusal)
        if refusal.number == refusals.CARD_NOT_AUTHENTIC:
            self._commit_evidence(records.EVENT_CARD_NOT_AUTHENTIC, refusal.detail.to_bytes(2, "big"))

    def _commit_evidence(self, code: int, detail: bytes) -> int:
        """An event, but only so often (else 0): whoever holds false cards, a cable or the case must not be able to fill the
        journal.
        """
        now_ms = self._clock.ticks_ms()
        before = self._evidence_ms.get(code, ())
        # Ticks go round in days: what seems to come yet is long past.
        recent = [at for at in before if 0 <= self._clock.ticks_diff(now_ms, at) < EVIDENCE_WINDOW_MS]
        self._evidence_ms[code] = recent
        if len(recent) >= EVIDENCE_MAX or self._ledger.journal.is_full():
            return 0
        recent.append(now_ms)
        return self._commit_event(code, 0, detail)

    def _count(self, refusal: Refusal) -> None:
        """Refusals by number since the start."""
        self.refusal_counts[refusal.number] = self.refusal_counts.get(refusal.number, 0) + 1
        if refusal.number == refusals.READER_FAULT:
            self.reader_failed = True

    def _commit_event(self, code: int, operator: int, detail: bytes, index: int = slots.NO_INDEX) -> int:
        """An event in the chain: its sequence. Where it cannot be kept (0), the terminal still shows, prints and sends; the
        notices say why nothing is kept.
        """
        event = self._ledger.record(records.EVENT, code=code, operator=operator, detail=detail)
        try:
            return int(self._ledger.commit(event, index))
        except FAILURES as failure:
            self._count(refusal_of(failure))
            return 0
