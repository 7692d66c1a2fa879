"""The ways out of a terminal as its settings name them: WLAN, the modem's connections, short messages."""

from firmware.drivers.modem.modem import Modem
from firmware.hal import pins
from firmware.hal.i2c_device import BusError
from firmware.ledger import document_area
from firmware.relay.link import TcpLink, tls_context
from firmware.relay.modem_link import ModemLink
from firmware.relay.sms_link import SmsLink

WLAN = "WLAN"
MODEM = "modem"


class FrameNotTaken(Exception):
    """The books cannot take a frame now: the message that brought it stays in the modem's store."""


class Links:
    """`settings` as `firmware.settings` parses them; `take_frame(octets)` is awaited for each frame in a short message;
    `sessions()`: how many sessions with the broker came up so far.

    `modem` and `sms` are None where the settings name none. `ways`: by which a session can be tried, the preferred one
    first; `way`: that of the latest session, "" before the first. Whoever opens a link sets `check_in` before.
    """

    def __init__(self, board, expander, settings: dict, documents, take_frame, sessions) -> None:
        self._board = board
        self._settings = settings
        self._documents = documents
        self._sessions = sessions
        self._sessions_before = 0
        self.check_in = None
        self.way = ""
        self.modem = None
        self.sms = None
        if settings["modem"] == "1":
            self.modem = Modem(
                board.modem_uart,
                board.clock,
                received=self._message_came,
                power_key=lambda pressed: expander.set_output(pins.MODEM_POWER_KEY_BIT, pressed),
                reset=lambda asserted: expander.set_output(pins.MODEM_RESET_BIT, asserted),
                line_error=BusError,
                apn=settings["apn"],
            )
            if settings["gateway_number"]:
                self.sms = SmsLink(self.modem.sender, settings["gateway_number"], take_frame)
        self.ways = ways_of(settings)

    async def _message_came(self, incoming) -> None:
        """Nobody may fill the store of a terminal that wants no messages."""
        if self.sms is not None:
            await self.sms.receive(incoming)

    def make_link(self):
        """A link to the broker for the next session, over the next way."""
        sessions = self._sessions()
        self.way = next_way(self.ways, self.way, sessions != self._sessions_before)
        self._sessions_before = sessions
        return self._modem_link() if self.way == MODEM else self._tcp_link()

    def _tcp_link(self) -> TcpLink:
        """Over the board's network; with TLS it believes the provisioned broker CA alone."""
        settings = self._settings
        tls = None
        if settings["broker_tls"] == "1":
            tls = tls_context(self._documents.get(document_area.BROKER_CA))
        port = int(settings["broker_port"])
        return TcpLink(settings["broker_host"], port, tls, network=self._board.network)

    def _modem_link(self) -> ModemLink:
        settings = self._settings
        port = int(settings["modem_broker_port"] or settings["broker_port"])
        return ModemLink(self.modem.sockets, settings["broker_host"], port, self._board.clock, self.check_in)


def ways_of(settings: dict) -> tuple:
    """The ways to the broker, the cheapest first: WLAN where it is named or nothing else is there; the modem, which has no
    TLS, where the broker has a port without.
    """
    has_modem = settings["modem"] == "1"
    is_way = (
        (WLAN, settings["wifi_ssid"] or not has_modem),
        (MODEM, has_modem and (settings["modem_broker_port"] or settings["broker_tls"] == "0")),
    )
    return tuple([way for way, holds in is_way if holds])


def next_way(ways: tuple, last: str, has_come_up: bool) -> str:
    """The first way again after a session that came up; after one that did not, the way behind it."""
    if has_come_up or last not in ways:
        return ways[0]
    return ways[(ways.index(last) + 1) % len(ways)]
