"""A terminal's console with the release commands, talking over stdin and stdout; its flash file system is in RAM."""

import asyncio
import select
import sys

from firmware import loader
from firmware.console.console import Console
from firmware.console.lines import Lines
from firmware.console.releases import ReleaseCommands
from firmware.hal.clock import Clock
from firmware.updater import Updater, release_of
from tests.support.mp_release import ROOT, mount, new_flash, put


class Pipe:
    """Standard input and output in the shape of `machine.UART`."""

    def __init__(self):
        self._poll = select.poll()
        self._poll.register(sys.stdin.buffer, select.POLLIN)

    def any(self):
        return len(self._poll.poll(0))

    def read(self, size):
        return sys.stdin.buffer.read(size)

    def write(self, octets):
        sys.stdout.buffer.write(octets)

    def txdone(self):
        return True


class Restarts:
    count = 0

    def one(self):
        self.count += 1


async def chosen(_console, _words):
    """For the test: what the loader would start, and how often a restart was asked for."""
    slot = loader.choose(ROOT)
    return [("slot", slot), ("release", release_of(ROOT, slot)), ("restarts", restarts.count)]


def good(public, digest, signature):
    """The release key's signature is checked by the test of the updater; here only that one came."""
    yield
    return len(public) == 64 and len(digest) == 32 and signature != bytes(64)


restarts = Restarts()
mount(new_flash())
put("a/firmware/main.mpy", b"old")
updater = Updater(ROOT, "a", 4, bytes(64), good)
work = ReleaseCommands(updater, ROOT, "a", lambda: False, restarts.one)
work.commands["chosen"] = chosen
asyncio.run(Console(Lines(Pipe(), Clock()), work.commands).run(lambda: None))
