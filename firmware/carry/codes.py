"""Pending records as the texts of QR codes: one short frame each, as many as one walk to the printer is worth."""

from firmware.carry.run import Run
from protocol import carry, frame

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

    async def make(self) -> tuple:
        """(codes of the oldest pending records, records that no code has room for); the last code is sealed.

        None where the link keys are not there.
        """
        if not self._is_ready():
            return [], 0
        run = Run(self._ledger, self._frames, True)
        found = []
        while len(found) < CODES_MAX:
            octets = await run.next(len(found) == CODES_MAX - 1)
            if not octets:
                break
            header = frame.read_header(octets)
            found.append(Code(carry.qr_text(octets), header.first, header.first + header.count - 1))
        return found, run.unfit
