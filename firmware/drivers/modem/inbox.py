"""Messages that come in: listed, handed over, read once more, deleted, in that order and nowhere else.

A message is deleted only when the very same octets were handed over and the hand-over has returned. All that a listing
shows is handed over before the first deletion, so that not even a garbled index can cost a message.
"""

import hashlib

from firmware.drivers.modem.errors import CommandRefused
from protocol import at_lines, sms_pdu
from protocol.errors import OutOfRange, ProtocolError

_LIST_TIMEOUT_MS = 30000
_READ_TIMEOUT_MS = 10000
_DELETE_TIMEOUT_MS = 25000
_STORAGE_TIMEOUT_MS = 10000
# Notices get lost and a full store says nothing, so the store is looked into without any.
_LOOK_MS = 60000
_LOOK_SOON_MS = 5000
_MESSAGES_PER_LISTING = 24
# Messages may lie in another store than the one they come into now: a SIM brings them along.
_VISIT_MS = 3600000
_LOOKS_PER_VISIT_MAX = 12
_REMEMBERED = 32
_DIRECT_MAX = 16
_STRANGE_MAX = 3

_FULL = (b"^SMMEMFULL", b"+WMGF", b'+QIND: "smsfull"', b"+SMS FULL")


class Incoming:
    """A message as the modem gave it: `pdu` in hexadecimal; `deliver`, or None where it is none that can be read, and then
    `error` says why.
    """

    def __init__(self, pdu: bytes) -> None:
        self.pdu = pdu
        self.deliver = None
        self.report = None
        self.error = None
        try:
            message = sms_pdu.decode_hex(pdu)
            if isinstance(message, sms_pdu.StatusReport):
                self.report = message
            else:
                self.deliver = message
        except ProtocolError as error:
            self.error = error


class Inbox:
    """`received(incoming)` is awaited and must have made the message durable when it returns; `reported(report)` is told
    what became of a message that was sent. `storage`: (used, total), `is_nearly_full` from four fifths on. `is_served`: the
    modem's message service is set up; False once it behaves as if it were not, and the owner then sets it up again.
    """

    def __init__(self, port, clock, counters, received, reported) -> None:
        self._port = port
        self._clock = clock
        self._counters = counters
        self._received = received
        self._reported = reported
        self._remembered = []  # digests of PDUs that were handed over, the latest last
        self._direct = []
        self.is_served = False
        self.storage = (0, 0)
        self.last_error = None
        self.restart()

    def restart(self, stores: tuple = ()) -> None:
        """The modem was set up anew: whatever it holds comes first. `stores`: their names, the first is the one that
        messages come into and that is looked into now.
        """
        self._stores = stores
        self._visits = []  # stores to look into next
        self._visited = self._clock.ticks_ms()
        self._looks = 0
        self._is_drained = False
        self._plan_visits(stores[1:])
        self._pending = []  # indices to read once more and delete
        self._odd = {}  # index -> PDU whose length was not the one announced
        self._looked = None
        self._look_soon = False
        self._strange = 0

    @property
    def is_nearly_full(self) -> bool:
        used, total = self.storage
        return used * 5 >= total * 4 and total > 0

    def notice(self, event) -> None:
        """An unsolicited line: a message is there, or came along."""
        line = event.line
        if line.startswith((b"+CMTI", b"+CDSI")):
            self._looked = None
            for name in self._stores[1:]:
                if b'"' + name + b'"' in line:
                    self._plan_visits((name,))
        elif line.startswith(_FULL):
            self._looked = None
        elif line.startswith(b"+CDS") and event.extra:
            self._tell(Incoming(event.extra))
        elif line.startswith(b"+CMT") and event.extra and len(self._direct) < _DIRECT_MAX:
            self._direct.append(event.extra)
            self.is_served = False  # it was told to store messages

    def due(self) -> bool:
        if self._direct:
            return True
        if not self.is_served:
            return False
        if self._pending or self._visits or self._looked is None:
            return True
        wait_ms = _LOOK_SOON_MS if self._look_soon else _LOOK_MS
        return self._clock.ticks_diff(self._clock.ticks_ms(), self._looked) >= wait_ms

    async def work(self) -> None:
        """The next step; raises ModemError when the modem fails, never for what a message holds."""
        if self._direct:
            await self._hand_over(self._direct.pop(0))
        elif self._pending:
            await self._clear(self._pending.pop(0))
        elif self._visits and (self._is_drained or self._looks >= _LOOKS_PER_VISIT_MAX):
            await self._visit(self._visits.pop(0))
        else:
            await self._look()

    def _plan_visits(self, names: tuple) -> None:
        """Look into other stores, and then again into the one that messages come into."""
        if names and not self._visits:
            self._visits = list(names) + [self._stores[0]]

    async def _visit(self, name: bytes) -> None:
        """Read and delete in another store from now on; what a modem does not have is passed over."""
        try:
            await self._port.command(b'AT+CPMS="%s"' % name, _STORAGE_TIMEOUT_MS)
        except CommandRefused as error:
            self.last_error = error
            if not self._visits:
                self._visits = [name]  # back to the own store it must find
            return
        self._looked = None
        self._looks = 0
        self._is_drained = False
        self._odd = {}

    async def _look(self) -> None:
        """List what lies there and hand it over; deletions follow one by one."""
        self._looked = self._clock.ticks_ms()
        self._looks += 1
        if self._clock.ticks_diff(self._looked, self._visited) >= _VISIT_MS:
            self._visited = self._looked
            self._plan_visits(self._stores[1:])
        try:
            reply = await self._port.command(
                b"AT+CMGL=4", _LIST_TIMEOUT_MS, bare=True, lines_max=2 * _MESSAGES_PER_LISTING
            )
        except CommandRefused as error:
            self._count_strange(error)
            return
        self._strange = 0
        entries = at_lines.listing(reply.lines)
        pending = []
        for entry in entries:
            # Only what is whole can be handed over; the rest is read once more.
            if entry.is_whole and not await self._is_handed_over(entry.pdu):
                continue
            pending.append(entry.index)
        self._pending = pending
        headers = len([line for line in reply.lines if line.startswith(b"+CMGL:")])
        self._look_soon = reply.is_cut or headers != len(entries)
        self._is_drained = not headers
        await self._watch_storage()
        if self.is_nearly_full and pending:
            self._look_soon = True

    async def _watch_storage(self) -> None:
        try:
            reply = await self._port.command(b"AT+CPMS?", _STORAGE_TIMEOUT_MS)
            self.storage = at_lines.storage(reply.lines[0]) if reply.lines else self.storage
        except CommandRefused:
            return
        except OutOfRange:
            return  # octets got lost: asked again after the next listing
        if self.is_nearly_full:
            self._counters.add("nearly_full")

    async def _clear(self, index: int) -> None:
        """Read a place once more and delete what was handed over from there."""
        reply = await self._port.command(b"AT+CMGR=%d" % index, _READ_TIMEOUT_MS, bare=True)
        try:
            entry = at_lines.message(reply.lines, index)
        except OutOfRange as error:
            self._count_strange(error)
            return
        self._strange = 0
        if entry is None:
            self._odd.pop(index, None)
            return
        if not entry.is_whole and self._odd.get(index) != entry.pdu:
            self._odd[index] = entry.pdu  # octets got lost, unless it reads the same again
            self._look_soon = True
            return
        if await self._is_handed_over(entry.pdu):
            await self._delete(index)

    def _count_strange(self, error: Exception) -> None:
        """Once is a lost octet; again and again is a modem in text mode or without message service."""
        self._strange += 1
        self._look_soon = True
        self.last_error = error
        if self._strange >= _STRANGE_MAX:
            self.is_served = False

    async def _delete(self, index: int) -> None:
        try:
            await self._port.command(b"AT+CMGD=%d" % index, _DELETE_TIMEOUT_MS)
        except CommandRefused as error:
            self._counters.add("delete_failures")
            self.last_error = error
            return
        self._odd.pop(index, None)
        self._counters.add("deleted")

    async def _is_handed_over(self, pdu: bytes) -> bool:
        """Hand a message over unless that was done already."""
        return _digest(pdu) in self._remembered or await self._hand_over(pdu)

    async def _hand_over(self, pdu: bytes) -> bool:
        """True once the message is somebody else's."""
        incoming = Incoming(pdu)
        self._counters.add("received")
        if incoming.error is not None:
            self._counters.add("undecodable")
        try:
            if incoming.report is not None:
                self._tell(incoming)
            else:
                await self._received(incoming)
        except MemoryError:
            raise  # the supervisor's: it starts the terminal anew, and the message stays where it is
        except Exception as error:  # lumbung: catch-all - counted and kept; the message stays where it is
            self._counters.add("hand_over_failures")
            self.last_error = error
            return False
        self._counters.add("handed_over")
        self._remembered.append(_digest(pdu))
        if len(self._remembered) > _REMEMBERED:
            self._remembered.pop(0)
        return True

    def _tell(self, incoming: Incoming) -> None:
        if incoming.report is not None:
            self._counters.add("reports")
            self._reported(incoming.report)


def _digest(pdu: bytes) -> bytes:
    return hashlib.sha256(pdu).digest()
