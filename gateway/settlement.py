"""The settlement service as the gateway calls it: segments of a chain with all evidence, answers per record.

A provisional segment lies behind a gap: it goes on from a chain value that its seal confirms, and the service may hold its
records instead of deciding them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2

from gateway import config as configuration
from gateway import keys, signatures
from gateway.config import Settlement
from gateway.documents import Kind
from gateway.errors import SettlementRefusedError, SettlementUnavailableError
from gateway.keys import KeyRing
from gateway.store.interface import (
    DecisionRow,
    OutboxRow,
    ProvisionalRow,
    Reader,
    RecordRow,
    RecordState,
    TerminalRow,
)
from protocol import certificates, chain, records, unpredictable_number, write_off
from protocol.write_off import WriteOff

# The service itself is fine, but not for us or not now: these are ours to mend or to wait for.
_RETRIED_4XX = (401, 403, 404, 408, 425, 429)
_CLIENT_ERROR = range(400, 500)
_OK = 200
_STATES = {
    "settled": RecordState.SETTLED,
    "refused": RecordState.REFUSED,
    "disputed": RecordState.DISPUTED,
    "recorded": RecordState.RECORDED,
}
_HELD = "held"
_PROVISIONAL = b"provisional"
_REASON_MAX = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Segment:
    """Records `first` to `last` of one terminal, all kinds, ending at a seal; `rows` are the records."""

    terminal: TerminalRow
    rows: Sequence[RecordRow | ProvisionalRow]
    content: dict[str, Any]
    is_provisional: bool = False

    def holds(self, row: OutboxRow) -> bool:
        """Tell whether a run of the outbox is part of it."""
        is_inside = row.kid == self.kid and self.first <= row.first <= self.last
        return is_inside and bool(row.before) == self.is_provisional

    @property
    def kid(self) -> int:
        """Whose records they are."""
        return self.terminal.kid

    @property
    def first(self) -> int:
        """Sequence of the first record."""
        return self.rows[0].sequence

    @property
    def last(self) -> int:
        """Sequence of the last record, which is sealed."""
        return self.rows[-1].sequence


def segment(
    reader: Reader, ring: KeyRing, kid: int, first: int, last: int, provisional_before: bytes = b""
) -> Segment:
    """The evidence for a range: certificate, chain, records, seal, unpredictable numbers, frames as received.

    `provisional_before`: the chain value before a range that is not sealed yet, or only in part.
    """
    terminal = reader.terminal(kid)
    assert terminal is not None
    rows: list[RecordRow | ProvisionalRow] = [*reader.records(kid, first, last)]
    if provisional_before:
        rows += reader.provisional(kid, first, last)
    assert len(rows) == last - first + 1, "sealed records have no holes"
    certificate = certificates.decode_terminal(terminal.certificate[: -signatures.SIGNATURE_OCTETS])
    un_key = keys.LastingKeys(ring.get(terminal.gateway_key_id), kid, certificate.agreement_key).un_key
    given_up = b""
    if provisional_before:
        before = provisional_before
    elif first > 1:
        before, given_up = sealed_before(reader, kid, first - 1)
    else:
        before = chain.start(kid, certificate.seal_key, certificate.agreement_key, un_key)
    frames = reader.frames(sorted({row.frame_id for row in rows}))
    content = {
        "kid": f"{kid:08x}",
        "certificate": terminal.certificate.hex(),
        "un_key_commitment": hashlib.sha256(un_key).hexdigest(),
        "first": first,
        "chain_before": before.hex(),
        "records": [row.octets.hex() for row in rows],
        "seal": rows[-1].seal.hex(),
        "unpredictable_numbers": _unpredictable_numbers(un_key, rows),
        "frames": [frame.octets.hex() for frame in frames],
    }
    if provisional_before:
        content["provisional"] = True
    if given_up:
        content["write_off"] = given_up.hex()
    late = _late(reader, terminal, rows)
    if late:
        content["late"] = late
    return Segment(terminal, rows, content, bool(provisional_before))


def _late(reader: Reader, terminal: TerminalRow, rows: Sequence[RecordRow | ProvisionalRow]) -> list[int]:
    """Sequences of what a retired terminal spent after its leases had gone."""
    if not 0 <= terminal.retired_through < rows[-1].sequence:
        return []
    kept = set(reader.kept(terminal.kid))
    behind = (row for row in rows if row.sequence > terminal.retired_through and row.sequence not in kept)
    return [row.sequence for row in behind if row.octets[0] == records.REDEMPTION]


def sealed_before(reader: Reader, kid: int, sequence: int) -> tuple[bytes, bytes]:
    """(chain value, signed write-off or b"") at the last sequence before a segment."""
    known = reader.chain(kid, sequence, sequence)
    if known:
        return known[0].chain, b""
    return next(
        (given_up.chain, signed) for given_up, signed in write_offs(reader, kid) if given_up.last == sequence
    )


def write_offs(reader: Reader, kid: int) -> list[tuple[WriteOff, bytes]]:
    """(write-off, its octets with the signature) of each that was published for a terminal."""
    published = reader.documents(Kind.WRITE_OFF, kid)
    return [(write_off.decode(document.body), document.octets) for document in published]


def _unpredictable_numbers(un_key: bytes, rows: Sequence[RecordRow | ProvisionalRow]) -> dict[str, str]:
    """UN of every record with a card proof, which is never sent but follows from sequence and attempt."""
    block = keys.aes_block(un_key)
    found = {}
    for row in rows:
        if row.card_use is not None:
            proof = records.decode(row.octets).proof
            assert proof is not None
            found[str(row.sequence)] = unpredictable_number.derive(
                block, row.sequence, proof.un_attempt
            ).hex()
    return found


def idempotency_key(segments: Sequence[Segment]) -> str:
    """SHA-256 over kid (4), first (4), last (4) and the chain value at last (32) of every segment, in order.

    A provisional one is preceded by that word, since the same range is sent again when it is sealed.
    """
    digest = hashlib.sha256()
    for part in segments:
        digest.update(_PROVISIONAL if part.is_provisional else b"")
        for number in (part.kid, part.first, part.last):
            digest.update(number.to_bytes(4, "big"))
        digest.update(part.rows[-1].chain)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class RecordAnswer:
    """What the service says about one record: `digest` is of the octets that it booked.

    `is_held`: it is provisional, and nothing was decided about it.
    """

    sequence: int
    digest: bytes
    state: RecordState
    reason: str
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class SegmentAnswer:
    """What the service says about one segment: an `error` ("gap", "seal", ...) or an answer per record."""

    kid: int
    error: str
    expected_first: int
    records: list[RecordAnswer]


class SettlementClient:
    """One connection to the service."""

    def __init__(self, config: Settlement, transport: httpx2.BaseTransport | None = None) -> None:
        token = configuration.secret(config.token, config.token_file)
        self._client = httpx2.Client(
            base_url=config.url,
            timeout=config.timeout_s,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            transport=transport,
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def settle(self, segments: Sequence[Segment], key: str) -> list[SegmentAnswer]:
        """Hand segments over.

        Raises `SettlementUnavailableError` where a later attempt may succeed, `SettlementRefusedError` where none will.
        """
        body = {"segments": [part.content for part in segments]}
        return self._post(
            "/v1/settlements", body, key, lambda told: [_read_segment(one) for one in told["results"]]
        )

    def review(self, decided: DecisionRow, takeover: bytes) -> SegmentAnswer:
        """Hand a decision over with the signed takeover that pays (b"" for none); raises as `settle`."""
        body = {
            "kid": f"{decided.kid:08x}",
            "first": decided.first,
            "last": decided.last,
            "verdict": decided.verdict,
            "reviewer": decided.reviewer,
            "reason": decided.reason,
        }
        if takeover:
            body["takeover"] = takeover.hex()
        return self._post("/v1/reviews", body, decided.key, _read_segment)

    def _post(self, path: str, body: dict[str, Any], key: str, read: Callable[[Any], T]) -> T:
        try:
            response = self._client.post(path, json=body, headers={"Idempotency-Key": key})
        except httpx2.HTTPError as failure:
            raise SettlementUnavailableError(reason=f"{type(failure).__name__}: {failure}") from failure
        status = response.status_code
        if status in _CLIENT_ERROR and status not in _RETRIED_4XX:
            raise SettlementRefusedError(status=status, said=response.text[:_REASON_MAX])
        if status != _OK:
            raise SettlementUnavailableError(status=status)
        try:
            return read(response.json())
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as failure:
            raise SettlementUnavailableError(
                reason="its answer cannot be read", error=repr(failure)
            ) from failure


def _read_segment(result: dict[str, Any]) -> SegmentAnswer:
    error = result["error"] or ""
    if not isinstance(error, str):
        raise TypeError("error is no text")
    answers = [] if error else [_read_record(record) for record in result["records"]]
    return SegmentAnswer(int(result["kid"], 16), error, int(result.get("expected_first") or 0), answers)


def _read_record(record: dict[str, Any]) -> RecordAnswer:
    # An outcome that is not known, such as "conflict", stops the terminal: see the forwarder.
    state = _STATES.get(record["outcome"], RecordState.PENDING)
    reason = str(record["reason"] or "")[:_REASON_MAX]
    if state is RecordState.PENDING:
        reason = f"{record['outcome']}: {reason}"
    is_held = record["outcome"] == _HELD
    return RecordAnswer(int(record["sequence"]), bytes.fromhex(record["digest"]), state, reason, is_held)
