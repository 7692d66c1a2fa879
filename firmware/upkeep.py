"""Work for quiet moments: link keys, checking own seals, nonces ahead of need, erased flash ahead of need.

All of it yields every few milliseconds and rests while a card is being served, so that a tap never waits for it.
"""

import asyncio

from firmware.ledger import document_area
from firmware.relay.cipher import TerminalCipher
from protocol import certificates, link_keys

NONCE_STEPS = 2
REST_MS = 200


class SealBroken(Exception):
    """A seal of this terminal does not verify: nothing may be sent under it; names the sequence."""

    def __init__(self, sequence: int) -> None:
        super().__init__("seal of record %d does not verify" % sequence)
        self.sequence = sequence


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

    def _agree_steps(self, epoch: certificates.EpochCertificate, number: int, labels: tuple):
        """Derive `labels` with the gateway key of `epoch`; a generator, as the signer's."""
        _, own = self._signer.public_keys()
        salt = link_keys.salt(own, epoch.agreement_key)

        def info_for(label: bytes) -> bytes:
            return link_keys.info(label, self._kid, epoch.gateway_key_id, number)

        return (yield from self._signer.agree_steps(epoch.agreement_key, info_for, salt, labels))

    def derive_steps(self):
        """A generator that yields while the keys are worked out."""
        first = self._certificate(document_area.FIRST_EPOCH_CERTIFICATE)
        self._lasting = yield from self._agree_steps(first, 0, link_keys.LASTING)
        epoch = self._certificate(document_area.EPOCH_CERTIFICATE)
        self._down[epoch.epoch] = yield from self._agree_steps(epoch, epoch.epoch, link_keys.PER_EPOCH)
        self.ready.set()

    def uplink(self) -> TerminalCipher:
        """The cipher for frames up."""
        return TerminalCipher(self._lasting[link_keys.UP_CCM[0]], self._lasting[link_keys.UP_SALT[0]])

    def downlink(self, epoch: certificates.EpochCertificate) -> TerminalCipher:
        """The cipher for frames down under a certified epoch."""
        if epoch.epoch not in self._down:
            for _ in self._derive_down(epoch):
                pass
        keys = self._down[epoch.epoch]
        return TerminalCipher(keys[link_keys.DOWN_CCM[0]], keys[link_keys.DOWN_SALT[0]])

    def _derive_down(self, epoch: certificates.EpochCertificate):
        self._down[epoch.epoch] = yield from self._agree_steps(epoch, epoch.epoch, link_keys.PER_EPOCH)

    def un_key(self) -> bytes:
        """The key of the Unpredictable Number."""
        return self._lasting[link_keys.UNPREDICTABLE_NUMBER[0]]


class Upkeep:
    """`is_busy()` tells that a card is being served; `verified_through` is the last sequence whose seal was checked."""

    def __init__(self, ledger, signer, keys: LinkKeys, is_busy, announce) -> None:
        self._ledger = ledger
        self._signer = signer
        self._keys = keys
        self._is_busy = is_busy
        self._announce = announce
        self.verified_through = 0

    async def run(self, check_in) -> None:
        """For ever: the most urgent piece of work, a little at a time. Raises `SealBroken`."""
        await self._patiently(self._keys.derive_steps(), check_in)
        while True:
            check_in()
            if self.verified_through < self._ledger.journal.sequence:
                await self._verify_head(check_in)
            elif self._is_busy():
                await asyncio.sleep_ms(REST_MS)
            elif not self._signer.refill(NONCE_STEPS) and not self._ledger.journal.prepare():
                await asyncio.sleep_ms(REST_MS)
            else:
                await asyncio.sleep_ms(0)

    async def _verify_head(self, check_in) -> None:
        """The last seal proves all before it, so checking that one is enough."""
        ledger = self._ledger
        sequence = ledger.journal.sequence
        chain = ledger.journal.chain
        seal = ledger.records_from(sequence, 1)[0].seal
        steps = self._signer.verify_own_steps(ledger.kid, sequence, chain, seal)
        if not await self._patiently(steps, check_in):
            raise SealBroken(sequence)
        self.verified_through = sequence
        self._announce()

    async def _patiently(self, steps, check_in):
        """Run a generator, resting between its steps while a card is served; returns what it returns."""
        while True:
            check_in()
            try:
                next(steps)
            except StopIteration as end:
                return end.value
            await asyncio.sleep_ms(REST_MS if self._is_busy() else 0)
