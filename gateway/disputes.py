"""What people decide about disputed redemptions: checked here, handed to settlement once, and booked as it answers.

A decision asks; settlement decides, on the evidence that it holds itself and within the exposure that the authority signed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import structlog

from gateway import owed
from gateway.config import Settlement
from gateway.documents import Kind
from gateway.errors import DocumentError, SettlementRefusedError, SettlementUnavailableError
from gateway.settlement import SegmentAnswer, SettlementClient
from gateway.store.interface import Changes, DecisionRow, Reader, RecordRow, RecordState, TerminalRow
from protocol import takeover

_LOG = structlog.get_logger("disputes")
PAY = "pay"
REFUSE = "refuse"
TEXT_MAX = 200
_DOUBLINGS_MAX = 16


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done with the disputed redemptions `first` to `last`: PAY or REFUSE, by whom and why."""

    first: int
    last: int
    verdict: str
    reviewer: str
    reason: str


def encode(wish: Wish) -> bytes:
    """A wish as an order carries it."""
    return json.dumps([wish.first, wish.last, wish.verdict, wish.reviewer, wish.reason]).encode()


def _read(octets: bytes, kid: int) -> Wish:
    """What `encode` made; an order that is something else is refused."""
    try:
        first, last, verdict, reviewer, reason = json.loads(octets)
    except (ValueError, TypeError) as error:
        raise _refused(kid, reason="cannot be read") from error
    is_range = type(first) is int and type(last) is int and 1 <= first <= last
    if not is_range or verdict not in (PAY, REFUSE):
        raise _refused(kid, reason="names no range or no verdict")
    for field, text in (("by", reviewer), ("reason", reason)):
        if not isinstance(text, str) or not 1 <= len(text.strip()) <= TEXT_MAX:
            raise _refused(kid, field=field, reason=f"is missing or has more than {TEXT_MAX} characters")
        if not text.isprintable():
            raise _refused(kid, field=field, reason="has characters that cannot be printed")
    return Wish(first, last, verdict, reviewer.strip(), reason.strip())


def decide(
    reader: Reader, terminal: TerminalRow, octets: bytes, now_ms: int
) -> tuple[DecisionRow, dict[str, object]]:
    """(decision, what it is about); the same wish gives the same one. Raises `DocumentError`."""
    kid = terminal.kid
    wish = _read(octets, kid)
    if wish.last > terminal.booked_through:
        raise _refused(
            kid, settlement_has=terminal.booked_through, reason="settlement has not taken these records yet"
        )
    taken = _newest_takeover(reader, kid) if wish.verdict == PAY else None
    if wish.verdict == PAY and taken is None:
        raise _refused(kid, reason="no takeover of it is published, so nobody has named an exposure")
    named = "\n".join(
        (f"{kid:08x}", str(wish.first), str(wish.last), wish.verdict, wish.reviewer, wish.reason)
    )
    digest = taken[0] if taken else b""
    key = hashlib.sha256(digest + named.encode()).hexdigest()
    held = next((row for row in reader.decisions() if row.key == key), None)
    rows = [row for row in reader.disputed(kid) if wish.first <= row.sequence <= wish.last]
    if held is None and not rows:
        raise _refused(kid, reason="no disputed redemption is there")
    # What settlement answered and left disputed may be asked again: it may hold by now what it lacked.
    is_undone = held is not None and held.answered_ms > 0 and bool(rows)
    told: dict[str, object] = {
        "kid": f"{kid:08x}",
        "verdict": wish.verdict,
        "records": [row.sequence for row in rows],
        "rupiah": sum(row.amount_rupiah for row in rows),
        "exposure_rupiah": taken[1] if taken else None,
        "already": held is not None and not is_undone,
    }
    made = DecisionRow(
        key,
        kid,
        wish.first,
        wish.last,
        wish.verdict,
        wish.reviewer,
        wish.reason,
        now_ms,
        digest,
    )
    return made if is_undone else held or made, told


def _newest_takeover(reader: Reader, kid: int) -> tuple[bytes, int] | None:
    """(digest, exposure_rupiah) of the one with the greatest exposure; the authority may sign another later."""
    published = reader.documents(Kind.TAKEOVER, kid)
    named = [(takeover.decode_takeover(each.body).exposure_rupiah, each.digest) for each in published]
    if not named:
        return None
    exposure_rupiah, digest = max(named)
    return digest, exposure_rupiah


def _refused(kid: int, **details: object) -> DocumentError:
    return DocumentError(kind="decision", kid=f"{kid:08x}", **details)


class Decider:
    """Hands decisions to settlement, oldest first, in the forwarder's thread; `on_settled` as the forwarder's."""

    def __init__(
        self,
        reader: Reader,
        client: SettlementClient,
        config: Settlement,
        commit: Callable[[Changes], None],
        on_settled: Callable[[Mapping[int, int]], None],
        clock_ms: Callable[[], int],
        jitter: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._client = client
        self._config = config
        self._commit = commit
        self._on_settled = on_settled
        self._clock_ms = clock_ms
        self._jitter = jitter

    def turn(self) -> bool:
        """Hand over one decision whose turn it is; tell whether there was any."""
        now_ms = self._clock_ms()
        for row in self._reader.decisions(is_open=True):
            # No pause is longer than the longest: a later moment was told by a clock that stood ahead.
            if not now_ms < row.next_attempt_ms <= now_ms + self._config.retry_ms_max:
                self._hand_over(row)
                return True
        return False

    def _hand_over(self, row: DecisionRow) -> None:
        document = self._reader.document(row.takeover) if row.takeover else None
        try:
            answer = self._client.review(row, document.octets if document else b"")
            self._require_whole(row, answer)
        except SettlementUnavailableError as failure:
            ceiling_ms = min(
                self._config.retry_ms_max, self._config.retry_ms_first << min(row.attempts, _DOUBLINGS_MAX)
            )
            later_ms = self._clock_ms() + int(ceiling_ms * self._jitter())
            self._keep(row, last_error=str(failure), next_attempt_ms=later_ms)
        except SettlementRefusedError as failure:
            self._keep(row, last_error=str(failure), answered_ms=self._clock_ms())
        else:
            self._book(row, answer)

    def _require_whole(self, row: DecisionRow, answer: SegmentAnswer) -> None:
        """Books that were put back lack records until they are sent again."""
        told = {one.sequence for one in answer.records}
        lacking = [one.sequence for one in self._disputed(row) if one.sequence not in told]
        if lacking and not answer.error:
            raise SettlementUnavailableError(reason=f"it does not know record {lacking[0]}")

    def _disputed(self, row: DecisionRow) -> list[RecordRow]:
        return [one for one in self._reader.disputed(row.kid) if row.first <= one.sequence <= row.last]

    def _keep(self, row: DecisionRow, **changed: object) -> None:
        _LOG.warning("a decision is not taken", kid=f"{row.kid:08x}", error=changed["last_error"])
        self._commit(Changes(decisions=[replace(row, attempts=row.attempts + 1, **changed)]))  # type: ignore[arg-type]

    def _book(self, row: DecisionRow, answer: SegmentAnswer) -> None:
        """What settlement says now of records that were disputed here; it must be about the records that are here."""
        if answer.kid != row.kid or answer.error:
            self._keep(row, last_error=answer.error or "of another kid", answered_ms=self._clock_ms())
            return
        held = {one.sequence: one for one in self._reader.records(row.kid, row.first, row.last)}
        changes = Changes()
        for told in answer.records:
            record = held.get(told.sequence)
            if record is None or hashlib.sha256(record.octets).digest() != told.digest:
                trouble = f"another record is booked at {told.sequence}"
                self._commit(Changes(stopped=[(row.kid, trouble)]))
                self._keep(row, last_error=trouble, answered_ms=self._clock_ms())
                return
            if record.state is RecordState.DISPUTED and told.state is not RecordState.PENDING:
                changes.states.append((row.kid, told.sequence, told.state, told.reason))
        done = replace(row, attempts=row.attempts + 1, last_error="", answered_ms=self._clock_ms())
        changes.decisions.append(done)
        changes.counters["decisions"] = 1
        first = min((sequence for _, sequence, _, _ in changes.states), default=0)
        terminal = self._reader.terminal(row.kid)
        if first and terminal is not None:
            # A process that starts anew tells them again, too.
            known = min(first, owed.unknown_from(self._reader, terminal)) - 1
            changes.values |= owed.known(row.kid, known).values
        self._commit(changes)
        _LOG.info("a decision is carried out", kid=f"{row.kid:08x}", records=len(changes.states))
        if first:
            self._on_settled({row.kid: first})
