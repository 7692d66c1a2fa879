"""Getting a card to the reader and knowing whose it is: shared by all conversations that need one."""

import asyncio
import gc

from firmware import refusals
from firmware.refusals import Refusal
from firmware.ui import screens
from firmware.ui.panel import NobodyAnswered, OperatorCancelled

CARD_TIMEOUT_MS = 45_000
# Reader and keypad are looked at in turn; the blind time of each stays below the length of a key press.
CARD_SLICE_MS = 80
KEY_SLICE_MS = 40
IDENTIFY_TIMEOUT_MS = 20_000


class Tapping:
    """`terminal`, `panel` and `signals` as the flow has them."""

    def __init__(self, terminal, panel, signals) -> None:
        self._terminal = terminal
        self._panel = panel
        self._signals = signals

    async def wait(self, title: str, amount_rupiah: int) -> None:
        """Until the card lies on the reader; it is asked for only when it does not. The cancel key is heard meanwhile."""
        waited_ms = 0
        while not await self._terminal.wait_for_card(CARD_SLICE_MS):
            if not waited_ms:
                await self._panel.show(screens.tap_card, title, amount_rupiah)
            await self._panel.poll(KEY_SLICE_MS)
            waited_ms += CARD_SLICE_MS + KEY_SLICE_MS
            if waited_ms >= CARD_TIMEOUT_MS:
                raise NobodyAnswered
        self._signals.card()
        await self._panel.show(screens.hold_card, title, amount_rupiah)

    async def identify(self, programme: int, title: str, amount_rupiah: int):
        """The card's view for the programme; a card that was read badly may be laid on again."""
        # People walk up now: a collection of the heap (100 to 300 ms with PSRAM) costs nobody time here.
        gc.collect()
        while True:
            try:
                await self.wait(title, amount_rupiah)
                identify = self._terminal.identify(programme)
                view = await asyncio.wait_for_ms(identify, IDENTIFY_TIMEOUT_MS)
                if await self._panel.forget_keys():
                    raise OperatorCancelled
                return view
            except asyncio.TimeoutError:
                raise Refusal(refusals.NO_ANSWER)
            except Refusal as refusal:
                await self.try_again(refusal)

    async def try_again(self, refusal: Refusal) -> None:
        """Wait for E after a refusal that can be mended at the counter; any other is raised again."""
        is_pin = refusal.number == refusals.PIN_WRONG and refusal.detail > 0
        if not is_pin and refusal.number not in refusals.TRY_AGAIN:
            raise refusal
        self._signals.refused()
        await self._panel.ask("E", screens.refused, refusal.number, refusal.detail, True)
