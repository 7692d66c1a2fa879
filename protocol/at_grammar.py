"""The octets that a modem sends, made into events: replies, results, unsolicited lines, prompts and data; no I/O.

One parser stands at each serial line, in the terminal and in the gateway. It knows which command is under way, so that a
line can be told apart: the command's own reply, its result, or something that the modem says of its own accord, which
it does in the middle of replies too (3GPP TS 27.007, ITU-T V.250). Nothing that arrives raises an error here: what makes
no sense becomes a NOISE event, and memory stays bounded.
"""

# Kinds of events.
LINE = 0  # a line of the reply to the command under way
FINAL = 1  # its result; also out of turn
UNSOLICITED = 2
PROMPT = 3
DATA = 4  # octets that the reply announced
NOISE = 5

LINE_OCTETS_MAX = 1100
DATA_OCTETS_MAX = 1500

OK = b"OK"
CME_ERROR = b"+CME ERROR"
CMS_ERROR = b"+CMS ERROR"

_FINALS = (
    b"OK", b"ERROR", b"COMMAND NOT SUPPORT", b"NO CARRIER", b"BUSY", b"NO ANSWER", b"NO DIALTONE",
)  # fmt: skip
# Lines that modems send of their own accord without one of the signs below; the first word tells.
_WORDS = (
    b"RING", b"RDY", b"Call Ready", b"SMS Ready", b"SMS DONE", b"PB DONE", b"APP RDY", b"START", b"NORMAL POWER DOWN",
    b"POWERED DOWN", b"UNDER-VOLTAGE", b"OVER-VOLTAGE", b"CLOSED", b"RECV FROM",
)  # fmt: skip
_SIGNS = b"+*^#%$&!"
# Unsolicited lines that a second line with a PDU follows.
_WITH_PDU = (b"+CMT", b"+CDS")
_REGISTRATIONS = (b"+CREG", b"+CGREG", b"+CEREG", b"+C5GREG")
# What is no printable ASCII, to be cut off both ends of a line: a line driver that wakes up leaves such octets.
_JUNK = bytes(range(0x21)) + bytes(range(0x7F, 0x100))
_HEXADECIMAL = b"0123456789abcdefABCDEF"


class Event:
    """Something that a modem said: `line` without its line end, and `extra`.

    FINAL: `line` is the result, `extra` the code or text of +CME ERROR and +CMS ERROR. UNSOLICITED: `extra` is the PDU
    of +CMT and +CDS in hexadecimal, or data that the line announced. DATA: `line` announced it, `extra` holds it.
    """

    def __init__(self, kind: int, line: bytes, extra: bytes = b"") -> None:
        self.kind = kind
        self.line = line
        self.extra = extra

    @property
    def is_ok(self) -> bool:
        """The result of a command that was carried out."""
        return self.kind == FINAL and self.line == OK

    @property
    def code(self) -> int:
        """The number of a +CME ERROR or +CMS ERROR, -1 where there is none."""
        return int(self.extra) if self.kind == FINAL and self.extra.isdigit() and len(self.extra) < 6 else -1


class Parser:
    """Feed it what arrives; tell it with `begin` and `end` which command is under way.

    `echoes` counts commands that came back: where echoing was switched off, that betrays a modem that started anew.
    """

    def __init__(self) -> None:
        self.echoes = 0
        self._held = b""
        self._overlong = False
        self._header: "bytes | None" = None  # an unsolicited line whose PDU has not come yet
        self._after_return = False  # the last line ended in CR, so LF belongs to it
        self._wanted = 0  # octets of data that are still to come
        self._announced = b""
        self._pushed = False
        self._checking = False  # the data is there, what must follow it is not
        self._behind = b""
        self._data = b""
        self.end()

    def begin(
        self,
        command: bytes,
        replies: "tuple[bytes, ...]" = (),
        bare: bool = False,
        finals: "tuple[bytes, ...]" = (),
        prompt: bool = False,
        data: "tuple[int, bytes] | None" = None,
    ) -> None:
        """A command is sent now: `command` without its line end.

        Its own name is a reply's, and so are `replies` (names before a colon, or whole lines); `bare`: lines without any
        name are, too. `finals`: further results. `prompt`: `>` asks for input. `data`: (place, after) says that the
        reply's field at `place` counts octets that follow its line, behind which the octets `after` must come.
        """
        self._command = command
        self._replies = (command_name(command),) + replies
        self._bare = bare
        self._finals = finals
        self._prompt = prompt
        self._data_form = data

    def end(self) -> None:
        """No command is under way any more."""
        self.begin(b"")

    def reset(self) -> None:
        """Forget a line or data that was cut off; the next octet begins a line."""
        self._held = b""
        self._overlong = False
        self._header = None
        self._after_return = False
        self._wanted = 0
        self._checking = False
        self._data = b""

    def feed(self, octets: bytes) -> "list[Event]":
        """Events that these octets complete, in order."""
        events: "list[Event]" = []
        self._held += octets
        while self._step(events):
            pass
        return events

    def _step(self, events: "list[Event]") -> bool:
        """One thing off the front of what is held; False when more must come first."""
        held = self._held
        if not held:
            return False
        if self._after_return:
            self._after_return = False
            if held[0] == 0x0A:
                self._held = held[1:]
                return True
        if self._wanted or self._checking:
            return self._take_data(events)
        if self._prompt and held[0] == 0x3E and not self._overlong:
            self._held = held[1:]
            self._prompt = False
            events.append(Event(PROMPT, b">"))
            return True
        return self._take_line(events)

    def _take_line(self, events: "list[Event]") -> bool:
        held = self._held
        end = held.find(b"\r")
        feed = held.find(b"\n")
        if end < 0 or 0 <= feed < end:
            end = feed
        if end < 0:
            if len(held) > LINE_OCTETS_MAX:
                self._overlong = True
            if self._overlong:
                self._held = b""
            return False
        self._after_return = held[end] == 0x0D
        self._held = held[end + 1 :]
        if self._overlong or end > LINE_OCTETS_MAX:
            self._overlong = False
            events.append(Event(NOISE, b""))
            return True
        line = held[:end].strip(_JUNK)
        if line:
            self._judge(line, events)
        return True

    def _judge(self, line: bytes, events: "list[Event]") -> None:
        """Say what a line is."""
        if self._header is not None:
            header = self._header
            self._header = None
            if not line.strip(_HEXADECIMAL):
                events.append(Event(UNSOLICITED, header, line))
                return
            events.append(Event(UNSOLICITED, header))
        if self._command and line == self._command:
            self.echoes += 1
            return
        final = self._final(line)
        if final is not None:
            events.append(final)
            return
        name = name_of(line)
        if name in _WITH_PDU:
            self._header = line
        elif (name or line) in self._replies and not _is_unsolicited_shape(name, line):
            self._reply(line, events)
        elif line[0] in _SIGNS or line.startswith(_WORDS) or line.endswith(b", CLOSED"):
            self._unsolicited(line, events)
        elif self._bare:
            events.append(Event(LINE, line))
        else:
            events.append(Event(NOISE, line))

    def _final(self, line: bytes) -> "Event | None":
        if line in _FINALS or line in self._finals:
            return Event(FINAL, line)
        for result in (CME_ERROR, CMS_ERROR):
            if line.startswith(result):
                text = line[len(result) + 1 :].strip()
                # Without a reason it is no result that anybody has seen, rather half a line.
                return Event(FINAL, result, text) if text else Event(NOISE, line)
        return None

    def _reply(self, line: bytes, events: "list[Event]") -> None:
        if self._data_form is None:
            events.append(Event(LINE, line))
            return
        place = self._data_form[0]
        parts = line[line.find(b":") + 1 :].split(b",")
        count = _count(parts[place]) if place < len(parts) else -1
        if count < 0:
            events.append(Event(NOISE, line))
        elif count == 0:
            events.append(Event(LINE, line))
        else:
            self._behind = self._data_form[1]
            self._expect_data(line, count, False)

    def _unsolicited(self, line: bytes, events: "list[Event]") -> None:
        count = _pushed_octets(line)
        if count > 0:
            self._expect_data(line, count, True)
        else:
            events.append(Event(UNSOLICITED, line))

    def _expect_data(self, line: bytes, count: int, pushed: bool) -> None:
        self._announced = line
        self._wanted = count
        self._pushed = pushed
        self._data = b""

    def _take_data(self, events: "list[Event]") -> bool:
        """Announced octets, then what must follow them: when octets got lost, that gives it away."""
        held = self._held
        if self._wanted:
            taken = held[: self._wanted]
            self._data += taken
            self._wanted -= len(taken)
            self._held = held[len(taken) :]
            if not self._wanted:
                if self._pushed:
                    events.append(Event(UNSOLICITED, self._announced, self._data))
                    self._data = b""
                else:
                    self._checking = True
            return True
        after = self._behind
        if len(held) < len(after) and after.startswith(held):
            return False
        self._checking = False
        if held.startswith(after):
            self._held = held[len(after) :]
            events.append(Event(DATA, self._announced, self._data))
        else:
            events.append(Event(NOISE, self._announced))
        self._data = b""
        return True


def command_name(command: bytes) -> bytes:
    """The name that replies to a command begin with: `+CSQ` of `AT+CSQ?`; empty for basic commands."""
    name = command[2:]
    for mark in (b"=", b"?", b";"):
        at = name.find(mark)
        if at >= 0:
            name = name[:at]
    return name if name[:1] and name[0] in _SIGNS else b""


def name_of(line: bytes) -> bytes:
    """What stands before the colon; empty where there is none."""
    at = line.find(b":")
    return line[:at].strip() if at > 0 else b""


def _is_unsolicited_shape(name: bytes, line: bytes) -> bool:
    """Lines whose name is a reply's, but which no command asked for.

    A registration that was asked for has a mode before the state, so its second field is one digit or two; in the
    unsolicited form that place holds an area code or nothing (TS 27.007, 7.2). +CIPRXGET: 1 announces data.
    """
    parts = line[line.find(b":") + 1 :].split(b",")
    if name in _REGISTRATIONS:
        return len(parts) < 2 or not parts[1].strip().isdigit() or len(parts[1].strip()) > 2
    return name == b"+CIPRXGET" and parts[0].strip() == b"1"


def _pushed_octets(line: bytes) -> int:
    """How many octets follow an unsolicited line: `+IPD16`, `+RECEIVE,0,16:`, `+QIURC: "recv",0,16`."""
    if line.startswith(b"+IPD"):
        return _count(line[4:])
    parts = line.strip(b":").split(b",")
    if len(parts) > 2 and line.startswith((b"+RECEIVE,", b'+QIURC: "recv"')):
        return _count(parts[2])
    return 0


def _count(text: bytes) -> int:
    """A count of octets within bounds, else -1."""
    text = text.strip()
    if not text.isdigit() or len(text) > 4:
        return -1
    count = int(text)
    return count if count <= DATA_OCTETS_MAX else -1
