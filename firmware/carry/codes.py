"""Pending records as the texts of QR codes: one short frame each, as many as one walk to the printer is worth."""

from firmware.carry.run import Run
from firmware.hal.flash_area import FlashError
from firmware.ledger.journal import JournalFull
from protocol import carry

# About a metre and a half of paper, and half a minute at the printer.
CODES_MAX = 30


class Code:
    """`text` of the symbol; records `first` .. `last` are in it."""

    def __init__(self, text: str, first: int, last: int) -> None:
        self.text = text
        self.first = first
        self.last = last


class Codes:
    """Makes the codes of a `ledger`'s pending records. `frames`: a `firmware.relay.frames.Frames`; `is_ready()`: the link
    keys are there.
    """

    def __init__(self, ledger, frames, is_ready) -> None:
        self._ledger = ledger
        self._frames = frames
        self._is_ready = is_ready

    async def make(self) -> list:
        """Codes of the oldest pending records; the last code is sealed. None where the link keys are not there."""
        if not self._is_ready():
            return []
        run = Run(self._ledger, self._frames, True)
        found = []
        is_last = False
        while not is_last:
            is_last = len(found) >= CODES_MAX - 1
            before = run.records
            try:
                frames = await run.next(is_last)
            except (JournalFull, FlashError):
                break  # no counters can be burned for parts
            if not frames:
                break
            first = run.last + 1 - (run.records - before)
            # Of a frame that went in parts each part is a code: one walk may end up to three codes later for it.
            found.extend([Code(carry.qr_text(octets), first, run.last) for octets in frames])
        return found
