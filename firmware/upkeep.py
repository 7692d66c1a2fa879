"""Work for quiet moments: link keys, checking own seals, nonces ahead of need, erased flash ahead of need.

All of it yields every few milliseconds and rests while a card is being served, so that a tap never waits for it.
"""

import asyncio

from firmware.drivers.atecc608_core import AteccError
from firmware.hal.flash_area import FlashError
from firmware.ledger import document_area
from firmware.ledger.journal import JournalFull
from firmware.relay.cipher import TerminalCipher
from protocol import certificates, link_keys

_LASTING = [label for label, _ in link_keys.LASTING]
NONCE_STEPS = 2
REST_MS = 200
# Seals known to be good, so that what was checked as the head is not checked again when it is sent.
GOOD_KEPT = 64
# How long a key chip that fails is left alone before it is asked again.
CHIP_REST_MS = 5000
# So many seals in a row that do not verify are no accident: the signer is broken.
BROKEN_SEALS_MAX = 3


class LinkKeys:
    """The keys shared with the gateway, derived once after boot; `ready` is set when they are there.

    Uplink and UN keys come from the first gateway key at epoch 0 and stay; downlink keys follow the certified epoch.
    """

    def __init__(self, signer, documents, kid: int) -> None:
        self._signer = signer
        self._documents = documents
        self._kid = kid
        self._lasting = None
        self._down = {}
        self.ready = asyncio.Event()

    def _certificate(self, section: int) -> certificates.EpochCertificate:
        body, _ = certificates.split_signature(self._documents.get(section), "epoch certificate")
        return certificates.decode_epoch(body)

    def _agree_steps(self, epoch: certificates.EpochCertificate, labels: tuple):
        """Derive `labels` with the gateway key of `epoch`; a generator, as the signer's."""
        body, _ = certificates.split_signature(
            self._documents.get(document_area.TERMINAL_CERTIFICATE), "terminal certificate"
        )
        # From the certificate, which was held against the signer's keys when it came in: working it out takes time.
        own = certificates.decode_terminal(body).agreement_key
        salt = link_keys.salt(own, epoch.agreement_key)

        def info_for(label: bytes) -> bytes:
            number = 0 if label in _LASTING else epoch.epoch
            return link_keys.info(label, self._kid, epoch.gateway_key_id, number)

        return (yield from self._signer.agree_steps(epoch.agreement_key, info_for, salt, labels))

    def derive_steps(self):
        """A generator that yields while the keys are worked out."""
        first = self._certificate(document_area.FIRST_EPOCH_CERTIFICATE)
        epoch = self._certificate(document_area.EPOCH_CERTIFICATE)
        if (first.gateway_key_id, first.agreement_key) == (epoch.gateway_key_id, epoch.agreement_key):
            keys = yield from self._agree_steps(epoch, link_keys.LASTING + link_keys.PER_EPOCH)
        else:
            keys = yield from self._agree_steps(first, link_keys.LASTING)
            keys.update((yield from self._agree_steps(epoch, link_keys.PER_EPOCH)))
        self._lasting = self._down[epoch.epoch] = keys
        self.ready.set()

    def uplink(self) -> TerminalCipher:
        """The cipher for frames up."""
        return TerminalCipher(self._lasting[link_keys.UP_CCM[0]], self._lasting[link_keys.UP_SALT[0]])

    async def downlink(self, epoch: certificates.EpochCertificate) -> TerminalCipher:
        """The cipher for frames down under a certified epoch; works it out where it is new."""
        if epoch.epoch not in self._down:
            steps = self._agree_steps(epoch, link_keys.PER_EPOCH)
            self._down[epoch.epoch] = await _finish(steps)
        keys = self._down[epoch.epoch]
        return TerminalCipher(keys[link_keys.DOWN_CCM[0]], keys[link_keys.DOWN_SALT[0]])

    def un_key(self) -> bytes:
        """The key of the Unpredictable Number."""
        return self._lasting[link_keys.UNPREDICTABLE_NUMBER[0]]


class Upkeep:
    """`is_busy()` tells that a card is being served, `announce()` that there is something new to send; `chip`: the KeyChip
    that holds the keys, None where they are in flash.

    `verified_through` is the last sequence whose seal was checked and found good; `broken_seals` counts those that were
    not; `last_error` is what the flash said last, None when all is well.
    """

    def __init__(self, ledger, signer, keys: LinkKeys, is_busy, announce, chip=None) -> None:
        self._ledger = ledger
        self._signer = signer
        self._keys = keys
        self._is_busy = is_busy
        self._announce = announce
        self._chip = chip
        self._good = []
        self._looked_through = 0
        self._broken_in_a_row = 0
        self.verified_through = 0
        self.broken_seals = 0
        self.last_error = None

    async def run(self, check_in) -> None:
        """For ever: the most urgent piece of work, a little at a time."""
        await self._derive_keys(check_in)
        while True:
            check_in()
            self._judge_seals()
            if self._chip is not None and self._chip.last_error is not None and not self._is_busy():
                await self._ask_chip(check_in)
            elif self._looked_through < self._ledger.journal.sequence:
                await self._verify_head(check_in)
            elif self._is_busy() or (not self._signer.refill(NONCE_STEPS) and not self._prepare()):
                await asyncio.sleep_ms(REST_MS)
            else:
                await asyncio.sleep_ms(0)

    async def _derive_keys(self, check_in) -> None:
        """The link keys, without which nothing is sold; a key chip that fails meanwhile is asked again."""
        while not self._keys.ready.is_set():
            try:
                await self._patiently(self._keys.derive_steps(), check_in)
            except AteccError as error:
                self._chip.failed(error)
                self._judge_seals()
                await self._ask_chip(check_in)

    async def _ask_chip(self, check_in) -> None:
        """After a rest, whether the key chip is well again. One that is ahead of the journal stays so."""
        for _ in range(0, CHIP_REST_MS, REST_MS):
            check_in()
            await asyncio.sleep_ms(REST_MS)
        if not self._ledger.is_behind and not self._is_busy():
            self._chip.look()

    def _judge_seals(self) -> None:
        """Whether records can be sealed; if not, sales are refused before the card is asked."""
        chip_fails = self._chip is not None and self._chip.last_error is not None
        is_broken = self._broken_in_a_row >= BROKEN_SEALS_MAX
        self._ledger.seal_fault = is_broken or chip_fails or not self._keys.ready.is_set()

    def _prepare(self) -> bool:
        """Flash ahead of need; one that fails is not tried again before the next start."""
        if self.last_error is not None:
            return False
        try:
            return bool(self._ledger.prepare())
        except (JournalFull, FlashError) as error:
            self.last_error = error
            return False

    async def _verify_head(self, check_in) -> None:
        """The last seal proves all before it, so checking that one lets everything be sent.

        A seal that does not verify is never sent: the next record's covers it. Where none does any more, nothing may be
        committed.
        """
        ledger = self._ledger
        sequence = ledger.journal.sequence
        if await self._patiently(self._check_steps(sequence, ledger.journal.chain), check_in):
            self.verified_through = sequence
            self._broken_in_a_row = 0
            self._announce()
        else:
            self._broken_in_a_row += 1
            self._judge_seals()
        self._looked_through = sequence

    async def verify(self, sequence: int) -> bool:
        """Whether the stored seal of a record may be sent."""
        if sequence in self._good:
            return True
        return bool(await _finish(self._check_steps(sequence, self._ledger.journal.chain_at(sequence))))

    def _check_steps(self, sequence: int, chain: bytes):
        """Check a stored seal; a generator, as the signer's."""
        ledger = self._ledger
        seal = ledger.records_from(sequence, 1)[0].seal
        is_good = yield from self._signer.verify_own_steps(ledger.kid, sequence, chain, seal)
        if is_good:
            if len(self._good) == GOOD_KEPT:
                self._good.pop(0)
            self._good.append(sequence)
        else:
            self.broken_seals += 1
        return is_good

    async def _patiently(self, steps, check_in):
        """Run a generator, resting between its steps while a card is served; returns what it returns."""
        while True:
            check_in()
            try:
                next(steps)
            except StopIteration as end:
                return end.value
            await asyncio.sleep_ms(REST_MS if self._is_busy() else 0)


async def _finish(steps):
    """Run a generator to its end, letting other tasks run between its steps; returns what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        await asyncio.sleep_ms(0)
