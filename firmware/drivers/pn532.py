"""The contactless reader as the card layer uses it: wait for a card, exchange APDUs, see it leave, heal itself.

Raises the errors of `firmware.card.errors`. Whatever ends an exchange badly also ends the RF field, so that a card left on
the reader cannot be charged by the next sale unnoticed.
"""

import asyncio

from firmware.card.errors import LIMIT_EXCEEDED, CardError, CardProtocolError, CardRemoved, ReaderError
from firmware.card.selection import PPSE
from firmware.drivers import pn532_core as core
from firmware.drivers.pn532_transport import wipe

# The chip acknowledges within a millisecond or two; the rest is for a processor that was busy elsewhere.
ACK_TIMEOUT_MS = 60
ANSWER_TIMEOUT_MS = 250
# What a card may take for one APDU, waiting time extensions included (the chip grants those by itself).
APDU_TIMEOUT_MS = 5000
RESPONSE_OCTETS_MAX = 4096
# InListPassiveTarget looks this often again, some 5 ms each, before it says that there is no card.
_ACTIVATION_RETRIES = 3
_LIST_TIMEOUT_MS = 500
_RESET_LOW_MS = 1
_START_TRIES = 8
_ANSWER_REPEATS = 2
_REMOVAL_PAUSE_MS = 60
# A card forgets the last sale only after so long without a field (EMV Contactless Book D, tRESET 5.1 to 10 ms).
_FIELD_RESET_MS = 8
# A card at the edge of the field may miss one call.
_ABSENT_LOOKS = 2


class Pn532Reader:
    """One PN532 on one transport. `reset_pin` may be None; the chip is then only spoken to, never reset.

    `resets` counts how often the chip had to be restarted, `repeats` how often a frame was asked for again; the core's
    counters are in `core`. `environment` is the name of a card's directory of applications on this kind of reader.
    """

    environment = PPSE

    def __init__(self, transport, reset_pin, clock) -> None:
        self.core = core.Core()
        self.resets = 0
        self.repeats = 0
        self.target = None
        self._transport = transport
        self._reset_pin = reset_pin
        self._clock = clock
        self._lock = asyncio.Lock()
        self._started = False
        self._unfinished = False
        self._field_was_cut = False

    # ------------------------------------------------------------------ what the card layer calls

    async def start(self) -> None:
        """Reset and set up the chip; ReaderError when it does not answer or is something else."""
        self.target = None
        self._started = False
        self._field_was_cut = True
        if self._reset_pin is not None:
            self._reset_pin.value(0)
            await self._clock.sleep_ms(_RESET_LOW_MS)
            self._reset_pin.value(1)
        version = await self._first_answer()
        if len(version) != 4 or version[0] != core.CHIP_PN532:
            raise ReaderError("PN532: another chip answered, version %s" % version.hex())
        await self._command(core.SAM_CONFIGURATION, core.NORMAL_MODE_WITH_IRQ)
        await self._command(core.SET_PARAMETERS, core.AUTOMATIC_RATS)
        await self._command(core.RF_CONFIGURATION, core.retry_parameters(_ACTIVATION_RETRIES))
        await self._command(core.RF_CONFIGURATION, core.FIELD_OFF)
        self._started = True

    async def reset(self) -> None:
        """Start the chip anew after a failure; counted."""
        self.resets += 1
        await self.start()

    async def wait_for_card(self, timeout_ms: int):
        """The card that comes within `timeout_ms` (a CardTarget, also in `target`), or None.

        A card that is still active is released first, so it starts anew.
        Raises TwoCardsInField, CardProtocolError for a card that is no ISO 14443-4 card, ReaderError when the chip
        stays dead. The field is on afterwards only if a card is returned.
        """
        await self.release()
        started = self._clock.ticks_ms()
        healed = False
        while True:
            try:
                if not self._started:
                    await self.start()
                target = await self._list(2)
            except (core.TwoCardsInField, CardProtocolError, asyncio.CancelledError):
                await self.field_off()
                raise
            except ReaderError:
                if healed:
                    await self.field_off()
                    raise
                healed = True
                await self.reset()
                continue
            healed = False
            if target is not None:
                self.target = target
                return target
            if self._clock.ticks_diff(self._clock.ticks_ms(), started) >= timeout_ms:
                await self.field_off()
                return None
            await self._clock.sleep_ms(0)

    async def transceive(self, apdu: bytes, timeout_ms: int = APDU_TIMEOUT_MS) -> bytes:
        """The card's response to a command APDU, status word included; both may be longer than one frame.

        Raises CardRemoved, TwoCardsInField, CardProtocolError or ReaderError; each ends the field and the target.
        """
        if self.target is None:
            raise CardRemoved("exchange")
        try:
            return await self._exchange(apdu, timeout_ms)
        except core.ReaderTimeout as exc:
            # Either the card goes on asking for time or the chip is dead; its answer to the next command tells.
            if await self.field_off() and exc.phase == "answer":
                raise CardProtocolError(LIMIT_EXCEEDED, "response", 0, "none within %d ms" % timeout_ms)
            raise
        except (CardError, asyncio.CancelledError):
            await self.field_off()
            raise

    async def card_is_present(self) -> bool:
        """Ask the active card for a sign of life (Diagnose test 6); ends the field if there is none."""
        if self.target is None:
            return False
        try:
            answer = await self._command(core.DIAGNOSE, core.TEST_CARD_PRESENCE, _LIST_TIMEOUT_MS)
        except ReaderError:
            answer = b"\xff"
        if answer == b"\x00":
            return True
        await self.field_off()
        return False

    async def wait_for_removal(self, timeout_ms: int) -> bool:
        """Whether the reader was found empty within `timeout_ms`; an active card is released first.

        The field is on only for the moments of looking, and off afterwards.
        """
        await self.field_off()
        started = self._clock.ticks_ms()
        absent = 0
        while True:
            try:
                empty = await self._list(1) is None
            except CardError:
                empty = False
            await self.field_off()
            absent = absent + 1 if empty else 0
            if absent == _ABSENT_LOOKS:
                return True
            if self._clock.ticks_diff(self._clock.ticks_ms(), started) >= timeout_ms:
                return False
            await self._clock.sleep_ms(_REMOVAL_PAUSE_MS)

    async def field_off(self) -> bool:
        """Switch the field off, by a reset where the chip does not listen; whether it did listen.

        Never raises a CardError: it ends every other failure. A chip that stays dead has no field.
        """
        self.target = None
        self._field_was_cut = True
        if not self._started:
            return False
        try:
            await self._command(core.RF_CONFIGURATION, core.FIELD_OFF)
            return True
        except ReaderError:
            pass
        try:
            await self.reset()
        except ReaderError:
            pass  # `start` has left `_started` False, so the next use begins with a reset
        return False

    async def release(self) -> None:
        """Let go of the active card, if there is one, in good order, then switch the field off."""
        if self.target is None:
            return
        try:
            await self._command(core.IN_RELEASE, b"\x00")
        except ReaderError:
            pass  # field_off does what matters, and heals
        await self.field_off()

    async def power_down(self) -> None:
        """Let the chip sleep until the next command."""
        await self.field_off()
        await self._command(core.POWER_DOWN, core.WAKE_BY_HOST)
        self._started = False

    async def line_is_good(self) -> bool:
        """The chip's own test of the line: it sends back what it got (Diagnose test 0)."""
        sent = bytes([core.TEST_LINE]) + bytes(range(256))
        return await self._command(core.DIAGNOSE, sent) == sent

    # ------------------------------------------------------------------ inside

    async def _first_answer(self) -> bytes:
        """GetFirmwareVersion until the chip is up."""
        for _ in range(_START_TRIES):
            await self._transport.wake()
            try:
                return await self._command(core.GET_FIRMWARE_VERSION)
            except ReaderError as exc:
                failure = exc
        raise failure

    async def _list(self, targets_max: int):
        if self._field_was_cut:
            self._field_was_cut = False
            await self._clock.sleep_ms(_FIELD_RESET_MS)
        answer = await self._command(
            core.IN_LIST_PASSIVE_TARGET, core.list_parameters(targets_max), _LIST_TIMEOUT_MS
        )
        return core.parse_targets(answer)

    async def _exchange(self, apdu: bytes, timeout_ms: int) -> bytes:
        """InDataExchange as often as the APDU and its response need (7.3.8)."""
        part_max = core.EXCHANGE_OCTETS_MAX
        at = 0
        while len(apdu) - at > part_max:
            answer = await self._send_part(apdu[at : at + part_max], True, timeout_ms)
            core.parse_exchange(answer, 0, 0)
            at += part_max
        answer = await self._send_part(apdu[at:] if at else apdu, False, timeout_ms)
        response, more = core.parse_exchange(answer, 0, RESPONSE_OCTETS_MAX)
        while more:
            answer = await self._command(core.IN_DATA_EXCHANGE, b"\x01", timeout_ms)
            part, more = core.parse_exchange(answer, len(response), RESPONSE_OCTETS_MAX)
            response += part
        return response

    async def _send_part(self, part: bytes, more: bool, timeout_ms: int) -> bytes:
        """One InDataExchange; what it carried is overwritten behind it.

        That leaves no copy of a PIN in this driver. The port's hardware queue (and the chip's own memory) keep theirs
        until other octets come; nothing here can reach those.
        """
        parameters = core.exchange_parameters(1, part, more)
        try:
            return await self._command(core.IN_DATA_EXCHANGE, parameters, timeout_ms)
        finally:
            wipe(parameters, len(parameters))

    async def _command(
        self, command: int, parameters: bytes = b"", timeout_ms: int = ANSWER_TIMEOUT_MS
    ) -> bytes:
        """One command and its answer.

        A command that was not acknowledged is sent once more, but for an APDU: the card might get it twice. That one is
        repeated only if the chip says that it did not understand the frame.
        """
        async with self._lock:
            try:
                return await self._attempt(command, parameters, timeout_ms)
            except core.CommandRejected as exc:
                if exc.executed:
                    raise
            except core.ReaderTimeout as exc:
                if exc.phase != "acknowledge" or command == core.IN_DATA_EXCHANGE:
                    raise
            self.repeats += 1
            return await self._attempt(command, parameters, timeout_ms)

    async def _attempt(self, command: int, parameters: bytes, timeout_ms: int) -> bytes:
        transport = self._transport
        if self._unfinished:
            # An earlier command was cut off by a cancelled task: stop the chip, drop what it had to say.
            await transport.send(core.ACK_FRAME)
        self._unfinished = True
        transport.clear()
        octets = self.core.begin(command, parameters)
        try:
            await transport.send(octets)
        finally:
            wipe(octets, len(octets))
        try:
            event = await transport.receive(self.core, ACK_TIMEOUT_MS)
        except core.ReaderTimeout:
            raise core.ReaderTimeout("acknowledge", ACK_TIMEOUT_MS)
        except core.FrameDamaged:
            self.core.assume_acknowledged()
            event = core.ACKNOWLEDGED
        repeats = 0
        while event != core.ANSWERED:
            try:
                event = await transport.receive(self.core, timeout_ms)
            except core.FrameDamaged:
                if repeats == _ANSWER_REPEATS:
                    raise
                repeats += 1
                self.repeats += 1
                transport.clear()
                self.core.assume_acknowledged()
                await transport.send(core.NACK_FRAME)
        self._unfinished = False
        return self.core.answer
