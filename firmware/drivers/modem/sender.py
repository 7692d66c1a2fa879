"""Messages that go out: a short queue, one at a time, each with an end that its sender hears of."""

import asyncio

from firmware.drivers.modem.errors import (
    AnswerMalformed,
    CommandRefused,
    ModemError,
    NotRegistered,
    QueueFull,
)
from firmware.drivers.modem.port import find_line
from protocol import at_lines, sms_pdu
from protocol.errors import OutOfRange

# 3GPP and the vendors' manuals give a network that long.
_SEND_TIMEOUT_MS = 60000
# How long a message waits for the modem before its sender is told that it did not go.
_WAIT_MS = 180000
_QUEUE_MAX = 4
# Refusals in a row behind which the radio is switched off and on; doubled each time, as it may be for want of credit.
_REFUSALS_FIRST = 3

_CTRL_Z = b"\x1a"


class _Job:
    def __init__(self, pdu: bytes, now) -> None:
        self.pdu = pdu
        self.queued = now
        self.over = asyncio.Event()
        self.reference = -1
        self.error = None

    def end(self, reference: int, error) -> None:
        self.reference = reference
        self.error = error
        self.over.set()


class Sender:
    """`service` tells whether there is a network, `sockets` whether a connection would suffer."""

    def __init__(self, port, clock, counters, service, sockets) -> None:
        self._port = port
        self._clock = clock
        self._counters = counters
        self._service = service
        self._sockets = sockets
        self._jobs = []
        self._refusals = 0
        self._refusals_most = _REFUSALS_FIRST

    @property
    def can_send(self) -> bool:
        """Whether a message would go out now, not only later."""
        return self._service.can_send

    async def send(self, pdu: bytes) -> int:
        """Send a SUBMIT; the message reference. A ModemError tells that it did not go, or that nobody knows (silence or a
        malformed answer): then it may arrive twice if it is sent again.
        """
        if len(self._jobs) >= _QUEUE_MAX:
            raise QueueFull("%d messages wait" % _QUEUE_MAX)
        job = _Job(pdu, self._clock.ticks_ms())
        self._jobs.append(job)
        try:
            await job.over.wait()
        finally:
            if job in self._jobs:
                self._jobs.remove(job)
        if job.error is not None:
            raise job.error
        return job.reference

    def expire(self) -> None:
        """Tell senders that have waited for too long."""
        while self._jobs and self._clock.ticks_diff(self._clock.ticks_ms(), self._jobs[0].queued) >= _WAIT_MS:
            self._end(self._jobs.pop(0), NotRegistered("the message waited for too long"))

    def due(self) -> bool:
        return bool(self._jobs) and self._service.can_send

    async def work(self) -> None:
        """Send the oldest message."""
        job = self._jobs.pop(0)
        try:
            reference = await self._submit(job.pdu)
        except CommandRefused as error:
            self._end(job, error)
            self._service.ask_now()
            self._refusals += 1
            if self._refusals >= self._refusals_most and not self._sockets.state:
                self._refusals = 0
                self._refusals_most *= 2
                raise NotRegistered("messages are refused")
            return
        except ModemError as error:
            self._end(job, error)
            raise
        self._refusals = 0
        self._refusals_most = _REFUSALS_FIRST
        self._counters.add("sent")
        job.end(reference, None)

    async def _submit(self, pdu: bytes) -> int:
        text = b"".join([b"%02X" % octet for octet in pdu])
        command = b"AT+CMGS=%d" % sms_pdu.tpdu_length(pdu)
        reply = await self._port.command(command, _SEND_TIMEOUT_MS, content=text + _CTRL_Z)
        line = find_line(reply, (b"+CMGS",))
        try:
            if line is not None:
                return at_lines.number(line, 0)
        except OutOfRange:
            pass
        raise AnswerMalformed("AT+CMGS", "no reference")

    def _end(self, job: _Job, error: ModemError) -> None:
        self._counters.add("not_sent")
        job.end(-1, error)
