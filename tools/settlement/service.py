"""What the sandbox does with a request: segments in, one answer for each record out; HTTP is `app`'s business."""

import hashlib
from dataclasses import dataclass
from typing import Any

from protocol import records
from protocol.errors import ProtocolError
from protocol.records import Record
from tools.settlement import books as bookkeeping
from tools.settlement import evidence
from tools.settlement.books import Booking, Books
from tools.settlement.cryptogram import Issuer
from tools.settlement.evidence import EvidenceError


class RequestError(Exception):
    """The request as a whole is not of the contract; `field` says where."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


@dataclass(frozen=True)
class Segment:
    """Records `first` .. of one terminal, with what proves them."""

    kid: int
    certificate: bytes
    un_key_commitment: bytes
    first: int
    records: list[bytes]
    seal: bytes
    unpredictable_numbers: dict[int, bytes]


def parse(body: Any) -> list[Segment]:
    """The segments of a request body; raises `RequestError` naming the field."""
    if not isinstance(body, dict) or not isinstance(body.get("segments"), list):
        raise RequestError("segments", "missing")
    return [_segment(place, item) for place, item in enumerate(body["segments"])]


def _segment(place: int, item: Any) -> Segment:
    """One segment."""
    at = f"segments[{place}]"
    try:
        numbers = {int(key): bytes.fromhex(value) for key, value in item["unpredictable_numbers"].items()}
        segment = Segment(
            kid=int(item["kid"], 16),
            certificate=bytes.fromhex(item["certificate"]),
            un_key_commitment=bytes.fromhex(item["un_key_commitment"]),
            first=int(item["first"]),
            records=[bytes.fromhex(record) for record in item["records"]],
            seal=bytes.fromhex(item["seal"]),
            unpredictable_numbers=numbers,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RequestError(at, f"{type(error).__name__}: {error}") from error
    if not segment.records or segment.first < 1:
        raise RequestError(at, "no records, or a sequence below 1")
    return segment


class Settlement:
    """Books segments under an authority key and an issuer."""

    def __init__(self, books: Books, authority_key: bytes, issuer: Issuer) -> None:
        self._books = books
        self._authority_key = authority_key
        self._issuer = issuer

    def settle(self, segments: list[Segment]) -> dict[str, Any]:
        """Book what is new, answer what is known; one commit for the request."""
        with self._books:
            return {"results": [self._settle(segment) for segment in segments]}

    def _settle(self, segment: Segment) -> dict[str, Any]:
        """One segment's answer."""
        answer: dict[str, Any] = {"kid": f"{segment.kid:08x}", "error": None, "expected_first": None, "records": []}
        try:
            certificate = evidence.certified(segment.certificate, self._authority_key)
            if certificate.kid != segment.kid:
                raise EvidenceError("certificate", "of another kid")
            answer["records"] = [_answer(booking) for booking in self._book(segment, certificate)]
        except _Gap as gap:
            answer["error"] = "gap"
            answer["expected_first"] = gap.expected_first
        except EvidenceError as error:
            answer["error"] = error.code
        return answer

    def _book(self, segment: Segment, certificate: Any) -> list[Booking]:
        """The bookings of all records of a segment, new ones made after the whole segment is proved."""
        head = self._books.head(segment.kid)
        sequence, chain = head or (0, evidence.chain_start(certificate, segment.un_key_commitment))
        if segment.first > sequence + 1:
            raise _Gap(sequence + 1)
        known = segment.records[: sequence + 1 - segment.first]
        fresh = segment.records[len(known) :]
        bookings = [self._known(segment, place, record) for place, record in enumerate(known)]
        if not fresh:
            return bookings
        values = evidence.sealed_chain(certificate, chain, sequence + 1, fresh, segment.seal)
        for place, record in enumerate(fresh):
            bookings.append(self._book_one(segment, sequence + 1 + place, record))
        self._books.advance(segment.kid, sequence + len(fresh), values[-1])
        return bookings

    def _known(self, segment: Segment, place: int, record: bytes) -> Booking:
        """A record that was booked before: the same answer, unless its octets are others."""
        booking = self._books.booking(segment.kid, segment.first + place)
        if booking is None or booking.digest != hashlib.sha256(record).digest():
            raise EvidenceError("conflict", f"record {segment.first + place} was booked with another digest")
        return booking

    def _book_one(self, segment: Segment, sequence: int, octets: bytes) -> Booking:
        """Decide and book one record."""
        try:
            record = records.decode(octets)
        except ProtocolError as error:
            raise EvidenceError("record", f"record {sequence}: {error}") from error
        outcome, reason, amount_rupiah = self._decide(segment, sequence, record)
        booking = Booking(sequence, hashlib.sha256(octets).digest(), outcome, reason, amount_rupiah)
        self._books.book(segment.kid, octets, booking)
        return booking

    def _decide(self, segment: Segment, sequence: int, record: Record) -> tuple[str, str | None, int]:
        """(outcome, reason, amount) of a record that the seal proves."""
        if record.kind == records.VOID:
            return self._decide_void(segment, sequence, record)
        if record.kind != records.REDEMPTION or record.proof is None:
            return bookkeeping.RECORDED, None, 0
        number = segment.unpredictable_numbers.get(sequence)
        if number is None:
            return bookkeeping.REFUSED, "unpredictable number missing", record.amount_rupiah
        reason = self._issuer.refuses(record.card_key, record.proof, record.amount_rupiah, record.tender, number)
        if reason:
            return bookkeeping.REFUSED, reason, record.amount_rupiah
        proof = record.proof
        if not self._books.use_card(record.card_key, proof.application_index, proof.atc, segment.kid, sequence):
            return bookkeeping.DISPUTED, "this ATC of the card was settled before", record.amount_rupiah
        return bookkeeping.SETTLED, None, record.amount_rupiah

    def _decide_void(self, segment: Segment, sequence: int, record: Record) -> tuple[str, str | None, int]:
        """A void nets the redemption it refers to, if its own card proof holds."""
        number = segment.unpredictable_numbers.get(sequence)
        reason = "unpredictable number missing"
        if number is not None and record.proof is not None:
            # The second tap is a zero-amount GENERATE AC, of the tender goods.
            reason = self._issuer.refuses(record.card_key, record.proof, 0, records.TENDER_GOODS, number) or ""
        if reason:
            return bookkeeping.DISPUTED, reason, 0
        voided = self._books.void(segment.kid, record.reference_sequence)
        if voided is None:
            return bookkeeping.DISPUTED, "nothing to void", 0
        return bookkeeping.RECORDED, None, 0


class _Gap(Exception):
    """Records are missing before the segment."""

    def __init__(self, expected_first: int) -> None:
        super().__init__(f"expected record {expected_first}")
        self.expected_first = expected_first


def _answer(booking: Booking) -> dict[str, Any]:
    """One record's answer as the contract has it."""
    return {
        "sequence": booking.sequence,
        "digest": booking.digest.hex(),
        "outcome": booking.outcome,
        "reason": booking.reason,
        "amount_rupiah": booking.amount_rupiah,
    }
