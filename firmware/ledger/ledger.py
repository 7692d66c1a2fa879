"""The terminal's books: journal, documents, roster and what follows from them; the one place that writes them.

Everything that changes state goes through a method here and is durable when the method returns.
"""

import asyncio

from firmware.hal.flash_area import FlashError
from firmware.ledger import slots
from firmware.ledger.checkpoint import Checkpointer
from firmware.ledger.document_area import EPOCH_CERTIFICATE, GRANT_FIRST, Documents
from firmware.ledger.findings import Findings
from firmware.ledger.holdings import Holdings
from firmware.ledger.journal import Journal, JournalFull
from firmware.ledger.pending import Pending
from firmware.ledger.questions import Questions
from firmware.ledger.state import (
    PLACES_MAX,
    State,
    store_acknowledgement,
    store_places,
    store_sms,
    stored_acknowledgement,
)
from protocol import certificates, civil_date, grant, notice, records, unpredictable_number
from protocol.context import Context

COUNTER_BLOCK = 256

# Records whose card answered a burned Unpredictable Number: the only ones that may follow it.
_ANSWERED = (records.REDEMPTION, records.VOID, records.GOODS_RECEIVED)


class LedgerError(Exception):
    """The books cannot be opened: a document is missing or does not fit the others; the message says which."""


class SealFault(Exception):
    """This terminal's own seals do not verify: nothing more may be committed."""


class TerminalLocked(Exception):
    """This terminal's flash is older than what it sealed, so any record more would be one more fork; or it was withdrawn."""


# Why a record cannot be committed though nothing is wrong with it.
COMMIT_FAILURES = (JournalFull, FlashError, SealFault, TerminalLocked)


class Ledger(Questions):
    """`flash`: areas by name (journal, roster_a, roster_b); `documents`: loaded `Documents`; `time_keeper` tells the time
    and how far to trust it; `seal_of(sequence, chain)` signs and may be set after `open`, which burns the boot counter
    that a signer needs first.

    Public state: `findings` (what of the flash does not hold), `policy`, `roster`, `grants` (programme -> Grant), `entitlements`, `marks`, `journal`; `context` of the
    codec, None while something in force is not adopted. `quiet` is set except between a burned Unpredictable Number and
    its commit or `abandon`. `seal_fault` stops all commits. `is_behind`: a key chip has counted more commits than the
    journal holds; `count_commit(sequence)` is called after each, and never raises.
    """

    def __init__(self, flash: dict, documents: Documents, kid: int, chain_start: bytes, time_keeper) -> None:
        self._flash = flash
        self.documents = documents
        self.kid = kid
        self.seal_of = None
        self.seal_fault = False
        self.is_behind = False
        self.count_commit = None
        self._time_keeper = time_keeper
        self.journal = Journal(flash["journal"], kid, chain_start)
        self._pending = Pending(self.journal)
        self.context = None
        self.quiet = asyncio.Event()
        self.quiet.set()
        self._waiting = []
        self.unrecorded_events = 0
        self.unkept_marks = 0
        self._counter = 0
        self._counter_end = 0
        self._oldest = 1
        self._head_at_boot = 0
        self._issued_s = 0

    # Opening.

    def open(self) -> None:
        """Read documents and roster and replay the journal; `adopt_missing` follows when records can be sealed.

        Raises `LedgerError`, `FlashError` (so `JournalDamaged`), or the `ProtocolError` of a document.
        """
        self._open_holdings()
        self._state = State(self.roster.count, self._periods, self.policy.rapid_run)
        self.journal.open(self._state)
        self.journal.require_same_head(self.entitlements.sequence)
        if self._holdings.fault is not None and self.journal.damage is None:
            self.journal.damage = self._holdings.fault
        self.findings = Findings(self.journal, self._holdings)
        self._checkpointer = Checkpointer(self.journal, self._state.snapshot)
        self._head_at_boot = self.journal.sequence
        self._forget_reclaimed()
        body, _ = certificates.split_signature(self.documents.get(EPOCH_CERTIFICATE), "epoch certificate")
        certificate = certificates.decode_epoch(body)
        self._issued_s = certificate.issued_s
        self.marks.begin_epoch(certificate.epoch)
        if self._holdings.fault is None and not self._unadopted():
            self.context = Context(self.roster, self.policy, self.grants)

    @property
    def is_locked(self) -> bool:
        """Whether the terminal was told (`lock`), which only a new generation ends, or its key chip has shown, that what it
        would add to its chain counts no more.
        """
        return self._state.lock != b"" or self.is_behind

    @property
    def withdrawn(self) -> int:
        """Why the gateway has withdrawn this terminal: `notice.REPLACED` or REVOKED; 0 where it has not, or where its chain is
        why it is locked.
        """
        lock = self._state.lock
        return int(lock[-1]) if len(lock) == notice.STANDING_OCTETS and lock[-1] != notice.FORKED else 0

    def _periods(self) -> dict:
        """Programme -> period of the grants in force."""
        return {programme: self.grants[programme].period for programme in sorted(self.grants)}

    def _open_holdings(self) -> None:
        """Policy, roster and grants as flash holds them (their signatures were checked when they came in)."""
        self._holdings = Holdings(self._flash, self.documents, self.kid)
        self.policy = self._holdings.policy
        self.roster = self._holdings.roster
        self.grants = self._holdings.grants

    def _unadopted(self) -> list:
        """(subject, programme or slots.NO_INDEX, document) of what is in force but not adopted in the chain."""
        held = [
            (records.SUBJECT_POLICY, slots.NO_INDEX, self.policy),
            (records.SUBJECT_ROSTER, slots.NO_INDEX, self.roster),
        ]
        held.extend([(records.SUBJECT_GRANT, number, self.grants[number]) for number in sorted(self.grants)])
        return [
            entry for entry in held if not self.entitlements.is_adopted(entry[0], entry[1], entry[2].digest)
        ]

    def adopt_missing(self) -> None:
        """Commit the adoption of documents that came in without it: the first ones, or after a power cut.

        Where the journal cannot take it, the terminal goes on without: redemptions are refused for the same reason,
        and what is there travels literally, because `context` stays None.
        """
        self.context = None
        if self._holdings.fault is not None:
            return
        try:
            for subject, programme, document in self._unadopted():
                adoption = self.record(
                    records.ADOPTION, subject=subject, number=document.number, digest=document.digest
                )
                self._append(adoption, programme)
        except COMMIT_FAILURES:
            return
        self.context = Context(self.roster, self.policy, self.grants)

    # Time.

    def now_s(self) -> int:
        """Unsigned seconds since 1970, never below what a record, acknowledgement or certificate has shown."""
        known_s = max(self.entitlements.last_time_s, self.marks.time_s, self._issued_s)
        return max(self._time_keeper.epoch_seconds(), known_s)

    @property
    def time_trust(self) -> int:
        """How far records made now may be believed about their time (records.TRUST_*)."""
        return self._time_keeper.trust

    def transaction_date(self, time_s: int) -> bytes:
        """EMV tag 9A of a moment, where the policy's clocks are."""
        return civil_date.transaction_date(time_s, self.policy.utc_offset_minutes)

    # Changes.

    def record(self, kind: int, **fields) -> records.Record:
        """A record of this moment, not committed yet."""
        fields.update({"version": records.VERSION, "time_s": self.now_s(), "time_trust": self.time_trust})
        return records.Record(kind=kind, **fields)

    def commit(self, record: records.Record, index: int) -> int:
        """Make a record durable; returns its sequence. `index`: the family's roster index or slots.NO_INDEX.

        Between a burned Unpredictable Number and its commit only the record that it was burned for may follow
        (design 4.5): any other waits until then, and 0 is returned for it. Raises `JournalFull`, `FlashError`,
        `SealFault`, `TerminalLocked`, or what the signer raises; nothing has changed then.
        """
        if not self.quiet.is_set() and record.kind not in _ANSWERED:
            self._waiting.append((record, index))
            return 0
        sequence = self._append(record, index)
        self.abandon()
        return sequence

    def _append(self, record: records.Record, index: int) -> int:
        """One record into the chain and into what follows from it."""
        self._require_commits()
        octets = records.encode(record)
        sequence, _, _ = self.journal.append_chain(record.kind, octets, index, self.seal_of)
        self._state.apply(record.kind, sequence, index, octets)
        if self.count_commit is not None:
            self.count_commit(int(sequence))
        self._forget_reclaimed()
        return int(sequence)

    def _require_commits(self) -> None:
        """Raise what the next commit would."""
        if self.is_locked:
            raise TerminalLocked
        if self.seal_fault:
            raise SealFault
        self.journal.require_room()

    def abandon(self) -> None:
        """No record follows the Unpredictable Number that was burned last (any more): what waited is committed."""
        self.quiet.set()
        while self._waiting:
            record, index = self._waiting.pop(0)
            record.time_s = self.now_s()
            try:
                self._append(record, index)
            except COMMIT_FAILURES:
                self.unrecorded_events += 1

    def _burn(self, kind: int, payload: bytes, index: int = slots.NO_INDEX) -> None:
        """A local mark in flash, then in what follows from it."""
        self.journal.append_local(kind, payload, index)
        self._state.apply(kind, 0, index, payload)
        self._forget_reclaimed()

    def burn_pin_try(self, index: int, place: int) -> None:
        """Spend an aid-PIN try before the PIN is looked at."""
        self._burn(slots.LOCAL_PIN_TRIES, bytes((place, self.entitlements.tries(index, place) + 1)), index)

    def clear_pin_tries(self, index: int, place: int) -> None:
        """The PIN was right."""
        if self.entitlements.tries(index, place):
            self._burn(slots.LOCAL_PIN_TRIES, bytes((place, 0)), index)

    def burn_un_attempt(self) -> tuple:
        """(sequence, attempt) for the next Unpredictable Number, durable before it leaves the terminal.

        From here to `commit` or `abandon` no other record takes that sequence. When its 255 attempts are spent, an
        event takes it, and the first attempt of the next one is burned.
        """
        if self.entitlements.un_attempts > unpredictable_number.ATTEMPT_MAX:
            event = self.record(records.EVENT, code=records.EVENT_UN_ATTEMPTS_SPENT, operator=0, detail=b"")
            self._append(event, slots.NO_INDEX)
        sequence = self.journal.sequence + 1
        attempt = self.entitlements.un_attempts
        self._burn(slots.LOCAL_UN_ATTEMPT, sequence.to_bytes(3, "big") + bytes((attempt,)))
        self.quiet.clear()
        return sequence, attempt

    def next_counter(self) -> int:
        """A counter for a frame of class up; reserved in flash in blocks, so a power cut skips some, never repeats."""
        if self._counter >= self._counter_end:
            first = self.entitlements.counter_next
            self._burn(slots.LOCAL_COUNTER_BLOCK, (first + COUNTER_BLOCK).to_bytes(4, "big"))
            self._counter = first
            self._counter_end = first + COUNTER_BLOCK
        self._counter += 1
        return self._counter - 1

    @property
    def sms_sent_today(self) -> int:
        """Short messages that were burned on this local day."""
        day, count, _ = self._state.sms
        return int(count) if day == self._today() else 0

    @property
    def sms_through(self) -> int:
        """The last sequence that a short message carried, whether it arrived or not."""
        return int(self._state.sms[2])

    def burn_sms(self, through: int) -> None:
        """Count a short message before it leaves; `through`: the last sequence that is under way with it. So a restart
        neither forgets the day's cap nor sends everything again.

        What flash cannot keep counts until the power goes: a full journal is emptied by what the answers to its records let go,
        so these must not wait for room in it.
        """
        count = min(self.sms_sent_today + 1, 0xFFFF)
        payload = store_sms((self._today(), count, through))
        self._state.apply(slots.LOCAL_SMS, 0, slots.NO_INDEX, payload)
        try:
            self.journal.append_local(slots.LOCAL_SMS, payload)
        except (JournalFull, FlashError):
            self.unkept_marks += 1
        self._forget_reclaimed()

    def _today(self) -> int:
        """The local day, counted since 1970; by the clock as it is, where it has a time: behind the newest record `now_s` stands
        still, and with it would the day.
        """
        seconds = self._time_keeper.epoch_seconds() or self.now_s()
        return (seconds + 60 * self.policy.utc_offset_minutes) // 86400 & 0xFFFF

    def record_crash(self, payload: bytes) -> None:
        """Keep why the firmware restarts (`supervisor.encode_crash`)."""
        self._burn(slots.LOCAL_CRASH, payload)

    def record_card_closing(self, sequence: int, cid: int) -> None:
        """Keep what a bank's card said to the second GENERATE AC of a redemption: its CID, 255 for no good answer."""
        self._burn(slots.LOCAL_CARD_CLOSING, sequence.to_bytes(3, "big") + bytes((cid,)))

    def lock(self, why: bytes) -> None:
        """Redeem no more, now and after every start: `why`, the body of a notice or standing, was found good.

        Holds until the power goes even where flash cannot keep it; then raises `JournalFull` or `FlashError`.
        """
        self._state.apply(slots.LOCAL_LOCK, 0, slots.NO_INDEX, why)
        self.journal.append_local(slots.LOCAL_LOCK, why)
        self._forget_reclaimed()

    def note_ahead(self, sequence: int) -> None:
        """Keep that an acknowledgement named a record ahead of the chain's head. A mark and no record: where this flash was
        put back, a record more would be the fork (design, section 6). Where flash cannot keep it, it holds until power
        goes.
        """
        if sequence > self.entitlements.ahead:
            payload = sequence.to_bytes(4, "big")
            self._state.apply(slots.LOCAL_AHEAD, 0, slots.NO_INDEX, payload)
            try:
                self.journal.append_local(slots.LOCAL_AHEAD, payload)
            except (JournalFull, FlashError):
                self.unkept_marks += 1
            self._forget_reclaimed()

    def apply_acknowledgement(self, body: bytes, counter: int) -> None:
        """Use an acknowledgement that `relay/downlink` has checked, and keep it.

        Use comes first, since what may be reclaimed can make the very room that keeping it needs. One that cannot be
        kept is no loss: it is repeated by each that follows.
        """
        payload = store_acknowledgement(body, counter)
        self._state.apply(slots.LOCAL_ACKNOWLEDGEMENT, 0, slots.NO_INDEX, payload)
        self.journal.set_reclaim(self.marks.reclaim_through)
        try:
            self.journal.append_local(slots.LOCAL_ACKNOWLEDGEMENT, payload)
        except (JournalFull, FlashError):
            self.unkept_marks += 1
        self._forget_reclaimed()
        # One that covers a record of this very run was made after it: its time is no old one.
        acknowledged = stored_acknowledgement(payload)
        self._time_keeper.hear(acknowledged.time_s, acknowledged.sealed_through > self._head_at_boot)

    def adopt_grant(self, signed: bytes, decoded: grant.Grant) -> None:
        """Put a verified grant in force: documents first, then its adoption record under the old context.

        Raises one of `COMMIT_FAILURES` with the old grant in force; a power cut in between is mended by
        `adopt_missing`. Only while `quiet`. Where the grant before it could not be read, it comes into force with the next
        start: only that finds what was spent of it.
        """
        if not self.quiet.is_set():
            raise LedgerError("a grant came between a burned number and its record")
        self._require_commits()
        section = GRANT_FIRST + decoded.programme
        if self.documents.get(section) != signed:
            self.documents.save({section: signed})
        if decoded.programme in dict(self._holdings.unread):
            return
        grants = {programme: self.grants[programme] for programme in sorted(self.grants)}
        grants[decoded.programme] = decoded
        self.grants = grants
        self.entitlements.start_period(decoded.programme, decoded.period)
        self.adopt_missing()

    def replace_documents(self, changes: dict) -> None:
        """Save documents that were verified (`provisioning.renew`). They come into force with the next start, which adopts
        them; until then nothing is committed. Raises `DocumentsTooLarge` or `FlashError` with the old ones in force.
        """
        if not self.quiet.is_set():
            raise LedgerError("documents came between a burned number and its record")
        self.documents.save(changes)
        self.context = None
        self.journal.damage = FlashError("identity", 0, "documents were replaced, a restart is due")

    def adopt_epoch(self, signed: bytes, epoch: int) -> None:
        """Keep a verified epoch certificate; what the new gateway keys' holder does not know is sent again."""
        self.documents.save({EPOCH_CERTIFICATE: signed})
        self.marks.begin_epoch(epoch)

    def prepare(self) -> bool:
        """While idle: one small piece of work ahead of need (an erased sector, a part of a checkpoint, a look at what flash
        holds); True if something was done. Raises `JournalFull` or `FlashError`.
        """
        if self.journal.is_exhausted or self.journal.damage is not None:
            return self.findings.step()
        if self.context is None and self.quiet.is_set() and not self.journal.is_full():
            self.adopt_missing()
        if self.journal.retired != self._state.retired and len(self.journal.retired) <= PLACES_MAX:
            self._burn(slots.LOCAL_RETIRED, store_places(self.journal.retired))
            return True
        done = self.journal.erase_ahead() or self._checkpoint() or self.findings.step()
        self._forget_reclaimed()
        return done

    def _checkpoint(self) -> bool:
        """Not while a grant cannot be read: a checkpoint holds what was spent of those in force alone."""
        return not self._holdings.unread and bool(self._checkpointer.step())

    def _forget_reclaimed(self) -> None:
        """When the ring went round: nothing may name records that are gone."""
        if self.journal.oldest != self._oldest:
            self._oldest = self.journal.oldest
            first = self.journal.first_sequence
            self.entitlements.forget_before(first)
            self.marks.forget_before(first)
