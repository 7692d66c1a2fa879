"""Watches the case switch: who opens the terminal leaves an event in the chain."""

LOOK_MS = 200
# A switch counts once it has stayed for so many looks; an expander that restarts reads as shut for a moment.
STEADY_LOOKS = 8


class CaseWatch:
    """`is_open()`: the switch as it was read last; `tell()`: keeps the event.

    A case that is open at the start is told too: nobody watched before.
    """

    def __init__(self, is_open, tell, clock) -> None:
        self._is_open = is_open
        self._tell = tell
        self._clock = clock
        self._steady = False  # what the switch is taken for: shut
        self._looks = 0

    async def run(self, check_in) -> None:
        """For ever."""
        while True:
            check_in()
            self.look()
            await self._clock.sleep_ms(LOOK_MS)

    def look(self) -> None:
        """One look; an opening that has lasted is told once."""
        is_open = self._is_open()
        self._looks = self._looks + 1 if is_open != self._steady else 0
        if self._looks < STEADY_LOOKS:
            return
        self._steady = is_open
        self._looks = 0
        if is_open:
            self._tell()
