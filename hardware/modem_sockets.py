"""TCP over AT commands in the modem model: the three sets of commands that modems have for it.

"simcom" (SIM7600, A7670): NETOPEN, CIPOPEN, CIPSEND, CIPRXGET. "sim800": CIICR, CIPSTART, CIPSEND, CIPRXGET. "quectel"
(EC25): QIACT, QIOPEN, QISEND and QISENDEX, QIRD. Data waits in the modem's buffer until the host fetches it.
"""

BUFFER_OCTETS = 4096
FETCH_OCTETS_MAX = 1500
_POLL_US = 1000


class Sockets:
    """What all sets share: at most one connection, its buffer, and the news about it."""

    def __init__(self, modem, internet):
        self._modem = modem
        self._internet = internet
        self._next_poll_us = 0
        self.opened = 0
        self._clear()

    def _clear(self) -> None:
        self.is_up = False  # the data bearer
        self._connection = None
        self._buffer = b""
        self._total = 0
        self._announced = False

    def drop(self) -> None:
        """The radio went, or the power."""
        if self._connection is not None:
            self._connection.close()
        self._clear()

    def poll(self, now_us: int) -> None:
        """Fetch what the peer sent, tell the host of it once, and of the end."""
        if self._connection is None or now_us < self._next_poll_us:
            return
        self._next_poll_us = now_us + _POLL_US
        if len(self._buffer) < BUFFER_OCTETS:
            self._buffer += self._connection.receive(BUFFER_OCTETS - len(self._buffer))
        if self._buffer and not self._announced:
            self._announced = True
            self._modem.say(self._news())
        elif not self._buffer and not self._connection.is_open:
            self._connection.close()
            self._connection = None
            self._modem.say(self._end())

    def lose_bearer(self) -> None:
        """The network takes the data bearer away."""
        self.drop()
        self._modem.say(self._bearer_lost())

    def _connect(self, argument: bytes, place: int) -> bool:
        """To the host and port that stand in the argument from field `place` on."""
        parts = argument.split(b",")
        if self._internet is None or self._connection is not None or len(parts) < place + 2:
            return False
        host, port = parts[place].strip(b'"').decode(), int(parts[place + 1].strip(b'"'))
        self._connection = self._internet.connect(host, port)
        self._buffer = b""
        self._total = 0
        self._announced = False
        self.opened += self._connection is not None
        return self._connection is not None

    def _put(self, octets: bytes) -> bool:
        if self._connection is None or not self._connection.is_open:
            return False
        self._total += len(octets)
        self._connection.send(octets)
        return True

    def _fetch(self, size: int) -> bytes:
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        if not self._buffer:
            self._announced = False
        return taken

    def _shut(self) -> bool:
        if self._connection is None:
            return False
        self._connection.close()
        self._connection = None
        self._buffer = b""
        return True

    def _is_served(self) -> bool:
        return self._modem.radio.is_registered(self._modem.now_us())


class SimcomSockets(Sockets):
    """SIM7500/7600 and A76xx series, link 0."""

    def _news(self) -> bytes:
        return b"+CIPRXGET: 1,0"

    def _end(self) -> bytes:
        return b"+IPCLOSE: 0,1"

    def _bearer_lost(self) -> bytes:
        return b"+CIPEVENT: NETWORK CLOSED UNEXPECTEDLY"

    def handlers(self) -> dict:
        handlers = {
            b"+NETOPEN": self._net_open,
            b"+NETCLOSE": self._net_close,
            b"+CIPOPEN": self._open,
            b"+CIPSEND": self._send,
            b"+CIPRXGET": self._receive,
            b"+CIPCLOSE": self._close,
        }
        for name in (b"+CGSOCKCONT", b"+CSOCKSETPN", b"+CIPMODE"):
            handlers[name] = self._modem.accept
        return handlers

    def _after(self, line: bytes, delay_ms: int) -> None:
        """OK at once, the outcome later."""
        self._modem.answer(())
        self._modem.say_later(line, delay_ms + 50)

    def _net_open(self, _mode: str, _argument: bytes) -> None:
        if self.is_up:
            self._modem.answer((b"+IP ERROR: Network is already opened",), b"ERROR")
        else:
            self.is_up = self._is_served()
            self._after(b"+NETOPEN: %d" % (not self.is_up), 500)

    def _net_close(self, _mode: str, _argument: bytes) -> None:
        if not self.is_up:
            self._modem.answer((b"+NETCLOSE: 2",), b"ERROR")
        else:
            self.drop()
            self._after(b"+NETCLOSE: 0", 300)

    def _open(self, _mode: str, argument: bytes) -> None:
        if not self.is_up:
            self._modem.answer((b"+CIPOPEN: 0,2",), b"ERROR")
        elif self._connection is not None:
            self._modem.answer((b"+CIPOPEN: 0,4",), b"ERROR")
        else:
            connected = self._connect(argument, 2)
            self._after(b"+CIPOPEN: 0,0" if connected else b"+CIPOPEN: 0,11", self._modem.dialect.connect_ms)

    def _send(self, _mode: str, argument: bytes) -> None:
        length = argument.split(b",")[-1]
        if self._connection is None or not length.isdigit() or not 1 <= int(length) <= FETCH_OCTETS_MAX:
            self._modem.answer((b"+CIPERROR: 2",), b"ERROR")
        else:
            self._modem.prompt(self._sent, int(length))

    def _sent(self, octets: bytes, _now_us: int) -> None:
        if self._put(octets):
            self._modem.answer((), b"OK", 20)
            self._modem.say_later(b"+CIPSEND: 0,%d,%d" % (len(octets), len(octets)), 60)
        else:
            self._modem.answer((b"+CIPERROR: 2",), b"ERROR")

    def _receive(self, _mode: str, argument: bytes) -> None:
        parts = argument.split(b",")
        if parts[0] in (b"0", b"1"):
            self._modem.answer(())
        elif self._connection is None and not self._buffer:
            self._modem.answer((b"+IP ERROR: No data",), b"ERROR")
        elif parts[0] == b"4":
            self._modem.answer((b"+CIPRXGET: 4,0,%d" % len(self._buffer),))
        elif not self._buffer:
            self._modem.answer((b"+IP ERROR: No data",), b"ERROR")
        else:
            octets = self._fetch(min(int(parts[2]), FETCH_OCTETS_MAX if parts[0] == b"2" else 750))
            head = b"+CIPRXGET: %s,0,%d,%d" % (parts[0], len(octets), len(self._buffer))
            self._modem.answer(_with_data(head, octets, parts[0] == b"3"))

    def _close(self, _mode: str, _argument: bytes) -> None:
        if self._shut():
            self._after(b"+CIPCLOSE: 0,0", 100)
        else:
            self._modem.answer((b"+CIPCLOSE: 0,4",), b"ERROR")


class Sim800Sockets(Sockets):
    """SIM800 series, single connection."""

    def __init__(self, modem, internet):
        super().__init__(modem, internet)
        self._quick = False

    def _news(self) -> bytes:
        return b"+CIPRXGET: 1"

    def _end(self) -> bytes:
        return b"CLOSED"

    def _bearer_lost(self) -> bytes:
        return b"+PDP: DEACT"

    def handlers(self) -> dict:
        handlers = {
            b"+CIPSHUT": self._shut_down,
            b"+CIICR": self._bring_up,
            b"+CIFSR": self._address,
            b"+CIPSTART": self._start,
            b"+CIPSEND": self._send,
            b"+CIPRXGET": self._receive,
            b"+CIPCLOSE": self._close,
            b"+CIPQSEND": self._quick_send,
        }
        for name in (b"+CIPMUX", b"+CIPMODE", b"+CSTT", b"+CGATT"):
            handlers[name] = self._modem.accept
        return handlers

    def _shut_down(self, _mode: str, _argument: bytes) -> None:
        self.drop()
        self._modem.answer((), b"SHUT OK", 300)

    def _bring_up(self, _mode: str, _argument: bytes) -> None:
        if self._is_served():
            self.is_up = True
            self._modem.answer((), b"OK", 1200)
        else:
            self._modem.answer((), b"ERROR", 1200)

    def _address(self, _mode: str, _argument: bytes) -> None:
        if self.is_up:
            # The address is all: no OK follows.
            self._modem.answer((), b"10.21.7.5")
        else:
            self._modem.error()

    def _start(self, _mode: str, argument: bytes) -> None:
        modem = self._modem
        if not self.is_up:
            modem.error()
        elif self._connection is not None:
            modem.answer((b"ALREADY CONNECT",), b"ERROR")
        else:
            connected = self._connect(argument, 1)
            modem.answer(())
            modem.say_later(b"CONNECT OK" if connected else b"CONNECT FAIL", modem.dialect.connect_ms)

    def _quick_send(self, _mode: str, argument: bytes) -> None:
        self._quick = argument == b"1"
        self._modem.answer(())

    def _send(self, _mode: str, argument: bytes) -> None:
        if self._connection is None or not argument.isdigit() or not 1 <= int(argument) <= 1460:
            self._modem.error()
        else:
            self._modem.prompt(self._sent, int(argument))

    def _sent(self, octets: bytes, _now_us: int) -> None:
        if not self._put(octets):
            self._modem.answer((), b"SEND FAIL", 200)
        elif self._quick:
            self._modem.answer((), b"DATA ACCEPT:%d" % len(octets), 30)
        else:
            self._modem.answer((), b"SEND OK", 300)

    def _receive(self, _mode: str, argument: bytes) -> None:
        parts = argument.split(b",")
        if parts[0] in (b"0", b"1"):
            self._modem.answer(())
        elif parts[0] == b"4":
            self._modem.answer((b"+CIPRXGET: 4,%d" % len(self._buffer),))
        elif self._connection is None and not self._buffer:
            self._modem.cme(3)
        else:
            octets = self._fetch(min(int(parts[1]), 1460 if parts[0] == b"2" else 730))
            head = b"+CIPRXGET: %s,%d,%d" % (parts[0], len(octets), len(self._buffer))
            self._modem.answer(_with_data(head, octets, parts[0] == b"3"))

    def _close(self, _mode: str, _argument: bytes) -> None:
        if self._shut():
            self._modem.answer((), b"CLOSE OK", 100)
        else:
            self._modem.error()


class QuectelSockets(Sockets):
    """EC2x series, context 1, connection 0, buffer access mode."""

    def _news(self) -> bytes:
        return b'+QIURC: "recv",0'

    def _end(self) -> bytes:
        return b'+QIURC: "closed",0'

    def _bearer_lost(self) -> bytes:
        return b'+QIURC: "pdpdeact",1'

    def handlers(self) -> dict:
        return {
            b"+QICSGP": self._modem.accept,
            b"+QURCCFG": self._modem.accept,
            b"+QIACT": self._activate,
            b"+QIDEACT": self._deactivate,
            b"+QIOPEN": self._open,
            b"+QISEND": self._send,
            b"+QISENDEX": self._send_hex,
            b"+QIRD": self._receive,
            b"+QICLOSE": self._close,
        }

    def _activate(self, mode: str, _argument: bytes) -> None:
        if mode == "?":
            self._modem.answer((b'+QIACT: 1,1,1,"10.21.7.5"',) if self.is_up else ())
        elif self.is_up or not self._is_served():
            self._modem.answer((), b"ERROR", 300)
        else:
            self.is_up = True
            self._modem.answer((), b"OK", 900)

    def _deactivate(self, _mode: str, _argument: bytes) -> None:
        self.drop()
        self._modem.answer((), b"OK", 400)

    def _open(self, _mode: str, argument: bytes) -> None:
        modem = self._modem
        busy = self._connection is not None
        connected = self.is_up and not busy and self._connect(argument, 3)
        code = 0 if connected else 563 if busy else 566 if self.is_up else 561
        modem.answer(())
        modem.say_later(b"+QIOPEN: 0,%d" % code, modem.dialect.connect_ms)

    def _send(self, _mode: str, argument: bytes) -> None:
        length = argument.split(b",")[-1]
        if self._connection is None or not length.isdigit() or int(length) > 1460:
            self._modem.error()
        elif not int(length):
            self._modem.answer((b"+QISEND: %d,%d,0" % (self._total, self._total),))
        else:
            self._modem.prompt(self._sent, int(length))

    def _send_hex(self, _mode: str, argument: bytes) -> None:
        text = argument[argument.find(b",") + 1 :].strip(b'"')
        if (
            self._connection is None
            or len(text) > 512
            or len(text) & 1
            or text.strip(b"0123456789abcdefABCDEF")
        ):
            self._modem.error()
        else:
            self._sent(bytes([int(text[at : at + 2], 16) for at in range(0, len(text), 2)]), 0)

    def _sent(self, octets: bytes, _now_us: int) -> None:
        self._modem.answer((), b"SEND OK" if self._put(octets) else b"SEND FAIL", 20)

    def _receive(self, _mode: str, argument: bytes) -> None:
        if self._connection is None and not self._buffer:
            self._modem.error()
            return
        octets = self._fetch(min(int(argument.split(b",")[1]), FETCH_OCTETS_MAX))
        head = b"+QIRD: %d" % len(octets)
        self._modem.answer(_with_data(head, octets, False))

    def _close(self, _mode: str, _argument: bytes) -> None:
        self._shut()
        self._modem.answer((), b"OK", 100)


def _with_data(head: bytes, octets: bytes, as_hex: bool) -> tuple:
    """The line that announces data, and the data behind it."""
    if as_hex:
        octets = b"".join([b"%02X" % value for value in octets])
    return (head + b"\r\n" + octets,) if octets else (head,)


def of(name: str, modem, internet) -> Sockets:
    """The set of commands by its name."""
    return {"simcom": SimcomSockets, "sim800": Sim800Sockets, "quectel": QuectelSockets}[name](
        modem, internet
    )
