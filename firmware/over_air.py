"""Ties the release over MQTT to a running terminal: when it may be taken, and when nobody minds a restart."""

from firmware.links import WLAN
from firmware.relay.release_fetch import SERVED, WAY, ReleaseFetch, Stillness, hindrance_of

# Screens on which nobody is in the middle of anything.
RESTING = ("idle", "last_transaction")


def join(app, clock, jitter, restart) -> None:
    """From now on the relay of an assembled application tells its release and looks for others, where it was started from a
    slot.
    """
    releases = app.workshop.releases
    if releases is not None:
        app.relay.frames.release = releases.updater.running
        releases.fetch = app.relay.mqtt.releases = OverAir(
            app, releases.updater, clock, jitter, restart
        ).fetch


class OverAir:
    """`fetch` is what the relay runs beside the records. `app`: the assembled application; `updater`: firmware/updater.

    A release is many hundred thousand octets: over a modem, where they cost money, only with the setting `release_by_modem`.
    """

    def __init__(self, app, updater, clock, jitter, restart) -> None:
        self._app = app
        self._still = Stillness(clock, self._sight)
        self.fetch = ReleaseFetch(
            updater, app.ledger.kid, self._hindrance, self._may_start, restart, clock, jitter
        )

    def _hindrance(self) -> str:
        """Why nothing may be taken now."""
        app = self._app
        # Not in the middle of a sale either: littlefs sometimes takes a second or more to find a free block.
        if self._is_served():
            return SERVED
        if app.links.way != WLAN and app.settings["release_by_modem"] != "1":
            return WAY
        return hindrance_of(app.ledger)

    def _may_start(self) -> bool:
        """Nobody has touched the terminal for a while, and the gateway has sealed every record."""
        ledger = self._app.ledger
        return self._still.lasts() and ledger.marks.sealed_through == ledger.journal.sequence

    def _is_served(self) -> bool:
        """Whether somebody is in the middle of something, from the first key to the last."""
        return self._app.terminal.busy or self._app.flow.panel.shown not in RESTING

    def _sight(self):
        """What changes when somebody does something; None while somebody is at it."""
        app = self._app
        if self._is_served() or app.console.is_working:
            return None
        return app.keypad.taken, app.ledger.journal.sequence, app.console.uses
