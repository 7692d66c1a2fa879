"""Makes the frames that go up: batches of records with the seal of the last one, and status reports."""

import asyncio

from firmware.hal.flash_area import FlashError
from firmware.ledger.journal import JournalFull
from firmware.relay.outbox import Batch, Outbox
from protocol import bridge, codec, frame, parts, status
from protocol.context import Context

_OVERHEAD_OCTETS = frame.HEADER_OCTETS + frame.TAG_OCTETS


class Frames:
    """`cipher_of()` gives the uplink cipher; `verified_through()` the last sequence whose seal was found good,
    `await verify(sequence)` checks any before it is sent. `release`: of the application that runs, 0 for none.
    """

    def __init__(self, ledger, cipher_of, verified_through, verify) -> None:
        self._ledger = ledger
        self._cipher_of = cipher_of
        self._verified_through = verified_through
        self._verify = verify
        self.release = 0

    @property
    def limit(self) -> int:
        """The last sequence that may be sent now."""
        return min(self._ledger.journal.sequence, self._verified_through())

    def next_batch(self, outbox: Outbox) -> "Batch | None":
        """What an outbox has to send now; what flash does not give back is passed over, the rest goes out."""
        while True:
            batch = self._due(outbox)
            if batch is None:
                return None
            first, last = self._ledger.readable(batch.first, batch.last)
            if first == batch.first:
                batch.is_end = batch.is_end and last == batch.last
                batch.last = last
                return batch
            outbox.sent(batch, first - batch.first if first else batch.count)

    def _due(self, outbox: Outbox) -> "Batch | None":
        """The batch that is next by marks and sequences alone."""
        ledger = self._ledger
        # While something in force is not adopted, no context is what the gateway would derive: all travels literally.
        border = ledger.entitlements.last_adoption if ledger.context is not None else ledger.journal.sequence
        batch = outbox.next(
            ledger.journal.first_sequence, ledger.journal.sequence, self._verified_through(), border
        )
        if batch is not None and not batch.literal and ledger.context is not None:
            batch.context = ledger.context
            if batch.is_older:
                # Grants that were in force then may be gone from flash ([CTX-04]).
                batch.context = Context(ledger.roster, ledger.policy, {}) if ledger.grants else None
        return batch

    async def whole(self, batch: Batch) -> bytes:
        """All records of a batch in one frame, sealed; unsealed where the stored seal does not verify, which is never
        sent: a later seal proves them. Older ones go literally: adoptions may stand among them, and octets cost little.
        """
        is_good = await self._is_good(batch.last)
        # No heavy work between a burned Unpredictable Number and its record.
        await self._ledger.quiet.wait()
        context = None if batch.is_older else batch.context
        return self._encode(batch.first, self._read(batch), is_good, context)

    async def short(self, batch: Batch, seal_now: bool, in_parts: bool = False) -> tuple:
        """(frames of at most 140 octets, records in them): one frame, or the parts of one that holds a single record.

        The last frame of a run is sealed, and with `seal_now` this one is where there is room, with `in_parts` in any case: a
        seal takes the room of five records, and it proves all before it. Raises `JournalFull` or `FlashError` where the record
        fits no single frame and no counters can be burned for parts.
        """
        await self._ledger.quiet.wait()
        slots = self._read(batch)
        octets = [slot.payload for slot in slots]
        context = batch.context
        count, is_sealed = cut(octets, context, batch.first, batch.is_end, seal_now)
        if batch.is_older and context is not None:
            literal = cut(octets, None, batch.first, batch.is_end, seal_now)
            # Adoptions above all: in codec 1 each ends its frame, and before the first ones there is no context.
            if literal >= (count, is_sealed):
                count, is_sealed = literal
                context = None
        must_seal = seal_now and in_parts
        # A record that is too long by itself, or for the seal that must go with it.
        is_long = count == 0 or (not is_sealed and (must_seal or (batch.is_end and count == len(octets))))
        if count == 0:
            context = None
        if is_long:
            count = 1
            is_sealed = must_seal or (batch.is_end and len(octets) == 1)
        is_good = is_sealed and await self._is_good(batch.first + count - 1)
        await self._ledger.quiet.wait()
        whole = self._encode(batch.first, slots[:count], is_good, context)
        if len(whole) <= frame.SMS_OCTETS_MAX:
            return [whole], count
        try:
            return self._cut(whole), count
        except (JournalFull, FlashError):
            # Without its seal rather than not at all.
            whole = self._encode(batch.first, slots[:count], False, context)
            if len(whole) > frame.SMS_OCTETS_MAX:
                raise
            return [whole], count

    def _cut(self, whole: bytes) -> list:
        """The parts of a frame that is too long for a message ([PRT-04])."""
        ledger = self._ledger
        return [
            frame.encode_counter(
                frame.CLASS_UP,
                frame.UP_PART,
                ledger.kid,
                ledger.next_counter(),
                parts.encode(part),
                self._cipher_of(),
            )
            for part in parts.split(parts.RECORDS_FRAME, whole)
        ]

    async def report(self, check_in) -> bytes:
        """A frame with what this terminal last heard, so that a restored gateway notices.

        Raises `JournalFull` or `FlashError` where no counter can be burned for it.
        """
        ledger = self._ledger
        steps = ledger.pending_steps()
        while True:
            check_in()
            try:
                next(steps)
            except StopIteration as end:
                pending_rupiah = end.value
                break
            await asyncio.sleep_ms(0)
        counter = ledger.next_counter()
        told = status.Status()
        told.time_s = ledger.now_s()
        told.time_trust = ledger.time_trust
        told.head = ledger.journal.sequence
        told.sealed_through = ledger.marks.sealed_through
        told.echo_epoch = ledger.marks.epoch
        told.echo_counter = max(0, ledger.marks.counter)
        told.boot_counter = ledger.journal.boots
        told.pending_rupiah = pending_rupiah
        told.release = self.release
        told.last_error = int.from_bytes(ledger.last_crash[:2], "big")
        return frame.encode_counter(
            frame.CLASS_UP, frame.UP_STATUS, ledger.kid, counter, status.encode(told), self._cipher_of()
        )

    def knows_chain_at(self, sequence: int) -> bool:
        """Whether flash gives back what the chain value at a sequence follows from."""
        try:
            self._ledger.journal.chain_at(sequence)
            return True
        except FlashError:
            return False

    async def bridge(self, sequences: list) -> bytes:
        """A frame with the chain values at up to three sequences: what proves records behind gaps before these are filled.

        Raises `JournalFull` or `FlashError` where no counter can be burned for it.
        """
        ledger = self._ledger
        told = bridge.Bridge()
        told.values = tuple([(sequence, ledger.journal.chain_at(sequence)) for sequence in sequences])
        await ledger.quiet.wait()
        return frame.encode_counter(
            frame.CLASS_UP,
            frame.UP_BRIDGE,
            ledger.kid,
            ledger.next_counter(),
            bridge.encode(told),
            self._cipher_of(),
        )

    async def _is_good(self, sequence: int) -> bool:
        """Whether a stored seal may be sent. Behind a missing record the chain is not known: records go without."""
        try:
            return bool(await self._verify(sequence))
        except FlashError:
            return False

    def _read(self, batch: Batch) -> list:
        return self._ledger.records_from(batch.first, batch.count)

    def _encode(self, first: int, slots: list, is_good: bool, context) -> bytes:
        seal = slots[-1].seal if is_good else b""
        octets = [slot.payload for slot in slots]
        return frame.encode_records(
            self._ledger.kid, first, octets, seal, _codec(context), context, self._cipher_of()
        )


def _codec(context) -> int:
    return codec.PREDICTED if context is not None else codec.LITERAL


def cut(octets: list, context, first: int, is_end: bool, seal_now: bool) -> tuple:
    """(count, whether the seal fits too) of the next frame of at most 140 octets for records from sequence `first` on, in codec
    1 under `context`, in codec 0 without.

    Sealed where all that is left fits beside the seal, or as far as it does with `seal_now`; else as many as fit without,
    but for the last one of all, whose seal must go.
    """
    room = frame.SMS_OCTETS_MAX - _OVERHEAD_OCTETS
    number = _codec(context)
    if is_end or seal_now:
        count, _ = codec.fit(number, octets, context, room - frame.SEAL_OCTETS, first)
        if count == len(octets) or (seal_now and count):
            return count, True
    count, _ = codec.fit(number, octets, context, room, first)
    if is_end and count == len(octets) and count > 1:
        count -= 1
    return count, False
