"""What a retired generation's sealed records did to its leases, as the gateway states it for the authority."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway import owed, settlement, signatures
from gateway.contexts import Library, MissingDocumentError
from gateway.documents import Document, Kind
from gateway.owed import Epoch
from gateway.store.interface import Reader, TerminalRow
from protocol import records, takeover

_ROSTERS_CACHED = 16
_MONEY = (records.REDEMPTION, records.VOID, records.RETURN)


def state(reader: Reader, row: TerminalRow, epoch: Epoch, made_s: int) -> Document:
    """The statement about a generation that is retired, signed under the epoch's acknowledgement key."""
    made = takeover.Statement()
    made.kid, made.epoch, made.gateway_key_id, made.made_s = row.kid, epoch.number, epoch.key.key_id, made_s
    made.sealed_through = row.retired_through
    made.chain = _chain(reader, row)
    report = owed.last_report(row)
    made.head = report.head if report else 0
    made.gaps, made.kept = _gaps(row), _runs(reader.kept(row.kid))
    books = _Books(reader, leases_of(reader, row.kid))
    for octets in _counted(reader, row):
        books.take(octets)
    made.leases = books.leases()
    made.doubts = takeover.DOUBT_UNKNOWN_CARD if books.has_strangers else 0
    if row.frozen_from:
        made.doubts |= takeover.DOUBT_FORK
    if made.gaps or made.kept or reader.waiting(row.kid) or row.sealed_through > row.retired_through:
        made.doubts |= takeover.DOUBT_GAP
    body = takeover.encode_statement(made)
    octets = body + signatures.sign(epoch.key.acknowledgement, takeover.statement_message(body))
    digest = takeover.decode_statement(body).digest
    return Document(Kind.STATEMENT, digest, made.sealed_through, octets, kid=row.kid)


def missing(reader: Reader, row: TerminalRow) -> str:
    """What is known to be missing behind the head, in words; "" where nothing is."""
    report = owed.last_report(row)
    found = []
    if json.loads(row.gaps):
        found.append("gaps")
    if reader.waiting(row.kid):
        found.append("frames that wait for a seal or for records before them")
    if report and report.head > row.sealed_through:
        found.append(f"it has told of record {report.head}")
    return ", ".join(found)


def leases_of(reader: Reader, kid: int) -> list[Document]:
    """The newest grant of each programme, adopted or not: a terminal may have taken it in without our hearing of it."""
    newest: dict[int, Document] = {}
    for grant in reader.documents(Kind.GRANT, kid):
        held = newest.get(grant.programme)
        if held is None or grant.number > held.number:
            newest[grant.programme] = grant
    return [newest[programme] for programme in sorted(newest)]


def _chain(reader: Reader, row: TerminalRow) -> bytes:
    """The chain value at the last record that counts; zeros where there is none."""
    if not row.retired_through:
        return bytes(takeover.DIGEST_OCTETS)
    return settlement.sealed_before(reader, row.kid, row.retired_through)[0]


def _gaps(row: TerminalRow) -> tuple[tuple[int, int], ...]:
    """Ranges known to be missing, rising and apart; what is beyond the bound is part of the last one."""
    sequences = {
        sequence
        for first, count, _ in json.loads(row.gaps)
        for sequence in range(max(first, row.retired_through + 1), first + count)
    }
    return _runs(sorted(sequences))


def _runs(sequences: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Rising sequences as (first, last)."""
    found: list[tuple[int, int]] = []
    for sequence in sequences:
        if found and (found[-1][1] == sequence - 1 or len(found) == takeover.RUNS_MAX):
            found[-1] = (found[-1][0], sequence)
        else:
            found.append((sequence, sequence))
    return tuple(found)


def _counted(reader: Reader, row: TerminalRow) -> Iterable[bytes]:
    """Records that count, in the order of their chain: the sealed ones, and what went to settlement from behind a gap."""
    for sealed in reader.records(row.kid, 1, row.retired_through):
        yield sealed.octets
    for sequence in reader.kept(row.kid):
        for early in reader.provisional(row.kid, sequence, sequence):
            yield early.octets
        for sealed in reader.records(row.kid, sequence, sequence):
            yield sealed.octets


@dataclass(slots=True)
class _Account:
    """What one family did with one lease."""

    redeemed_rupiah: int = 0
    voided_rupiah: int = 0
    is_returned: bool = False


@dataclass(slots=True)
class _Lease:
    """One grant with its families' accounts by roster index."""

    grant: Document
    programme: int
    period: int
    number: int
    is_closed: bool = False
    accounts: dict[int, _Account] = field(default_factory=dict)


class _Books:
    """Adds records up by lease and family; which family a card is of, the roster says that was in force at the record."""

    def __init__(self, reader: Reader, grants: list[Document]) -> None:
        self._library = Library(reader.document, _ROSTERS_CACHED)
        self._rosters = [grant.roster_digest for grant in grants]
        self._leases: dict[tuple[int, int], _Lease] = {}
        for document in grants:
            grant = self._library.grant(document.digest)
            self._leases[grant.programme, grant.period] = _Lease(
                document, grant.programme, grant.period, grant.number
            )
        self.has_strangers = False

    def take(self, octets: bytes) -> None:
        """One more record."""
        if octets[0] == records.ADOPTION:
            record = records.decode(octets)
            if record.subject == records.SUBJECT_ROSTER:
                self._rosters.insert(0, record.digest)
        elif octets[0] == records.PERIOD_CLOSE:
            record = records.decode(octets)
            closed = self._leases.get((record.programme, record.period))
            if closed is not None:
                closed.is_closed = True
        elif octets[0] in _MONEY:
            record = records.decode(octets)
            lease = self._leases.get((record.programme, record.period))
            if lease is not None:
                self._move(lease, record)

    def _move(self, lease: _Lease, record: records.Record) -> None:
        index = self._family(record.card_key)
        if index < 0:
            self.has_strangers = True
            return
        account = lease.accounts.setdefault(index, _Account())
        if record.kind == records.REDEMPTION:
            account.redeemed_rupiah += record.amount_rupiah
        elif record.kind == records.VOID:
            account.voided_rupiah += record.amount_rupiah
        else:
            account.is_returned = True

    def _family(self, card_key: bytes) -> int:
        """The roster index of a card, -1 where no roster of this generation has it; indices are never reused."""
        for digest in self._rosters:
            try:
                index = self._library.roster(digest).find(card_key)
            except MissingDocumentError:
                continue
            if index >= 0:
                return index
        return -1

    def leases(self) -> tuple[takeover.Lease, ...]:
        """All of it as it is stated, by programme."""
        return tuple(_stated(self._leases[key]) for key in sorted(self._leases))


def _stated(lease: _Lease) -> takeover.Lease:
    made = takeover.Lease()
    made.digest = lease.grant.digest
    made.roster_digest, made.policy_digest = lease.grant.roster_digest, lease.grant.policy_digest
    made.number, made.programme, made.period = lease.number, lease.programme, lease.period
    made.is_closed = lease.is_closed
    made.spent = tuple(
        (index, account.is_returned, account.redeemed_rupiah, account.voided_rupiah)
        for index, account in sorted(lease.accounts.items())
    )
    return made
