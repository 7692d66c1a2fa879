"""Message store and message commands of the modem model (3GPP TS 27.005, PDU mode)."""

_UNREAD, _READ = 0, 1

# CMS errors (TS 27.005, 3.2.5).
CMS_BAD_PARAMETER = 304
CMS_NOT_ALLOWED = 302
CMS_BAD_INDEX = 321
CMS_NO_NETWORK = 331
CMS_UNKNOWN = 500

_SERVICE_CENTRE = b"+62811000000"


class Messages:
    """What lies in the stores survives a restart; settings do not.

    `stored(name)`: index -> [state, PDU as octets] of a store. `fill(count)` puts strangers' messages into the first store.
    """

    def __init__(self, modem):
        self._modem = modem
        self._stores = {}
        for name, _ in modem.dialect.stores:
            self._stores[name] = {}
        self.deleted = []  # PDUs in the order in which they went
        self.forget()

    def forget(self) -> None:
        """Settings as after power-up; a careful host sets them all."""
        self._name = self._coming = self._modem.dialect.stores[0][0]
        self._pdu_mode = False
        self._indicate = self._report = 0

    def stored(self, name: bytes) -> dict:
        return self._stores[name]

    def fill(self, count: int, store: bytes = b"") -> None:
        """Strangers' messages that are there already, in the store that messages come into or in another one."""
        self._coming, coming = store or self._coming, self._coming
        for place in range(count):
            self._put(bytes.fromhex("000404812143000062114151030482" + "02") + bytes((place, 1)))
        self._coming = coming

    def is_full(self) -> bool:
        """Nothing more can come in, and nothing says so."""
        return len(self._stores[self._coming]) >= self._places(self._coming)

    def take(self, tpdu: bytes) -> bool:
        """A message from the network; False when there is no room, so that the network keeps it."""
        pdu = b"\x07\x91\x26\x18\x01\x00\x00\xf0" + tpdu
        if tpdu[0] & 3 == 2:
            return self._take_report(tpdu, pdu)
        if self._indicate == 2:
            self._modem.say(b"+CMT: ,%d" % len(tpdu))
            self._modem.say(_hex(pdu))
            return True
        index = self._put(pdu)
        if index < 0:
            return False
        if self._indicate == 1:
            self._modem.say(b'+CMTI: "%s",%d' % (self._coming, index))
        return True

    def _take_report(self, tpdu: bytes, pdu: bytes) -> bool:
        if self._report == 1:
            self._modem.say(b"+CDS: %d" % len(tpdu))
            self._modem.say(_hex(pdu))
        return True

    def _put(self, pdu: bytes) -> int:
        """The first free place of the store that messages come into, -1 when there is none."""
        store = self._stores[self._coming]
        first = self._modem.dialect.first_index
        for index in range(first, first + self._places(self._coming)):
            if index not in store:
                store[index] = [_UNREAD, pdu]
                return index
        return -1

    def _places(self, store: bytes) -> int:
        for name, places in self._modem.dialect.stores:
            if name == store:
                return places
        return 0

    # -- commands

    def handlers(self) -> dict:
        return {
            b"+CMGF": self._format,
            b"+CSMS": self._modem.telling(b"+CSMS: 1,1,1"),
            b"+CNMI": self._indications,
            b"+CPMS": self._storage,
            b"+CSCA": self._service_centre,
            b"+CMGL": self._list,
            b"+CMGR": self._read,
            b"+CMGD": self._delete,
            b"+CMGS": self._send,
        }

    def _format(self, mode: str, argument: bytes) -> None:
        if mode == "?":
            self._modem.answer((b"+CMGF: %d" % (not self._pdu_mode),))
            return
        self._pdu_mode = argument == b"0"
        self._modem.answer(())

    def _indications(self, mode: str, argument: bytes) -> None:
        parts = argument.split(b",")
        if mode == "=" and len(parts) == 5 and parts[0] in (b"1", b"2"):
            self._indicate, self._report = int(parts[1]), int(parts[3])
            self._modem.answer(())
        elif mode == "?":
            self._modem.answer((b"+CNMI: 2,%d,0,%d,0" % (self._indicate, self._report),))
        else:
            self._modem.cms(CMS_NOT_ALLOWED)

    def _storage(self, mode: str, argument: bytes) -> None:
        """One name: the store to read and delete in; three: also the one to write to and the one that messages come into."""
        if mode == "=":
            names = [name.strip(b'"') for name in argument.split(b",")]
            for name in names:
                if name not in self._stores:
                    self._modem.cms(CMS_NOT_ALLOWED)
                    return
            self._name = names[0]
            if len(names) == 3:
                self._coming = names[2]
        told = []
        for name in (self._name, self._coming, self._coming):
            counts = b"%d,%d" % (len(self._stores[name]), self._places(name))
            told.append(counts if mode == "=" else b'"' + name + b'",' + counts)
        self._modem.answer((b"+CPMS: " + b",".join(told),))

    def _service_centre(self, _mode: str, _argument: bytes) -> None:
        self._modem.answer((b'+CSCA: "' + _SERVICE_CENTRE + b'",145',))

    def _list(self, _mode: str, argument: bytes) -> None:
        if not self._pdu_mode or argument not in (b"0", b"1", b"4"):
            self._modem.error()
            return
        store = self._stores[self._name]
        lines = []
        for index in sorted(store):
            state, pdu = store[index]
            if argument == b"4" or argument == b"%d" % state:
                lines.append(b"+CMGL: %d,%d,,%d" % (index, state, len(pdu) - pdu[0] - 1))
                lines.append(_hex(pdu))
                store[index][0] = _READ
        self._modem.answer(lines, b"OK", 40)

    def _read(self, _mode: str, argument: bytes) -> None:
        entry = self._stores[self._name].get(_index(argument))
        if entry is None:
            self._modem.answer(())
            return
        state, pdu = entry
        entry[0] = _READ
        if self._pdu_mode:
            self._modem.answer((b"+CMGR: %d,,%d" % (state, len(pdu) - pdu[0] - 1), _hex(pdu)), b"OK", 30)
        else:
            self._modem.answer((b'+CMGR: "REC READ","+62811",,"26/11/14,15:30:40+28"', b"text"), b"OK", 30)

    def _delete(self, _mode: str, argument: bytes) -> None:
        index = _index(argument)
        store = self._stores[self._name]
        first = self._modem.dialect.first_index
        if b"," in argument or not first <= index < first + self._places(self._name):
            self._modem.cms(CMS_BAD_INDEX)
            return
        if index in store and self._modem.faults.on_delete():
            self.deleted.append(store[index][1])
            del store[index]
        self._modem.answer((), b"OK", 50)

    def _send(self, _mode: str, argument: bytes) -> None:
        if not self._pdu_mode or not argument.isdigit():
            self._modem.cms(CMS_BAD_PARAMETER)
            return
        self._modem.prompt(lambda text, now_us: self._submit(text, int(argument), now_us))

    def _submit(self, text: bytes, tpdu_octets: int, now_us: int) -> None:
        """The host has given the PDU; the network takes its time."""
        modem = self._modem
        pdu = _octets(text)
        if not pdu or len(pdu) != pdu[0] + 1 + tpdu_octets:
            modem.cms(CMS_BAD_PARAMETER)
        elif not modem.radio.is_registered(now_us):
            modem.cms(CMS_NO_NETWORK, 200)
        else:
            outcome = modem.network.submit(modem, pdu[pdu[0] + 1 :], now_us)
            if outcome < 0:
                modem.cms(-outcome, modem.dialect.send_ms)
            else:
                modem.answer((b"+CMGS: %d" % outcome,), b"OK", modem.dialect.send_ms)


def _index(argument: bytes) -> int:
    return int(argument) if argument.isdigit() and len(argument) < 5 else -1


def _hex(octets: bytes) -> bytes:
    return b"".join([b"%02X" % value for value in octets])


def _octets(text: bytes) -> bytes:
    """Octets of hexadecimal digits, empty where it is none."""
    text = text.strip()
    if len(text) & 1 or text.strip(b"0123456789abcdefABCDEF"):
        return b""
    return bytes([int(text[at : at + 2], 16) for at in range(0, len(text), 2)])
