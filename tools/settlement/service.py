"""What the sandbox does with a request: segments in, one answer for each record out; HTTP is `app`'s business."""

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any

from protocol import certificates, records
from protocol.certificates import TerminalCertificate
from protocol.errors import ProtocolError
from protocol.policy import Policy
from protocol.records import Record
from tools.settlement import entries, evidence
from tools.settlement.books import Books
from tools.settlement.cryptogram import Issuer, Transaction
from tools.settlement.entries import Booking, Evidence, Terminal, answer_of
from tools.settlement.evidence import EvidenceError
from tools.settlement.request import Segment
from tools.settlement.reviews import Review, Reviews

LATE = "the lease had gone to another terminal"


class Settlement:
    """Books segments under an authority's key, the policies that it signed, and an issuer's cards.

    `policies`: by digest; which one is in force for a terminal, its adoption records say.
    """

    def __init__(
        self, books: Books, authority_key: bytes, policies: dict[bytes, Policy], issuer: Issuer
    ) -> None:
        self._books = books
        self._authority_key = authority_key
        self._policies = policies
        self._issuer = issuer
        self._reviews = Reviews(books, authority_key, self._decide_again)

    def settle(self, segments: list[Segment], idempotency_key: str = "") -> dict[str, Any]:
        """Book what is new, answer what is known; one durable commit for the request."""
        with self._books:
            return {"results": [self._settle(segment, idempotency_key) for segment in segments]}

    def review(self, review: Review, idempotency_key: str) -> dict[str, Any]:
        """Follow a person's decision about disputed redemptions as far as evidence and exposure go; one durable commit."""
        with self._books:
            self._books.keep_review(idempotency_key, json.dumps(asdict(review), default=bytes.hex))
            return self._reviews.answer(review)

    def _settle(self, segment: Segment, idempotency_key: str) -> dict[str, Any]:
        """One segment's answer; with an error, nothing of the segment was booked."""
        answer: dict[str, Any] = {
            "kid": f"{segment.kid:08x}",
            "error": None,
            "expected_first": None,
            "records": [],
        }
        try:
            answer["records"] = [answer_of(booking) for booking in self._book(segment, idempotency_key)]
        except EvidenceError as error:
            answer["error"] = error.code
            answer["expected_first"] = error.expected_first
        return answer

    def _book(self, segment: Segment, idempotency_key: str) -> list[Booking]:
        """The bookings of all records of a segment; new ones are made after the whole segment is proved."""
        certificate = self._certificate(segment)
        terminal = self._terminal(segment, certificate)
        if segment.provisional_before:
            return self._book_provisional(segment, terminal, certificate, idempotency_key)
        if segment.write_off:
            terminal = self._go_behind(segment, terminal)
        if segment.first > terminal.sequence + 1:
            raise EvidenceError("gap", "records are missing before the segment", terminal.sequence + 1)
        known = segment.records[: terminal.sequence + 1 - segment.first]
        bookings = [self._known(segment, place, certificate, idempotency_key) for place in range(len(known))]
        fresh = segment.records[len(known) :]
        if not fresh:
            return bookings
        first = terminal.sequence + 1
        if terminal.frozen_from:
            raise EvidenceError("conflict", f"frozen, record {terminal.frozen_from} was sealed twice")
        chains = evidence.sealed_chain(certificate, terminal.chain, first, fresh, segment.seal)
        has_early = self._compare(segment, terminal, dict(enumerate(chains, first)), idempotency_key)
        early = self._books.booked_behind(segment.kid, terminal.sequence) if has_early else set()
        decoded = _decode(first, fresh)
        policies = self._policies_of(terminal, first, decoded)
        for place, record in enumerate(decoded):
            known_one = self._books.booking(segment.kid, first + place) if has_early else None
            if known_one is None:
                booking = _booking(first + place, record, fresh[place], chains[place])
                known_one = self._decide(segment, booking, record, policies[place], (first, early))
            bookings.append(known_one)
        self._books.put_terminal(
            replace(
                terminal,
                sequence=segment.last,
                chain=chains[-1],
                policy=policies[-1].digest if policies[-1] else b"",
            )
        )
        if has_early:
            self._books.pass_confirmed(segment.kid, segment.last)
        self._keep(segment, idempotency_key, conflicts=False)
        return bookings

    # Behind a gap.

    def _book_provisional(
        self, segment: Segment, terminal: Terminal, certificate: TerminalCertificate, idempotency_key: str
    ) -> list[Booking]:
        """Settle what is right and within the cap of a segment behind a gap; all else is held until the gap closes."""
        if terminal.frozen_from:
            raise EvidenceError("conflict", f"frozen, record {terminal.frozen_from} was sealed twice")
        before = segment.provisional_before
        chains = evidence.sealed_chain(certificate, before, segment.first, segment.records, segment.seal)
        told = {segment.first - 1: before, **dict(enumerate(chains, segment.first))}
        self._compare(segment, terminal, told, idempotency_key)
        self._books.confirm(segment.kid, {n: value for n, value in told.items() if n > terminal.sequence})
        decoded = _decode(segment.first, segment.records)
        held = self._policies.get(terminal.policy)
        room_rupiah = held.channels.provisional_cap_rupiah if held else 0
        room_rupiah -= self._books.settled_behind(segment.kid, terminal.sequence)
        voided = {record.reference_sequence for record in decoded if record.kind == records.VOID}
        bookings = []
        for place, record in enumerate(decoded):
            sequence = segment.first + place
            booking = self._books.booking(segment.kid, sequence)
            if booking is None:
                booking = replace(
                    _booking(sequence, record, segment.records[place], chains[place]),
                    outcome=entries.HELD,
                    reason="behind a gap",
                )
                is_likely = record.kind == records.REDEMPTION and sequence not in voided
                is_leased = is_likely and sequence not in segment.late
                if held is not None and is_leased and record.amount_rupiah <= room_rupiah:
                    booking = self._settle_early(segment, booking, record, held)
                    room_rupiah -= booking.amount_rupiah
            bookings.append(booking)
        self._keep(segment, idempotency_key, conflicts=False)
        return bookings

    def _settle_early(self, segment: Segment, booking: Booking, record: Record, policy: Policy) -> Booking:
        """Book a redemption that is right as far as can be seen; a refusal would be final, so that has to wait."""
        number = segment.unpredictable_numbers.get(booking.sequence)
        outcome, reason = self._decide_redemption(segment.kid, booking, record, policy, number)
        if outcome != entries.SETTLED:
            return replace(booking, reason=f"behind a gap: {reason}")
        booking = replace(booking, outcome=outcome, reason=None, amount_rupiah=record.amount_rupiah)
        self._books.book(segment.kid, booking)
        return booking

    def _compare(
        self, segment: Segment, terminal: Terminal, told: dict[int, bytes], idempotency_key: str
    ) -> bool:
        """Hold a proved chain against what was proved before; tell whether anything was, behind the booked records."""
        confirmed = self._books.confirmed(segment.kid)
        known = {**confirmed, terminal.sequence: terminal.chain}
        if any(known.get(sequence, value) != value for sequence, value in told.items()):
            self._books.freeze(segment.kid, terminal.sequence + 1)
            self._keep(segment, idempotency_key, conflicts=True)
            raise EvidenceError("conflict", f"another chain was sealed behind record {terminal.sequence}")
        return bool(confirmed)

    def _go_behind(self, segment: Segment, terminal: Terminal) -> Terminal:
        """The terminal as it is after a write-off; the same where that has taken effect before."""
        given_up = evidence.given_up(segment.write_off, self._authority_key)
        if terminal.sequence >= given_up.last:
            return terminal
        if (given_up.kid, given_up.first) != (segment.kid, terminal.sequence + 1):
            raise EvidenceError("write_off", "of other records than those that are missing")
        if self._books.confirmed(segment.kid).get(given_up.last, given_up.chain) != given_up.chain:
            raise EvidenceError("write_off", "another chain value was proved")
        return replace(terminal, sequence=given_up.last, chain=given_up.chain)

    # What proves a segment.

    def _certificate(self, segment: Segment) -> TerminalCertificate:
        """The terminal's certificate; a kid has one for life."""
        certificate = evidence.certified(segment.certificate, self._authority_key)
        if certificate.kid != segment.kid:
            raise EvidenceError("certificate", "of another kid")
        return certificate

    def _terminal(self, segment: Segment, certificate: TerminalCertificate) -> Terminal:
        """The terminal as the books have it, or as it starts."""
        terminal = self._books.terminal(segment.kid)
        if terminal is None:
            start = evidence.chain_start(certificate, segment.un_key_commitment)
            return Terminal(segment.kid, segment.certificate, segment.un_key_commitment, 0, start, b"")
        body, _ = certificates.split_signature(segment.certificate, "terminal certificate")
        booked, _ = certificates.split_signature(terminal.certificate, "terminal certificate")
        if (body, segment.un_key_commitment) != (booked, terminal.commitment):
            raise EvidenceError("certificate", "other keys than those of the booked records")
        return terminal

    def _known(
        self, segment: Segment, place: int, certificate: TerminalCertificate, idempotency_key: str
    ) -> Booking:
        """A record that was booked before: the same answer, unless its octets are others."""
        sequence = segment.first + place
        booking = self._books.booking(segment.kid, sequence)
        if booking is None:
            octets = segment.records[place]
            (record,) = _decode(sequence, (octets,))
            return replace(
                _booking(sequence, record, octets, b""),
                outcome=entries.DISPUTED,
                reason="was written off",
            )
        if booking.digest == hashlib.sha256(segment.records[place]).digest():
            return booking
        # Only a sealed version is a fork; anything else would let nonsense freeze a terminal.
        before = self._books.booking(segment.kid, segment.first - 1)
        start = evidence.chain_start(certificate, segment.un_key_commitment)
        evidence.sealed_chain(
            certificate, before.chain if before else start, segment.first, segment.records, segment.seal
        )
        self._books.freeze(segment.kid, sequence)
        self._keep(segment, idempotency_key, conflicts=True)
        raise EvidenceError("conflict", f"record {sequence} was booked with another digest")

    def _policies_of(self, terminal: Terminal, first: int, decoded: list[Record]) -> list[Policy | None]:
        """The policy in force at each record, which the terminal's own adoptions name."""
        held = self._policies.get(terminal.policy)
        found = []
        for place, record in enumerate(decoded):
            if record.kind == records.ADOPTION and record.subject == records.SUBJECT_POLICY:
                held = self._policies.get(record.digest)
                if held is None:
                    raise EvidenceError("policy", f"record {first + place} adopts a policy not held here")
            if held is None and record.kind in (records.REDEMPTION, records.VOID):
                raise EvidenceError("policy", f"record {first + place} comes before any policy")
            found.append(held)
        return found

    def _keep(self, segment: Segment, idempotency_key: str, conflicts: bool) -> None:
        """Seal, Unpredictable Numbers and raw frames for whoever reviews this later."""
        numbers = {
            str(sequence): segment.unpredictable_numbers[sequence].hex()
            for sequence in sorted(segment.unpredictable_numbers)
        }
        self._books.keep(
            Evidence(
                kid=segment.kid,
                first=segment.first,
                last=segment.last,
                seal=segment.seal,
                idempotency_key=idempotency_key,
                numbers=json.dumps(numbers),
                conflicts=conflicts,
                records=b"".join(bytes((len(r),)) + r for r in segment.records) if conflicts else b"",
            ),
            {hashlib.sha256(octets).digest(): octets for octets in segment.frames},
        )

    # Decisions.

    def _decide(
        self,
        segment: Segment,
        booking: Booking,
        record: Record,
        policy: Policy | None,
        new: tuple[int, set[int]],
    ) -> Booking:
        """Book one record that the seal proves; `new`: the first new one of this segment, and those paid before it."""
        first, early = new
        number = segment.unpredictable_numbers.get(booking.sequence)
        if booking.sequence in segment.late and record.kind == records.REDEMPTION:
            rupiah = record.amount_rupiah
            booking = replace(booking, outcome=entries.DISPUTED, reason=LATE, amount_rupiah=rupiah)
        elif policy is not None and record.kind == records.REDEMPTION:
            outcome, reason = self._decide_redemption(segment.kid, booking, record, policy, number)
            booking = replace(booking, outcome=outcome, reason=reason, amount_rupiah=record.amount_rupiah)
        elif policy is not None and record.kind == records.VOID:
            reason = self._objects_to_void(segment.kid, record, policy, number)
            if reason:
                booking = replace(booking, outcome=entries.DISPUTED, reason=reason)
            else:
                self._books.void(segment.kid, record.reference_sequence, booking.sequence)
                if record.reference_sequence < first or record.reference_sequence in early:
                    booking = replace(booking, reason="paid before the void: the bank claims it back")
        self._books.book(segment.kid, booking)
        return booking

    def _decide_redemption(
        self, kid: int, booking: Booking, record: Record, policy: Policy, number: bytes | None
    ) -> tuple[str, str | None]:
        """(outcome, reason) of a redemption."""
        proof = record.proof
        assert proof is not None, "no redemption decodes without a proof"
        if number is None:
            return entries.REFUSED, "unpredictable number missing"
        transaction = Transaction(record.amount_rupiah, record.tender, number)
        reason = self._issuer.refuses(policy, record.card_key, proof, transaction, declined=False)
        if reason:
            return entries.REFUSED, reason
        if not self._books.use_card(
            record.card_key, proof.application_index, proof.atc, kid, booking.sequence
        ):
            return entries.DISPUTED, "this ATC of the card was settled before"
        return entries.SETTLED, None

    def _decide_again(self, kid: int, booking: Booking) -> tuple[str, str | None]:
        """(outcome, reason) of a booked redemption by the evidence that came with it."""
        policy = self._policies.get(self._books.policy_at(kid, booking.sequence))
        if policy is None:
            return entries.DISPUTED, "its policy is not held here"
        number = self._books.number(kid, booking.sequence)
        return self._decide_redemption(kid, booking, records.decode(booking.record), policy, number)

    def _objects_to_void(self, kid: int, record: Record, policy: Policy, number: bytes | None) -> str | None:
        """Why a void nets nothing, or None. Its proof is an AAC over no amount, from the card that was debited."""
        booked = self._books.booking(kid, record.reference_sequence)
        if booked is None or booked.kind != records.REDEMPTION:
            return "no redemption of that number"
        redemption = records.decode(booked.record)
        for field in ("card_key", "programme", "period", "amount_rupiah"):
            if getattr(redemption, field) != getattr(record, field):
                return f"{field} is not the redemption's"
        if booked.voided_by:
            return "voided before"
        if self._books.goods_received(kid, record.reference_sequence):
            return "the goods were received"
        if number is None or record.proof is None:
            return "unpredictable number missing"
        transaction = Transaction(0, records.TENDER_GOODS, number)
        return self._issuer.refuses(policy, record.card_key, record.proof, transaction, declined=True)


def _decode(first: int, octets: tuple[bytes, ...]) -> list[Record]:
    """Canonical records; nothing of a segment is booked unless all of it reads."""
    decoded = []
    for place, one in enumerate(octets):
        try:
            decoded.append(records.decode(one))
        except ProtocolError as error:
            raise EvidenceError("record", f"record {first + place}: {error}") from error
    return decoded


def _booking(sequence: int, record: Record, octets: bytes, value: bytes) -> Booking:
    """A record as it is booked where no money moves; `value` is the chain value after it."""
    return Booking(
        sequence=sequence,
        kind=record.kind,
        record=octets,
        digest=hashlib.sha256(octets).digest(),
        chain=value,
        outcome=entries.RECORDED,
        reason=None,
        amount_rupiah=0,
        reference=getattr(record, "reference_sequence", 0),
    )
