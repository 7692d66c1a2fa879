"""What is done about a modem that fails: AT, radio off and on, reset line, power key, each rung counted."""

from firmware.drivers.modem.errors import AnswerMalformed, CommandRefused, ModemRestarted, ModemSilent

RESYNC = 0
RADIO = 1
RESET = 2
POWER = 3

_AT_TIMEOUT_MS = 400
_AT_TRIES = 4
_RADIO_TIMEOUT_MS = 15000
# A modem whose supply has just come may be on its way already.
_GRACE_MS = 3000
# Between switching off and on: the modem logs off from the network first.
_OFF_MS = 3000
_BEHIND_START_MS = 300


class Ladder:
    """`power_key(pressed)` and `reset(asserted)` drive the modem's lines, None where one is not wired; `line_error`: what
    they raise when the expander does not answer.
    """

    def __init__(self, port, clock, counters, power_key, reset, line_error) -> None:
        self._port = port
        self._clock = clock
        self._counters = counters
        self._power_key = power_key
        self._reset = reset
        self._line_error = line_error

    async def answers(self, tries: int = _AT_TRIES) -> bool:
        """Whether the modem answers AT. A modem that finds out the speed by itself hears its first AT in vain."""
        for _ in range(tries):
            try:
                await self._port.command(b"AT", _AT_TIMEOUT_MS)
            except ModemSilent:
                continue
            except ModemRestarted:
                self._port.forget_start()
                continue
            except (CommandRefused, AnswerMalformed):
                pass  # a late result of something else; but it speaks
            return True
        return False

    async def switch_on(self, dialect) -> None:
        """Have the modem running; ModemSilent when it does not start."""
        self._port.expect_start()
        if await self.answers():
            return
        if await self._started_within(_GRACE_MS):
            return
        self._counters.add("switched_on")
        await self._hold(self._power_key, dialect.key_on_ms)
        if not await self._started_within(dialect.boot_ms):
            raise ModemSilent("AT", dialect.boot_ms)

    async def climb(self, rung: int, dialect) -> bool:
        """Try one rung; True when the modem answers afterwards."""
        self._port.forget_start()
        try:
            if rung == RESYNC:
                return await self._resync()
            if rung == RADIO:
                return await self._cycle_radio()
            if rung == RESET:
                return await self._reset_modem(dialect)
            return await self._cycle_power(dialect)
        except ModemRestarted:
            self._port.forget_start()
            return True
        except (ModemSilent, CommandRefused, AnswerMalformed):
            return False

    async def _resync(self) -> bool:
        self._counters.add("resyncs")
        await self._port.cancel_input()
        return await self.answers()

    async def _cycle_radio(self) -> bool:
        self._counters.add("radio_cycles")
        await self._port.cancel_input()
        if not await self.answers():
            return False
        await self._port.command(b"AT+CFUN=0", _RADIO_TIMEOUT_MS)
        await self._port.command(b"AT+CFUN=1", _RADIO_TIMEOUT_MS)
        return True

    async def _reset_modem(self, dialect) -> bool:
        if self._reset is None:
            return False
        self._counters.add("resets")
        self._port.expect_start()
        await self._hold(self._reset, dialect.reset_ms)
        return await self._started_within(dialect.boot_ms)

    async def _cycle_power(self, dialect) -> bool:
        """Off and on. Whether it was on at all is not known, and the key toggles: if the first try ends in the dark,
        the second one switches on.
        """
        if self._power_key is None:
            return False
        self._counters.add("power_cycles")
        self._port.expect_start()
        await self._hold(self._power_key, dialect.key_off_ms)
        await self._port.quiet(_OFF_MS)
        for _ in range(2):
            await self._hold(self._power_key, dialect.key_on_ms)
            if await self._started_within(dialect.boot_ms):
                return True
        return False

    async def _started_within(self, limit_ms: int) -> bool:
        """Ask until it answers; a start that is heard of is given a moment."""
        started = self._clock.ticks_ms()
        while self._clock.ticks_diff(self._clock.ticks_ms(), started) < limit_ms:
            if await self.answers(1):
                await self._port.quiet(_BEHIND_START_MS)
                return True
        return False

    async def _hold(self, line, duration_ms: int) -> None:
        """Drive a line for a while; it is let go whatever happens."""
        if line is None:
            return
        try:
            line(True)
            try:
                await self._port.quiet(duration_ms)
            finally:
                line(False)
        except self._line_error:
            self._counters.add("line_failures")
