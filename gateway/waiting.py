"""Frames of one terminal that wait for a seal or for the records before them, within a quota."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from protocol import records

GAPS_COUNT_MAX = 256
PATHS_MAX = 64
"""Ways through differing candidates that are tried for one seal; beyond it the range is asked for again."""

Gap = tuple[int, int, bool]
"""First sequence, count, and whether to resend in codec 0."""


@dataclass(slots=True)
class WaitingFrame:
    """One frame: `records` are its canonical records, None while no held context explains it.

    `seal` is b"" for an unsealed frame, `seal_at` its octet offset; `raw` is kept only while `records` is None;
    `foreseen` are the chain values if nothing comes between: before the first record, then after each.
    """

    frame_id: int
    first: int
    count: int
    records: list[bytes] | None
    seal: bytes
    seal_at: int
    raw: bytes = b""
    foreseen: list[bytes] | None = None

    @property
    def last(self) -> int:
        """Sequence of the last record."""
        return self.first + self.count - 1

    def is_same(self, other: WaitingFrame) -> bool:
        """Tell whether the other frame says nothing that this one does not."""
        return (
            self.first == other.first
            and self.seal == other.seal
            and self.raw == other.raw
            and self.records == other.records
        )


class WaitingPool:
    """The waiting frames of one terminal in the order in which they came."""

    def __init__(self, frames_max: int) -> None:
        self._frames_max = frames_max
        self.frames: list[WaitingFrame] = []

    def __bool__(self) -> bool:
        return bool(self.frames)

    def holds(self, frame: WaitingFrame) -> bool:
        """Tell whether a frame that says the same waits already."""
        return any(held.is_same(frame) for held in self.frames)

    def add(self, frame: WaitingFrame) -> WaitingFrame | None:
        """Keep a frame; returns the one that had to go for it: the oldest unsealed, else the farthest."""
        self.frames.append(frame)
        if len(self.frames) <= self._frames_max:
            return None
        unsealed = next((held for held in self.frames if not held.seal), None)
        victim = unsealed or max(self.frames, key=lambda held: held.first)
        self.frames.remove(victim)
        return victim

    def remove(self, frame: WaitingFrame) -> None:
        """Drop a frame that waits no longer."""
        self.frames.remove(frame)

    def adoptions(self) -> list[bytes]:
        """Adoption records among the waiting ones, in the order of the chain."""
        found = {}
        for frame in self.frames:
            for place, octets in enumerate(frame.records or ()):
                if octets[0] == records.ADOPTION:
                    found[frame.first + place] = octets
        return [found[sequence] for sequence in sorted(found)]

    def provable(self, head: int) -> list[WaitingFrame]:
        """Sealed frames that records without a hole lead up to, nearest seal first."""
        reach = head
        for frame in sorted(self.frames, key=lambda held: held.first):
            if frame.first > reach + 1:
                break
            if frame.records is not None:
                reach = max(reach, frame.last)
        found = [
            frame
            for frame in self.frames
            if frame.seal and frame.records is not None and head < frame.last <= reach
        ]
        return sorted(found, key=lambda frame: frame.last)

    def paths(self, head: int, goal: WaitingFrame) -> Iterator[tuple[tuple[bytes, int], ...]]:
        """Every choice of (record, frame id) for head + 1 to the goal's last record; at most `PATHS_MAX`."""
        choices: list[list[tuple[bytes, int]]] = [[] for _ in range(head + 1, goal.last + 1)]
        for frame in [goal, *self.frames]:
            for place, octets in enumerate(frame.records or ()):
                sequence = frame.first + place
                if not head < sequence <= goal.last or (frame is not goal and sequence >= goal.first):
                    continue
                known = choices[sequence - head - 1]
                if all(octets != other for other, _ in known):
                    known.append((octets, frame.frame_id))
        return itertools.islice(itertools.product(*choices), PATHS_MAX)

    def gaps(self, head: int, doubtful_through: int) -> list[Gap]:
        """Ranges to ask for, lowest first: what is missing before something that came, and what could not be read.

        Candidates up to `doubtful_through` fit no seal, so they are asked for again. Behind what is missing nothing is asked for
        in codec 0: an adoption among the missing records may be what explains it.
        """
        found: list[Gap] = []
        reach = head
        if doubtful_through > head:
            found += _ranges(head + 1, doubtful_through, is_literal=False)
            reach = doubtful_through
        top = max((frame.last for frame in self.frames), default=head)
        unread = self._spans(is_readable=False)
        is_missing = False
        for first, last in _holes(reach + 1, top, self._spans(is_readable=True)):
            at = first
            for missing_first, missing_last in [*_holes(first, last, unread), (last + 1, last)]:
                if not is_missing:
                    found += _ranges(at, missing_first - 1, is_literal=True)
                found += _ranges(missing_first, missing_last, is_literal=False)
                is_missing = is_missing or missing_first <= missing_last
                at = missing_last + 1
        return found

    def _spans(self, *, is_readable: bool) -> list[tuple[int, int]]:
        """(first, last) of the frames that can, or cannot, be read, rising."""
        return sorted(
            (held.first, held.last) for held in self.frames if (held.records is not None) is is_readable
        )


def _holes(first: int, last: int, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What no span covers from `first` to `last`."""
    found = []
    for begin, end in spans:
        if begin > last:
            break
        if begin > first:
            found.append((first, begin - 1))
        first = max(first, end + 1)
    if first <= last:
        found.append((first, last))
    return found


def _ranges(first: int, last: int, *, is_literal: bool) -> list[Gap]:
    return [
        (start, min(GAPS_COUNT_MAX, last - start + 1), is_literal)
        for start in range(first, last + 1, GAPS_COUNT_MAX)
    ]
