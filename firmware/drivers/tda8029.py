"""The contact reader as the card layer uses it, with the methods of `firmware.drivers.pn532.Pn532Reader`.

Raises the errors of `firmware.card.errors`. Whatever ends an exchange badly also takes the power from the card, so that a card
left in the slot cannot be charged by the next sale unnoticed. GET RESPONSE and 6Cxx are the card layer's business, where the
chip does not follow them itself.
"""

import asyncio

from firmware.card.errors import (
    LIMIT_EXCEEDED,
    MALFORMED,
    CardError,
    CardProtocolError,
    CardRemoved,
    ReaderError,
)
from firmware.card.selection import PSE
from firmware.drivers import alpar
from firmware.drivers.pn532_transport import wipe
from firmware.hal.i2c_device import BusError

ANSWER_TIMEOUT_MS = 250
POWER_UP_TIMEOUT_MS = (
    2500  # an answer to reset may take 19,200 bit times (EMV Book 1, 8.1), with every try of the chip
)
APDU_TIMEOUT_MS = 5000
_SHUT_MS = 10
_WAKE_MS = 50
# A chip that is awake tells its name at once. A terminal without one shall not wait long for it.
_START_TIMEOUT_MS = 100
_START_TRIES = 2
# The longest frame on the line: what is left of a damaged one has passed by then.
_QUIET_MS = 140
# What may lie in bridge and line before a command; a chip that babbles for ever is not listened to.
_READS_MAX = 16
_LOOK_MS = 40
_READ_MS = 2
# What a card does twice without harm: SELECT, READ RECORD, GET DATA. All else might count in it.
_REPEATABLE = (0xA4, 0xB2, 0xCA)


class ContactTarget:
    """A card in the slot that has power: `atr` is its answer to reset. What only a card without contacts has is empty."""

    uid = b""
    sak = 0
    ats = b""

    def __init__(self, atr: bytes) -> None:
        self.atr = atr


class _Silence(ReaderError):
    """No answer in time."""


class Tda8029Reader:
    """One TDA8029 behind `bridge`, a `drivers.sc16is750.Sc16is750`, at the `baud` that the chip starts with.

    `resets` counts how often the chip was started anew, `repeats` how often a command was sent again, `notices` how often a
    card came or went.
    """

    environment = PSE

    def __init__(self, bridge, baud: int, clock) -> None:
        self.resets = 0
        self.repeats = 0
        self.notices = 0
        self.target = None
        self._bridge = bridge
        self._baud = baud
        self._clock = clock
        self._receiver = alpar.Receiver()
        self._lock = asyncio.Lock()
        self._started = False
        # A card that could not be powered is left alone until it was seen to leave.
        self._is_hopeless = False

    # ------------------------------------------------------------------ what the card layer calls

    async def start(self) -> None:
        """Set up bridge and chip; ReaderError when one of them does not answer or is something else."""
        self.target = None
        self._started = False
        self._is_hopeless = False
        try:
            self._bridge.start(self._baud)
            self._bridge.drive(0)
            await self._clock.sleep_ms(_SHUT_MS)
            self._bridge.drive(1)
        except BusError as error:
            raise ReaderError(str(error))
        await self._clock.sleep_ms(_WAKE_MS)
        for _ in range(_START_TRIES):
            try:
                mask = await self._command(alpar.SEND_NUM_MASK, b"", _START_TIMEOUT_MS)
                break
            except ReaderError as error:
                failure = error
        else:
            raise failure
        if not mask:
            raise ReaderError("TDA8029: another chip answered")
        self._started = True

    async def reset(self) -> None:
        """Start the chip anew after a failure; counted."""
        self.resets += 1
        await self.start()

    async def wait_for_card(self, timeout_ms: int):
        """The card that is in the slot within `timeout_ms`, powered (a ContactTarget, also in `target`), or None.

        Raises CardProtocolError for a card that gives no answer to reset, once: it is then left alone until it is pulled.
        ReaderError when the chip stays dead.
        """
        await self.release()
        started = self._clock.ticks_ms()
        healed = False
        while True:
            try:
                if not self._started:
                    await self.start()
                if await self._is_card_there() and not self._is_hopeless:
                    self.target = await self._power_up()
                    if self.target is not None:
                        return self.target
            except (CardProtocolError, asyncio.CancelledError):
                await self.field_off()
                raise
            except ReaderError:
                if healed:
                    self._started = False
                    raise
                healed = True
                await self.reset()
                continue
            healed = False
            if self._clock.ticks_diff(self._clock.ticks_ms(), started) >= timeout_ms:
                return None
            await self._clock.sleep_ms(_LOOK_MS)

    async def transceive(self, apdu: bytes, timeout_ms: int = APDU_TIMEOUT_MS) -> bytes:
        """The card's response to a command APDU, status word included.

        Raises CardRemoved, CardProtocolError or ReaderError; each takes the power from the card.
        """
        if self.target is None:
            raise CardRemoved("exchange")
        try:
            return await self._exchange(apdu, timeout_ms)
        except alpar.Refused as refused:
            raise await self._failure(refused)
        except (CardError, asyncio.CancelledError):
            await self.field_off()
            raise

    async def card_is_present(self) -> bool:
        """Whether the powered card is still in the slot, and was all the time; takes its power if not."""
        if self.target is None:
            return False
        try:
            if await self._is_card_there() and self.target is not None:
                return True
        except ReaderError:
            pass  # a reader that does not tell has no card that could be trusted
        await self.field_off()
        return False

    async def wait_for_removal(self, timeout_ms: int) -> bool:
        """Whether the slot was found empty within `timeout_ms`; a powered card is released first."""
        await self.field_off()
        started = self._clock.ticks_ms()
        while True:
            try:
                if not await self._is_card_there():
                    return True
            except ReaderError:
                pass  # a reader that does not tell may hold a card
            if self._clock.ticks_diff(self._clock.ticks_ms(), started) >= timeout_ms:
                return False
            await self._clock.sleep_ms(_LOOK_MS)

    async def field_off(self) -> bool:
        """Take the power from the card, by a reset where the chip does not listen; whether it did listen.

        Never raises a CardError: it ends every other failure.
        """
        self.target = None
        if not self._started:
            return False
        try:
            await self._command(alpar.POWER_OFF)
            return True
        except ReaderError:
            pass
        try:
            await self.reset()
        except ReaderError:
            pass  # `start` has left `_started` False, so the next use begins with a reset
        return False

    async def release(self) -> None:
        """Let go of the powered card, if there is one."""
        if self.target is not None:
            await self.field_off()

    async def power_down(self) -> None:
        """Shut the chip down until the next `start`."""
        await self.field_off()
        self._started = False
        try:
            self._bridge.drive(0)
        except BusError as error:
            raise ReaderError(str(error))

    async def line_is_good(self) -> bool:
        """Whether the chip answers with its own name over the bridge."""
        return bool(await self._command(alpar.SEND_NUM_MASK))

    # ------------------------------------------------------------------ inside

    async def _is_card_there(self) -> bool:
        answer = await self._command(alpar.CHECK_PRESENCE)
        if len(answer) != 1:
            raise alpar.FrameDamaged("TDA8029: presence in %d octets" % len(answer))
        if not answer[0]:
            self._card_went()
        return answer[0] == 1

    def _card_went(self) -> None:
        self.target = None
        self._is_hopeless = False

    async def _power_up(self):
        """The powered card, or None if it went again."""
        try:
            atr = await self._command(alpar.POWER_UP_ISO, b"", POWER_UP_TIMEOUT_MS)
        except alpar.Refused as refused:
            if refused.number == alpar.CARD_ABSENT:
                return None
            self._is_hopeless = True
            raise CardProtocolError(MALFORMED, "ATR", 0, "none that can be used, error %02X" % refused.number)
        return ContactTarget(atr)

    async def _failure(self, refused: alpar.Refused) -> Exception:
        """What an exchange failed of: a card that is gone, or one that is there and does not keep to its protocol."""
        number = refused.number
        try:
            is_there = await self._is_card_there() and self.target is not None
        except ReaderError:
            is_there = True
        await self.field_off()
        if not is_there:
            return CardRemoved("exchange")
        if number >= alpar.SERIAL_LRC or number < alpar.SHORT_APDU:
            return refused  # between us and the chip
        return CardProtocolError(LIMIT_EXCEEDED, "response", 0, "none, the reader's error %02X" % number)

    async def _exchange(self, apdu: bytes, timeout_ms: int) -> bytes:
        """One APDU; a lost or damaged answer is asked for once more where the card may do the same twice."""
        try:
            return await self._command(alpar.CARD_COMMAND, apdu, timeout_ms)
        except alpar.Refused:
            raise
        except ReaderError:
            if apdu[1] not in _REPEATABLE or self.target is None:
                raise
        self.repeats += 1
        await self._clock.sleep_ms(_QUIET_MS)
        return await self._command(alpar.CARD_COMMAND, apdu, timeout_ms)

    async def _command(self, opcode: int, data: bytes = b"", timeout_ms: int = ANSWER_TIMEOUT_MS) -> bytes:
        """One command and its answer; sent once more if the chip says that it did not understand the frame, and, but for an
        APDU, if it says nothing.
        """
        async with self._lock:
            try:
                return await self._attempt(opcode, data, timeout_ms)
            except alpar.Refused as refused:
                if refused.number not in (alpar.SERIAL_LRC, alpar.SERIAL_TIME_OUT):
                    raise
            except ReaderError:
                if opcode in (alpar.CARD_COMMAND, alpar.POWER_UP_ISO):
                    raise
            self.repeats += 1
            await self._clock.sleep_ms(_QUIET_MS)
            return await self._attempt(opcode, data, timeout_ms)

    async def _attempt(self, opcode: int, data: bytes, timeout_ms: int) -> bytes:
        octets = alpar.frame(opcode, data)
        try:
            self._take_notices()
            await self._send(octets)
            return await self._answer(opcode, timeout_ms)
        except BusError as error:
            raise ReaderError(str(error))
        finally:
            # No copy of a PIN stays in this driver; the chips' own memories are out of reach.
            wipe(octets, len(octets))

    def _take_notices(self) -> None:
        """What came before a command is a notice, or what is left of an answer that was given up."""
        self._receiver.begin()
        for _ in range(_READS_MAX):
            try:
                rest = self._bridge.read()
                if not rest:
                    break
                while rest:
                    found, rest = self._receiver.take(rest)
                    if found is not None:
                        self._note(found)
            except ReaderError:  # damaged, or lost: nobody waits for it
                self._receiver.begin()
        self._receiver.begin()

    def _note(self, found: tuple) -> bool:
        """Whether a frame was a notice that a card came or went."""
        is_good, opcode, data = found
        if not is_good or opcode != alpar.PRESENCE_CHANGED or len(data) != 1:
            return False
        self.notices += 1
        if not data[0]:
            self._card_went()
        return True

    async def _send(self, octets: bytearray) -> None:
        started = self._clock.ticks_ms()
        view = memoryview(octets)
        at = 0
        while True:
            at += self._bridge.send(view[at:])
            if at == len(octets):
                return
            if self._clock.ticks_diff(self._clock.ticks_ms(), started) >= ANSWER_TIMEOUT_MS:
                raise _Silence("SC16IS750: does not get rid of what it is to send")
            await self._clock.sleep_ms(_READ_MS)

    async def _answer(self, opcode: int, timeout_ms: int) -> bytes:
        started = self._clock.ticks_ms()
        while True:
            rest = self._bridge.read()
            while rest:
                found, rest = self._receiver.take(rest)
                if found is None or self._note(found):
                    continue
                is_good, answered, data = found
                if not is_good and len(data) == 1:
                    raise alpar.Refused(opcode, data[0])
                if is_good and answered == opcode:
                    await self._nothing_follows(rest)
                    return data
                raise alpar.FrameDamaged("TDA8029: answer to another command, 0x%02x" % answered)
            if self._clock.ticks_diff(self._clock.ticks_ms(), started) >= timeout_ms:
                raise _Silence("TDA8029: no answer within %d ms" % timeout_ms)
            await self._clock.sleep_ms(_READ_MS)

    async def _nothing_follows(self, rest: bytes) -> None:
        """One octet of exclusive or is a weak checksum where the length itself was damaged: then the rest of the answer follows.
        Only a notice may.
        """
        skipped = self._receiver.skipped
        if not rest:
            await self._clock.sleep_ms(_READ_MS)
            rest = self._bridge.read()
        while rest:
            found, rest = self._receiver.take(rest)
            if found is not None and not self._note(found):
                raise alpar.FrameDamaged("TDA8029: two answers to one command")
        if self._receiver.skipped != skipped:
            raise alpar.FrameDamaged("TDA8029: octets after an answer")
