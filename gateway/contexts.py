"""Which roster, grants and policy records of a terminal may be coded under: what it adopted, and what its grants bind."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from gateway import documents
from gateway.documents import Document, Kind
from gateway.rosters import RosterIndex
from protocol import context, policy, records
from protocol.grant import Grant
from protocol.policy import Policy

HELD_MAX = 16
"""Contexts of one terminal that are tried on a frame; older records are asked for in codec 0."""

Find = Callable[[bytes], Document | None]


@dataclass(frozen=True, slots=True)
class Adopted:
    """Digests of what a journal has adopted so far; `grants` as (programme, digest), programmes rising."""

    roster: bytes = b""
    policy: bytes = b""
    grants: tuple[tuple[int, bytes], ...] = ()

    @property
    def is_complete(self) -> bool:
        """Tell whether records can be coded under it."""
        return bool(self.roster and self.policy)

    @property
    def digest(self) -> bytes:
        """What the salt of a frame binds."""
        return context.digest(self.roster, self.policy, [digest for _, digest in self.grants])

    def after(self, record: records.Record, find: Find) -> Adopted:
        """What is adopted after one more adoption record.

        A grant that is not published here has no known programme; until it is, nothing can be said of what follows.
        """
        if record.subject == records.SUBJECT_ROSTER:
            return replace(self, roster=record.digest)
        if record.subject == records.SUBJECT_POLICY:
            return replace(self, policy=record.digest)
        granted = find(record.digest)
        programme = granted.programme if granted and granted.kind is Kind.GRANT else 0
        others = [held for held in self.grants if held[0] != programme]
        return replace(self, grants=tuple(sorted([*others, (programme, record.digest)])))


class HeldContext:
    """A context as the codec reads it, its documents fetched when it is first needed."""

    def __init__(self, adopted: Adopted, library: Library) -> None:
        self.adopted = adopted
        self.digest = adopted.digest
        self._library = library

    @cached_property
    def roster(self) -> RosterIndex:
        """The roster; `MissingDocumentError` where it is not published here."""
        return self._library.roster(self.adopted.roster)

    @cached_property
    def policy(self) -> Policy:
        """The policy."""
        return self._library.policy(self.adopted.policy)

    @cached_property
    def grants(self) -> dict[int, Grant]:
        """The grants in force by programme."""
        return {number: self._library.grant(digest) for number, digest in self.adopted.grants}

    def grant(self, programme: int) -> Grant | None:
        """The grant in force for a programme."""
        return self.grants.get(programme)

    def first_grant(self) -> Grant | None:
        """The grant of the lowest programme number."""
        return self.grants[min(self.grants)] if self.grants else None


class MissingDocumentError(LookupError):
    """A terminal has adopted a document that was not published to this gateway."""


class Library:
    """Decoded documents, the least recently used of them forgotten; `find` fetches a published one by digest."""

    def __init__(self, find: Find, cached_max: int) -> None:
        self._find = find
        self._cached_max = cached_max
        self._decoded: OrderedDict[bytes, RosterIndex | Policy | Grant] = OrderedDict()
        # What was found: thousands of terminals share a roster, which is too long to be read again for each of them.
        self._published: set[bytes] = set()

    def find(self, digest: bytes) -> Document | None:
        """The published document of that digest."""
        document = self._find(digest)
        if document is not None:
            self._published.add(digest)
        return document

    def forget(self) -> None:
        """Read everything anew: documents have been published."""
        self._decoded.clear()
        self._published.clear()

    def holds(self, adopted: Adopted) -> bool:
        """Tell whether all documents of a context are published here."""
        digests = [adopted.roster, adopted.policy, *(digest for _, digest in adopted.grants)]
        return adopted.is_complete and all(
            digest in self._published or self.find(digest) for digest in digests
        )

    def roster(self, digest: bytes) -> RosterIndex:
        """The roster of that digest; raises `MissingDocumentError`."""
        found = self._get(digest, Kind.ROSTER, lambda document: RosterIndex(document.body))
        assert isinstance(found, RosterIndex)
        return found

    def policy(self, digest: bytes) -> Policy:
        """The policy of that digest; raises `MissingDocumentError`."""
        found = self._get(digest, Kind.POLICY, lambda document: policy.decode(document.body))
        assert isinstance(found, Policy)
        return found

    def grant(self, digest: bytes) -> Grant:
        """The grant of that digest; raises `MissingDocumentError`."""
        found = self._get(digest, Kind.GRANT, documents.decode_grant)
        assert isinstance(found, Grant)
        return found

    def _get(
        self, digest: bytes, kind: Kind, decode: Callable[[Document], RosterIndex | Policy | Grant]
    ) -> RosterIndex | Policy | Grant:
        decoded = self._decoded.get(digest)
        if decoded is None:
            document = self.find(digest)
            if document is None or document.kind is not kind:
                raise MissingDocumentError(kind.value, digest.hex())
            decoded = self._decoded[digest] = decode(document)
            if len(self._decoded) > self._cached_max:
                self._decoded.popitem(last=False)
        else:
            self._decoded.move_to_end(digest)
        return decoded


class History:
    """The contexts of one terminal, newest first, as its sealed adoption records say.

    `granted` gives the grants that were published for it, newest first.
    """

    def __init__(
        self, library: Library, adoptions: Iterable[bytes], granted: Callable[[], Iterable[Document]]
    ) -> None:
        self._library = library
        self._granted = granted
        self.adopted = Adopted()
        self.count = 0
        """Adoptions so far."""
        self.held: list[HeldContext] = []
        for octets in adoptions:
            self.adopt(octets)

    def adopt(self, octets: bytes) -> None:
        """Take one more sealed adoption record."""
        self.count += 1
        self.adopted = self.adopted.after(records.decode(octets), self._library.find)
        if self._library.holds(self.adopted):
            self.held.insert(0, HeldContext(self.adopted, self._library))
            del self.held[HELD_MAX:]

    def prospects(self, adoptions: Iterable[bytes]) -> list[HeldContext]:
        """The contexts that would follow if these adoption records, not sealed yet, came next."""
        adopted = self.adopted
        found: list[HeldContext] = []
        for octets in adoptions:
            adopted = adopted.after(records.decode(octets), self._library.find)
            if self._library.holds(adopted):
                found.insert(0, HeldContext(adopted, self._library))
        return found[:HELD_MAX]

    @cached_property
    def bare(self) -> list[HeldContext]:
        """Contexts without grants: each pair of roster and policy under which a grant of this terminal was signed."""
        pairs = dict.fromkeys(
            Adopted(granted.roster_digest, granted.policy_digest) for granted in self._granted()
        )
        found = [HeldContext(pair, self._library) for pair in pairs if self._library.holds(pair)]
        return found[:HELD_MAX]

    def knows(self, digest: bytes) -> bool:
        """Tell whether a document is among those in force."""
        adopted = self.adopted
        return digest in (adopted.roster, adopted.policy) or any(digest == held for _, held in adopted.grants)

    def policy(self) -> Policy | None:
        """The policy in force, where it is published here."""
        try:
            return self._library.policy(self.adopted.policy) if self.adopted.policy else None
        except MissingDocumentError:
            return None
