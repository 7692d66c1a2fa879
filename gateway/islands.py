"""Records behind a gap: which of them the terminal's own seals prove already, and what the gap must turn out to be.

A bridge claims a chain value behind a gap. Once a seal over records that continue from it verifies, the value is confirmed:
those records are *provisional* (an island), and the missing ones must reproduce it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from gateway.verdicts import ChainRecord, ProvisionalRun
from gateway.waiting import WaitingFrame, WaitingPool
from protocol import chain

BRIDGES_MAX = 8
"""Bridge frames of one terminal that wait; the oldest gives way."""
TRIES_MAX = 16
"""Seals that are verified over bridges for one frame; what is left waits for the next one."""


def follow(sequence: int, value: bytes, path: Iterable[tuple[bytes, int]]) -> list[ChainRecord]:
    """The chain over (record, frame id) behind the record `sequence` with its chain value."""
    run = []
    for octets, frame_id in path:
        sequence += 1
        value = chain.extend(value, octets)
        run.append(ChainRecord(sequence, octets, value, frame_id))
    return run


@dataclass(frozen=True, slots=True)
class WaitingBridge:
    """A bridge frame: claims of (sequence, chain value), rising."""

    frame_id: int
    values: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Fork:
    """A waiting frame whose seal proves another chain than what is confirmed already."""

    batch: WaitingFrame


@dataclass(slots=True)
class Islands:
    """What one terminal has proved beyond its head.

    `chains`: confirmed chain values by sequence, where an island begins (the value before its first record) and in it.
    `proved`: provisional records, sequence -> rupiah of it that was handed to settlement.
    """

    bridges: list[WaitingBridge] = field(default_factory=list)
    chains: dict[int, bytes] = field(default_factory=dict)
    proved: dict[int, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.bridges or self.chains)

    @property
    def rupiah(self) -> int:
        """Handed to settlement and not sealed yet."""
        return sum(self.proved.values())

    def holds(self, new: WaitingBridge) -> bool:
        """Tell whether a bridge says nothing new."""
        claims = {claim for held in self.bridges for claim in held.values}
        return all(claim in claims or self.chains.get(claim[0]) == claim[1] for claim in new.values)

    def add(self, new: WaitingBridge) -> WaitingBridge | None:
        """Keep a bridge; returns the one that had to go for it."""
        self.bridges.append(new)
        return self.bridges.pop(0) if len(self.bridges) > BRIDGES_MAX else None

    def contradict(self, run: list[ChainRecord]) -> bool:
        """Tell whether records that a seal proves are others than those that another seal has confirmed."""
        if not self.chains:
            return False
        return any(self.chains.get(record.sequence, record.chain) != record.chain for record in run)

    def pass_through(self, head: int) -> list[WaitingBridge]:
        """Forget what is sealed by now; returns the bridges that are of no more use."""
        self.chains = {sequence: value for sequence, value in self.chains.items() if sequence > head}
        self.proved = {sequence: rupiah for sequence, rupiah in self.proved.items() if sequence > head}
        done = [held for held in self.bridges if held.values[-1][0] <= head]
        self.bridges = [held for held in self.bridges if held.values[-1][0] > head]
        return done

    def prove(
        self, waiting: WaitingPool, head: int, is_sealed: Callable[[int, bytes, bytes], bool]
    ) -> Iterator[ProvisionalRun | Fork]:
        """Runs that a seal proves from a bridge, or from the end of an island, on; ends at a fork."""
        tries = TRIES_MAX
        for sequence, value in self._bases(head):
            for goal in waiting.provable(sequence):
                if self._explains(goal):
                    continue
                for path in waiting.paths(sequence, goal):
                    if not tries:
                        return
                    tries -= 1
                    run = follow(sequence, value, path)
                    if not is_sealed(goal.last, run[-1].chain, goal.seal):
                        continue
                    if self.contradict(run) or self.chains.get(sequence, value) != value:
                        yield Fork(goal)
                        return
                    taken = self._take(sequence, value, run, goal.seal)
                    if taken.records:
                        yield taken
                    break

    def _bases(self, head: int) -> list[tuple[int, bytes]]:
        """From where on a run may be proved: claims, and ends of islands; the farthest first, which leaves least to do."""
        ends = {
            (sequence, self.chains[sequence]) for sequence in self.proved if sequence + 1 not in self.proved
        }
        claims = {claim for held in self.bridges for claim in held.values if claim[0] > head}
        return sorted(ends | claims, reverse=True)

    def _explains(self, goal: WaitingFrame) -> bool:
        """Tell whether a sealed frame is part of what is confirmed."""
        before = self.chains.get(goal.first - 1)
        if before is None or goal.last not in self.proved:
            return False
        run = follow(goal.first - 1, before, [(octets, goal.frame_id) for octets in goal.records or ()])
        return not self.contradict(run)

    def _take(self, sequence: int, value: bytes, run: list[ChainRecord], seal: bytes) -> ProvisionalRun:
        """Confirm a run; what is new of it are the records behind those that were provisional before."""
        self.chains[sequence] = value
        before, fresh = value, run
        for place, record in enumerate(run):
            self.chains[record.sequence] = record.chain
            if record.sequence in self.proved:
                before, fresh = record.chain, run[place + 1 :]
        self.proved |= {record.sequence: 0 for record in fresh}
        return ProvisionalRun(before, fresh, seal)
