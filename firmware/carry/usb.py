"""The console's commands that carry: pending records out as a carry file, and in what the gateway answered."""

from firmware.carry.run import Run
from firmware.console import errors
from firmware.console.errors import CommandError
from firmware.hal.flash_area import FlashError
from firmware.ledger.journal import JournalFull
from firmware.relay.downlink import APPLIED, PART, STALE
from protocol import carry

# Of a record's number.
DIGITS_MAX = 7


class CarryCommands:
    """`carry-out [FIRST]`: a status report, then all records that are not sealed at the gateway, or all that are held from
    FIRST on. `carry-in`: a carry file with acknowledgements, grants or certificates; signatures decide what they are worth,
    not who brings them.

    `is_ready()`: the link keys are there.
    """

    def __init__(self, ledger, relay, is_ready) -> None:
        self._ledger = ledger
        self._relay = relay
        self._is_ready = is_ready
        self.commands = {"carry-out": self.carry_out, "carry-in": self.carry_in}

    async def carry_out(self, console, words: list) -> list:
        """OK with frames and records."""
        first = int(words[0]) if len(words) == 1 and words[0].isdigit() and len(words[0]) <= DIGITS_MAX else 0
        self._require(words[1:] if first else words)
        ledger, frames = self._ledger, self._relay.frames
        total = ledger.journal.sequence - (first - 1 if first else ledger.marks.sealed_through)
        count = 0
        try:
            await console.send(carry.pack(await frames.report(console.check_in)))
            count += 1
        except (JournalFull, FlashError):
            pass  # no counter can be burned for it; records go all the same
        run = Run(ledger, frames, False, first)
        while True:
            entries = await run.next()
            if not entries:
                return [("frames", count), ("records", run.records)]
            for octets in entries:
                await console.send(carry.pack(octets))
                count += 1
            await console.progress(run.records, total)

    async def carry_in(self, console, words: list) -> list:
        """OK with how the frames ended; `later`: good, but the books cannot take them now."""
        self._require(words)
        entries = carry.read(await console.receive())
        outcomes = {APPLIED: 0, STALE: 0, "refused": 0, "later": 0, "damaged": 0}
        for place in range(len(entries)):
            _, octets, error = entries[place]
            if error is not None:
                outcomes["damaged"] += 1
                continue
            console.check_in()
            outcome, done = await self._relay.apply(octets)
            if not done:
                outcome = "later"
            elif outcome == PART:
                outcome = APPLIED
            outcomes[outcome if outcome in outcomes else "refused"] += 1
            await console.progress(place + 1, len(entries))
        return [(name, outcomes[name]) for name in (APPLIED, STALE, "refused", "later", "damaged")]

    def _require(self, words: list) -> None:
        if words:
            raise CommandError(errors.BAD_WORDS, "takes no words")
        if not self._is_ready():
            raise CommandError(errors.NOT_READY, "still starting")
