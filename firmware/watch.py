"""Looks once a second at what changed on a terminal and notes it in the event log, so that nobody on the way of a sale has to."""

from firmware import event_log
from firmware.drivers.modem import modem
from firmware.failures import FAILURES
from firmware.relay import mqtt_way

PERIOD_MS = 1000
LINK_STATES = (mqtt_way.DOWN, mqtt_way.CONNECTING, mqtt_way.UP)
MODEM_STATES = (
    modem.OFF,
    modem.STARTING,
    modem.NO_SIM,
    modem.SIM_LOCKED,
    modem.SEARCHING,
    modem.DENIED,
    modem.READY,
    modem.FAILED,
)


class Watch:
    """`app`: the running application; `log`: a `firmware.event_log.EventLog`."""

    def __init__(self, app, log) -> None:
        self._app = app
        self._log = log
        self._before = {}
        self._notices = []
        self._refusals = {}

    async def run(self, clock) -> None:
        """Until the terminal stops; rests while a card is served."""
        while not self._app.stopped_code:
            if not self._app.terminal.busy:
                self.look()
            await clock.sleep_ms(PERIOD_MS)

    def look(self) -> None:
        """Note what is not as it was at the last look."""
        app = self._app
        ledger, relay = app.ledger, app.relay
        self._see(event_log.STARTED, ledger.journal.boots)
        self._see(event_log.LINK, LINK_STATES.index(relay.state))
        self._see(event_log.ACKNOWLEDGED, ledger.marks.sealed_through)
        self._see(event_log.CONSOLE_FAILED, app.console.failures)
        self._see(event_log.CLOCK, ledger.time_trust)
        self._see(event_log.SECTORS_RETIRED, len(ledger.journal.retired))
        self._see(event_log.CARD_NOT_CLOSED, app.terminal.failed_closings)
        if relay.sms is not None:
            self._see(event_log.SMS_SENT, relay.sms.sent)
        if app.links.modem is not None:
            self._see(event_log.MODEM, MODEM_STATES.index(app.links.modem.state))
        self._see_refusals(app.terminal.refusal_counts)
        try:
            self._see_notices(app.terminal.notices())
        except FAILURES:
            pass  # what the flash does not give back, the notices tell at the next look

    def _see(self, code: int, value: int) -> None:
        """A change is an event; what begins at nothing is none."""
        if self._before.get(code, 0) != value:
            self._before[code] = value
            self._log.note(code, value)

    def _see_refusals(self, counts: dict) -> None:
        for number in sorted(counts):
            if counts[number] != self._refusals.get(number, 0):
                self._refusals[number] = counts[number]
                self._log.note(event_log.REFUSED, number)

    def _see_notices(self, notices: list) -> None:
        for number in notices:
            if number not in self._notices:
                self._log.note(event_log.NOTICE, number)
        for number in self._notices:
            if number not in notices:
                self._log.note(event_log.NOTICE_OVER, number)
        self._notices = notices
