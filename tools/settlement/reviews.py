"""What a person decided about disputed redemptions, and how far the bank follows: never beyond an exposure that was signed.

Who asks is believed in nothing but in what to refuse. What is paid has to be proved like any redemption, and its money is
the exposure that the authority put by when it gave the terminal's leases to another one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from protocol.takeover import TAKEOVER_OCTETS, Takeover
from tools.settlement import entries, evidence
from tools.settlement.books import Books
from tools.settlement.entries import Booking
from tools.settlement.evidence import EvidenceError
from tools.settlement.request import RequestError, hexadecimal, kid_of, sequence_of

PAY = "pay"
REFUSE = "refuse"
TEXT_MAX = 200
SIGNATURE_OCTETS = 64
_FIELDS = {"kid", "first", "last", "verdict", "reviewer", "reason", "takeover"}


@dataclass(frozen=True)
class Review:
    """`verdict` (PAY or REFUSE) on the disputed redemptions `first` to `last` of `kid`; `takeover`: signed, b"" for none."""

    kid: int
    first: int
    last: int
    verdict: str
    reviewer: str
    reason: str
    takeover: bytes = b""


def parse(body: Any) -> Review:
    """The review in a request body; raises `RequestError`."""
    if not isinstance(body, dict):
        raise RequestError("body", "not an object")
    if set(body) - _FIELDS:
        raise RequestError("body", "holds a field that the contract does not name")
    first, last = sequence_of(body.get("first"), "first"), sequence_of(body.get("last"), "last")
    if last < first:
        raise RequestError("last", "is before first")
    if body.get("verdict") not in (PAY, REFUSE):
        raise RequestError("verdict", "neither pay nor refuse")
    octets = TAKEOVER_OCTETS + SIGNATURE_OCTETS
    signed = hexadecimal(body["takeover"], "takeover", octets, octets) if "takeover" in body else b""
    if body["verdict"] == PAY and not signed:
        raise RequestError("takeover", "missing: nothing is paid without one")
    return Review(
        kid_of(body.get("kid"), "kid"),
        first,
        last,
        body["verdict"],
        _text(body.get("reviewer"), "reviewer"),
        _text(body.get("reason"), "reason"),
        signed,
    )


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= TEXT_MAX:
        raise RequestError(field, f"not a text of 1 to {TEXT_MAX} characters")
    if not value.isprintable():
        raise RequestError(field, "has characters that cannot be printed")
    return value.strip()


class Reviews:
    """`decide(kid, booking)` says (outcome, reason) of a booked redemption by its own evidence, and claims its card use."""

    def __init__(
        self, books: Books, authority_key: bytes, decide: Callable[[int, Booking], tuple[str, str | None]]
    ) -> None:
        self._books = books
        self._authority_key = authority_key
        self._decide = decide

    def answer(self, review: Review) -> dict[str, Any]:
        """What is booked now of the redemptions in the range; inside of a commit."""
        told: dict[str, Any] = {"kid": f"{review.kid:08x}", "error": None, "expected_first": None}
        try:
            bookings = self._review(review)
        except EvidenceError as error:
            return told | {"error": error.code, "records": []}
        return told | {"records": [entries.answer_of(booking) for booking in bookings]}

    def _review(self, review: Review) -> list[Booking]:
        granted = self._exposure(review) if review.takeover else None
        reviewed = []
        for booking in self._books.redemptions(review.kid, review.first, review.last):
            if booking.outcome == entries.DISPUTED and not booking.voided_by:
                if review.verdict == REFUSE:
                    why = f"refused by {review.reviewer}: {review.reason} (the shop bears it)"
                    outcome = entries.REFUSED
                else:
                    assert granted is not None, "a review that pays has a takeover"
                    outcome, why = self._pay(review, booking, granted)
                changed = replace(booking, outcome=outcome, reason=why)
                self._books.decide(review.kid, changed)
                reviewed.append(changed)
            else:
                reviewed.append(booking)
        return reviewed

    def _pay(self, review: Review, booking: Booking, granted: Takeover) -> tuple[str, str]:
        """(outcome, reason) of one that is to be paid: as its evidence says, while the exposure lasts."""
        if booking.sequence <= granted.sealed_through:
            return booking.outcome, booking.reason or ""
        spent_rupiah = self._books.exposure_spent(review.kid)
        if spent_rupiah + booking.amount_rupiah > granted.exposure_rupiah:
            return entries.DISPUTED, f"beyond the exposure of Rp {granted.exposure_rupiah}"
        outcome, reason = self._decide(review.kid, booking)
        if outcome != entries.SETTLED:
            return outcome, reason or ""
        self._books.spend_exposure(review.kid, booking)
        return outcome, f"late, paid on the word of {review.reviewer}: {review.reason} (the fund bears it)"

    def _exposure(self, review: Review) -> Takeover:
        """The takeover, proved to be of this very chain; what it puts by is held."""
        granted = evidence.taken_over(review.takeover, self._authority_key)
        if granted.old != review.kid:
            raise EvidenceError("takeover", "of another terminal")
        booked = self._books.booking(review.kid, granted.sealed_through) if granted.sealed_through else None
        if granted.sealed_through and (booked is None or booked.chain != granted.chain):
            raise EvidenceError("takeover", "on another chain than was booked")
        self._books.hold_exposure(review.kid, granted.exposure_rupiah)
        return granted
