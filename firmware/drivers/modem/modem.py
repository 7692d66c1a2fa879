"""The owner of the modem: brings it up, shares it step by step between messages and connection, and mends it."""

from firmware.drivers.modem import dialects, ladder
from firmware.drivers.modem.counters import Counters
from firmware.drivers.modem.errors import (
    AnswerMalformed,
    CommandRefused,
    ModemError,
    ModemRestarted,
    ModemSilent,
    NotRegistered,
    SimLocked,
    SimMissing,
)
from firmware.drivers.modem.inbox import Inbox
from firmware.drivers.modem.ladder import Ladder
from firmware.drivers.modem.port import AtPort, find_line
from firmware.drivers.modem.sender import Sender
from firmware.drivers.modem.service import Service
from firmware.drivers.modem.sockets import Sockets
from protocol import at_lines

# States, as screens show them.
OFF = "off"
STARTING = "starting"
NO_SIM = "no SIM"
SIM_LOCKED = "SIM locked"
SEARCHING = "searching"
DENIED = "denied"
READY = "ready"
FAILED = "failed"

_IDLE_MS = 50
_SETUP_TIMEOUT_MS = 5000
# SIM and message service come up after the modem itself.
_PATIENT_TRIES = 20
_PATIENT_MS = 1500
_SIM_AGAIN_MS = 30000
_BEHIND_RESTART_MS = 1000
_SET_UP_AGAIN_MS = 20000
# Without trouble for that long, the next trouble begins at the lowest rung again.
_WELL_MS = 180000
_PAUSE_FIRST_MS = 10000
_PAUSE_MOST_MS = 300000
# Searches in vain, with a signal there, behind which the modem is reset.
_VAIN_SEARCHES_MAX = 3

_CME_SIM_BUSY = 14
_NO_SIM_CODES = (10, 13, 15)  # not inserted, failure, wrong (TS 27.007, 9.2.1)


class Modem:
    """`uart` as `machine.UART`, `clock` as `firmware.hal.clock.Clock`.

    `received(incoming)`: awaited for every message that comes in; when it returns, the message is deleted from the SIM.
    `reported(report)`: status reports. `heard_time(seconds)`: the network's clock. `power_key(pressed)`, `reset(asserted)`:
    the modem's lines, None where not wired; `line_error`: what they raise. `apn`: access point name.

    What others use: `sender.send(pdu)`, `sockets`, `service`, `inbox`, `state`, `counters`, `last_error`.
    """

    def __init__(
        self,
        uart,
        clock,
        *,
        received,
        reported=None,
        heard_time=None,
        power_key=None,
        reset=None,
        line_error=OSError,
        apn: str = "internet",
    ) -> None:
        self._clock = clock
        self.counters = Counters()
        self.port = AtPort(uart, clock, self._notice)
        self.service = Service(self.port, clock, heard_time or _ignore)
        self.inbox = Inbox(self.port, clock, self.counters, received, reported or _ignore)
        self.sockets = Sockets(self.port, clock, self.counters, self.service, apn)
        self.sender = Sender(self.port, clock, self.counters, self.service, self.sockets)
        self._ladder = Ladder(self.port, clock, self.counters, power_key, reset, line_error)
        self._check_in = None
        self._rung = ladder.RESYNC
        self._pause_ms = _PAUSE_FIRST_MS
        self._vain_searches = 0
        self._set_up_at = clock.ticks_ms()
        self._setup_state = OFF
        self.dialect = dialects.UNKNOWN
        self.last_error = None

    @property
    def state(self) -> str:
        """One of the states above."""
        if self._setup_state != READY:
            return self._setup_state
        if self.service.can_send or self.service.has_data:
            return READY
        return DENIED if self.service.is_denied else SEARCHING

    async def run(self, check_in) -> None:
        """For ever: bring the modem up, serve, recover. `check_in()` is called at least every second."""
        self._check_in = check_in
        self.port.check_in = self._tick
        self._setup_state = STARTING
        while True:
            try:
                await self._bring_up()
                await self._serve()
            except ModemRestarted as error:
                self._fail(error, STARTING, "restarts")
                self.port.forget_start()
                await self._pause(_BEHIND_RESTART_MS)
            except SimMissing as error:
                self._fail(error, NO_SIM, "refused")
                await self._pause(_SIM_AGAIN_MS)
            except SimLocked as error:
                self._fail(error, SIM_LOCKED, "refused")
                await self._pause(_SIM_AGAIN_MS)
            except NotRegistered as error:
                has_signal = self.service.signal != at_lines.SIGNAL_UNKNOWN
                self._fail(error, STARTING, "refused")
                await self._search_anew(has_signal)
            except ModemError as error:
                self._fail(error, FAILED, _counter_of(error))
                await self._recover()

    def _tick(self) -> None:
        """While anything is waited for: the supervisor hears of it, and so do those who wait for too long."""
        self._check_in()
        self.sender.expire()

    def _notice(self, event) -> None:
        self.inbox.notice(event)
        self.sockets.notice(event)

    def _fail(self, error: ModemError, state: str, counter: str) -> None:
        self.last_error = error
        self._setup_state = state
        self.counters.add(counter)
        self.sockets.lose(error)
        self.service.restart()

    async def _pause(self, duration_ms: int) -> None:
        """Wait, listening; a start that is heard of meanwhile is no news."""
        try:
            await self.port.quiet(duration_ms)
        except ModemRestarted:
            self.port.forget_start()

    # -- bringing it up

    async def _bring_up(self) -> None:
        """From whatever state to one where everything is set; raises what is in the way."""
        port = self.port
        await self._ladder.switch_on(self.dialect)
        await port.command(b"ATE0", _SETUP_TIMEOUT_MS)
        port.echo_is_off()
        await port.command(b"AT+CMEE=1", _SETUP_TIMEOUT_MS)
        await self._identify()
        for command in self.dialect.setup:
            await self._try(command)
        await self._wait_for_sim()
        await self._patiently(b"AT+CFUN=1", _PATIENT_TRIES)
        self.service.restart()
        self.sockets.restart(self.dialect.sockets)
        await self._set_up_messages(_PATIENT_TRIES)
        self._setup_state = READY

    async def _identify(self) -> None:
        reply = await self.port.command(b"AT+CGMM", _SETUP_TIMEOUT_MS, bare=True)
        found = dialects.UNKNOWN
        for line in reply.lines:
            if found is dialects.UNKNOWN:
                found = dialects.of_model(line)
        self.dialect = found

    async def _wait_for_sim(self) -> None:
        """The SIM takes seconds to start; SimMissing or SimLocked where there is nothing to wait for."""
        for _ in range(_PATIENT_TRIES):
            try:
                reply = await self.port.command(b"AT+CPIN?", _SETUP_TIMEOUT_MS)
            except CommandRefused as error:
                if error.code in _NO_SIM_CODES:
                    raise SimMissing("no SIM")
                await self.port.quiet(_PATIENT_MS)
                continue
            line = find_line(reply, (b"+CPIN",)) or b""
            if line.endswith(b": READY"):
                return
            if line.endswith((b"SIM PIN", b"SIM PUK", b"PH-SIM PIN", b"SIM PIN2", b"SIM PUK2")):
                raise SimLocked("the SIM wants a PIN")
            await self.port.quiet(_PATIENT_MS)
        raise SimMissing("the SIM does not get ready")

    async def _set_up_messages(self, tries: int) -> None:
        """PDU mode, the store that is large enough, and a notice for each message; reports come as they are.

        A SIM without message service is no reason to do without the rest.
        """
        self._set_up_at = self._clock.ticks_ms()
        try:
            await self._patiently(b"AT+CMGF=0", tries)
            self.inbox.restart(await self._choose_store(tries))
        except CommandRefused as error:
            self.last_error = error
            self.inbox.is_served = False
            return
        # Without reports if it must be; without notices the store is looked into anyhow.
        if not await self._try(b"AT+CNMI=2,1,0,1,0"):
            await self._try(b"AT+CNMI=1,1,0,0,0")
        self.inbox.is_served = True

    async def _choose_store(self, tries: int) -> tuple:
        """The family's stores, the first one that the modem has in front: messages come into that one."""
        stores = self.dialect.stores
        for name in stores[:-1]:
            if await self._try(b'AT+CPMS="%s","%s","%s"' % (name, name, name)):
                return (name,) + tuple([other for other in stores if other != name])
        last = stores[-1]
        await self._patiently(b'AT+CPMS="%s","%s","%s"' % (last, last, last), tries)
        return (last,) + stores[:-1]

    async def _try(self, command: bytes) -> bool:
        """Whether the modem takes a setting that is not essential."""
        try:
            await self.port.command(command, _SETUP_TIMEOUT_MS)
        except CommandRefused:
            return False
        return True

    async def _patiently(self, command: bytes, tries: int) -> None:
        """A setting that must be taken, if not at once: the message service starts last of all."""
        for _ in range(tries - 1):
            if await self._try(command):
                return
            await self.port.quiet(_PATIENT_MS)
        await self.port.command(command, _SETUP_TIMEOUT_MS)

    # -- serving

    async def _serve(self) -> None:
        """Step by step, one part after the other; none can keep the modem from the others for longer than a step."""
        started = self._clock.ticks_ms()
        parts = (self.service, self.inbox, self.sockets, self.sender)
        while True:
            worked = False
            for part in parts:
                self.port.look()
                if part.due():
                    await part.work()
                    worked = True
            self._tick()
            if not self.inbox.is_served and self._elapsed(self._set_up_at) >= _SET_UP_AGAIN_MS:
                await self._set_up_messages(1)
            if self.service.can_send:
                self._vain_searches = 0
            if self._rung and self._elapsed(started) >= _WELL_MS:
                self._rung = ladder.RESYNC
                self._pause_ms = _PAUSE_FIRST_MS
            await self._clock.sleep_ms(0 if worked else _IDLE_MS)

    def _elapsed(self, since) -> int:
        return self._clock.ticks_diff(self._clock.ticks_ms(), since)

    # -- recovering

    async def _recover(self) -> None:
        """One rung, and the next at once if the modem stays silent; each failure soon after begins one rung higher.

        Before the last one comes a pause, longer each time; if not even that helps, it begins again from the first.
        """
        while True:
            rung = self._rung
            self._rung = min(rung + 1, ladder.POWER)
            if rung == ladder.POWER:
                await self._pause(self._pause_ms)
                self._pause_ms = min(2 * self._pause_ms, _PAUSE_MOST_MS)
            if await self._ladder.climb(rung, self.dialect):
                return
            if rung == ladder.POWER:
                self._rung = ladder.RESYNC

    async def _search_anew(self, has_signal: bool) -> None:
        """Radio off and on. In a blank spot nothing else would help; with a signal there, a reset may."""
        self._vain_searches += has_signal
        if self._vain_searches > _VAIN_SEARCHES_MAX:
            self._vain_searches = 0
            if await self._ladder.climb(ladder.RESET, self.dialect):
                return
        if not await self._ladder.climb(ladder.RADIO, self.dialect):
            await self._recover()


def _counter_of(error: ModemError) -> str:
    if isinstance(error, ModemSilent):
        return "silent"
    return "malformed" if isinstance(error, AnswerMalformed) else "refused"


def _ignore(_news) -> None:
    pass
