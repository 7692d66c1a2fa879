"""Ties what the broker keeps to a running terminal: releases and new rosters, when they may be taken, and when nobody minds a
restart.
"""

import asyncio

from firmware.hal.flash_area import FlashError
from firmware.ledger.document_area import DocumentsTooLarge
from firmware.ledger.ledger import LedgerError
from firmware.links import WLAN
from firmware.relay import release_fetch
from firmware.relay.release_fetch import FINDINGS, SERVED, WAY, ReleaseFetch, Stillness, hindrance_of
from firmware.relay.renewal_fetch import RenewalFetch
from protocol.errors import ProtocolError

# Screens on which nobody is in the middle of anything.
RESTING = ("idle", "last_transaction")
# Nobody has touched the terminal for so long before it restarts into a new roster: it is back in seconds.
ROSTER_STILL_MS = 60_000
_LOOK_MS = 1_000


def join(app, board, jitter, restart) -> None:
    """From now on the relay of an assembled application looks for new rosters, and where it was started from a slot, tells its
    release and looks for others.
    """
    rosters = NewRosters(app, board, jitter, restart)
    app.downlink.renewal_of = rosters.renewal
    app.relay.mqtt.fetches.append(rosters.fetch)
    app.new_rosters = rosters
    releases = app.workshop.releases
    if releases is not None:
        app.relay.frames.release = releases.updater.running
        releases.fetch = OverAir(app, releases.updater, board.clock, jitter, restart).fetch
        app.relay.mqtt.fetches.append(releases.fetch)


class _Quiet:
    """Whether somebody is served, and since when nobody has done anything."""

    def __init__(self, app, clock) -> None:
        self._app = app
        self._still = Stillness(clock, self._sight)

    def is_served(self) -> bool:
        """Whether somebody is in the middle of something, from the first key to the last."""
        return self._app.terminal.busy or self._app.flow.panel.shown not in RESTING

    def lasts(self, duration_ms: int) -> bool:
        """Look again; whether nobody has touched the terminal for so long."""
        return self._still.lasts(duration_ms)

    def _sight(self):
        """What changes when somebody does something; None while somebody is at it."""
        app = self._app
        if self.is_served() or app.console.is_working:
            return None
        return app.keypad.taken, app.ledger.journal.sequence, app.console.uses


class OverAir:
    """`fetch` is what the relay runs beside the records. `app`: the assembled application; `updater`: firmware/updater.

    A release is many hundred thousand octets: over a modem, where they cost money, only with the setting `release_by_modem`.
    """

    def __init__(self, app, updater, clock, jitter, restart) -> None:
        self._app = app
        self._quiet = _Quiet(app, clock)
        self.fetch = ReleaseFetch(
            updater, app.ledger.kid, self._hindrance, self._may_start, restart, clock, jitter
        )

    def _hindrance(self) -> str:
        """Why nothing may be taken now."""
        app = self._app
        # Not in the middle of a sale either: littlefs sometimes takes a second or more to find a free block.
        if self._quiet.is_served():
            return SERVED
        if app.links.way != WLAN and app.settings["release_by_modem"] != "1":
            return WAY
        return hindrance_of(app.ledger)

    def _may_start(self) -> bool:
        """Nobody has touched the terminal for a while, and the gateway has sealed every record."""
        ledger = self._app.ledger
        is_sealed = ledger.marks.sealed_through == ledger.journal.sequence
        return self._quiet.lasts(release_fetch.STILL_MS) and is_sealed


class NewRosters:
    """`renewal()` gives the one that takes pieces, by whatever way they come; `fetch` is what the relay runs for those that the
    broker keeps. What is whole is put in force when nobody has touched the terminal for a while.

    `failures` counts what was whole and could not be put in force, `last_error` says why.
    """

    def __init__(self, app, board, jitter, restart) -> None:
        self._app = app
        self._board = board
        self._restart = restart
        self._quiet = _Quiet(app, board.clock)
        self._renewal = None
        self._switching = None
        self.failures = 0
        self.last_error = None
        self.fetch = RenewalFetch(
            app.ledger.kid, self._apply, self._taken, self._hindrance, board.clock, jitter
        )

    def renewal(self):
        """Its code is loaded with the first piece: most of the time there is nothing to take."""
        if self._renewal is None:
            from firmware.renewal import Renewal

            app = self._app
            self._renewal = Renewal(self._board.flash, app.ledger, lambda: app.terminal.busy, self._is_whole)
        return self._renewal

    def progress(self) -> tuple:
        """(octets that are there, all of them) of the one that is being taken, (0, 0) for none; whole until the restart."""
        return (0, 0) if self._renewal is None else (self._renewal.taken, self._renewal.octets)

    def _taken(self) -> int:
        return int(self.progress()[0])

    async def _apply(self, octets: bytes) -> tuple:
        return await self._app.relay.apply(octets)

    def _hindrance(self) -> str:
        """Why nothing may be taken now. What is found of the flash and stops no sale does not stop next month's either."""
        if self._quiet.is_served():
            return SERVED
        ledger = self._app.ledger
        why = hindrance_of(ledger)
        return "" if why == FINDINGS and ledger.journal.damage is None else why

    def _is_whole(self) -> None:
        """The last piece has come."""
        if self._switching is not None:
            self._switching.cancel()
        self._switching = asyncio.create_task(self._switch())

    async def _switch(self) -> None:
        """Wait for quiet; then the new roster comes into force with a restart. Something else may have come instead."""
        renewal = self._renewal
        while not self._quiet.lasts(ROSTER_STILL_MS):
            await self._board.clock.sleep_ms(_LOOK_MS)
        try:
            renewal.switch()
        except (ProtocolError, FlashError, DocumentsTooLarge, LedgerError) as error:
            self.failures += 1
            self.last_error = error
            return
        self._restart()
