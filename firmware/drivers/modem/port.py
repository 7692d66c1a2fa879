"""One command at a time over the modem's serial line, every wait bounded, and whatever comes unasked handed on."""

from firmware.drivers.modem.errors import AnswerMalformed, CommandRefused, ModemRestarted, ModemSilent
from protocol import at_grammar
from protocol.at_grammar import DATA, FINAL, LINE, NOISE, PROMPT, Event, Parser

# How often the line is looked at: eagerly at first, as most answers take milliseconds.
_EAGER_MS = 200
_EAGER_POLL_MS = 5
_POLL_MS = 25
# Octets handed to the UART at once; less than its buffer, so that writing never blocks.
_WRITE_OCTETS = 256
_WRITE_TIMEOUT_MS = 2000
_PROMPT_TIMEOUT_MS = 5000
LINES_MAX = 64

_CTRL_Z = b"\x1a"
_ESCAPE = b"\x1b"

# First words of a modem that starts.
_BOOT_LINES = (b"RDY", b"*ATREADY", b"APP RDY", b"START")
_LAST_WORDS = (b"NORMAL POWER DOWN", b"POWERED DOWN", b"UNDER-VOLTAGE POWER", b"OVER-VOLTAGE POWER")


class Reply:
    """`lines` of the answer, `data` where some was announced (`header` says what of), the `final` event.

    `is_cut`: there were more lines than are kept.
    """

    def __init__(self) -> None:
        self.lines = []
        self.is_cut = False
        self.header = b""
        self.data = b""
        self.final = None
        self.prompted = False


class AtPort:
    """`uart` as `machine.UART`; `unsolicited(event)` gets what comes unasked; `check_in()` is called while waiting.

    `started_anew` is set when the modem betrays a start that nobody ordered; the command under way then raises
    ModemRestarted, and so does every other one until `expect_start` or `forget_start` is called.
    """

    def __init__(self, uart, clock, unsolicited) -> None:
        self._uart = uart
        self._clock = clock
        self._unsolicited = unsolicited
        self._parser = Parser()
        self._reply = None
        self._lines_max = LINES_MAX
        self._echo_off = False
        self._echoes = 0
        self.check_in = _nothing
        self.started_anew = False
        self.heard_start = False
        self.noise = 0
        self.strays = 0

    # -- starts

    def expect_start(self) -> None:
        """The modem is switched on or reset now: what it says at its start is no surprise."""
        self._parser.reset()
        self._echo_off = False
        self.heard_start = False
        self.started_anew = False

    def forget_start(self) -> None:
        """The start was noticed, settings will be made again."""
        self._echo_off = False
        self.started_anew = False

    def echo_is_off(self) -> None:
        """From now on an echo means that the settings are gone."""
        self._echo_off = True
        self._echoes = self._parser.echoes

    # -- commands

    async def command(
        self,
        command: bytes,
        timeout_ms: int,
        *,
        replies: tuple = (),
        bare: bool = False,
        finals: tuple = (),
        until: tuple = (),
        line_ends: bool = False,
        data: "tuple | None" = None,
        content: "bytes | None" = None,
        lines_max: int = LINES_MAX,
    ) -> Reply:
        """Send a command and return its reply; raises ModemSilent, CommandRefused, AnswerMalformed or ModemRestarted.

        `replies`, `bare`, `data`: as for the parser. `finals`: other good results than OK. `until`: names of lines (or
        whole lines) of which the command also waits for one, before its result or after it. `line_ends`: the first line is all,
        no result follows. `content`: what to send behind the prompt. `lines_max`: lines that are kept.
        """
        name = _printable(command)
        self._check_start()
        reply = Reply()
        self._reply = reply
        self._lines_max = lines_max
        self._parser.begin(command, replies + until, bare, finals, content is not None, data)
        try:
            await self._write(command + b"\r", name)
            if content is not None:
                await self._give(content, reply, name)
            await self._answer(reply, name, timeout_ms, finals, until, line_ends)
        finally:
            self._reply = None
            self._parser.end()
        return reply

    async def _give(self, content: bytes, reply: Reply, name: str) -> None:
        """Wait for the prompt and send what it asks for."""
        if not await self._wait(lambda: reply.prompted or reply.final is not None, _PROMPT_TIMEOUT_MS):
            raise ModemSilent(name, _PROMPT_TIMEOUT_MS)
        if reply.final is None:
            await self._write(content, name)
            return
        if reply.final.is_ok:
            raise AnswerMalformed(name, "no prompt")

    async def _answer(
        self, reply: Reply, name: str, timeout_ms: int, finals: tuple, until: tuple, line_ends: bool
    ) -> None:
        def is_good() -> bool:
            return reply.final.is_ok or reply.final.line in finals

        def is_done() -> bool:
            if line_ends and reply.lines:
                return True
            if reply.final is None:
                return False
            return not until or not is_good() or find_line(reply, until) is not None

        if not await self._wait(is_done, timeout_ms):
            raise ModemSilent(name, timeout_ms)
        if reply.final is not None and not is_good():
            raise CommandRefused(name, reply.final.line.decode(), reply.final.code)

    async def cancel_input(self) -> None:
        """Lead the modem out of half a command or a prompt, and drop what it says to that."""
        self._parser.reset()
        await self._write(_ESCAPE + b"\r", "escape")
        await self.quiet(100)

    async def fill(self, count: int) -> None:
        """Zeros for a modem that still waits for octets of which some got lost."""
        self._parser.reset()
        await self._write(bytes(count), "filler")
        await self.quiet(100)

    async def quiet(self, duration_ms: int) -> None:
        """Listen for a while."""
        await self._wait(_never, duration_ms)

    def look(self) -> None:
        """Take what has arrived; ModemRestarted when the modem betrays a start."""
        self.pump()
        self._check_start()

    async def _wait(self, is_done, timeout_ms: int) -> bool:
        """Look until `is_done()` or the time is over, a last time after it; ModemRestarted when the modem did."""
        clock = self._clock
        started = clock.ticks_ms()
        while True:
            self.pump()
            self._check_start()
            if is_done():
                return True
            waited_ms = clock.ticks_diff(clock.ticks_ms(), started)
            if waited_ms >= timeout_ms:
                return False
            self.check_in()
            await clock.sleep_ms(_EAGER_POLL_MS if waited_ms < _EAGER_MS else _POLL_MS)

    def _check_start(self) -> None:
        if self.started_anew:
            raise ModemRestarted("the modem started anew")

    async def _write(self, octets: bytes, name: str) -> None:
        """Everything, in pieces that the UART's buffer takes at once."""
        view = memoryview(octets)
        for at in range(0, len(octets), _WRITE_OCTETS):
            if not await self._wait(self._uart.txdone, _WRITE_TIMEOUT_MS):
                raise ModemSilent(name, _WRITE_TIMEOUT_MS)
            self._uart.write(view[at : at + _WRITE_OCTETS])

    # -- what comes in

    def pump(self) -> None:
        """Take what has arrived."""
        octets = self._uart.read()
        if not octets:
            return
        for event in self._parser.feed(octets):
            self._take(event)
        if self._echo_off and self._parser.echoes != self._echoes:
            self.started_anew = True

    def _take(self, event: Event) -> None:
        kind = event.kind
        reply = self._reply
        if kind == NOISE:
            self.noise += 1
        elif kind == at_grammar.UNSOLICITED:
            self._notice(event)
        elif reply is None:
            self.strays += 1
        elif kind == LINE:
            if len(reply.lines) < self._lines_max:
                reply.lines.append(event.line)
            else:
                reply.is_cut = True
        elif kind == FINAL:
            if reply.final is None:
                reply.final = event
            else:
                self.strays += 1
        elif kind == PROMPT:
            reply.prompted = True
        elif kind == DATA:
            reply.header = event.line
            reply.data = event.extra

    def _notice(self, event: Event) -> None:
        starts = event.line.startswith(_BOOT_LINES)
        if starts:
            self.heard_start = True
        if self._echo_off and (starts or event.line.startswith(_LAST_WORDS)):
            self.started_anew = True
        self._unsolicited(event)


def find_line(reply: Reply, names: tuple) -> "bytes | None":
    """The first line of one of those names (before a colon), or that is one of them."""
    for line in reply.lines:
        if line in names or at_grammar.name_of(line) in names:
            return line
    return None


def _printable(command: bytes) -> str:
    """The command without its parameters, which may hold numbers and passwords."""
    name = at_grammar.command_name(command)
    return (b"AT" + name if name else command[:4]).decode()


def _nothing() -> None:
    pass


def _never() -> bool:
    return False
