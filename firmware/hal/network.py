"""The way to an IP network: bring Wi-Fi up, and tear everything down when that fails."""

# The radio needs a rest after a failed join, or the next one fails too.
JOIN_REST_MS = 1000
JOIN_POLL_MS = 100


class NetworkError(Exception):
    """No network; `place` is the network that it was about."""

    def __init__(self, place: str, reason: str):
        super().__init__("%s: %s" % (place, reason))
        self.place = place


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

    async def _give_up(self, reason: str) -> None:
        self.failed_joins += 1
        self.down()
        await self._clock.sleep_ms(JOIN_REST_MS)
        raise NetworkError(self._ssid, reason)
