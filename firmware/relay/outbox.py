"""Which records go out next by one way: a pure decision over marks and sequences; sending and time are the caller's."""

BATCH_MAX = 32


class Batch:
    """Records `first` .. `last`; `literal`: the gateway asked for codec 0; `is_older`: made up to the last adoption;
    `is_end` where nothing follows that could be sent.

    `gap` is the one that it fills, as the outbox holds it, None in the ordinary course. `context`: what codec 1 may rest on,
    None where there is none; whoever asked for the batch sets it at once, since an adoption changes it.
    """

    def __init__(self, first: int, last: int, literal: bool, is_older: bool, is_end: bool, gap) -> None:
        self.first = first
        self.last = last
        self.literal = literal
        self.is_older = is_older
        self.is_end = is_end
        self.gap = gap
        self.context = None

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

    @property
    def carried_through(self) -> int:
        """The last sequence that went out or need not."""
        return self._next - 1

    @property
    def is_asked(self) -> bool:
        """Whether the gateway named gaps that have not been filled."""
        return bool(self._gaps)

    def restart(self, sealed_through: int) -> None:
        """A new session, or no acknowledgement in time: send again what is behind `sealed_through`."""
        self._next = sealed_through + 1
        self._gaps = []
        self._filled = set()

    def acknowledged(self, sealed_through: int, gaps: list) -> None:
        """The gateway's mark rose and it may have named gaps as (first, count, literal).

        A gap is filled once until the next restart: the gateway names it in every acknowledgement until it has it.
        """
        self._next = max(self._next, sealed_through + 1)
        self._gaps = [gap for gap in gaps if gap[0] + gap[1] - 1 > sealed_through and gap not in self._filled]

    def forget_filled(self) -> None:
        """What filled gaps must have arrived by now, or is lost: where they are named again, they are filled again."""
        self._filled = set()

    def waiting(self, first_held: int, limit: int) -> int:
        """How many records up to `limit` this way has not carried in the ordinary course."""
        return max(0, limit + 1 - max(self._next, first_held))

    def next(self, first_held: int, head: int, verified_through: int, last_adoption: int) -> "Batch | None":
        """The next batch to send, or None; it stays the next one until `sent` is told.

        `first_held`: the oldest record that there is. `verified_through`: seals up to there can be vouched for. Records
        up to `last_adoption` were made under an older context.
        """
        limit = min(head, verified_through)
        while self._gaps:
            gap = self._gaps[0]
            first = max(gap[0], first_held)
            last = min(gap[0] + gap[1] - 1, limit)
            if first <= last:
                return _cut(first, last, limit, last_adoption, gap)
            # Nothing of it can be sent (yet); what is newer than the seals follows in the ordinary course.
            self._gaps.pop(0)
        self._next = max(self._next, first_held)
        if self._next > limit:
            return None
        return _cut(self._next, limit, limit, last_adoption, None)

    def sent(self, batch: Batch, count: int) -> None:
        """The first `count` records of the batch are under way. Where the gateway said otherwise meanwhile, that holds."""
        behind = batch.first + count
        if batch.gap is None:
            if self._next == batch.first:
                self._next = behind
        elif self._gaps and self._gaps[0] is batch.gap:
            first, length, literal = batch.gap
            left = first + length - behind
            self._filled.add(batch.gap)
            if left > 0:
                self._gaps[0] = (behind, left, literal)
            else:
                self._gaps.pop(0)


def _cut(first: int, last: int, limit: int, last_adoption: int, gap) -> Batch:
    """At most BATCH_MAX records, never over the border between an older context and the current one."""
    is_older = first <= last_adoption
    if is_older:
        last = min(last, last_adoption)
    last = min(last, first + BATCH_MAX - 1)
    return Batch(first, last, gap is not None and gap[2], is_older, last == limit, gap)
