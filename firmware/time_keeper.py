"""The time of day and how far it may be believed: RTC at boot, the gateway's signed time afterwards."""

from protocol import records

# An RTC that shows less was never set (2026-01-01).
PLAUSIBLE_FROM_S = 1767225600


class TimeKeeper:
    """`clock` is the HAL's; `rtc` has `read() -> (seconds, trusted)` and `set(seconds)`; `rtc_errors`: what it raises.

    `trust` is one of records.TRUST_*.
    """

    def __init__(self, clock, rtc, rtc_errors) -> None:
        self._clock = clock
        self._rtc = rtc
        self._rtc_errors = rtc_errors
        self.trust = records.TRUST_UNSET
        self.rtc_failures = 0

    def start(self) -> None:
        """Take the RTC's time if its oscillator never stopped."""
        try:
            seconds, trusted = self._rtc.read()
        except self._rtc_errors:
            self.rtc_failures += 1
            return
        if trusted and seconds >= PLAUSIBLE_FROM_S:
            self._clock.set_epoch_seconds(seconds)
            self.trust = records.TRUST_KEPT

    def epoch_seconds(self) -> int:
        """Unsigned seconds since 1970 UTC; zero while nothing is known."""
        return 0 if self.trust == records.TRUST_UNSET else int(self._clock.epoch_seconds())

    def hear(self, seconds: int, is_fresh: bool) -> None:
        """The gateway's signed time. It never moves the clock back.

        `is_fresh`: it was signed after something that this terminal did in this run. One that is not may have waited
        at the broker for weeks: then the time is at least that, and no more is known than before.
        """
        if seconds < PLAUSIBLE_FROM_S:
            return
        if self.trust != records.TRUST_UNSET:
            if seconds > self._clock.epoch_seconds():
                self._set(seconds)
        elif is_fresh:
            self._set(seconds)
        if is_fresh:
            self.trust = records.TRUST_NETWORK

    def _set(self, seconds: int) -> None:
        self._clock.set_epoch_seconds(seconds)
        try:
            self._rtc.set(seconds)
        except self._rtc_errors:
            self.rtc_failures += 1
