"""What a terminal went through since it was switched on: a ring of numbered events in RAM, for the technician's cable.

Integers alone: no card, no key, no text that anybody brought. Writing one allocates nothing.
"""

from array import array

SIZE = 64
_DETAIL_MAX = 0x3FFFFFFF

# A number once given means one thing for ever; what the detail is stands beside it.
STARTED = 1  # the boot counter
STOPPED = 2  # the code on the screen
CRASHED = 3  # the code of the crash
LINK = 4  # the session with the broker: 0 down, 1 connecting, 2 up
SMS_SENT = 5  # short messages since the start
MODEM = 6  # the place of its state in `watch.MODEM_STATES`
ACKNOWLEDGED = 7  # sealed through
REFUSED = 8  # the refusal's number
NOTICE = 9  # its number
NOTICE_OVER = 10  # its number
CONSOLE_FAILED = 11  # commands of the console that failed since the start
CLOCK = 12  # how far the clock is trusted from now on (protocol.records.TRUST_*)
SECTORS_RETIRED = 13  # how many there are
CARD_NOT_CLOSED = 14  # closings at the card that failed since the start

NAMES = {
    STARTED: "started",
    STOPPED: "stopped",
    CRASHED: "crashed",
    LINK: "link",
    SMS_SENT: "sms-sent",
    MODEM: "modem",
    ACKNOWLEDGED: "acknowledged",
    REFUSED: "refused",
    NOTICE: "notice",
    NOTICE_OVER: "notice-over",
    CONSOLE_FAILED: "console-failed",
    CLOCK: "clock",
    SECTORS_RETIRED: "sectors-retired",
    CARD_NOT_CLOSED: "card-not-closed",
}


class EventLog:
    """The newest `size` events; `count`: how many there were in all."""

    def __init__(self, clock, size: int = SIZE) -> None:
        self._clock = clock
        self._codes = bytearray(size)
        self._seconds = array("I", bytes(4 * size))  # lumbung: fits - seconds of one run
        self._details = array("I", bytes(4 * size))  # lumbung: fits - cut to 30 bits where they come in
        self._seen_ms = clock.ticks_ms()
        self._uptime_ms = 0
        self._uptime_s = 0
        self.count = 0

    def uptime_s(self) -> int:
        """Seconds since the start; counted in small steps, because ticks wrap after days and milliseconds leave 31 bits."""
        now = self._clock.ticks_ms()
        self._uptime_ms += max(0, self._clock.ticks_diff(now, self._seen_ms))
        self._seen_ms = now
        self._uptime_s += self._uptime_ms // 1000
        self._uptime_ms %= 1000
        return self._uptime_s

    def note(self, code: int, detail: int = 0) -> None:
        """One event more, in the place of the oldest."""
        place = self.count % len(self._codes)
        self._codes[place] = code
        self._seconds[place] = self.uptime_s()
        self._details[place] = detail & _DETAIL_MAX
        self.count += 1

    def since(self, number: int) -> list:
        """(number, uptime_s, code, detail) of the events from `number` on (the first is 0) that are still held."""
        size = len(self._codes)
        found = []
        for at in range(max(number, self.count - size, 0), self.count):
            place = at % size
            found.append((at, self._seconds[place], self._codes[place], self._details[place]))
        return found
