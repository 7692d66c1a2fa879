"""The way to an IP network: bring Wi-Fi up, open a stream, and tear everything down when something fails."""

import asyncio

# The radio needs a rest after a failed join, or the next one fails too.
JOIN_REST_MS = 1000
JOIN_POLL_MS = 100


class NetworkError(Exception):
    """No network or no connection; `place` is the network or host that it was about."""

    def __init__(self, place: str, reason: str):
        super().__init__("%s: %s" % (place, reason))
        self.place = place


async def open_stream(host: str, port: int, tls=None) -> tuple:
    """(reader, writer) of asyncio for a TCP connection, inside TLS if `tls` is an `ssl.SSLContext`.

    NetworkError if it cannot be made; a host that refuses may show only at the first read or write, as OSError, because
    the runtime does not ask the socket. Resolving a name keeps the processor until the name server answers.
    """
    try:
        if tls is None:
            return await asyncio.open_connection(host, port)
        return await asyncio.open_connection(host, port, ssl=tls, server_hostname=host)
    except OSError as error:
        raise NetworkError(host, "no connection to port %d, %s" % (port, error))


class WlanNetwork:
    """Wi-Fi as a station; `wlan` is a `network.WLAN`, credentials come from the settings."""

    def __init__(self, wlan, clock):
        self._wlan = wlan
        self._clock = clock
        self._ssid = ""
        self._password = ""
        self.failed_joins = 0

    def configure(self, ssid: str, password: str) -> None:
        """Name the network that `up` joins."""
        self._ssid = ssid
        self._password = password

    def is_up(self) -> bool:
        return self._wlan.isconnected()

    async def up(self, timeout_ms: int) -> None:
        """Join the network unless it is joined; NetworkError after `timeout_ms`, with the radio off again."""
        if self.is_up():
            return
        if not self._ssid:
            raise NetworkError("wlan", "no network configured")
        started = self._clock.ticks_ms()
        self._wlan.active(True)
        try:
            self._wlan.connect(self._ssid, self._password)
        except OSError:
            await self._give_up("the radio refused to join")
        while not self.is_up():
            if self._clock.ticks_diff(self._clock.ticks_ms(), started) >= timeout_ms:
                await self._give_up("not joined in %d ms" % timeout_ms)
            await self._clock.sleep_ms(JOIN_POLL_MS)

    def down(self) -> None:
        """Leave the network and switch the radio off."""
        try:
            self._wlan.disconnect()
        except OSError:
            pass  # it was not joined: that is what is wanted
        self._wlan.active(False)

    async def open(self, host: str, port: int, tls=None) -> tuple:
        """As `open_stream`; NetworkError at once if the network is not joined."""
        if not self.is_up():
            raise NetworkError(host, "no network")
        return await open_stream(host, port, tls)

    async def _give_up(self, reason: str) -> None:
        self.failed_joins += 1
        self.down()
        await self._clock.sleep_ms(JOIN_REST_MS)
        raise NetworkError(self._ssid, reason)
