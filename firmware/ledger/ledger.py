"""The terminal's books: journal, documents, roster and what follows from them; the one place that writes them.

Everything that changes state goes through a method here and is durable when the method returns.
"""

from firmware.ledger import slots
from firmware.ledger.document_area import GRANT_FIRST, POLICY, ROSTER_SIGNATURE, Documents
from firmware.ledger.entitlements import Entitlements, Marks
from firmware.ledger.journal import Journal
from firmware.ledger.roster_area import RosterArea, RosterMissing
from protocol import acknowledgement, certificates, civil_date, grant, policy, records
from protocol.context import Context
from protocol.errors import ProtocolError

COUNTER_BLOCK = 256


class LedgerError(Exception):
    """The books cannot be opened: a document is missing or does not fit the others; the message says which."""


class Ledger:
    """`flash`: areas by name (journal, roster_a, roster_b); `documents`: loaded `Documents`; `time_keeper` tells the time
    and how far to trust it; `seal_of(sequence, chain)` signs and may be set after `open`, which burns the boot counter
    that a signer needs first.

    Public state: `policy`, `roster`, `grants` (programme -> Grant), `context`, `entitlements`, `marks`, `journal`.
    """

    def __init__(self, flash: dict, documents: Documents, kid: int, chain_start: bytes, time_keeper) -> None:
        self._flash = flash
        self.documents = documents
        self.kid = kid
        self.seal_of = None
        self._time_keeper = time_keeper
        self.journal = Journal(flash["journal"], kid, chain_start)
        self.marks = Marks()
        self.unreadable_marks = 0
        self._counter = 0
        self._counter_end = 0

    # Opening.

    def open(self) -> None:
        """Read documents and roster and replay the journal; `adopt_missing` follows when records can be sealed."""
        self._open_documents()
        periods = {programme: self.grants[programme].period for programme in sorted(self.grants)}
        self.entitlements = Entitlements(self.roster.count, periods)
        self.journal.open(self._replay)
        self.context = Context(self.roster, self.policy, self.grants)

    def _open_documents(self) -> None:
        """Policy, roster and grants as the documents hold them (their signatures were checked when they came in)."""
        body, _ = certificates.split_signature(self.documents.get(POLICY), "policy")
        self.policy = policy.decode(body)
        self.roster = self._open_roster()
        self.grants = {}
        for signed in self.documents.grants():
            body, _ = certificates.split_signature(signed, "grant")
            decoded = grant.decode(body, self.kid, self.roster.digest, self.policy.digest)
            self.grants[decoded.programme] = decoded

    def _open_roster(self) -> RosterArea:
        """The area whose digest the documents name (the digest leads the roster's signature section)."""
        wanted = self.documents.get(ROSTER_SIGNATURE)[:32]
        for name in ("roster_a", "roster_b"):
            try:
                found = RosterArea(self._flash[name])
            except RosterMissing:
                continue
            if found.digest == wanted:
                return found
        raise LedgerError("no roster in flash fits the documents")

    def _replay(self, slot: slots.Slot) -> None:
        """One slot of the journal at boot."""
        if slot.slot_class == slots.CLASS_LOCAL and slot.kind == slots.LOCAL_ACKNOWLEDGEMENT:
            try:
                self.marks.apply(_stored_acknowledgement(slot.payload))
            except ProtocolError:
                # Only our own code wrote it and its CRC held, so this is a format of another version: count, go on.
                self.unreadable_marks += 1
            return
        self.entitlements.apply(slot)

    def adopt_missing(self) -> None:
        """Commit the adoption of documents that came in without it: the first ones, or after a power cut."""
        held = [(records.SUBJECT_POLICY, self.policy.number, self.policy.digest)]
        held.append((records.SUBJECT_ROSTER, self.roster.number, self.roster.digest))
        for programme in sorted(self.grants):
            held.append((records.SUBJECT_GRANT, self.grants[programme].number, self.grants[programme].digest))
        for subject, number, digest in held:
            if digest not in self.entitlements.adopted:
                self.commit(
                    records.Record(
                        kind=records.ADOPTION, subject=subject, number=number, digest=digest, **self._head()
                    ),
                    slots.NO_INDEX,
                )

    # Time.

    def now_s(self) -> int:
        """Unsigned seconds since 1970, never below what a record, grant or acknowledgement has shown."""
        known_s = max(self.entitlements.last_time_s, self.marks.time_s)
        return max(self._time_keeper.epoch_seconds(), known_s)

    @property
    def time_trust(self) -> int:
        """How far records made now may be believed about their time (records.TRUST_*)."""
        return self._time_keeper.trust

    def transaction_date(self, time_s: int) -> bytes:
        """EMV tag 9A of a moment, where the policy's clocks are."""
        return civil_date.transaction_date(time_s, self.policy.utc_offset_minutes)

    def _head(self) -> dict:
        """The fields that every record has."""
        return {"version": records.VERSION, "time_s": self.now_s(), "time_trust": self.time_trust}

    # Changes.

    def record(self, kind: int, **fields) -> records.Record:
        """A record of this moment, not committed yet."""
        fields.update(self._head())
        return records.Record(kind=kind, **fields)

    def commit(self, record: records.Record, index: int) -> int:
        """Make a record durable; returns its sequence. `index`: the family's roster index or slots.NO_INDEX."""
        octets = records.encode(record)
        sequence, _, seal = self.journal.append_chain(record.kind, octets, index, self.seal_of)
        slot = slots.Slot()
        slot.slot_class = slots.CLASS_CHAIN
        slot.kind = record.kind
        slot.sequence = sequence
        slot.index = index
        slot.payload = octets
        slot.seal = seal
        self.entitlements.apply(slot)
        return int(sequence)

    def _burn(self, kind: int, payload: bytes, index: int) -> None:
        """A local mark in flash, then in the derived state."""
        self.journal.append_local(kind, payload, index)
        slot = slots.Slot()
        slot.slot_class = slots.CLASS_LOCAL
        slot.kind = kind
        slot.index = index
        slot.payload = payload
        self.entitlements.apply(slot)

    def burn_pin_try(self, index: int, place: int) -> None:
        """Spend an aid-PIN try before the PIN is looked at."""
        self._burn(slots.LOCAL_PIN_TRY, bytes((place,)), index)

    def clear_pin_tries(self, index: int, place: int) -> None:
        """The PIN was right."""
        if self.entitlements.tries(index, place):
            self._burn(slots.LOCAL_PIN_CLEAR, bytes((place,)), index)

    def burn_un_attempt(self) -> tuple:
        """(sequence, attempt) for the next Unpredictable Number, durable before it leaves the terminal."""
        sequence = self.journal.sequence + 1
        attempt = self.entitlements.un_attempts
        self._burn(slots.LOCAL_UN_ATTEMPT, sequence.to_bytes(3, "big") + bytes((attempt,)), slots.NO_INDEX)
        return sequence, attempt

    def next_counter(self) -> int:
        """A counter for a frame of class up; reserved in flash in blocks, so a power cut skips some, never repeats."""
        if self._counter >= self._counter_end:
            self._counter = self.entitlements.counter_next
            block = self._counter_end = self._counter + COUNTER_BLOCK
            self._burn(slots.LOCAL_COUNTER_BLOCK, block.to_bytes(4, "big"), slots.NO_INDEX)
        self._counter += 1
        return self._counter - 1

    def apply_acknowledgement(self, body: bytes, counter: int) -> None:
        """Store an acknowledgement that `relay/downlink` has checked, then use it."""
        payload = counter.to_bytes(4, "big") + body
        self.journal.append_local(slots.LOCAL_ACKNOWLEDGEMENT, payload)
        self.marks.apply(_stored_acknowledgement(payload))
        self._time_keeper.hear(self.marks.time_s)

    def adopt_grant(self, signed: bytes, decoded: grant.Grant) -> None:
        """Put a verified grant in force: documents first, then its adoption record under the old context."""
        self.documents.save({GRANT_FIRST + decoded.programme: signed})
        grants = {programme: self.grants[programme] for programme in sorted(self.grants)}
        grants[decoded.programme] = decoded
        self.grants = grants
        self.entitlements.start_period(decoded.programme, decoded.period)
        self.adopt_missing()
        self.context = Context(self.roster, self.policy, self.grants)

    # Questions.

    def remaining_rupiah(self, programme: int, index: int) -> int:
        """What the family may still draw in the grant in force; 0 without one."""
        granted = self.grants.get(programme)
        if granted is None:
            return 0
        return int(granted.amount_rupiah(index)) - self.entitlements.spent_rupiah(programme, index)

    def records_from(self, first: int, count: int) -> list:
        """Chain slots for the relay and the screens."""
        return self.journal.read(first, count)

    def pending_rupiah(self) -> int:
        """Redeemed rupiah in records that the gateway has not sealed yet."""
        total = 0
        first = self.marks.sealed_through + 1
        while first <= self.journal.sequence:
            for slot in self.journal.read(first, 64):
                if slot.kind == records.REDEMPTION:
                    total += int.from_bytes(slot.payload[11:15], "big")
                first = slot.sequence + 1
        return total


def _stored_acknowledgement(payload: bytes) -> acknowledgement.Acknowledgement:
    """Counter (4 octets) and body, as kept in a local slot."""
    decoded = acknowledgement.decode(payload[4:])
    decoded.counter = int.from_bytes(payload[:4], "big")
    return decoded

