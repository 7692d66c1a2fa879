"""Whose display, keys, printer and reader are: the conversation's, or for a while the technician's bench.

The conversation stands aside only where it waits for nobody, at its idle screen; a card that is being served comes first.
"""

_LOOK_MS = 20


class Lease:
    """`is_busy()`: a card is being served. One side borrows and gives back, the other stands aside."""

    def __init__(self, clock, is_busy) -> None:
        self._clock = clock
        self._is_busy = is_busy
        self._wanted = False
        self._lent = False

    async def borrow(self, timeout_ms: int, check_in) -> bool:
        """Whether the panel is the borrower's now; False where the conversation, or a card, did not end in time."""
        self._wanted = True
        for _ in range(0, timeout_ms, _LOOK_MS):
            if self._lent and not self._is_busy():
                return True
            check_in()
            await self._clock.sleep_ms(_LOOK_MS)
        self.give_back()
        return False

    def give_back(self) -> None:
        """The panel is the conversation's again."""
        self._wanted = False
        self._lent = False

    async def stand_aside(self, alive) -> bool:
        """For the conversation, where it may be interrupted: wait while somebody else has the panel, calling `alive()`; whether
        somebody had it.
        """
        if not self._wanted:
            return False
        self._lent = True
        while self._lent:
            alive()
            await self._clock.sleep_ms(_LOOK_MS)
        return True
