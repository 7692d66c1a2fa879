"""A PN532 reader chip at the level of its host frames, with the cards in its field (user manual UM0701-02).

What the manual leaves open is decided so: a frame with a wrong checksum is answered by the error frame (or by nothing,
`answers_damage = False`); before SAMConfiguration the chip runs no command that needs the field.
"""

from hardware import iso14443, pn532_frames
from hardware.pn532_faults import NoFaults

VERSION = b"\x32\x01\x06\x07"  # PN532, firmware 1.6, ISO 14443 A and B and ISO 18092
BUFFER_OCTETS = 262  # of one InDataExchange, each way
_FSD = 64  # what the chip announces in its RATS
_FOREVER = 0xFF

# Times in microseconds.
ACK_US = 400
COMMAND_US = 1200
WAKE_US = 1000
RESET_US = 2000
POLL_US = 5000  # one look round for cards
ACTIVATE_US = 8000  # anticollision and RATS
DISCHARGE_US = 5000  # a card lives that long without a field (EMV Contactless Book D, tRESET)
AIR_OCTET_US = 85  # 106 kbit/s, nine bits
AIR_GAP_US = 300

# Status octets (7.1).
OK = 0x00
TIMEOUT = 0x01
CRC_ERROR = 0x02
PROTOCOL_ERROR = 0x0B
INVALID_PARAMETER = 0x10
WRONG_CONTEXT = 0x27

RESET = "reset"
LOW_VBAT = "low_vbat"
NORMAL = "normal"
POWER_DOWN = "power_down"


class _SyntaxError(Exception):
    """The command is answered with the error frame."""


class _Target:
    """A card that the chip has activated."""

    def __init__(self, picc, initiator):
        self.picc = picc
        self.initiator = initiator


class Pn532:
    """`clock` has `now_us()`. The faces in `pn532_bus.py` connect it to SPI, HSU and pins."""

    def __init__(self, clock, faults=None):
        self._clock = clock
        self.faults = faults or NoFaults()
        self.answers_damage = True
        self.command_count = 0
        self.apdu_count = 0
        self.block_count = 0
        self.resets = 0
        self._piccs = []  # in the field, whether the field is on or not
        self._decoder = pn532_frames.FrameDecoder()
        self._power_up()

    # ------------------------------------------------------------------ the world outside

    def place(self, card) -> None:
        """Put a card on the reader."""
        self._piccs.append(iso14443.Picc(card))

    def remove(self, card=None) -> None:
        """Take a card, or all, away; an exchange that is under way fails."""
        gone = [picc for picc in self._piccs if card is None or picc.card is card]
        self._piccs = [picc for picc in self._piccs if picc not in gone]
        now_us = self._clock.now_us()
        for frame in self._queue:
            if frame[2] in gone and frame[0] > now_us:
                frame[0] = now_us + frame[2].fwt_us
                frame[1] = pn532_frames.build(bytes([frame[3], TIMEOUT]))
                frame[2] = None
                self._last_response = frame[1]
        for picc in gone:
            picc.reset()

    def reset_line(self, level: int) -> None:
        """The RSTPD_N pin: low holds the chip in reset, rising starts it."""
        if level and self.power == RESET:
            self.resets += 1
            self._power_up()
        elif not level:
            self._power_up()
            self.power = RESET

    # ------------------------------------------------------------------ the host's side

    def wake(self, moment_us=None) -> bool:
        """The host stirs its interface, now or at `moment_us`; whether the chip is awake enough to listen."""
        moment_us = self._clock.now_us() if moment_us is None else moment_us
        if self.power == POWER_DOWN:
            self.power = NORMAL
            self._awake_us = moment_us + WAKE_US
        return self.power != RESET and not self._deaf and moment_us >= self._awake_us

    def host_sends(self, data: bytes, moment_us=None) -> None:
        """Octets of frames from the host, as they have arrived."""
        if not self.wake(moment_us):
            return
        self._decoder.feed(data)
        while True:
            frame = self._decoder.next()
            if frame is None:
                return
            self._take_frame(frame[0], frame[1])

    def burst_ends(self) -> None:
        """The host let go of the select line: an unfinished frame is lost."""
        self._decoder.reset()

    def has_output(self) -> bool:
        """Whether a frame is ready for the host; what status octet and IRQ pin show."""
        if self.power == RESET or self._deaf:
            return False
        self._look_for_cards()
        return bool(self._queue) and self._queue[0][0] <= self._clock.now_us()

    def take_output(self) -> bytes:
        """The frame that is ready, or nothing; it counts as read."""
        if not self.has_output():
            return b""
        return self._queue.pop(0)[1]

    # ------------------------------------------------------------------ inside

    def _power_up(self) -> None:
        self.power = LOW_VBAT
        self.field_on = False
        self._charged = []  # cards that were active when the field was cut, and until when they still live
        self._discharged_us = 0
        self.irq_enabled = True
        self._deaf = False
        self._awake_us = self._clock.now_us() + RESET_US
        self._queue = []  # [ready_us, frame, picc whose answer it holds or None, response code]
        self._last_response = b""
        self._looking = None  # [cards wanted, end_us or None, deaf cards] of an InListPassiveTarget under way
        self._activation_retries = _FOREVER
        self._targets = {}
        self._busy_us = 0
        self._sleeps_next = False
        self._decoder.reset()
        for picc in self._piccs:
            picc.reset()

    def _take_frame(self, kind: str, content: bytes) -> None:
        now_us = self._clock.now_us()
        if kind == pn532_frames.GOT_NACK:
            if self._last_response:
                self._queue = [[now_us, self._last_response, None, 0]]
            return
        if kind == pn532_frames.GOT_DAMAGED and not self.answers_damage:
            return
        # Whatever was under way is over: an ACK says just that, a new command does so too (6.2.2).
        self._queue = []
        self._looking = None
        if kind == pn532_frames.GOT_ACK:
            return
        if kind == pn532_frames.GOT_DAMAGED:
            self._queue.append([now_us + ACK_US, pn532_frames.ERROR, None, 0])
            return
        self.command_count += 1
        if self.faults.goes_deaf(self.command_count):
            self._deaf = True
            return
        self._queue.append([now_us + ACK_US, pn532_frames.ACK, None, 0])
        self._busy_us = COMMAND_US
        self._answering_picc = None
        code, parameters = content[0], content[1:]
        method = _COMMANDS.get(code, "_refuse")
        if self.power == LOW_VBAT and code in _NEED_FIELD:
            method = "_refuse"
        try:
            answer = getattr(self, method)(parameters)
        except (_SyntaxError, IndexError):
            self._queue.append([now_us + ACK_US + COMMAND_US, pn532_frames.ERROR, None, 0])
            return
        if answer is not None:
            self._respond(code + 1, answer)

    def _respond(self, code: int, answer: bytes) -> None:
        frame = pn532_frames.build(bytes([code]) + answer)
        ready_us = self._clock.now_us() + ACK_US + self._busy_us
        self._queue.append([ready_us, frame, self._answering_picc, code])
        self._last_response = frame
        if self._answering_picc is not None and self.faults.pulls_after(self.apdu_count):
            self.remove(self._answering_picc.card)

    # ------------------------------------------------------------------ commands

    def _refuse(self, parameters: bytes) -> bytes:
        raise _SyntaxError

    def _diagnose(self, parameters: bytes) -> bytes:
        """7.2.1; tests 0 (line), 1 (ROM), 2 (RAM) and 6 (is the card still there)."""
        test = parameters[0]
        if test == 0:
            return parameters
        if test in (1, 2):
            return bytes([OK])
        if test == 6:
            target = self._targets.get(1)
            if target is None:
                return bytes([WRONG_CONTEXT])
            return bytes([OK if target.initiator.is_present() else TIMEOUT])
        raise _SyntaxError

    def _firmware_version(self, parameters: bytes) -> bytes:
        return VERSION

    def _general_status(self, parameters: bytes) -> bytes:
        """7.2.3: last error, field of another device, number of targets and what is known of each, SAM."""
        targets = b"".join([bytes([number, 0, 0, 0]) for number in sorted(self._targets)])
        return bytes([OK, 0, len(self._targets)]) + targets + b"\x00"

    def _accept(self, parameters: bytes) -> bytes:
        """A setting that changes nothing here."""
        if not parameters:
            raise _SyntaxError
        return b""

    def _sam_configuration(self, parameters: bytes) -> bytes:
        """7.2.10; ends the low battery mode, and says whether the IRQ pin is driven."""
        if not 1 <= parameters[0] <= 4:
            raise _SyntaxError
        self.irq_enabled = len(parameters) < 3 or bool(parameters[2])
        self.power = NORMAL
        return b""

    def _power_down(self, parameters: bytes) -> bytes:
        """7.2.11."""
        if not parameters[0]:
            return bytes([INVALID_PARAMETER])
        self._switch_field(False)
        self._sleeps_next = True
        return bytes([OK])

    def falls_asleep(self) -> None:
        """Called when the host has read a response: after PowerDown the chip sleeps from here on."""
        if self._sleeps_next and not self._queue:
            self._sleeps_next = False
            self.power = POWER_DOWN

    def _rf_configuration(self, parameters: bytes) -> bytes:
        """7.3.1; item 1 the field, 5 the retries, the others are taken without effect."""
        item = parameters[0]
        if item == 1:
            self._switch_field(bool(parameters[1] & 1))
        elif item == 5:
            self._activation_retries = parameters[3]
        elif item not in (2, 4, 10, 11, 12, 13):
            raise _SyntaxError
        return b""

    def _list_passive_target(self, parameters: bytes):
        """7.3.5, for 106 kbit/s type A; anything else is looked for and never found."""
        wanted, modulation = parameters[0], parameters[1]
        if not 1 <= wanted <= 2 or modulation > 4:
            raise _SyntaxError
        # Cards that still talk ISO-DEP, or that a short cut of the field has not reset, do not answer a request.
        unhearing = self._active_piccs()
        if self._clock.now_us() < self._discharged_us:
            unhearing += self._charged
        self._switch_field(True)
        end_us = None
        if self._activation_retries != _FOREVER:
            end_us = self._clock.now_us() + ACK_US + POLL_US * (self._activation_retries + 1)
        self._looking = [wanted if modulation == 0 else 0, end_us, unhearing]
        self._targets = {}
        self._look_for_cards()

    def _active_piccs(self):
        return [self._targets[number].picc for number in self._targets]

    def _look_for_cards(self) -> None:
        """Go on with an InListPassiveTarget that has found nothing yet."""
        if self._looking is None:
            return
        wanted, end_us, unhearing = self._looking
        found = [picc for picc in self._piccs if picc not in unhearing][:wanted]
        now_us = self._clock.now_us()
        if not found and (end_us is None or now_us < end_us):
            return
        self._looking = None
        body = bytes([len(found)])
        for index, picc in enumerate(found):
            body += self._activated(index + 1, picc)
        self._busy_us = ACTIVATE_US * len(found) + (POLL_US if len(found) < wanted else 0) if found else 0
        self._answering_picc = None
        self._respond(0x4B, body)

    def _activated(self, number: int, picc) -> bytes:
        """Select a card and describe it as target data (7.3.5)."""
        data = bytes([number]) + picc.atqa + bytes([picc.sak, len(picc.uid)]) + picc.uid
        if not picc.sak & 0x20:
            self._targets[number] = _Target(picc, None)
            return data
        ats = picc.rats(_FSD)
        fsc, fwt_us = iso14443.parse_ats(ats)
        link = lambda block, timeout_us: self._on_air(picc, block, timeout_us)  # noqa: E731
        self._targets[number] = _Target(picc, iso14443.IsoDepInitiator(link, fsc, fwt_us))
        return data + ats

    def _data_exchange(self, parameters: bytes) -> bytes:
        """7.3.8; bit 6 of target and status octet says that more follows."""
        number, more = parameters[0] & 0x3F, bool(parameters[0] & 0x40)
        data = parameters[1:]
        target = self._targets.get(number)
        if target is None or target.initiator is None or len(data) > BUFFER_OCTETS:
            return bytes([WRONG_CONTEXT])
        if data:
            self.apdu_count += not more
            if not more and self.faults.pulls_before(self.apdu_count):
                self.remove(target.picc.card)
        self._answering_picc = target.picc
        try:
            if data:
                target.initiator.transmit(data, more)
            if more:
                return bytes([OK])
            part, goes_on = target.initiator.collect(BUFFER_OCTETS)
        except iso14443.RfTimeout:
            self._answering_picc = None
            return bytes([TIMEOUT])
        except iso14443.RfCorrupted:
            return bytes([CRC_ERROR])
        except iso14443.RfError:
            return bytes([PROTOCOL_ERROR])
        return bytes([0x40 if goes_on else OK]) + part

    def _release(self, parameters: bytes) -> bytes:
        """InRelease and InDeselect (7.3.11, 7.3.10); target 0 means all."""
        numbers = [parameters[0]] if parameters[0] else list(self._targets)
        for number in numbers:
            if number not in self._targets:
                return bytes([WRONG_CONTEXT])
            target = self._targets.pop(number)
            if target.initiator is not None:
                target.initiator.deselect()
        return bytes([OK])

    def _switch_field(self, on: bool) -> None:
        if self.field_on and not on:
            self._charged = self._active_piccs()
            self._discharged_us = self._clock.now_us() + DISCHARGE_US
        self.field_on = on
        if not on:
            self._targets = {}
            for picc in self._piccs:
                picc.reset()

    def _on_air(self, picc, block: bytes, timeout_us: int) -> bytes:
        """One block to a card and its answer; the time goes onto the command's account."""
        self.block_count += 1
        fault = self.faults.on_air(self.block_count)
        self._busy_us += AIR_GAP_US + AIR_OCTET_US * (len(block) + 2)
        answer = None
        if self.field_on and picc in self._piccs and fault != "timeout":
            answer = picc.receive(block)
        if answer is None or answer[1] > timeout_us:
            self._busy_us += timeout_us
            raise iso14443.RfTimeout("no answer in %d us" % timeout_us)
        self._busy_us += answer[1] + AIR_GAP_US + AIR_OCTET_US * (len(answer[0]) + 2)
        if fault == "crc":
            raise iso14443.RfCorrupted("CRC")
        return answer[0]


_COMMANDS = {
    0x00: "_diagnose",
    0x02: "_firmware_version",
    0x04: "_general_status",
    0x10: "_accept",  # SetSerialBaudRate: the model's line has one speed
    0x12: "_accept",  # SetParameters
    0x14: "_sam_configuration",
    0x16: "_power_down",
    0x32: "_rf_configuration",
    0x40: "_data_exchange",
    0x44: "_release",
    0x4A: "_list_passive_target",
    0x52: "_release",
}
_NEED_FIELD = (0x40, 0x44, 0x4A, 0x52)
