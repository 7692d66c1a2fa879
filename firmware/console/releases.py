"""The console's commands that renew the application: a signed bundle comes over the cable, piece by piece.

What the cable brings is worth what its signature is worth; nothing is written while a card is being served.
"""

from firmware import loader
from firmware.console import errors
from firmware.console.errors import CommandError
from firmware.updater import HEAD_OCTETS_MAX, UpdateRefused, release_of
from protocol.errors import ProtocolError

# A release that has run so long without a crash has proved itself.
PROVED_AFTER_MS = 120_000


class ReleaseCommands:
    """`updater`: firmware/updater; `is_busy()`: a card is being served; `restart()` is called once a release shall be tried.

    `fetch`: the `ReleaseFetch` of a terminal that can take one over MQTT, set once it runs; None else.

    `release`: what runs, whether it is on trial, and what is being taken. `release-begin` (DATA: the bundle's head), `release-piece OFFSET` (DATA),
    `release-end`.
    """

    def __init__(self, updater, root: str, slot: str, is_busy, restart) -> None:
        self.updater = updater
        self.fetch = None
        self._root = root
        self._slot = slot
        self._is_busy = is_busy
        self._restart = restart
        self.commands = {
            "release": self.release,
            "release-begin": self.begin,
            "release-piece": self.piece,
            "release-end": self.end,
        }

    def is_on_trial(self) -> bool:
        """Whether the release that runs has not proved itself: one that fails is not shown for long, the one before waits."""
        slot, left = loader.read_state(self._root)
        return slot == self._slot and left >= 0

    async def prove(self, clock) -> None:
        """Ends the trial of the release that runs; where the file system does not take it, the trial goes on."""
        await clock.sleep_ms(PROVED_AFTER_MS)
        try:
            loader.confirm(self._root, self._slot)
        except OSError:
            pass

    async def release(self, _console, _words: list) -> list:
        """OK with the running slot and its release, the other slot's release, starts left of a trial (-1: none); of the one
        that is taken, by cable or over MQTT, its number, the octets that are there, and all of them; whether the other slot's used up
        its starts; what the broker offers (0: nothing for this terminal), what that waits for, and how often it was refused or spoiled.
        """
        slot, left = loader.read_state(self._root)
        updater = self.updater
        told = [
            ("slot", self._slot),
            ("release", release_of(self._root, self._slot)),
            ("other", release_of(self._root, loader.other(self._slot))),
            ("trial", left if slot == self._slot else -1),
            ("taking", updater.release),
            ("taken", updater.next_offset),
            ("of", updater.size),
            ("failed", int(updater.has_failed(updater.kept_head()))),
        ]
        fetch = self.fetch
        if fetch is not None:
            told += [("offered", fetch.offered), ("waits", fetch.waits or "-"), ("failures", fetch.failures)]
        return told

    async def begin(self, console, _words: list) -> list:
        """OK with the release, and where in the files' octets to go on."""
        head = await console.receive(HEAD_OCTETS_MAX)
        self._do(self.updater.begin, head)
        return [("release", self.updater.release), ("next", self.updater.next_offset)]

    async def piece(self, console, words: list) -> list:
        """OK with where the next piece begins."""
        if len(words) != 1 or not words[0].isdigit():
            raise CommandError(errors.BAD_WORDS, "takes the offset of the piece")
        octets = await console.receive()
        self._do(self.updater.write, int(words[0]), octets)
        return [("next", self.updater.next_offset)]

    async def end(self, _console, _words: list) -> list:
        """OK when every file was found on flash; then the terminal starts anew and tries the release."""
        self._do(self.updater.finish)
        self._restart()
        return [("release", self.updater.release)]

    def _do(self, work, *values) -> None:
        if self._is_busy():
            raise CommandError(errors.NOT_READY, "a card is being served")
        try:
            work(*values)
        except (UpdateRefused, ProtocolError) as error:
            raise CommandError(errors.REFUSED, str(error))
        except OSError as error:
            raise CommandError(errors.REFUSED, "the file system does not take it: %d" % error.errno)
