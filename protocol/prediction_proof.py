"""What codec 1 expects of a card proof: the card's usual answer, the day's date, and an ATC; never the cryptogram."""

from protocol import prediction_tables as likely
from protocol import prediction_values, records
from protocol.entropy import Coder
from protocol.prediction_tables import TYPICAL_FIELDS, Tables
from protocol.records import CardProof

# True for the type checker alone: nested imports cost stack, of which a device has little.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from protocol.context import RosterView

FIELDS = ("application_index", "transaction_date", "un_attempt") + TYPICAL_FIELDS


def read(proof: CardProof) -> tuple:  # type: ignore[type-arg]
    """The values of `FIELDS`."""
    return (
        proof.application_index,
        proof.transaction_date,
        proof.un_attempt,
        proof.pan_sequence,
        proof.cid,
        proof.aip,
        proof.tvr,
        proof.cvm_results,
        proof.iad,
    )


class ProofModel:
    """The card proofs of one frame so far."""

    def __init__(self, coder: Coder, tables: Tables, roster: "RosterView") -> None:
        self._coder = coder
        self._tables = tables
        self._roster = roster
        # The application used last.
        self.application = 0
        self._answers: dict[int, tuple] = {}  # type: ignore[type-arg]
        self._expected: dict[int, tuple] = {}  # type: ignore[type-arg]
        self._changing: dict[tuple[str, int], tuple[int, ...]] = {}
        self._atcs = likely.ATC_FIRST
        # The local day that was last asked for.
        self._day = (0, 0, b"")

    def expected_application(self, index: int, place: int) -> int:
        """The first application of the policy that the card has; the one used last where the roster does not know."""
        if index >= 0:
            applications = self._roster.applications(index, place)
            for i in range(len(self._tables.methods)):
                if applications >> i & 1:
                    return i
        return self.application

    def expected(self, application: int, time_s: int, is_redemption: bool) -> tuple:  # type: ignore[type-arg]
        """The values of `FIELDS` that a card of `application` is expected to give."""
        if not self._day[0] <= time_s < self._day[1]:
            self._expected = {}
            self._day = self._tables.day_of(time_s)
        key = application << 1 | is_redemption
        values = self._expected.get(key)
        if values is None:
            answer = self._answers.get(key) or self._tables.typical_answer(application, is_redemption)
            self._expected[key] = values = (application, self._day[2], 0) + answer
        return values

    def departing(
        self,
        mask: int,
        actual: tuple,  # type: ignore[type-arg]
        application: int,
        time_s: int,
        is_redemption: bool,
    ) -> tuple:  # type: ignore[type-arg]
        """The values of `FIELDS` where those in `mask` depart from what is expected; `actual` is () when decoding."""
        if mask & 1:
            application = prediction_values.number(self._coder, FIELDS[0], actual[0] if actual else 0)
        self.application = application
        values = list(self.expected(application, time_s, is_redemption))
        for i in range(1, len(FIELDS)):
            if mask >> i & 1:
                given = actual[i] if actual else None
                if isinstance(values[i], int):
                    values[i] = prediction_values.number(self._coder, FIELDS[i], given or 0)
                else:
                    values[i] = self._like(FIELDS[i], given or b"", values[i])
        return tuple(values)

    def remember(self, values: tuple, is_redemption: bool) -> None:  # type: ignore[type-arg]
        """Expect the answer in `values` of the next card that has this application."""
        key = values[0] << 1 | is_redemption
        self._answers[key] = values[3:]
        self._expected.pop(key, None)

    def _like(self, field: str, value: bytes, expected: bytes) -> bytes:
        """Octets that resemble `expected`. Where those octets change that changed last time, they alone are sent."""
        coder = self._coder
        length = len(expected)
        if field == "iad" and coder.choice(
            field, 1 if coder.encoding and len(value) != length else 0, likely.RATHER
        ):
            length = coder.uniform(field, len(value), records.IAD_OCTETS_MAX + 1)
            return coder.octets(field, value, length)
        known = self._changing.get((field, self.application), ())
        if known and known[-1] < length:
            others = 0
            for i in range(length if coder.encoding else 0):
                if value[i] != expected[i] and i not in known:
                    others = 1
            if not coder.choice(field, others, likely.LIKELY):
                out = bytearray(expected)
                for i in known:
                    out[i] = coder.bits(field, value[i] if coder.encoding else 0, 8)
                return bytes(out)
        octets, changed = prediction_values.octets_like(coder, field, value, expected)
        self._changing[(field, self.application)] = changed
        return octets

    def cryptogram(self, proof: CardProof, before: int) -> None:
        """ATC and AC of `proof`: the ATC counted on from the same card's tap `before` (-1: none in this frame), else
        by range. Both go as one number, since each step of the coder costs time.
        """
        coder = self._coder
        encoding = coder.encoding
        atc = proof.atc if encoding else 0
        start = 0
        width = 0
        step = likely.OTHER_STEP
        if before >= 0:
            if encoding and 0 < atc - before <= likely.OTHER_STEP:
                step = atc - before - 1
            step = coder.choice("atc", step, likely.ATC_STEPS)
            start = before + 1 + step
        if step == likely.OTHER_STEP:
            place = likely.ATC_LARGE
            if atc < likely.ATC_SMALL:
                place = 0 if atc < 128 else 1 if atc < 384 else 2
            place = coder.choice("atc", place, self._atcs)
            self._atcs = likely.ATC_AFTER_LARGE if place == likely.ATC_LARGE else likely.ATC_AFTER_SMALL
            start, width = likely.ATC_RANGES[place]
        value = 0
        if encoding:
            value = atc - start << 64 | int.from_bytes(proof.ac, "big")
        value = coder.bits("ac", value, width + 64)
        if not encoding:
            proof.atc = start + (value >> 64)
            proof.ac = (value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")
