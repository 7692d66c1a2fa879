"""The decision about every frame: octets and what is known in, verdict out; no clock, no input or output.

A frame is opened (`opening`), its records are laid beside what is sealed already, and the chain is followed up
to a seal. Only the seal makes records count: it proves every record before it, so frames may come in any order, cut
differently each time, and any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from gateway import opening
from gateway.islands import Fork, WaitingBridge, follow
from gateway.opening import Opened
from gateway.pieces import WaitingPart
from gateway.terminals import TerminalView
from gateway.verdicts import ChainRecord, Fault, Judgement, Outcome, SealedRun, Verdict
from gateway.waiting import WaitingFrame
from protocol import chain, frame, records
from protocol.errors import AuthenticationFailed

Look = Callable[[int, int], list[ChainRecord]]
"""Sealed records of the terminal in a range of sequences, as committed; those that exist, rising."""
Verify = Callable[[TerminalView, int, bytes, bytes], bool]
"""(terminal, sequence, chain value at it, seal): tell whether the seal is the terminal's."""


def judge(opened: Opened, frame_id: int, view: TerminalView, look: Look, verify: Verify) -> Judgement:
    """The verdict on an opened frame; `view` moves on to what is known after it."""
    judgement = Judgement(Verdict(frame_id, Outcome.INVALID, opened.fault))
    ruling = _Ruling(view, look, verify, judgement)
    if opened.report is not None:
        _judge_report(opened, view, judgement)
    elif opened.bridge is not None:
        ruling.cross(replace(opened.bridge, frame_id=frame_id))
    elif opened.part is not None:
        view.pieces.take(WaitingPart(frame_id, opened.part), judgement)
    elif opened.batch is not None:
        ruling.read(opened.batch, frame_id)
    return judgement


def reconsider(view: TerminalView, look: Look, verify: Verify) -> Judgement:
    """What follows from a document that came in, without any frame: a write-off may close a gap."""
    judgement = Judgement(Verdict(0, Outcome.DUPLICATE))
    _Ruling(view, look, verify, judgement).advance()
    return judgement


def _covered(batch: WaitingFrame, view: TerminalView) -> bool:
    """Tell whether a frame that cannot be read has nothing to add: its range is sealed by now."""
    return batch.last <= view.sealed_through


def _judge_report(opened: Opened, view: TerminalView, judgement: Judgement) -> None:
    assert opened.report is not None
    counter = opened.header.counter
    # Old flash takes old counters again, so that this must be looked at in a report that is no news by its counter.
    is_behind = opened.report.head < view.sealed_through
    if counter <= view.status_counter:
        judgement.verdict.outcome = Outcome.BEHIND if is_behind else Outcome.DUPLICATE
        return
    view.status_counter = counter
    judgement.verdict.outcome = Outcome.BEHIND if is_behind else Outcome.STATUS
    judgement.status = opened.report
    judgement.status_counter = counter


class _Ruling:
    """One frame's consequences: where it is placed, and which waiting frames it sets free."""

    def __init__(self, view: TerminalView, look: Look, verify: Verify, judgement: Judgement) -> None:
        self._view = view
        self._look = look
        self._verify = verify
        self._judgement = judgement

    def read(self, batch: WaitingFrame, frame_id: int) -> None:
        """Judge a records frame."""
        view, verdict = self._view, self._judgement.verdict
        batch.frame_id = frame_id
        if batch.records is None and _covered(batch, view):
            verdict.outcome = Outcome.DUPLICATE
            return
        if batch.records is None:
            verdict.outcome = Outcome.UNKNOWN_CONTEXT
        else:
            verdict.outcome, verdict.fault = self.place(batch)
        is_kept = verdict.outcome in (Outcome.CANDIDATE, Outcome.UNKNOWN_CONTEXT)
        if is_kept:
            self.keep(batch)
        if view.waiting:
            self.advance()
        if is_kept and view.islands:
            self._prove_ahead()

    def cross(self, new: WaitingBridge) -> None:
        """Judge a bridge: it waits until it proves something or is behind the head."""
        view, verdict = self._view, self._judgement.verdict
        verdict.outcome = Outcome.DUPLICATE
        if new.values[-1][0] <= view.sealed_through or view.islands.holds(new):
            return
        verdict.outcome = Outcome.CANDIDATE
        victim = view.islands.add(new)
        if victim is not None:
            self._judgement.moved.append(Verdict(victim.frame_id, Outcome.EVICTED))
        self._prove_ahead()

    def _prove_ahead(self) -> None:
        """Confirm what bridges claim, as far as seals go that are there; then a write-off may apply."""
        view = self._view
        if view.frozen_from:
            return
        for found in view.islands.prove(view.waiting, view.sealed_through, self._is_sealed):
            if isinstance(found, Fork):
                self._leave(found.batch, *self._fork(view.sealed_through + 1))
            else:
                self._judgement.provisional.append(found)
        if view.write_offs:
            self.advance()

    def place(self, batch: WaitingFrame) -> tuple[Outcome, Fault | None]:
        """Lay records beside what is sealed, and extend the chain where the frame's own seal proves it."""
        view = self._view
        head = view.sealed_through
        assert batch.records is not None
        fresh = batch.records
        if batch.first <= head:
            sealed = self._sealed(batch.first, min(batch.last, head))
            for known in sealed:
                if known.octets != batch.records[known.sequence - batch.first]:
                    return self._differs(batch, known.sequence)
            if batch.last <= head:
                is_whole = len(sealed) == batch.count
                return Outcome.DUPLICATE if is_whole else Outcome.WRITTEN_OFF, None
            fresh = batch.records[head + 1 - batch.first :]
        if not batch.seal or view.frozen_from or batch.first > head + 1:
            return Outcome.CANDIDATE, None
        run = self._foreseen(batch) or self._follow([(octets, batch.frame_id) for octets in fresh])
        if not self._is_sealed(run[-1].sequence, run[-1].chain, batch.seal):
            return Outcome.INVALID, _bad_seal(batch)
        if view.islands.contradict(run):
            return self._fork(head + 1)
        self._take(SealedRun(run, batch.seal))
        return Outcome.SEALED, None

    def keep(self, batch: WaitingFrame) -> None:
        """Let a frame wait, within the quota."""
        view = self._view
        batch.foreseen = None
        if view.waiting.holds(batch):
            self._judgement.verdict.outcome = Outcome.DUPLICATE
            return
        victim = view.waiting.add(batch)
        if victim is batch:
            self._judgement.verdict.outcome = Outcome.EVICTED
        elif victim is not None:
            self._judgement.moved.append(Verdict(victim.frame_id, Outcome.EVICTED))

    def advance(self) -> None:
        """Seal waiting frames for as long as that sets more of them free."""
        while self._settle_reached() or self._prove_next() or self._write_off():
            pass

    def _write_off(self) -> bool:
        """Go on behind a gap that the authority has closed for good; tell whether the head moved on."""
        view = self._view
        for given_up in view.write_offs:
            is_next = given_up.first == view.sealed_through + 1 and not view.frozen_from
            if is_next and view.islands.chains.get(given_up.last) == given_up.chain:
                self._move_head(given_up.last, given_up.chain)
                self._judgement.written_off.append(given_up)
                return True
        return False

    def _settle_reached(self) -> bool:
        """Judge again the waiting frames that the head has come up to; tell whether it moved on."""
        view = self._view
        self._read_again()
        for batch in list(view.waiting.frames):
            if batch.records is None and not _covered(batch, view):
                continue
            if batch.first > view.sealed_through + 1:
                continue
            before = view.sealed_through
            outcome, fault = (Outcome.DUPLICATE, None) if batch.records is None else self.place(batch)
            if outcome is not Outcome.CANDIDATE:
                self._leave(batch, outcome, fault)
            if view.sealed_through > before:
                return True
        return False

    def _prove_next(self) -> bool:
        """Follow candidates up to the nearest seal that fits them; tell whether the head moved on."""
        view = self._view
        view.doubtful_through = 0
        if view.frozen_from:
            return False
        for goal in view.waiting.provable(view.sealed_through):
            for path in view.waiting.paths(view.sealed_through, goal):
                run = self._follow(path)
                if self._is_sealed(goal.last, run[-1].chain, goal.seal):
                    if view.islands.contradict(run):
                        self._leave(goal, *self._fork(view.sealed_through + 1))
                        return False
                    self._take(SealedRun(run, goal.seal))
                    used = {record.frame_id for record in run}
                    for batch in [held for held in view.waiting.frames if held.frame_id in used]:
                        if batch.last <= view.sealed_through:
                            self._leave(batch, Outcome.SEALED, None)
                    return True
            # Some candidate before this seal is not what was sealed; which one, only a resend tells.
            view.doubtful_through = max(view.doubtful_through, goal.first - 1)
        return False

    def _read_again(self) -> None:
        """Read what can be read by now; an adoption in one frame may be what explains the next."""
        has_news = True
        while has_news:
            has_news = False
            for batch in self._view.waiting.frames:
                if batch.records is None:
                    opened = opening.open_frame(batch.raw, frame.read_header(batch.raw), self._view)
                    if opened.batch is not None and opened.batch.records is not None:
                        batch.records = opened.batch.records
                        batch.raw = b""
                        has_news = True

    def _differs(self, batch: WaitingFrame, sequence: int) -> tuple[Outcome, Fault | None]:
        """Other records than the sealed ones: a fork if they are sealed too, else a version that lost."""
        if not batch.seal:
            return Outcome.SUPERSEDED, Fault(
                "Superseded", "records", frame.HEADER_OCTETS, "another version is sealed"
            )
        assert batch.records is not None
        value = self._chain_before(batch.first)
        if value is None:
            return Outcome.WRITTEN_OFF, None
        for octets in batch.records:
            value = chain.extend(value, octets)
        if not self._is_sealed(batch.last, value, batch.seal):
            return Outcome.INVALID, _bad_seal(batch)
        return self._fork(sequence)

    def _fork(self, sequence: int) -> tuple[Outcome, Fault]:
        """Two sealed versions exist from `sequence` on."""
        self._view.freeze(sequence)
        self._judgement.conflict_at = min(self._judgement.conflict_at or sequence, sequence)
        return Outcome.CONFLICT, Fault("Conflict", "records", frame.HEADER_OCTETS, "a second sealed version")

    def _foreseen(self, batch: WaitingFrame) -> list[ChainRecord] | None:
        """The chain that was computed ahead, if it starts at the head."""
        values = batch.foreseen
        if values is None or batch.first != self._view.sealed_through + 1 or values[0] != self._view.chain:
            return None
        return [
            ChainRecord(batch.first + place, octets, values[place + 1], batch.frame_id)
            for place, octets in enumerate(batch.records or ())
        ]

    def _follow(self, path: Iterable[tuple[bytes, int]]) -> list[ChainRecord]:
        """The chain over (record, frame id) from the head on."""
        return follow(self._view.sealed_through, self._view.chain, path)

    def _is_sealed(self, sequence: int, value: bytes, seal: bytes) -> bool:
        return self._verify(self._view, sequence, value, seal)

    def _take(self, run: SealedRun) -> None:
        """Move the head to the end of a proved run."""
        view = self._view
        self._move_head(run.last, run.records[-1].chain)
        for record in run.records:
            view.recent[record.sequence] = record
            if record.octets[0] == records.ADOPTION:
                view.history.adopt(record.octets)
        self._judgement.runs.append(run)

    def _move_head(self, sequence: int, value: bytes) -> None:
        view = self._view
        view.sealed_through, view.chain = sequence, value
        if view.islands:
            done = view.islands.pass_through(sequence)
            self._judgement.has_passed = True
            self._judgement.moved += [Verdict(held.frame_id, Outcome.DUPLICATE) for held in done]

    def _leave(self, batch: WaitingFrame, outcome: Outcome, fault: Fault | None) -> None:
        """Take a frame out of the pool; if it is the one being judged, that is its verdict."""
        self._view.waiting.frames = [held for held in self._view.waiting.frames if held is not batch]
        if batch.frame_id == self._judgement.verdict.frame_id:
            self._judgement.verdict.outcome = outcome
            self._judgement.verdict.fault = fault
        else:
            self._judgement.moved.append(Verdict(batch.frame_id, outcome, fault))

    def _sealed(self, first: int, last: int) -> list[ChainRecord]:
        """Sealed records of a range, committed or not yet."""
        recent = self._view.recent
        if not recent:
            return self._look(first, last)
        held = {record.sequence: record for record in self._look(first, last)} | recent
        return [held[sequence] for sequence in range(first, last + 1) if sequence in held]

    def _chain_before(self, sequence: int) -> bytes | None:
        """The chain value before a sealed record; None where nothing but a write-off is before it, or in it."""
        if sequence == 1:
            return self._view.chain_start
        known = self._sealed(sequence - 1, sequence - 1)
        given_up = [one.chain for one in self._view.write_offs if one.last == sequence - 1]
        return known[0].chain if known else given_up[0] if given_up else None


def _bad_seal(batch: WaitingFrame) -> Fault:
    return Fault.of(AuthenticationFailed("seal", batch.seal_at, "does not verify over the chain"))
