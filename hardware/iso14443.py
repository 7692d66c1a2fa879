"""ISO/IEC 14443-4 block transmission (ISO-DEP), both ends: the card's, and the reader chip's own.

Blocks are without their CRC, which the hardware adds and checks. Section numbers are those of ISO/IEC 14443-4:2018.
"""

FRAME_SIZES = (16, 24, 32, 40, 48, 64, 96, 128, 256)  # by FSCI and FSDI (5.2.3); higher codes mean the last
_FWI_DEFAULT = 4
_FWT_BASE_NS = 302065  # 256 * 16 / 13.56 MHz (7.2)
_WTXM_MAX = 59
OVERHEAD = 3  # PCB and two octets of CRC

_I_BLOCK = 0x02
_CHAINING = 0x10
_R_ACK = 0xA2
_R_NAK = 0xB2
_S_DESELECT = 0xC2
_S_WTX = 0xF2


class RfError(Exception):
    """The exchange over the air failed."""


class RfTimeout(RfError):
    """No answer within the frame waiting time."""


class RfCorrupted(RfError):
    """An answer with a wrong CRC, or an empty one."""


class RfProtocolError(RfError):
    """An answer that the block rules do not allow at this place."""


def parse_ats(ats: bytes):
    """(FSC in octets, FWT in microseconds) of an Answer To Select (5.2)."""
    fsc, fwi = FRAME_SIZES[2], _FWI_DEFAULT
    if len(ats) > 1:
        fsc = FRAME_SIZES[min(ats[1] & 0x0F, 8)]
        at = 3 if ats[1] & 0x10 else 2
        if ats[1] & 0x20 and at < len(ats):
            fwi = ats[at] >> 4
    if fwi == 15:
        fwi = _FWI_DEFAULT
    return fsc, (_FWT_BASE_NS << fwi) // 1000


class Picc:
    """The card's end, around a card that knows APDUs only.

    The card has `activate() -> (ATQA, SAK, UID, ATS)`, `deactivate()`, `exchange(apdu) -> bytes` (None: it stays mute)
    and `busy_ms`, the time its last command took.
    """

    def __init__(self, card):
        self.card = card
        self.atqa, self.sak, self.uid, self.ats = card.activate()
        self._fsc, self.fwt_us = parse_ats(self.ats)
        self.reset()

    def reset(self) -> None:
        """Power lost, or HALT: back before RATS."""
        self.selected = False
        self.card.deactivate()

    def rats(self, fsd: int) -> bytes:
        """Answer To Select; `fsd` is the largest frame that the reader takes."""
        self.atqa, self.sak, self.uid, self.ats = self.card.activate()
        self.selected = True
        self._room = fsd - OVERHEAD
        self._number = 1
        self._command = b""
        self._response = b""
        self._sent = None
        self._busy_us = 0
        return self.ats

    def receive(self, block: bytes):
        """(block to send, microseconds until it is sent), or None when the card stays mute."""
        if not self.selected or not block:
            return None
        kind = block[0] & 0xE2
        if kind == _I_BLOCK:
            return self._information(block)
        if kind == 0xA2:
            return self._receipt(block[0])
        if block[0] == _S_DESELECT:
            self.reset()
            return block, 0
        if block[0] == _S_WTX and self._busy_us:
            return self._continue_waiting()
        return None

    def _information(self, block: bytes):
        self._number = block[0] & 1
        if len(block) > self._fsc - 2:
            return None
        self._command += block[1:]
        if block[0] & _CHAINING:
            return self._send(bytes([_R_ACK | self._number]))
        command, self._command = self._command, b""
        response = self.card.exchange(command)
        if response is None:
            self.selected = False  # it answers nothing any more
            return None
        self._response = response
        self._busy_us = self.card.busy_ms * 1000
        return self._when_done()

    def _when_done(self):
        if self._busy_us < self.fwt_us:
            spent, self._busy_us = self._busy_us, 0
            return self._send(self._next_block())[0], spent
        # Ask just before the reader would give up.
        self._wtxm = min(_WTXM_MAX, self._busy_us // self.fwt_us + 1)
        asked_after_us = self.fwt_us // 2
        self._busy_us = max(1, self._busy_us - asked_after_us)
        return self._send(bytes([_S_WTX, self._wtxm]))[0], asked_after_us

    def _continue_waiting(self):
        granted_us = self._wtxm * self.fwt_us
        if self._busy_us < granted_us:
            spent, self._busy_us = self._busy_us, 0
            return self._send(self._next_block())[0], spent
        self._busy_us -= granted_us - self.fwt_us
        block, asked_after_us = self._when_done()
        return block, granted_us - self.fwt_us + asked_after_us

    def _receipt(self, pcb: int):
        """Rules 11 to 13 (7.5.4.3)."""
        if pcb & 1 == self._number and self._sent is not None:
            return self._sent, 0
        if pcb & 0x10:
            return bytes([_R_ACK | self._number]), 0
        if not self._response:
            return None
        self._number ^= 1
        return self._send(self._next_block())

    def _next_block(self) -> bytes:
        part, self._response = self._response[: self._room], self._response[self._room :]
        return bytes([_I_BLOCK | self._number | (_CHAINING if self._response else 0)]) + part

    def _send(self, block: bytes):
        self._sent = block
        return block, 0


class IsoDepInitiator:
    """The reader chip's end.

    `link(block, timeout_us)` puts a block on the air and returns the answer, or raises an RfError. `retries` is how often
    a failed block is asked for again.
    """

    def __init__(self, link, fsc: int, fwt_us: int, retries: int = 2):
        self._link = link
        self._room = fsc - OVERHEAD
        self._fwt_us = fwt_us
        self._retries = retries
        self._number = 0
        self._reply = b""
        self._more_to_come = False

    def transmit(self, data: bytes, more: bool = False) -> None:
        """Send a command, or with `more` a part of one, in as many blocks as it takes."""
        at = 0
        while True:
            part = data[at : at + self._room]
            at += len(part)
            chained = more or at < len(data)
            pcb = _I_BLOCK | self._number | (_CHAINING if chained else 0)
            answer = self._exchange(bytes([pcb]) + part, bytes([_R_NAK | self._number]))
            if not chained:
                self._take(answer)
                return
            if answer[0] != _R_ACK | self._number:
                raise RfProtocolError("0x%02x in answer to a chained block" % answer[0])
            self._number ^= 1
            if at >= len(data):
                return

    def collect(self, limit: int):
        """(response or a part of up to `limit` octets of it, whether more follows)."""
        while self._more_to_come and len(self._reply) < limit:
            acknowledge = bytes([_R_ACK | self._number])
            self._take(self._exchange(acknowledge, acknowledge))
        part, self._reply = self._reply[:limit], self._reply[limit:]
        return part, bool(self._reply) or self._more_to_come

    def is_present(self) -> bool:
        """Ask with an R(NAK), to which a card that is still there answers something (rule 12)."""
        try:
            self._link(bytes([_R_NAK | self._number]), self._fwt_us)
        except RfError:
            return False
        return True

    def deselect(self) -> None:
        """Send S(DESELECT); whether the card answers does not matter."""
        try:
            self._link(bytes([_S_DESELECT]), self._fwt_us)
        except RfError:
            pass

    def _take(self, block: bytes) -> None:
        if block[0] & 0xEF != _I_BLOCK | self._number:
            raise RfProtocolError("0x%02x where an I-block %d was due" % (block[0], self._number))
        self._reply += block[1:]
        self._more_to_come = bool(block[0] & _CHAINING)
        self._number ^= 1

    def _exchange(self, block: bytes, again: bytes) -> bytes:
        """One block and its answer: waiting time extensions granted, errors retried with `again` (7.5.4.2)."""
        timeout_us = self._fwt_us
        failures = 0
        first = block
        while True:
            try:
                answer = self._link(block, timeout_us)
                failure = None if answer else RfCorrupted("empty answer")
            except (RfTimeout, RfCorrupted) as failed:
                failure = failed
            if failure is not None:
                failures += 1
                if failures > self._retries:
                    raise failure
                block, timeout_us = again, self._fwt_us
                continue
            if answer[0] == _S_WTX and len(answer) == 2:
                block, timeout_us = answer, self._fwt_us * min(answer[1] & 0x3F, _WTXM_MAX)
            elif first[0] & 0xE2 == _I_BLOCK and answer[0] & 0xF6 == _R_ACK and (answer[0] ^ first[0]) & 1:
                # The card never got the block (rule 6): send it once more.
                block, timeout_us = first, self._fwt_us
                failures += 1
                if failures > self._retries:
                    raise RfTimeout("the card does not take the block")
            else:
                return answer
