"""A cellular modem that takes AT commands over a serial line: power, boot, command line, radio; the rest stands beside it.

It works octet by octet, as on the wire: it echoes, answers after a while and line by line, says things of its own accord
in between, and what the fault plan wants to go wrong goes wrong. `modem_dialects` says what each family does differently,
`modem_messages` holds the message store, `modem_sockets` the connections, `modem_network` what is behind the antenna.
"""

from hardware import modem_faults, modem_messages, modem_radio, modem_sockets

CR, LF, CTRL_Z, ESC, BACKSPACE = 0x0D, 0x0A, 0x1A, 0x1B, 0x08

COMMAND_OCTETS_MAX = 1600
COMMANDS_KEPT = 200
PIECE_OCTETS = 256
PIECE_GAP_US = 500

CME_NOT_ALLOWED = 3  # TS 27.007, 9.2.1


class Modem:
    """`clock`: the models' clock; `network`: a `modem_network.GsmNetwork` where `number` is this SIM's; `internet`: where
    sockets lead to, or None.

    The host's side: `connect(uart)`, `press_power_key(pressed)`, `drive_reset(asserted)`. The bench's: `radio`, `unplug()`.
    What happened: `commands` (the latest names), `boots`.
    """

    def __init__(
        self, clock, dialect, network, number: bytes, internet=None, faults=None, baudrate: int = 115200
    ):
        self.clock = clock
        self.dialect = dialect
        self.network = network
        self.number = number
        self.faults = faults or modem_faults.NoFaults()
        self.commands = []
        self.boots = 0
        self._octet_us = 10 * 1000000 // baudrate
        self._uart = None
        self._due = []  # [moment_us, callback] in order
        self._output = []
        self._output_free_us = 0
        self._key_since_us = -1
        self._reset_since_us = -1
        self._life = 0  # what was due in an earlier life is void
        self.is_on = False
        self.radio = modem_radio.Radio(self)
        self.messages = modem_messages.Messages(self)
        self.sockets = modem_sockets.of(dialect.sockets, self, internet)
        self._handlers = {}
        for part in (
            self._own_handlers(),
            self.radio.handlers(),
            self.messages.handlers(),
            self.sockets.handlers(),
        ):
            for name in sorted(part):
                self._handlers[name] = part[name]
        self._forget()
        network.attach(self)

    def connect(self, uart) -> None:
        """Wire it to the host's serial port."""
        self._uart = uart
        uart.connect(self)

    # -- time

    def advance(self, now_us: int) -> None:
        """Do all that is due."""
        self.network.advance(now_us)
        while self._due and self._due[0][0] <= now_us:
            moment_us, callback = self._due.pop(0)
            callback(moment_us)
        if self.is_on:
            self.sockets.poll(now_us)
        while self._output and self._output_free_us <= now_us:
            piece = self._output.pop(0)
            moment_us = max(self._output_free_us, now_us - 1000)
            self._uart.deliver(piece, moment_us)
            self._output_free_us = moment_us + len(piece) * self._octet_us

    def later(self, delay_us: int, callback, now_us: int) -> None:
        """Call `callback(moment_us)` after a while, unless the modem starts anew before."""
        life = self._life

        def run(moment_us: int) -> None:
            if self._life == life:
                callback(moment_us)

        moment_us = now_us + delay_us
        position = len(self._due)
        while position and self._due[position - 1][0] > moment_us:
            position -= 1
        self._due.insert(position, (moment_us, run))

    # -- power

    def press_power_key(self, pressed: bool) -> None:
        """The host's power key line; what it does depends on how long it is held."""
        now_us = self.clock.now_us()
        if pressed:
            self._key_since_us = now_us
            return
        if self._key_since_us < 0:
            return
        held_ms = (now_us - self._key_since_us) // 1000
        self._key_since_us = -1
        if not self.is_on and held_ms >= self.dialect.key_on_ms:
            self.start(now_us)
        elif self.is_on and held_ms >= self.dialect.key_off_ms:
            self.say(self.dialect.power_down)
            self.unplug()

    def drive_reset(self, asserted: bool) -> None:
        """The host's reset line."""
        now_us = self.clock.now_us()
        if asserted:
            self._reset_since_us = now_us
            return
        held_ms = (now_us - self._reset_since_us) // 1000 if self._reset_since_us >= 0 else 0
        self._reset_since_us = -1
        if held_ms >= self.dialect.reset_ms and self.is_on:
            self.start(now_us)

    def unplug(self) -> None:
        """No power any more."""
        self._life += 1
        self.is_on = False
        self.sockets.drop()
        self._forget()

    def start(self, now_us: int) -> None:
        """Power comes, or the processor starts anew: settings are gone, the message store is not."""
        self.unplug()
        self._output = []
        self.is_on = True
        self.boots += 1
        for after_ms, line in self.dialect.boot:
            self.later(after_ms * 1000, lambda moment_us, line=line: self._boot_line(line, moment_us), now_us)

    def _boot_line(self, line: bytes, now_us: int) -> None:
        if not self._listens:
            self._listens = True
            self.radio.boot(now_us)
        if line == b"+CPIN: READY":
            line = self.radio.sim_line()
        if self._is_synchronised:  # with the speed unknown, nothing can be said
            self.say(line)

    def _forget(self) -> None:
        """Everything that a start clears."""
        self._listens = False
        self._hangs = False
        self._is_synchronised = not self.dialect.autobaud
        self._echo = True
        self._numeric_errors = False
        self._line = bytearray()
        self._waiting = bytearray()
        self._busy = False
        self._input = None  # [callback, wanted octets or -1]
        self._count = 0
        self.radio.forget()
        self.messages.forget()

    # -- the line

    def receive(self, value: int, now_us: int) -> None:
        """One octet from the host."""
        self.advance(now_us)
        if not self.is_on or not self._listens or self._hangs or not self.faults.to_modem(value):
            return
        if self._input is not None:
            self._take_input(value, now_us)
        elif self._busy:
            self._waiting.append(value)
        else:
            self._take(value, now_us)

    def _take(self, value: int, now_us: int) -> None:
        """An octet of the command line."""
        if self._echo and self._is_synchronised:
            self.send(bytes((value,)))
        if value == ESC:
            self._line = bytearray()
        elif value == BACKSPACE:
            self._line = self._line[:-1]
        elif value == CR:
            line = bytes(self._line)
            self._line = bytearray()
            self._run(line, now_us)
        elif value != LF and len(self._line) < COMMAND_OCTETS_MAX:
            self._line.append(value)

    def _take_input(self, value: int, now_us: int) -> None:
        """An octet behind a prompt: up to Ctrl-Z, or as many as were announced."""
        callback, wanted = self._input
        if self._echo:
            self.send(bytes((value,)))
        if wanted < 0 and value in (CTRL_Z, ESC):
            self._input = None
            content = bytes(self._line)
            self._line = bytearray()
            if value == ESC:
                self.answer((), b"OK")
            else:
                callback(content, now_us)
            return
        if len(self._line) < COMMAND_OCTETS_MAX:
            self._line.append(value)
        if len(self._line) == wanted:
            self._input = None
            content = bytes(self._line)
            self._line = bytearray()
            callback(content, now_us)

    def _run(self, line: bytes, now_us: int) -> None:
        """A command line is complete."""
        at = line.upper().find(b"AT")
        if at < 0:
            return
        if not self._is_synchronised:
            self._is_synchronised = True  # the first line only tells the speed
            return
        command = line[at + 2 :].strip()
        name, mode, argument = _parsed(command)
        self._count += 1
        self.commands.append(name)
        if len(self.commands) > COMMANDS_KEPT:
            self.commands.pop(0)
        self._busy = True
        fault = self.faults.on_command(self._count, name)
        if fault == modem_faults.SILENT:
            self._busy = False
        elif fault == modem_faults.HANG:
            self._hangs = True
        elif fault == modem_faults.REBOOT:
            self.start(now_us)
        elif fault == modem_faults.REFUSE:
            self.cme(CME_NOT_ALLOWED)
        else:
            handler = self._handlers.get(name)
            if handler is None:
                self.error()
                return
            try:
                handler(mode, argument)
            except (ValueError, IndexError):  # octets of the argument got lost
                self.error()

    # -- answers, for the parts too

    def answer(self, lines, final=b"OK", delay_ms: int = -1) -> None:
        """Reply with lines and a result (None: the command goes on), after the usual time or another."""
        delay_ms = self.dialect.reply_ms if delay_ms < 0 else delay_ms
        pieces = [self.faults.to_host(b"\r\n" + line + b"\r\n") for line in lines]
        if final is not None:
            pieces.append(self.faults.to_host(b"\r\n" + final + b"\r\n"))
        self.later(
            delay_ms * 1000, lambda now_us: self._next_piece(pieces, final is not None, now_us), self.now_us()
        )

    def _next_piece(self, pieces, ends: bool, now_us: int) -> None:
        """Pieces have gaps between them, in which other things are said."""
        if pieces:
            self.send(pieces[0])
            chatter = self.faults.between()
            if chatter:
                self.say(chatter)
            if len(pieces) > 1:
                gap_us = len(pieces[0]) * self._octet_us + PIECE_GAP_US
                self.later(gap_us, lambda moment_us: self._next_piece(pieces[1:], ends, moment_us), now_us)
                return
        if ends:
            self.finish(now_us)

    def finish(self, now_us: int) -> None:
        """The command is done: go on with what came in the meantime."""
        self._busy = False
        waiting = self._waiting
        self._waiting = bytearray()
        for value in waiting:
            if self._busy and self._input is None:
                self._waiting.append(value)
            elif self._input is not None:
                self._take_input(value, now_us)
            else:
                self._take(value, now_us)

    def error(self) -> None:
        """Plain ERROR."""
        self.answer((), b"ERROR")

    def cme(self, code: int) -> None:
        """An error of the equipment, by number where the host asked for numbers."""
        self.answer((), b"+CME ERROR: %d" % code if self._numeric_errors else b"ERROR")

    def cms(self, code: int, delay_ms: int = -1) -> None:
        """An error of the message service."""
        self.answer((), b"+CMS ERROR: %d" % code, delay_ms)

    def prompt(self, callback, wanted: int = -1) -> None:
        """Ask for input: `callback(octets, now_us)` with what came before Ctrl-Z, or with `wanted` octets."""

        def ask(_now_us: int) -> None:
            self._line = bytearray()
            self._input = (callback, wanted)
            self.send(self.faults.to_host(b"\r\n> "))

        self.later(self.dialect.reply_ms * 1000, ask, self.now_us())

    def accept(self, _mode: str, _argument: bytes) -> None:
        """A command that changes nothing here."""
        self.answer(())

    def telling(self, line: bytes):
        """A command that always gives the same line."""

        def tell(_mode: str, _argument: bytes) -> None:
            self.answer((line,))

        return tell

    def say_later(self, line: bytes, delay_ms: int) -> None:
        """A line of the modem's own accord after a while."""
        self.later(delay_ms * 1000, lambda _now_us: self.say(line), self.now_us())

    def say(self, line: bytes) -> None:
        """A line of the modem's own accord."""
        self.send(self.faults.to_host(b"\r\n" + line + b"\r\n"))

    def send(self, octets: bytes) -> None:
        """Octets towards the host, in their order; the line takes them at its own speed."""
        if self._uart is None or not self.is_on:
            return
        if not self._output:
            self._output_free_us = max(self._output_free_us, self.now_us())
        for at in range(0, len(octets), PIECE_OCTETS):
            self._output.append(octets[at : at + PIECE_OCTETS])

    def now_us(self) -> int:
        return self.clock.now_us()

    # -- commands of the line itself

    def _own_handlers(self) -> dict:
        handlers = {
            b"E": self._echo_mode,
            b"I": self.telling(self.dialect.model),
            b"+CGMI": self.telling(self.dialect.manufacturer),
            b"+CGMM": self.telling(self.dialect.model),
            b"+CMEE": self._errors_mode,
        }
        for name in (b"", b"Z", b"&F", b"+IPR", b"+CSCLK", b"+CSCS"):
            handlers[name] = self.accept
        return handlers

    def _echo_mode(self, _mode: str, argument: bytes) -> None:
        self._echo = argument == b"1"
        self.answer(())

    def _errors_mode(self, _mode: str, argument: bytes) -> None:
        self._numeric_errors = argument == b"1"
        self.answer(())


def _parsed(command: bytes) -> tuple:
    """(name, mode, argument): mode `=?`, `?`, `=` or empty; basic commands have a letter and a number."""
    if command[:1].isalpha():
        return command[:1].upper(), "", command[1:]
    if command[:1] == b"&":
        return command[:2].upper(), "", command[2:]
    at = command.find(b"=")
    if at >= 0:
        name, argument = command[:at].upper(), command[at + 1 :]
        return (name, "=?", b"") if argument == b"?" else (name, "=", argument)
    if command[-1:] == b"?":
        return command[:-1].upper(), "?", b""
    return command.upper(), "", b""
