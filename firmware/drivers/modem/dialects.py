"""What the families of modems want to hear, as data: start, storage, time and the commands of their sockets.

From the vendors' manuals: SIM800 AT V1.12 and TCPIP V1.01, SIM7500_SIM7600 AT V2.00 and TCPIP V1.00, A7600 AT V1.02, Quectel
EC2x AT V1.3 and TCP/IP V1.0. Limits are the manuals' longest response times.
"""


class Step:
    """One command of a sequence. `%(apn)s`, `%(host)s` and `%(port)d` are filled in.

    `until`: lines, or names of lines, that tell the outcome; it must be `good` where that is given. `finals`: other good
    results. `line_ends`: the first line is the whole answer. `is_optional`: a refusal or a missing outcome does not matter.
    """

    def __init__(
        self,
        command: str,
        timeout_ms: int = 5000,
        *,
        until: tuple = (),
        good: bytes = b"",
        finals: tuple = (),
        line_ends: bool = False,
        is_optional: bool = False,
    ) -> None:
        self.command = command
        self.timeout_ms = timeout_ms
        self.until = until
        self.good = good
        self.finals = finals
        self.line_ends = line_ends
        self.is_optional = is_optional


class SocketCommands:
    """How one family opens, feeds and empties a connection.

    `bearer`, `connect`, `close`: sequences of steps. `send`: command with the count of octets, behind whose prompt they go,
    or with the octets in hexadecimal where `sends_hex`; `sent`: result that confirms (with the count), or `sent_line`, the
    line whose last field is the count. `fetch`: command with a count; its answer has the octets as hexadecimal on a line of
    their own, or behind its line as they are where `data` says so (as for the parser); `count_place`: field with their
    count. `news`, `ends`: unsolicited lines that tell of data and of the end. `poll`: asks how much waits, in the last
    field; empty where `fetch` tells that by itself. `total`: asks, in the first field, how many octets went out since the
    connection was made, where `sent` does not tell.
    """

    def __init__(
        self,
        *,
        bearer: tuple,
        connect: tuple,
        close: tuple,
        send: bytes,
        fetch: bytes,
        count_place: int,
        news: bytes,
        ends: tuple,
        sends_hex: bool = False,
        sent: bytes = b"",
        sent_line: bytes = b"",
        data: "tuple | None" = None,
        poll: bytes = b"",
        total: bytes = b"",
    ) -> None:
        self.bearer = bearer
        self.connect = connect
        self.close = close
        self.send = send
        self.sends_hex = sends_hex
        self.sent = sent
        self.sent_line = sent_line
        self.fetch = fetch
        self.data = data
        self.count_place = count_place
        self.news = news
        self.ends = ends
        self.poll = poll
        self.total = total


class Dialect:
    """A family: `models` as +CGMM begins, `setup` commands (may be refused), `store` of messages, `sockets` or None.

    `boot_ms`: from power-on to listening, generously. `key_on_ms`, `key_off_ms`, `reset_ms`: how long to hold the lines.
    """

    def __init__(
        self,
        name: str,
        models: tuple,
        *,
        setup: tuple,
        stores: tuple,
        sockets: "SocketCommands | None",
        boot_ms: int,
        key_on_ms: int,
        key_off_ms: int,
        reset_ms: int,
    ) -> None:
        self.name = name
        self.models = models
        self.setup = setup
        self.stores = stores
        self.sockets = sockets
        self.boot_ms = boot_ms
        self.key_on_ms = key_on_ms
        self.key_off_ms = key_off_ms
        self.reset_ms = reset_ms


_SIM800_SOCKETS = SocketCommands(
    bearer=(
        Step("AT+CIPSHUT", 65000, finals=(b"SHUT OK",), is_optional=True),
        Step("AT+CIPMUX=0"),
        Step("AT+CIPQSEND=1"),
        Step("AT+CIPRXGET=1"),
        Step('AT+CSTT="%(apn)s"'),
        Step("AT+CIICR", 85000),
        Step("AT+CIFSR", line_ends=True),
    ),
    connect=(
        Step(
            'AT+CIPSTART="TCP","%(host)s",%(port)d',
            75000,
            until=(b"CONNECT OK", b"CONNECT FAIL"),
            good=b"CONNECT OK",
        ),
    ),
    close=(Step("AT+CIPCLOSE=1", 10000, finals=(b"CLOSE OK",), is_optional=True),),
    send=b"AT+CIPSEND=%d",
    sent=b"DATA ACCEPT:%d",
    fetch=b"AT+CIPRXGET=3,%d",
    count_place=1,
    poll=b"AT+CIPRXGET=4",
    news=b"+CIPRXGET: 1",
    ends=(b"CLOSED", b"+PDP: DEACT"),
)

_SIMCOM_SOCKETS = SocketCommands(
    bearer=(
        Step("AT+NETCLOSE", 20000, until=(b"+NETCLOSE",), is_optional=True),
        Step('AT+CGDCONT=1,"IP","%(apn)s"'),
        Step("AT+CIPMODE=0", is_optional=True),
        Step("AT+CIPRXGET=1"),
        Step("AT+NETOPEN", 75000, until=(b"+NETOPEN",), good=b"+NETOPEN: 0"),
    ),
    connect=(
        Step('AT+CIPOPEN=0,"TCP","%(host)s",%(port)d', 75000, until=(b"+CIPOPEN",), good=b"+CIPOPEN: 0,0"),
    ),
    close=(Step("AT+CIPCLOSE=0", 20000, until=(b"+CIPCLOSE",), is_optional=True),),
    send=b"AT+CIPSEND=0,%d",
    sent_line=b"+CIPSEND",
    fetch=b"AT+CIPRXGET=3,0,%d",
    count_place=2,
    poll=b"AT+CIPRXGET=4,0",
    news=b"+CIPRXGET: 1,0",
    ends=(b"+IPCLOSE", b"+CIPEVENT"),
)

_QUECTEL_SOCKETS = SocketCommands(
    bearer=(
        Step("AT+QICLOSE=0", 12000, is_optional=True),
        Step("AT+QIDEACT=1", 42000, is_optional=True),
        Step('AT+QICSGP=1,1,"%(apn)s","","",1'),
        Step("AT+QIACT=1", 150000),
    ),
    connect=(
        Step(
            'AT+QIOPEN=1,0,"TCP","%(host)s",%(port)d,0,0', 150000, until=(b"+QIOPEN",), good=b"+QIOPEN: 0,0"
        ),
    ),
    close=(Step("AT+QICLOSE=0", 12000, is_optional=True),),
    send=b'AT+QISENDEX=0,"%s"',
    sends_hex=True,
    sent=b"SEND OK",
    total=b"AT+QISEND=0,0",
    fetch=b"AT+QIRD=0,%d",
    data=(0, b"\r\n\r\n"),
    count_place=0,
    news=b'+QIURC: "recv",0',
    ends=(b'+QIURC: "closed",0', b'+QIURC: "pdpdeact"'),
)

# The network's time into the modem's clock, where a family wants to be asked for it.
_TIME_BY_CTZU = (b"AT+CTZU=1",)
_TIME_BY_CLTS = (b"AT+CLTS=1",)

SIM7600 = Dialect(
    "SIM7600",
    (b"SIMCOM_SIM76", b"SIMCOM_SIM75", b"SIM76", b"SIM75"),
    setup=_TIME_BY_CTZU,
    stores=(b"ME", b"SM"),
    sockets=_SIMCOM_SOCKETS,
    boot_ms=25000,
    key_on_ms=500,
    key_off_ms=3000,
    reset_ms=300,
)
A7670 = Dialect(
    "A7670",
    (b"A76",),
    setup=_TIME_BY_CTZU,
    stores=(b"ME", b"SM"),
    sockets=_SIMCOM_SOCKETS,
    boot_ms=25000,
    key_on_ms=500,
    key_off_ms=3000,
    reset_ms=2500,
)
EC25 = Dialect(
    "EC25",
    (b"EC25", b"EC21", b"EC20", b"EG25", b"EG21"),
    setup=_TIME_BY_CTZU + (b'AT+QURCCFG="urcport","uart1"',),  # unsolicited lines go to USB else
    stores=(b"ME", b"SM"),
    sockets=_QUECTEL_SOCKETS,
    boot_ms=25000,
    key_on_ms=600,
    key_off_ms=800,
    reset_ms=300,
)
SIM800 = Dialect(
    "SIM800",
    (b"SIMCOM_SIM800", b"SIMCOM_SIM868", b"SIM800"),
    setup=_TIME_BY_CLTS,
    stores=(b"SM",),
    sockets=_SIM800_SOCKETS,
    boot_ms=12000,
    key_on_ms=1200,
    key_off_ms=1500,
    reset_ms=200,
)
# What is not known yet or not at all: messages work as the standard says, sockets do not. The power key is held as long as
# the slowest needs, which switches a quick one that already runs off again: the next try then switches it on.
UNKNOWN = Dialect(
    "unknown",
    (),
    setup=(),
    stores=(b"ME", b"SM"),
    sockets=None,
    boot_ms=25000,
    key_on_ms=1200,
    key_off_ms=3000,
    reset_ms=2500,
)

_ALL = (SIM7600, A7670, EC25, SIM800)


def of_model(model: bytes) -> Dialect:
    """The family of a model as +CGMM tells it."""
    for dialect in _ALL:
        if model.startswith(dialect.models):
            return dialect
    return UNKNOWN
