"""The time of day and how far it may be believed: RTC at boot, the gateway's signed time afterwards."""

from protocol import records

# An RTC that shows less was never set (2026-01-01).
PLAUSIBLE_FROM_S = 1767225600


class TimeKeeper:
    """`clock` is the HAL's; `rtc` has `read() -> (seconds, trusted)` and `set(seconds)`, and its own error type."""

    def __init__(self, clock, rtc, rtc_error) -> None:
        self._clock = clock
        self._rtc = rtc
        self._rtc_error = rtc_error
        self.trust = records.TRUST_UNSET
        self.rtc_failures = 0

    def start(self) -> None:
        """Take the RTC's time if its oscillator never stopped."""
        try:
            seconds, trusted = self._rtc.read()
        except self._rtc_error:
            self.rtc_failures += 1
            return
        if trusted and seconds >= PLAUSIBLE_FROM_S:
            self._clock.set_epoch_seconds(seconds)
            self.trust = records.TRUST_KEPT

    def epoch_seconds(self) -> int:
        """Unsigned seconds since 1970 UTC; zero while nothing is known."""
        return 0 if self.trust == records.TRUST_UNSET else int(self._clock.epoch_seconds())

    def hear(self, seconds: int) -> None:
        """The gateway's signed time: it may be old when it arrives, so it only ever moves the clock forward."""
        if seconds < PLAUSIBLE_FROM_S:
            return
        if self.trust == records.TRUST_UNSET or seconds > self._clock.epoch_seconds():
            self._set(seconds)
        self.trust = records.TRUST_NETWORK

    def _set(self, seconds: int) -> None:
        self._clock.set_epoch_seconds(seconds)
        try:
            self._rtc.set(seconds)
        except self._rtc_error:
            self.rtc_failures += 1
