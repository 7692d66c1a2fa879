"""Turns a batch of received frames into verdicts and into the changes of one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway import opening
from gateway.batch_changes import BatchChanges, Result
from gateway.channels.channel import Received
from gateway.opener import Answer
from gateway.openers import Asked, Openers
from gateway.opening import Opened
from gateway.quarantine import Quarantine
from gateway.store.interface import Reader
from gateway.terminals import TerminalView
from gateway.verdicts import Fault, Verdict
from gateway.verifier import SealVerifier
from gateway.waiting import WaitingFrame
from protocol import frame
from protocol.errors import ProtocolError
from protocol.frame import Header

Views = Callable[[int], TerminalView | None]
Entry = tuple[Received, Header | None, TerminalView | None, Opened | None]
"""A frame, its header where it has one, its terminal where that is known, and what was opened."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which frames of a batch helper processes are at work on; `headers` are those of all its frames."""

    places: list[int]
    headers: list[Header | None]
    asked: Asked


class BatchJudge:
    """Judges batches one after the other; the views that it is given move on with each frame."""

    def __init__(
        self,
        reader: Reader,
        views: Views,
        verifier: SealVerifier,
        quarantine: Quarantine,
        ids: tuple[int, int],
        openers: Openers | None = None,
    ) -> None:
        self._openers = openers or Openers.none()
        self._reader = reader
        self._views = views
        self._verifier = verifier
        self._quarantine = quarantine
        self._next_frame, self._next_outbox = ids
        self._heads: dict[int, tuple[int, bytes]] = {}
        self.echo_limit = (0, 0)
        """(epoch, counter) below which every acknowledgement ever sent must lie."""

    def judge(self, frames: list[Received], now_ms: int) -> Result:
        """Open all frames, verify their seals side by side, then judge them in order."""
        return self.rule(self.open(frames, self.ask(frames)), now_ms)

    def ask(self, frames: list[Received]) -> Question | None:
        """Hand the frames of known terminals to helper processes, where there are some and they are free.

        Their chains are taken to go on where the batch before ends, which is not judged yet: if it does not, they are
        followed again here.
        """
        if not self._openers.count:
            return None
        places, tasks = [], []
        seen: set[int] = set()
        headers = [_header(item.octets) for item in frames]
        for place, (item, header) in enumerate(zip(frames, headers, strict=True)):
            view = self._views(header.kid) if header else None
            if header is None or view is None or view.revoked or header.frame_class != frame.CLASS_RECORDS:
                continue
            head, value = self._heads.get(view.kid) or (view.sealed_through, view.chain)
            tasks.append((view.kid, item.octets, -1 if view.kid in seen else head, value, view.history.count))
            seen.add(view.kid)
            places.append(place)
        asked = self._openers.ask(tasks)
        return Question(places, headers, asked) if asked else None

    def open(self, frames: list[Received], question: Question | None) -> list[Entry]:
        """Decrypt and decode; expect the seals that will be asked about if nothing is out of order."""
        answers: list[Answer] = [None] * len(frames)
        headers = question.headers if question else [_header(item.octets) for item in frames]
        if question is not None:
            for place, answer in zip(question.places, self._openers.gather(question.asked), strict=True):
                answers[place] = answer
        self._heads.clear()
        entries: list[Entry] = []
        for item, header, answer in zip(frames, headers, answers, strict=True):
            view = self._views(header.kid) if header else None
            if header is None or view is None or view.revoked:
                entries.append((item, header, view, None))
                continue
            if answer is None:
                opened = opening.open_frame(item.octets, header, view)
            else:
                opened = Opened(header, batch=opening.batch_of(item.octets, header, answer[0]))
            opened.frame_id = self._next_frame
            self._next_frame += 1
            entries.append((item, header, view, opened))
            if opened.batch is not None:
                opened.batch.frame_id = opened.frame_id
                self._foresee(opened.batch, view, answer)
        self._verifier.gather()
        return entries

    def rule(self, entries: list[Entry], now_ms: int) -> Result:
        """Judge opened frames in order."""
        work = self._begin(now_ms)
        for item, header, view, found in entries:
            if found is None or header is None or view is None:
                work.refuse(item, header, view)
                continue
            # A context may have come with an earlier frame of this batch.
            is_unread = found.batch is not None and found.batch.records is None
            again = opening.open_frame(item.octets, header, view) if is_unread else found
            whole = work.judge(item, again, view, found.frame_id, self._verifier)
            if whole and again.part:
                item.verdict = self._judge_whole(work, Received(whole, "", item.channel), header, view)
                view.pieces.finish(again.part, item.verdict.outcome)
        self._verifier.forget()
        return work.finish()

    def _judge_whole(
        self, work: BatchChanges, whole: Received, header: Header, view: TerminalView
    ) -> Verdict:
        """What becomes of a frame whose last part has come, as if it had come whole, became of that part; `header` is the part's."""
        inner = _header(whole.octets)
        if inner is None or inner.kid != view.kid or inner.frame_class != frame.CLASS_RECORDS:
            fault = Fault("OutOfRange", "unit", frame.HEADER_OCTETS, "no frame of this terminal's records")
            opened = Opened(header, fault=fault)
        else:
            opened = opening.open_frame(whole.octets, inner, view)
        self._next_frame += 1
        work.judge(whole, opened, view, self._next_frame - 1, self._verifier)
        assert whole.verdict is not None
        return whole.verdict

    def reconsider(self, kid: int, now_ms: int) -> Result:
        """What follows for a terminal from documents that came in."""
        work = self._begin(now_ms)
        view = self._views(kid)
        if view is not None:
            work.reconsider(view, self._verifier)
        return work.finish()

    def _begin(self, now_ms: int) -> BatchChanges:
        return BatchChanges(self._reader, self._quarantine, now_ms, self._take_outbox_id, self.echo_limit)

    def _take_outbox_id(self) -> int:
        """The next free id of a run."""
        self._next_outbox += 1
        return self._next_outbox - 1

    def _foresee(self, batch: WaitingFrame, view: TerminalView, answer: Answer) -> None:
        """Follow the chain ahead, and have the seal verified ahead, where the frame follows what came before."""
        kid = view.kid
        head, value = self._heads.get(kid) or (view.sealed_through, view.chain)
        if batch.first != head + 1:
            return
        told = answer if answer is not None and answer[1][:1] == [value] else None
        values = told[1] if told else opening.foresee(batch, value)
        if values is None:
            return
        batch.foreseen = values
        self._heads[kid] = (batch.last, values[-1])
        if told and told[2]:
            self._verifier.learn(view, batch.last, values[-1], batch.seal)
        else:
            self._verifier.expect(view, batch.last, values[-1], batch.seal)


def _header(raw: bytes) -> Header | None:
    try:
        return frame.read_header(raw)
    except ProtocolError:
        return None
