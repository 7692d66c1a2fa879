"""Two card readers as one: a card that is laid on or one that is inserted, whichever comes first.

It has the methods of `firmware.drivers.pn532.Pn532Reader`, and what is above does not notice which of them serves. The contact
reader may be missing or fail: sales go on with the other, and it is looked for again from time to time.
"""

import asyncio

from firmware.card.errors import READER_FAILED, CardError, ReaderError
from firmware.drivers.pn532 import APDU_TIMEOUT_MS

_LOOK_AGAIN_MS = 60_000


class EitherReader:
    """`contactless` and `contact` are readers; both can be used by themselves, for a test of each.

    `has_contact` tells whether the contact reader answered when it was last spoken to.
    """

    def __init__(self, contactless, contact, clock) -> None:
        self.contactless = contactless
        self.contact = contact
        self.has_contact = False
        self._clock = clock
        self._serving = contactless
        self._looked_ms = clock.ticks_ms()

    @property
    def target(self) -> "object | None":
        """The active card, or None."""
        return self._serving.target

    @property
    def environment(self) -> bytes:
        """Name of the card's directory of applications on the reader that serves."""
        return self._serving.environment

    async def start(self) -> None:
        """Start both; ReaderError when the contactless one does not answer, whatever the other does."""
        self._serving = self.contactless
        await self._start_contact()
        await self.contactless.start()

    async def reset(self) -> None:
        """Start the reader that serves anew."""
        await self._serving.reset()

    async def wait_for_card(self, timeout_ms: int) -> "object | None":
        """The card that comes first to either reader within `timeout_ms`, or None; a card that is active is released first.

        Raises what the contactless reader raises, and CardProtocolError for an inserted card that is none. A reader that fails
        is heard only when the other has no card.
        """
        await self.release()
        if not self.has_contact and self._is_time_to_look():
            await self._start_contact()
        if not self.has_contact:
            self._serving = self.contactless
            return await self.contactless.wait_for_card(timeout_ms)
        return await _Race(self, timeout_ms).run()

    # No coroutine stands between these and the reader that serves: each would cost the heap a hundred octets a command.

    def transceive(self, apdu: bytes, timeout_ms: int = APDU_TIMEOUT_MS) -> object:
        """To be awaited: the active card's response."""
        return self._serving.transceive(apdu, timeout_ms)

    def card_is_present(self) -> object:
        """To be awaited: whether the active card is still there."""
        return self._serving.card_is_present()

    async def wait_for_removal(self, timeout_ms: int) -> bool:
        """Whether both readers were found empty within `timeout_ms`."""
        started = self._clock.ticks_ms()
        if not await self.contactless.wait_for_removal(timeout_ms):
            return False
        if not self.has_contact:
            return True
        spent_ms = self._clock.ticks_diff(self._clock.ticks_ms(), started)
        return await self.contact.wait_for_removal(max(0, timeout_ms - spent_ms))

    def field_off(self) -> object:
        """To be awaited: no card has power any more; whether the reader that served did listen. Never raises a CardError."""
        return self._serving.field_off()

    def release(self) -> object:
        """To be awaited: let go of the active card, if there is one."""
        return self._serving.release()

    async def power_down(self) -> None:
        """Let both sleep."""
        if self.has_contact:
            await self.contact.power_down()
        await self.contactless.power_down()

    async def line_is_good(self) -> bool:
        """The contactless chip's own test of its line."""
        return await self.contactless.line_is_good()

    def serve_by(self, reader: object) -> None:
        """From now on `reader` holds the card."""
        self._serving = reader

    def contact_failed(self) -> None:
        """The contact reader does not answer: do without."""
        self.has_contact = False
        self._looked_ms = self._clock.ticks_ms()

    def _is_time_to_look(self) -> bool:
        return self._clock.ticks_diff(self._clock.ticks_ms(), self._looked_ms) >= _LOOK_AGAIN_MS

    async def _start_contact(self) -> None:
        self._looked_ms = self._clock.ticks_ms()
        try:
            await self.contact.start()
            self.has_contact = True
        except CardError:
            self.has_contact = False


class _Race:
    """One wait at both readers."""

    def __init__(self, either: EitherReader, timeout_ms: int) -> None:
        self._either = either
        self._timeout_ms = timeout_ms
        self._changed = asyncio.Event()
        self._ended = {}  # is it the contact reader -> (card or None, error or None)

    async def run(self) -> "object | None":
        readers = (self._either.contactless, self._either.contact)
        tasks = [asyncio.create_task(self._look(reader)) for reader in readers]
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                winner = self._winner()
                if winner is not None or len(self._ended) == 2:
                    break
        finally:
            for task in tasks:
                await _cancelled(task)
        return await self._settle(winner, readers)

    async def _look(self, reader) -> None:
        card = failure = None
        try:
            card = await reader.wait_for_card(self._timeout_ms)
        except CardError as error:
            failure = error
        finally:  # what is no CardError ends the terminal, and the race with it
            self._ended[reader is self._either.contact] = (card, failure)
            self._changed.set()

    def _winner(self) -> "bool | None":
        """Which reader decides: one with a card, else one whose card is to be refused."""
        for is_contact in (False, True):
            if self._ended.get(is_contact, (None, None))[0] is not None:
                return is_contact
        for is_contact in (False, True):
            error = self._ended.get(is_contact, (None, None))[1]
            if error is not None and not _is_failure(error):
                return is_contact
        return None

    async def _settle(self, winner: "bool | None", readers: tuple) -> "object | None":
        contact_error = self._ended.get(True, (None, None))[1]
        if contact_error is not None and _is_failure(contact_error):
            self._either.contact_failed()
        if winner is None:
            winner = False
        self._either.serve_by(readers[winner])
        if (
            readers[not winner].target is not None
        ):  # both found one before the other was stopped: only one card has power
            await readers[not winner].field_off()
        card, error = self._ended.get(winner, (None, None))
        if error is not None:
            raise error
        return card


def _is_failure(error: CardError) -> bool:
    """Whether the reader failed, rather than a card that cannot be served."""
    return isinstance(error, ReaderError) and error.code == READER_FAILED


async def _cancelled(task) -> None:
    """Stop a task and wait until it has cleaned up."""
    if task.done():
        return
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
