"""The TDA8029 contact card coupler with its ALPAR firmware (NXP AN10207): host frames, card power, T=0, presence.

What the public documents leave open, and what this model decides: a host frame that pauses for 100 ms is dropped with error FF;
the chip wakes 20 ms after SDWN goes high and does not hear what was sent before; a card pulled during a command gives error A1,
then the notice of its removal; a command for a card that was not powered gives A1, too; the name of the mask is invented. The
card runs at 3.57 MHz with 372 clocks for a bit: 12 bit times, 1.25 ms, an octet. No negotiation of speed (PPS); of T=1 only that
an APDU comes through whole, with four octets around each way.
"""

from hardware.tda8029_faults import NoFaults

ACK = 0x60
NAK = 0xE0
DATA_MAX = 506

CARD_COMMAND = 0x00
CHECK_PRESENCE = 0x09
SEND_NUM_MASK = 0x0A
POWER_OFF = 0x4D
POWER_UP_ISO = 0x69
POWER_UP_3V = 0x6D
POWER_UP_5V = 0x6E
PRESENCE_CHANGED = 0xA0

_TOO_LONG = 0x08
_WRONG_APDU = 0x20
_SHORT_APDU = 0x21
_MUTE_IN_T1 = 0x22
_UNKNOWN_COMMAND = 0x55
_MUTE_AFTER_RESET = 0x80
_TIME_OUT = 0x81
_SW1_WRONG = 0x91
_PROCEDURE_ERROR = 0xA0
_DEACTIVATED = 0xA1
_CARD_ABSENT = 0xC0
_CHECKSUM = 0xC3
_TS_WRONG = 0xC4
_SERIAL_LRC = 0xF0
_SERIAL_TIME_OUT = 0xFF

_MASK = b"07 model"
_THINKS_US = 500
_OCTET_US = 1250
_RESET_US = 15000
_MUTE_US = 1000000  # the card's waiting time: 9600 bit times of T=0 (ISO/IEC 7816-3, 10.2)
_PAUSE_MAX_US = 100000
_WAKE_US = 20000
_CONTINUATIONS_MAX = 4


class Tda8029:
    """The chip at the other end of `line`, an object with `deliver(data, from_us)`; `insert` and `remove` cards.

    `follows` False: GET RESPONSE and the right length are left to the host, as a mask might do.
    """

    baud = 38400

    def __init__(self, clock, line, faults=None, follows: bool = True):
        self._clock = clock
        self._line = line
        self.faults = faults or NoFaults()
        self._follows = follows
        self.slot = None  # the card in it: hardware.contact_card.T0Card or T1Card
        self.powered = False
        self.commands = 0  # APDUs that came
        self._frame = bytearray()
        self._last_us = 0
        self._awake_from_us = 0
        self._asleep = False
        line.connect(self)

    # ------------------------------------------------------------------ what people and wires do

    def insert(self, card) -> None:
        """Push a card (a T0Card) in."""
        self.slot = card
        self._tell_presence()

    def remove(self) -> None:
        """Pull the card out: its contacts are dead before they part."""
        if self.slot is not None:
            self._power_off()
            self.slot = None
            self._tell_presence()

    def drive_sdwn(self, level: int) -> None:
        """SDWN: low shuts down."""
        if not level:
            self._power_off()
            self._asleep = True
            self._frame = bytearray()
        elif self._asleep:
            self._asleep = False
            self._awake_from_us = self._clock.now_us() + _WAKE_US

    def _tell_presence(self) -> None:
        if not self._asleep:
            self._say(
                ACK, PRESENCE_CHANGED, bytes((1 if self.slot is not None else 0,)), self._clock.now_us()
            )

    # ------------------------------------------------------------------ the line

    def receive(self, value: int, now_us: int) -> None:
        """One octet from the host."""
        if self._asleep or now_us < self._awake_from_us:
            return
        if self._frame and now_us - self._last_us > _PAUSE_MAX_US:
            self._frame = bytearray()
            self._say(NAK, 0x00, bytes((_SERIAL_TIME_OUT,)), now_us)
        self._last_us = now_us
        if not self._frame and value != ACK:
            return
        self._frame.append(value)
        frame = self._frame
        if len(frame) < 4:
            return
        length = frame[1] << 8 | frame[2]
        if length > DATA_MAX:
            self._frame = bytearray()
            self._say(NAK, frame[3], bytes((_TOO_LONG,)), now_us)
        elif len(frame) == length + 5:
            self._frame = bytearray()
            whole = bytearray(self.faults.on_wire(bytes(frame)))
            if len(whole) != len(frame) or _lrc(whole):
                self._say(NAK, frame[3], bytes((_SERIAL_LRC,)), now_us)
            else:
                self._carry_out(frame[3], bytes(frame[4:-1]), now_us + _THINKS_US)

    def _say(self, kind: int, opcode: int, data: bytes, from_us: int) -> None:
        frame = bytes((kind, len(data) >> 8, len(data) & 0xFF, opcode)) + data
        self._line.deliver(self.faults.on_wire(frame + bytes((_lrc(frame),))), from_us)

    # ------------------------------------------------------------------ the commands

    def _carry_out(self, opcode: int, data: bytes, now_us: int) -> None:
        self._ends_us = now_us
        error, answer = 0, b""
        if opcode == CARD_COMMAND:
            error, answer = self._card_command(data)
        elif opcode == CHECK_PRESENCE:
            answer = bytes((1 if self.slot is not None else 0,))
        elif opcode == SEND_NUM_MASK:
            answer = _MASK
        elif opcode == POWER_OFF:
            self._power_off()
        elif opcode in (POWER_UP_ISO, POWER_UP_3V, POWER_UP_5V):
            error, answer = self._power_up()
        else:
            error = _UNKNOWN_COMMAND
        if error:
            self._say(NAK, opcode, bytes((error,)), self._ends_us)
        else:
            self._say(ACK, opcode, answer, self._ends_us)

    def _power_off(self) -> None:
        if self.slot is not None and self.powered:
            self.slot.power_off()
        self.powered = False

    def _power_up(self):
        """(error, answer to reset)."""
        self._power_off()
        if self.slot is None:
            return _CARD_ABSENT, b""
        answer = self.slot.reset()
        self._ends_us += _RESET_US + len(answer) * _OCTET_US
        if not answer:
            return _MUTE_AFTER_RESET, b""
        if answer[0] not in (0x3B, 0x3F):
            return _TS_WRONG, b""
        self.powered = True
        return 0, answer

    def _card_command(self, apdu: bytes):
        """(error, response with its status word): an APDU over T=0 (ISO/IEC 7816-3, 12.2)."""
        self.commands += 1
        if self.faults.pulls_before(self.commands):
            self.remove()
            return _DEACTIVATED, b""
        if self.slot is None:
            return _CARD_ABSENT, b""
        if not self.powered:
            return _DEACTIVATED, b""
        if len(apdu) < 4:
            return _SHORT_APDU, b""
        if len(apdu) > 5 and len(apdu) - 5 - apdu[4] not in (0, 1):
            return _WRONG_APDU, b""
        error = self.faults.card_error(self.commands)
        if error:
            self._ends_us += _MUTE_US if error == _TIME_OUT else 0
            return error, b""
        error, response = self._transmit(apdu)
        if self.faults.pulls_after(self.commands):
            self.remove()
            return _DEACTIVATED, b""
        return error, response

    def _transmit(self, apdu: bytes):
        """One APDU: whole over T=1, or as the one or more T=0 commands that it takes."""
        if self.slot.protocol == 1:
            return self._transmit_whole(apdu)
        has_le = len(apdu) == 5 or (len(apdu) > 5 and len(apdu) == 6 + apdu[4])
        header = bytes(apdu[:4]) + bytes((apdu[4] if len(apdu) > 4 else 0,))
        data = bytes(apdu[5 : 5 + apdu[4]]) if len(apdu) > 5 else b""
        error, answer = self._exchange(header, data)
        for _ in range(_CONTINUATIONS_MAX):
            if error or not self._follows or len(answer) != 2 or not has_le:
                break
            if answer[0] == 0x61:
                error, answer = self._exchange(bytes((apdu[0], 0xC0, 0, 0, answer[1])), b"")
            elif answer[0] == 0x6C:
                error, answer = self._exchange(header[:4] + answer[1:2], data)
            else:
                break
        return error, answer

    def _transmit_whole(self, apdu: bytes):
        response = self.slot.transmit(apdu)
        self._ends_us += (len(apdu) + 8) * _OCTET_US + self.slot.card.busy_ms * 1000
        if response is None:
            self._ends_us += _MUTE_US
            return _MUTE_IN_T1, b""
        self._ends_us += len(response) * _OCTET_US
        return 0, response

    def _exchange(self, header: bytes, data: bytes):
        """(error, data and status word) of one command at the contacts."""
        sent = self.slot.command(header, data)
        self._ends_us += (len(header) + len(data) + 2) * _OCTET_US + self.slot.card.busy_ms * 1000
        if sent is None:
            self._ends_us += _MUTE_US
            return _TIME_OUT, b""
        body, status = sent
        self._ends_us += len(body) * _OCTET_US
        if body and body[0] != header[1]:
            return _PROCEDURE_ERROR, b""
        if len(status) != 2 or status[0] >> 4 not in (0x6, 0x9):
            return _SW1_WRONG, b""
        return 0, body[1:] + status


def _lrc(octets) -> int:
    value = 0
    for octet in octets:
        value ^= octet
    return value
