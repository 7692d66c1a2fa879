"""The PN532's conversation with its host as bytes in, bytes out: frames, commands and their answers, no I/O.

Section numbers are those of the user manual, UM0701-02.
"""

from firmware.card.errors import (
    CARDS_COLLIDE,
    LIMIT_EXCEEDED,
    MALFORMED,
    VALUE_WRONG,
    CardProtocolError,
    CardRemoved,
    ReaderError,
)

ACK_FRAME = b"\x00\x00\xff\x00\xff\x00"  # from the host: stop what you are doing (6.2.1.3)
NACK_FRAME = b"\x00\x00\xff\xff\x00\x00"  # from the host: send your last answer again (6.2.1.4)
ERROR_BODY = b"\x7f"
_HOST_TO_CHIP = 0xD4
_CHIP_TO_HOST = 0xD5
BODY_OCTETS_MAX = 265  # frame identifier and 264 octets (6.2.1.2)
FRAME_OCTETS_MAX = BODY_OCTETS_MAX + 10
EXCHANGE_OCTETS_MAX = 262  # of one InDataExchange, each way (7.3.8)

# What `Core.poll` tells.
PENDING = 0
ACKNOWLEDGED = 1
ANSWERED = 2

DIAGNOSE = 0x00
GET_FIRMWARE_VERSION = 0x02
SET_PARAMETERS = 0x12
SAM_CONFIGURATION = 0x14
POWER_DOWN = 0x16
RF_CONFIGURATION = 0x32
IN_DATA_EXCHANGE = 0x40
IN_LIST_PASSIVE_TARGET = 0x4A
IN_RELEASE = 0x52

CHIP_PN532 = 0x32  # first octet of GetFirmwareVersion
NORMAL_MODE_WITH_IRQ = b"\x01\x00\x01"  # SAMConfiguration: no SAM, no time limit, drive the IRQ pin (7.2.10)
AUTOMATIC_RATS = b"\x14"  # SetParameters: the chip itself activates ISO 14443-4 and answers ATR_REQ (7.2.9)
FIELD_OFF = b"\x01\x00"
TYPE_A_106_KBIT = 0x00
TEST_LINE = 0x00  # Diagnose: echo
TEST_CARD_PRESENCE = b"\x06"  # Diagnose: R(NAK) to the card (7.2.1)
WAKE_BY_HOST = b"\x30"  # PowerDown: stirred by SPI or HSU (7.2.11)

_SAK_ISO_DEP = 0x20
_MORE = 0x40  # in target number and status: more of the same APDU follows (7.3.8)
_STATUS_MASK = 0x3F


class ReaderTimeout(ReaderError):
    """The chip did not answer in time; `phase` is `acknowledge` or `answer`."""

    def __init__(self, phase: str, timeout_ms: int) -> None:
        super().__init__("PN532: no %s within %d ms" % (phase, timeout_ms))
        self.phase = phase


class FrameDamaged(ReaderError):
    """Octets from the chip that are no whole frame."""


class CommandRejected(ReaderError):
    """The chip answered a command with its error frame; `executed` is False when it had not even acknowledged it."""

    def __init__(self, command: int, executed: bool) -> None:
        super().__init__("PN532: command 0x%02x rejected" % command)
        self.executed = executed


class TwoCardsInField(ReaderError):
    """More than one card answered: nobody can tell which one the family means."""

    def __init__(self) -> None:
        super().__init__("more than one card in the field", CARDS_COLLIDE)


class CardTarget:
    """A card that the chip has activated: `atqa` (2 octets), `sak` (a number), `uid`, `ats`.

    The UID identifies the card, so it belongs into no log; this class deliberately has no text form.
    """

    def __init__(self, atqa: bytes, sak: int, uid: bytes, ats: bytes) -> None:
        self.atqa = atqa
        self.sak = sak
        self.uid = uid
        self.ats = ats


def frame(command: int, parameters: bytes) -> bytearray:
    """The frame that carries a command: normal up to 255 octets of body, else extended (6.2.1.1, 6.2.1.2).

    It is built in one place, so that who sent it can overwrite it: parameters may hold a PIN.
    """
    size = len(parameters) + 2
    if size > BODY_OCTETS_MAX:
        raise ValueError("PN532 command of %d octets, at most %d" % (size, BODY_OCTETS_MAX))
    if size <= 0xFF:
        head = bytes((0x00, 0x00, 0xFF, size, -size & 0xFF, _HOST_TO_CHIP, command))
    else:
        high, low = size >> 8, size & 0xFF
        length = (0xFF, 0xFF, high, low, -(high + low) & 0xFF)
        head = bytes((0x00, 0x00, 0xFF) + length + (_HOST_TO_CHIP, command))
    start, end = len(head) - 2, len(head) - 2 + size
    out = bytearray(end + 2)
    out[: start + 2] = head
    out[start + 2 : end] = parameters
    out[end] = -sum(memoryview(out)[start:end]) & 0xFF
    return out


class Core:
    """One command at a time: `begin` gives the frame to send, `feed` takes octets, `poll` says what has come of it.

    Octets that belong to no frame are skipped and counted; so are answers that this command did not ask for.
    """

    def __init__(self) -> None:
        self.skipped_octets = 0
        self.damaged_frames = 0
        self.stale_answers = 0
        self.answer = b""
        self._data = b""
        self._command = -1
        self._acknowledged = False

    def begin(self, command: int, parameters: bytes = b"") -> bytearray:
        """Start a command; what is left of an earlier one is dropped. The frame is the caller's to overwrite."""
        self._data = b""
        self._command = command
        self._acknowledged = False
        self.answer = b""
        return frame(command, parameters)

    def assume_acknowledged(self) -> None:
        """The acknowledgement was garbled: the answer, if one comes, is to be taken all the same."""
        self._data = b""
        self._acknowledged = True

    def feed(self, octets: bytes) -> None:
        """Take octets from the chip."""
        self._data += octets

    def needed(self) -> int:
        """How many more octets the frame at the front takes at least."""
        data = self._data
        start = data.find(b"\x00\xff")
        if start < 0:
            return 5
        have = len(data) - start
        if have < 4:
            return 4 - have
        if data[start + 2] == 0xFF and data[start + 3] == 0xFF:
            return 7 - have if have < 7 else (data[start + 4] << 8 | data[start + 5]) + 9 - have
        return data[start + 2] + 6 - have

    def poll(self) -> int:
        """PENDING, ACKNOWLEDGED or ANSWERED (`answer` is then what follows the response code).

        Raises FrameDamaged or CommandRejected; the next `poll` goes on behind the trouble.
        """
        while True:
            body = self._next_body()
            if body is None:
                return PENDING
            if not body:
                self._acknowledged = True
                return ACKNOWLEDGED
            if body == ERROR_BODY:
                raise CommandRejected(self._command, self._acknowledged)
            # Before the acknowledgement it is the answer to an earlier command, cut off by this one.
            if self._acknowledged and len(body) > 1 and body[1] == self._command + 1:
                self.answer = body[2:]
                return ANSWERED
            self.stale_answers += 1

    def _next_body(self) -> object:
        """The body of the next whole frame (empty: an ACK), None when octets are missing."""
        while True:
            data = self._data
            start = data.find(b"\x00\xff")
            if start < 0:
                # The last octet may be the first half of a start code.
                keep = 1 if data[-1:] == b"\x00" else 0
                self.skipped_octets += len(data) - keep
                self._data = data[len(data) - keep :]
                return None
            size = len(data)
            if size < start + 4:
                return None
            length = data[start + 2]
            check = data[start + 3]
            if length + check == 0xFF and (length == 0 or check == 0):
                self._data = data[start + 4 :]
                if start > 1:
                    self.skipped_octets += start - 1
                if length == 0:
                    return b""
                self._damaged(start, "NACK from the chip")
            body = start + 4
            if length == 0xFF and check == 0xFF:
                if size < start + 7:
                    return None
                body = start + 7
                length = data[start + 4] << 8 | data[start + 5]
                check = data[start + 4] + data[start + 5] + data[start + 6]
            else:
                check += length
            if check & 0xFF or not 1 <= length <= BODY_OCTETS_MAX:
                self.skipped_octets += start + 2
                self._data = data[start + 2 :]
                continue
            end = body + length
            # The postamble is part of the proof: without it, a lost octet of value zero would go unnoticed.
            if size < end + 2:
                return None
            content = data[body:end]
            if (sum(content) + data[end]) & 0xFF or data[end + 1]:
                self._data = data[start + 2 :]
                self._damaged(end, "data checksum or postamble")
            self._data = data[end + 2 :]
            if start > 1:
                self.skipped_octets += start - 1  # all but the preamble
            if content[0] != _CHIP_TO_HOST and content != ERROR_BODY:
                self._damaged(body, "frame identifier")
            return content

    def _damaged(self, offset: int, what: str) -> None:
        self.damaged_frames += 1
        raise FrameDamaged("PN532 frame: %s wrong at octet %d" % (what, offset))


# ---------------------------------------------------------------------- commands and answers


def list_parameters(targets_max: int) -> bytes:
    """InListPassiveTarget for up to `targets_max` (1 or 2) cards of type A (7.3.5)."""
    return bytes((targets_max, TYPE_A_106_KBIT))


def retry_parameters(activation_retries: int) -> bytes:
    """RFConfiguration item 5: how often InListPassiveTarget looks again (255: for ever) before it says none (7.3.1)."""
    return bytes((0x05, 0xFF, 0x01, activation_retries))


def parse_targets(answer: bytes) -> object:
    """The one card that InListPassiveTarget found, None for none (7.3.5).

    Raises TwoCardsInField, CardProtocolError for a card that does not speak ISO 14443-4, FrameDamaged for data that
    ends too early.
    """
    if len(answer) < 1:
        raise FrameDamaged("PN532 target data: no count at octet 0")
    if answer[0] == 0:
        return None
    if answer[0] > 1:
        raise TwoCardsInField
    if len(answer) < 6 or len(answer) < 6 + answer[5]:
        raise FrameDamaged("PN532 target data: cut off at octet %d" % len(answer))
    sak, uid_end = answer[4], 6 + answer[5]
    if not sak & _SAK_ISO_DEP:
        raise CardProtocolError(VALUE_WRONG, "SAK", 4, "the card does not speak ISO 14443-4")
    ats = answer[uid_end:]
    if not ats or ats[0] != len(ats):
        raise CardProtocolError(
            MALFORMED, "ATS", uid_end, "%d octets that do not match its length" % len(ats)
        )
    return CardTarget(bytes(answer[2:4]), sak, bytes(answer[6:uid_end]), bytes(ats))


def exchange_parameters(number: int, data: bytes, more: bool) -> bytearray:
    """InDataExchange with target `number`; `more` says that the APDU goes on in the next one (7.3.8)."""
    out = bytearray(len(data) + 1)
    out[0] = number | _MORE if more else number
    out[1:] = data
    return out


def parse_exchange(answer: bytes, received_octets: int, received_max: int) -> tuple:
    """(data, whether more follows) of an InDataExchange; raises what its status octet means.

    `received_octets` came before; a card that would make it more than `received_max` is stopped.
    """
    if len(answer) < 1:
        raise FrameDamaged("PN532 exchange: no status at octet 0")
    check_status(answer[0], "exchange")
    if received_octets + len(answer) - 1 > received_max:
        raise CardProtocolError(LIMIT_EXCEEDED, "response", received_octets, "longer than %d" % received_max)
    more = bool(answer[0] & _MORE)
    if more and len(answer) == 1:
        raise CardProtocolError(MALFORMED, "response", received_octets, "goes on without data")
    return answer[1:], more


def check_status(status: int, command: str) -> None:
    """Raise what a status octet means for the tap, nothing for success (7.1)."""
    error = status & _STATUS_MASK
    if error == 0:
        return
    # Time out, CRC, parity, bit count or framing errors, no field of the other side, card gone: in each the card's
    # answer is lost and the cure is to tap again.
    if error in (0x01, 0x02, 0x03, 0x04, 0x05, 0x0A, 0x2B):
        raise CardRemoved(command)
    if error == 0x06:
        raise TwoCardsInField
    # RF protocol error, wrong data format, command that the card does not know.
    if error in (0x0B, 0x12, 0x13):
        raise CardProtocolError(MALFORMED, "ISO-DEP block", 0, "PN532 status 0x%02x" % error)
    raise ReaderError("PN532: status 0x%02x in %s" % (error, command))
