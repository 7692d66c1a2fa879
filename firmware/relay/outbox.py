"""Which records go out next: a pure decision over marks and sequences; sending and time are the caller's."""

BATCH_MAX = 32


class Batch:
    """Records `first` .. `first + count - 1`; `literal` asks for codec 0."""

    def __init__(self, first: int, count: int, literal: bool) -> None:
        self.first = first
        self.count = count
        self.literal = literal


class Outbox:
    """Walks from the gateway's mark to the head of the chain, then rests until something is new or overdue."""

    def __init__(self) -> None:
        self._next = 1
        self._gaps = []

    def restart(self, sealed_through: int) -> None:
        """A new session, or no acknowledgement in time: send again all that is not sealed at the gateway."""
        self._next = sealed_through + 1
        self._gaps = []

    def acknowledged(self, sealed_through: int, gaps: tuple) -> None:
        """The gateway's mark rose and it may have named gaps as (first, count, literal)."""
        self._next = max(self._next, sealed_through + 1)
        self._gaps = [gap for gap in gaps if gap[0] + gap[1] - 1 > sealed_through]

    def next(self, head: int, verified_through: int, last_adoption: int) -> "Batch | None":
        """The next batch to send, or None.

        `verified_through`: seals up to there were checked by the terminal itself. Records up to `last_adoption` were
        made under an older context and travel literally.
        """
        limit = min(head, verified_through)
        while self._gaps:
            first, count, literal = self._gaps.pop(0)
            last = min(first + count - 1, limit)
            if last < first:
                continue
            batch = self._cut(first, last, last_adoption, literal)
            if batch.first + batch.count - 1 < last:
                self._gaps.insert(0, (batch.first + batch.count, last - batch.first - batch.count + 1, literal))
            return batch
        if self._next > limit:
            return None
        batch = self._cut(self._next, limit, last_adoption, False)
        self._next = batch.first + batch.count
        return batch

    def idle(self, head: int) -> bool:
        """Whether everything up to the head was sent at least once since the last restart."""
        return self._next > head and not self._gaps

    def _cut(self, first: int, last: int, last_adoption: int, literal: bool) -> Batch:
        """At most BATCH_MAX records, never over the border between an older context and the current one."""
        if first <= last_adoption:
            last = min(last, last_adoption)
            literal = True
        return Batch(first, min(last - first + 1, BATCH_MAX), literal)
