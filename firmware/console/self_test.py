"""The console's command that tests the terminal's parts, tells the technician what to do, and leaves a record of it.

`self-test [part ...] [time=SECONDS] [fitted=part,...]` is answered by DATA lines whose octets are lines of text, PROGRESS lines
with the parts done and to do at least once a second, and OK:

```
begin PART                     this part is tested now
ask WORDS                      what is waited for: card, insert, keys KEYS, display, strip, case open, case shut
end PART VERDICT CODE TEXT     passed, failed or absent; code of hardware/FAULTS.md, 0 for none
```
A line that comes meanwhile ends it. OK has bit maps as in protocol/self_test, and the number of the event that keeps them, 0
where there are no books to keep it or they do not take it.
"""

import asyncio

from firmware.bench.bench import PARTS
from firmware.bench.outcome import ABSENT, PASSED
from firmware.console import errors
from firmware.console.errors import CommandError
from protocol import self_test

HEARTBEAT_MS = 1000
_LOOK_MS = 50
_TIME_MAX = 0xFFFFFFFF


class SelfTestCommands:
    """`at_rest()`: a firmware.bench.places.AtRest, where tests are made while the terminal serves nobody; `release()`: the number
    of the release that runs. A place is made for each run: most days see none.
    """

    def __init__(self, at_rest, release) -> None:
        self._at_rest = at_rest
        self._place = at_rest
        self._release = release
        self.commands = {"self-test": self.self_test}

    def open(self, in_service) -> None:
        """The terminal serves families: tests are made at `in_service()`, a firmware.bench.places.InService, from now on."""
        self._place = in_service

    def close(self) -> None:
        """It serves nobody any more."""
        self._place = self._at_rest

    async def self_test(self, console, words: list) -> list:
        """Test all parts, or those that are named."""
        parts, expected, laptop_s = parsed(words)
        place = self._place()
        if not await self._patiently(console, asyncio.create_task(place.take(console.check_in)), len(parts)):
            raise CommandError(errors.NOT_READY, "the operator is at work: wait until the screen is idle")
        run = good = 0
        try:
            place.bench.begin(expected, laptop_s)
            for done in range(len(parts)):
                outcome = await self._test(console, place.bench, parts[done], done, len(parts))
                if outcome.verdict != ABSENT:
                    run |= self_test.bit(parts[done])
                if outcome.verdict == PASSED:
                    good |= self_test.bit(parts[done])
        finally:
            await place.give_back()
        told = self_test.SelfTest(run, good, self._release())
        return [
            ("kid", "%08x" % place.kid),
            ("release", told.release),
            ("run", "%04x" % run),
            ("passed", "%04x" % good),
            ("recorded", place.keep(self_test.encode(told))),
        ]

    async def _patiently(self, console, waiting, total: int) -> bool:
        """What a task comes to; the cable hears all the while that the terminal is alive."""
        try:
            while not waiting.done():
                await console.progress(0, total)
                for _ in range(0, HEARTBEAT_MS, _LOOK_MS):
                    if waiting.done():
                        break
                    await asyncio.sleep_ms(_LOOK_MS)
            return await waiting
        finally:
            waiting.cancel()

    async def _test(self, console, bench, part: str, done: int, total: int):
        """One part; the cable hears all the while that the terminal is alive."""
        await console.send(b"begin %s\n" % part.encode())
        testing = asyncio.create_task(bench.judge(part))
        try:
            while not testing.done():
                await console.progress(done, total)
                await self._tell(console, bench)
                await self._watch(console, bench, testing)
            outcome = await testing
        finally:
            testing.cancel()
        await self._tell(console, bench)
        line = "end %s %s %d %s\n" % (part, outcome.verdict, outcome.code, outcome.text)
        await console.send(line.encode())
        return outcome

    async def _watch(self, console, bench, testing) -> None:
        """Until the test is over, has something to tell, or a second has passed."""
        for _ in range(0, HEARTBEAT_MS, _LOOK_MS):
            if testing.done() or bench.asked:
                return
            if console.is_spoken_to:
                raise CommandError(errors.INTERRUPTED, "another command came")
            console.check_in()
            await asyncio.sleep_ms(_LOOK_MS)

    async def _tell(self, console, bench) -> None:
        while bench.asked:
            await console.send(b"ask %s\n" % bench.asked.pop(0).encode())


def parsed(words: list) -> tuple:
    """(parts in the order of their tests, parts that are surely fitted, the laptop's time or 0); CommandError for other words."""
    named = []
    expected = ()
    laptop_s = 0
    for word in words:
        name, is_option, value = word.partition("=")
        if name == "time" and value.isdigit() and 0 < int(value) <= _TIME_MAX:
            laptop_s = int(value)
        elif name == "fitted":
            expected = tuple(value.split(","))
        elif is_option or word not in PARTS:
            raise CommandError(errors.BAD_WORDS, "no such part, they are " + ",".join(PARTS))
        else:
            named.append(word)
    if any(part not in PARTS for part in expected):
        raise CommandError(errors.BAD_WORDS, "no such part, they are " + ",".join(PARTS))
    return tuple([part for part in PARTS if part in named or not named]), expected, laptop_s
