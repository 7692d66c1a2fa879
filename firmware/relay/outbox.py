"""Which records go out next: a pure decision over marks and sequences; sending and time are the caller's."""

BATCH_MAX = 32


class Batch:
    """Records `first` .. `last`; `literal` asks for codec 0."""

    def __init__(self, first: int, last: int, literal: bool) -> None:
        self.first = first
        self.last = last
        self.literal = literal

    @property
    def count(self) -> int:
        """How many records."""
        return self.last - self.first + 1


class Outbox:
    """Walks from the gateway's mark to the head of the chain, then rests until something is new or overdue."""

    def __init__(self) -> None:
        self._next = 1
        self._gaps = []
        self._filled = set()

    def restart(self, sealed_through: int) -> None:
        """A new session, or no acknowledgement in time: send again all that is not sealed at the gateway."""
        self._next = sealed_through + 1
        self._gaps = []
        self._filled = set()

    def acknowledged(self, sealed_through: int, gaps: list) -> None:
        """The gateway's mark rose and it may have named gaps as (first, count, literal).

        A gap is filled once until the next restart: the gateway names it in every acknowledgement until it has it.
        """
        self._next = max(self._next, sealed_through + 1)
        self._gaps = [gap for gap in gaps if gap[0] + gap[1] - 1 > sealed_through and gap not in self._filled]

    def next(self, first_held: int, head: int, verified_through: int, last_adoption: int) -> "Batch | None":
        """The next batch to send, or None.

        `first_held`: the oldest record that there is. `verified_through`: seals up to there can be vouched for. Records
        up to `last_adoption` were made under an older context and travel literally.
        """
        limit = min(head, verified_through)
        while self._gaps:
            gap = self._gaps[0]
            first, count, literal = gap
            last = first + count - 1
            first = max(first, first_held)
            if first > last or first > limit:
                # Nothing of it can be sent (yet); what is newer than the seals follows in the ordinary course.
                self._gaps.pop(0)
                continue
            batch = self._cut(first, min(last, limit), last_adoption, literal)
            if batch.last < min(last, limit):
                self._gaps[0] = (batch.last + 1, last - batch.last, literal)
            else:
                self._gaps.pop(0)
            self._filled.add(gap)
            return batch
        self._next = max(self._next, first_held)
        if self._next > limit:
            return None
        batch = self._cut(self._next, limit, last_adoption, False)
        self._next = batch.last + 1
        return batch

    def _cut(self, first: int, last: int, last_adoption: int, literal: bool) -> Batch:
        """At most BATCH_MAX records, never over the border between an older context and the current one."""
        if first <= last_adoption:
            last = min(last, last_adoption)
            literal = True
        return Batch(first, min(last, first + BATCH_MAX - 1), literal)
