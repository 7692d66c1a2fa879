"""One bound SMPP connection as a state machine: octets and moments in, octets and events out; no I/O, no thread.

A deliver_sm is answered when its frame is committed and not before: the centre keeps it until then.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from gateway.channels import smpp_pdu
from gateway.channels.smpp_pdu import UnreadableError
from gateway.channels.sms_message import Frame, Outgoing
from gateway.config import Smpp

_TRIES_MAX = 2
_PAUSE_S_FIRST = 1.0
_PAUSE_S_MAX = 60.0
_RECEIPTS_MAX = 10_000
_TRY_LATER = (smpp_pdu.THROTTLED, smpp_pdu.QUEUE_FULL)


class LinkFailedError(Exception):
    """The connection is of no more use; what it says is ours, nothing of it came from a message."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A frame, and the sequence number by which its deliver_sm is answered."""

    frame: Frame
    sequence: int


class Receipts:
    """Messages that a receipt is awaited for; outlives connections. Receipts are hints, so they are only counted."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._awaited: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._awaited)

    def expect(self, name: bytes) -> None:
        """A message was taken under this id."""
        if name:
            self._awaited[name] = None
            if len(self._awaited) > _RECEIPTS_MAX:
                self._awaited.popitem(last=False)
                self._counts["receipts_missing"] += 1

    def take(self, name: bytes, *, is_delivered: bool) -> None:
        """What became of it."""
        if name in self._awaited:
            del self._awaited[name]
            self._counts["delivered" if is_delivered else "undelivered"] += 1
        else:
            self._counts["receipts_unknown"] += 1


class SmppSession:
    """Begin with `opened`; give it what arrives, and `tick` it; write what `take_output` returns.

    `allow(sender)` says whether one more frame of a number is taken; `counts`: what happened, by name.
    """

    def __init__(
        self,
        config: Smpp,
        password: str,
        allow: Callable[[str], bool],
        receipts: Receipts,
        counts: Counter[str],
        jitter: Callable[[], float],
    ) -> None:
        self._config = config
        self._password = password
        self._allow = allow
        self._receipts = receipts
        self._counts = counts
        self._jitter = jitter
        ton, npi, digits = smpp_pdu.address_of(config.source)
        self._source = (
            ton if config.source_ton < 0 else config.source_ton,
            npi if config.source_npi < 0 else config.source_npi,
            digits,
        )
        self._maker = smpp_pdu.Maker()
        self._cutter = smpp_pdu.Cutter()
        self._output = bytearray()
        self._bind_due_s = 0.0
        self._heard_s = 0.0
        self._enquired_s: float | None = None
        self._submitted: OrderedDict[int, tuple[Outgoing, float]] = OrderedDict()
        self._pending: set[int] = set()
        self._again: deque[Outgoing] = deque()
        self._pause_s = 0.0
        self._free_s = 0.0
        self.is_bound = False

    def opened(self, now_s: float) -> None:
        """The connection stands."""
        config = self._config
        self._output += self._maker.bind(config.system_id, self._password, config.system_type)
        self._bind_due_s = now_s + config.response_s
        self._heard_s = now_s

    def take_output(self) -> bytes:
        """Octets to write."""
        octets = bytes(self._output)
        self._output.clear()
        return octets

    @property
    def waiting_for_commit(self) -> int:
        """Messages that the centre keeps for us."""
        return len(self._pending)

    # Out.

    def can_submit(self, now_s: float) -> bool:
        """Tell whether the window, the rate and the centre's mood let one more message out."""
        return self.is_bound and len(self._submitted) < self._config.window and now_s >= self._free_s

    def submit(self, outgoing: Outgoing, now_s: float) -> None:
        """Send a message."""
        outgoing.tries += 1
        sequence, octets = self._maker.submit(self._source, outgoing.number, outgoing.octets)
        self._output += octets
        self._submitted[sequence] = (outgoing, now_s)
        self._free_s = max(self._free_s, now_s + 1 / self._config.sends_per_second)

    def take_back(self) -> list[Outgoing]:
        """What is to be sent again: the centre asked us to wait, or has not answered. At the end, all that is open."""
        back = list(self._again)
        self._again.clear()
        return back

    def abandon(self) -> list[Outgoing]:
        """The connection is over: what was not answered is tried once more, since nobody knows."""
        for outgoing, _ in self._submitted.values():
            self._retry(outgoing)
        self._submitted.clear()
        return self.take_back()

    def _retry(self, outgoing: Outgoing) -> None:
        if outgoing.tries < _TRIES_MAX:
            self._again.append(outgoing)
        else:
            self._counts["dropped"] += 1

    # In.

    def acknowledge(self, sequence: int) -> None:
        """The frame of this deliver_sm is committed."""
        if sequence in self._pending:
            self._pending.discard(sequence)
            self._output += smpp_pdu.response(smpp_pdu.DELIVER, sequence)

    def close(self) -> None:
        """Say goodbye."""
        if self.is_bound:
            self._output += self._maker.unbind()

    def feed(self, octets: bytes, now_s: float) -> list[Arrived]:
        """Frames in what has arrived; raises `LinkFailedError`."""
        self._heard_s = now_s
        self._enquired_s = None
        try:
            pdus = self._cutter.feed(octets)
        except UnreadableError as failure:
            self._counts["garbage"] += 1
            raise LinkFailedError(str(failure)) from failure
        found = []
        for pdu in pdus:
            arrived = self._take(pdu, now_s)
            if arrived is not None:
                found.append(arrived)
        return found

    def tick(self, now_s: float) -> None:
        """Ask a silent centre; raises `LinkFailedError` where it does not answer in time."""
        config = self._config
        if not self.is_bound:
            if now_s >= self._bind_due_s:
                raise LinkFailedError("no answer to the bind")
            return
        if self._submitted:
            _, sent_s = next(iter(self._submitted.values()))
            if now_s - sent_s >= config.response_s:
                raise LinkFailedError("no answer to a message")
        if self._enquired_s is not None:
            if now_s - self._enquired_s >= config.response_s:
                raise LinkFailedError("no answer to an enquiry")
        elif now_s - self._heard_s >= config.enquire_s:
            self._enquired_s = now_s
            self._output += self._maker.enquire()

    def _take(self, pdu: bytes, now_s: float) -> Arrived | None:
        header = smpp_pdu.header(pdu)
        command, sequence = header.command, header.sequence
        if command == smpp_pdu.DELIVER and self.is_bound:
            return self._deliver(pdu, sequence)
        if command == smpp_pdu.SUBMIT_RESPONSE:
            self._submitted_answer(pdu, header, now_s)
        elif command == smpp_pdu.BIND_RESPONSE and not self.is_bound:
            if header.status != smpp_pdu.OK:
                raise LinkFailedError(f"bind refused with status {header.status:#x}")
            self.is_bound = True
        elif command == smpp_pdu.ENQUIRE:
            self._output += smpp_pdu.response(command, sequence)
        elif command == smpp_pdu.UNBIND:
            self._output += smpp_pdu.response(command, sequence)
            raise LinkFailedError("the centre has unbound us")
        elif command == smpp_pdu.GENERIC_NACK:
            self._counts["nacks"] += 1
            self._submitted_answer(pdu, header, now_s)
        elif not command & smpp_pdu.RESPONSE and command != smpp_pdu.ALERT:
            self._counts["unknown_commands"] += 1
            self._output += smpp_pdu.nack(sequence, smpp_pdu.INVALID_COMMAND)
        return None

    def _deliver(self, pdu: bytes, sequence: int) -> Arrived | None:
        """A frame, or something that is counted and answered at once."""
        self._counts["received"] += 1
        try:
            message = smpp_pdu.read_message(pdu)
        except UnreadableError:
            self._counts["undecodable"] += 1
            self._output += smpp_pdu.response(smpp_pdu.DELIVER, sequence, smpp_pdu.PERMANENT_FAULT)
            return None
        if message.is_receipt:
            self._receipts.take(message.receipted, is_delivered=message.is_delivered)
        else:
            frame, why = smpp_pdu.frame_of(message)
            if frame is None:
                self._counts[why] += 1
            elif not self._allow(frame.sender):
                self._counts["bounded"] += 1
            else:
                self._counts["frames"] += 1
                self._pending.add(sequence)
                return Arrived(frame, sequence)
        self._output += smpp_pdu.response(smpp_pdu.DELIVER, sequence)
        return None

    def _submitted_answer(self, pdu: bytes, header: smpp_pdu.Header, now_s: float) -> None:
        found = self._submitted.pop(header.sequence, None)
        if found is None:
            return
        outgoing, _ = found
        if header.command == smpp_pdu.SUBMIT_RESPONSE and header.status == smpp_pdu.OK:
            self._pause_s = 0.0
            self._counts["sent"] += 1
            self._receipts.expect(smpp_pdu.read_message_id(pdu))
        elif header.status in _TRY_LATER:
            self._counts["throttled"] += 1
            self._pause_s = min(_PAUSE_S_MAX, max(_PAUSE_S_FIRST, 2 * self._pause_s))
            self._free_s = max(self._free_s, now_s + self._pause_s * (0.5 + self._jitter()))
            outgoing.tries -= 1  # it was not tried
            self._again.append(outgoing)
        else:
            self._counts["not_sent"] += 1
            self._counts[f"refused_{header.status:#x}"] += 1
