"""Parts of frames that were too long for a message or code: kept until all parts of one are there."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gateway.verdicts import Fault, Judgement, Outcome, Verdict
from protocol.errors import OutOfRange
from protocol.parts import HEAD_OCTETS, Part, join

UNITS_MAX = 8
"""Frames of one terminal of which parts wait; the one heard of first gives way. Of so many it is known that they are done."""


@dataclass(frozen=True, slots=True)
class WaitingPart:
    """A part and the frame that it came in."""

    frame_id: int
    part: Part

    @property
    def unit(self) -> tuple[bytes, int]:
        """Which frame it is of."""
        return self.part.name, self.part.count


@dataclass(slots=True)
class Pieces:
    """The parts of one terminal that wait, in the order in which they came; `done` are frames of which nothing more is needed."""

    held: list[WaitingPart] = field(default_factory=list)
    done: deque[tuple[bytes, int]] = field(default_factory=lambda: deque(maxlen=UNITS_MAX))

    def take(self, new: WaitingPart, judgement: Judgement) -> None:
        """Judge a part; `judgement.whole` is the frame where it was the last one that was missing."""
        unit = [held for held in self.held if held.unit == new.unit]
        if new.unit in self.done or any(held.part.place == new.part.place for held in unit):
            judgement.verdict.outcome = Outcome.DUPLICATE
            return
        if len(unit) + 1 < new.part.count:
            judgement.verdict.outcome = Outcome.CANDIDATE
            self.held.append(new)
            self._make_room(judgement)
            return
        self.held = [held for held in self.held if held.unit != new.unit]
        judgement.moved += [Verdict(held.frame_id, Outcome.ASSEMBLED) for held in unit]
        judgement.whole = join([held.part for held in [*unit, new]])
        judgement.verdict.outcome = Outcome.ASSEMBLED
        if not judgement.whole:
            judgement.verdict.outcome = Outcome.INVALID
            judgement.verdict.fault = Fault.of(OutOfRange("unit", HEAD_OCTETS, "not what its name says"))

    def finish(self, last: Part, outcome: Outcome) -> None:
        """What became of the frame: of one that is sealed, a part that comes again would wait for the others for ever."""
        if outcome in (Outcome.SEALED, Outcome.DUPLICATE):
            self.done.append((last.name, last.count))

    def _make_room(self, judgement: Judgement) -> None:
        units = list(dict.fromkeys(held.unit for held in self.held))
        for unit in units[:-UNITS_MAX]:
            gone = [held.frame_id for held in self.held if held.unit == unit]
            judgement.moved += [Verdict(frame_id, Outcome.EVICTED) for frame_id in gone]
            self.held = [held for held in self.held if held.unit != unit]
