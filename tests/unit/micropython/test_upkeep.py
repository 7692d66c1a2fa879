"""Upkeep looks at every seal before it may be sent, fills what can be filled, and rests while a card is served."""

import asyncio

from firmware import main

main.load()

from firmware.crypto.signer import SoftwareSigner  # noqa: E402
from firmware.hal.flash_area import FlashError  # noqa: E402
from firmware.ledger import document_area  # noqa: E402
from firmware.ledger.ledger import SealFault  # noqa: E402
from firmware.upkeep import BROKEN_SEALS_MAX, LinkKeys, Upkeep  # noqa: E402
from protocol import certificates, link_keys  # noqa: E402
from tests.support.mp import raises  # noqa: E402
from tests.support.mp_books import KID, flash_of, make_chip, note_event, open_ledger, provision  # noqa: E402
from tests.support.mp_gateway import GATEWAY, NEXT_GATEWAY, certify, signed_epoch  # noqa: E402
from tests.support.mp_virtual_time import VirtualTime  # noqa: E402

TIMEOUT_S = 180
SEAL_PRIVATE = 0x5EA1
AGREE_PRIVATE = 0xA94E


class Draws:
    """Entropy that repeats from test to test and never within one."""

    def __init__(self):
        self._number = 0

    def __call__(self, count):
        import hashlib

        self._number += 1
        return hashlib.sha256(b"%d" % self._number).digest()[:count]


class Bench:
    """A ledger with a real signer, and its upkeep."""

    def __init__(self):
        flash = flash_of(make_chip(8))
        provision(flash)
        self.ledger = open_ledger(flash)
        certify(self.ledger)
        self.ledger.documents.save(
            {
                document_area.FIRST_EPOCH_CERTIFICATE: self.ledger.documents.get(
                    document_area.EPOCH_CERTIFICATE
                ),
                document_area.TERMINAL_CERTIFICATE: self._certificate(),
            }
        )
        self.signer = SoftwareSigner(SEAL_PRIVATE, AGREE_PRIVATE, Draws(), 1)
        self.ledger.seal_of = lambda sequence, chain: self.signer.seal(KID, sequence, chain)
        note_event(self.ledger)
        self.busy = False
        self.announced = 0
        self.check_ins = 0
        self.keys = LinkKeys(self.signer, self.ledger.documents, KID)
        self.upkeep = Upkeep(self.ledger, self.signer, self.keys, lambda: self.busy, self._announce)

    def _certificate(self):
        from firmware.crypto import p256

        terminal = certificates.TerminalCertificate()
        terminal.kid = KID
        terminal.storage = certificates.STORAGE_SOFTWARE
        terminal.issued_s = 1_790_000_000
        terminal.seal_key = p256.public_key(SEAL_PRIVATE)
        terminal.agreement_key = p256.public_key(AGREE_PRIVATE)
        return certificates.encode_terminal(terminal) + bytes(64)

    def _announce(self):
        self.announced += 1

    def _check_in(self):
        self.check_ins += 1

    def run(self, story):
        self.time = VirtualTime(1_790_000_000)

        async def live():
            task = asyncio.create_task(self.upkeep.run(self._check_in))
            try:
                return await story(self)
            finally:
                if task.done():
                    await task
                task.cancel()

        return self.time.run(live())

    async def until(self, condition):
        for _ in range(100_000):
            if condition():
                return
            await asyncio.sleep_ms(1)
        raise AssertionError("it never came")


def test_the_last_seal_is_looked_at_and_announced():
    bench = Bench()

    async def story(bench):
        await bench.until(lambda: bench.announced == 1)
        assert bench.upkeep.verified_through == bench.ledger.journal.sequence
        note_event(bench.ledger)
        await bench.until(lambda: bench.announced == 2)
        return bench.upkeep.verified_through

    assert bench.run(story) == bench.ledger.journal.sequence
    assert bench.upkeep.broken_seals == 0


def test_a_seal_is_looked_at_once_however_often_it_is_sent():
    bench = Bench()
    looked = []
    verify = bench.signer.verify_own_steps

    def counted(kid, sequence, chain, seal):
        looked.append(sequence)
        return (yield from verify(kid, sequence, chain, seal))

    bench.signer.verify_own_steps = counted

    async def story(bench):
        head = bench.ledger.journal.sequence
        await bench.until(lambda: bench.announced == 1)
        assert await bench.upkeep.verify(head)
        # The first records carry made-up seals (tests/support/mp_books).
        assert not await bench.upkeep.verify(2)
        return head

    head = bench.run(story)
    assert looked == [head, 2]


def test_a_seal_that_does_not_verify_is_passed_over_and_the_next_covers_it():
    bench = Bench()
    good = bench.ledger.seal_of

    async def story(bench):
        await bench.until(lambda: bench.announced == 1)
        bench.ledger.seal_of = lambda sequence, chain: bytes(63) + b"\x01"
        broken = note_event(bench.ledger)
        await bench.until(lambda: bench.upkeep.broken_seals == 1)
        assert bench.upkeep.verified_through == broken - 1
        assert not await bench.upkeep.verify(broken)
        bench.ledger.seal_of = good
        note_event(bench.ledger)
        await bench.until(lambda: bench.announced == 2)
        assert bench.upkeep.verified_through == broken + 1
        return bench.ledger.seal_fault

    assert bench.run(story) is False


def test_seals_that_never_verify_stop_all_commits_but_not_the_terminal():
    bench = Bench()
    bench.ledger.seal_of = lambda sequence, chain: bytes(63) + b"\x01"

    async def story(bench):
        for number in range(BROKEN_SEALS_MAX):
            note_event(bench.ledger)
            await bench.until(lambda broken=number + 1: bench.upkeep.broken_seals == broken)
        raises(SealFault, note_event, bench.ledger)
        before = bench.check_ins
        await asyncio.sleep_ms(5000)
        return bench.check_ins - before

    assert bench.run(story) > 10


def test_it_rests_while_a_card_is_served():
    bench = Bench()

    async def story(bench):
        await bench.until(lambda: bench.announced == 1)
        bench.busy = True
        await asyncio.sleep_ms(300)
        steps = []
        refill = bench.signer.refill
        bench.signer.refill = lambda count: steps.append(count) or refill(count)
        before = bench.check_ins
        await asyncio.sleep_ms(5000)
        assert steps == []
        assert bench.check_ins > before
        bench.busy = False
        await asyncio.sleep_ms(1000)
        return len(steps)

    assert bench.run(story) > 0


def test_flash_that_fails_while_idle_is_remembered_and_ends_nothing():
    bench = Bench()

    def failing():
        raise FlashError("journal", 0, "erase failed")

    bench.ledger.prepare = failing

    async def story(bench):
        await bench.until(lambda: bench.upkeep.last_error is not None)
        note_event(bench.ledger)
        await bench.until(lambda: bench.upkeep.verified_through == bench.ledger.journal.sequence)
        return str(bench.upkeep.last_error)

    assert "erase failed" in bench.run(story)


def derived(keys, epoch, private, labels):
    """Whether keys that are held are what the gateway with the key `private` derives."""
    from firmware.crypto import p256

    gateway = SoftwareSigner(1, private, Draws(), 1)
    own = p256.public_key(AGREE_PRIVATE)

    def info_for(label):
        return link_keys.info(label, KID, 1, epoch)

    salt = link_keys.salt(own, p256.public_key(private))
    return gateway.agree(own, info_for, salt, labels) == {label: keys[label] for label, _ in labels}


def test_link_keys_are_those_that_the_gateway_derives():
    bench = Bench()

    async def story(bench):
        await bench.keys.ready.wait()
        body, _ = certificates.split_signature(signed_epoch(2, NEXT_GATEWAY), "epoch certificate")
        later = certificates.decode_epoch(body)
        await bench.keys.downlink(later)
        return later

    later = bench.run(story)
    assert derived(bench.keys._lasting, 0, GATEWAY, link_keys.LASTING)
    assert derived(bench.keys._down[1], 1, GATEWAY, link_keys.PER_EPOCH)
    assert derived(bench.keys._down[later.epoch], 2, NEXT_GATEWAY, link_keys.PER_EPOCH)


def test_a_start_under_a_later_epoch_derives_from_both_gateway_keys_and_from_one_that_stayed_once():
    for private in (NEXT_GATEWAY, GATEWAY):
        bench = Bench()
        bench.ledger.documents.save({document_area.EPOCH_CERTIFICATE: signed_epoch(2, private)})
        agree_steps = bench.signer.agree_steps
        agreements = []

        def counting(public, *rest, agreements=agreements, agree_steps=agree_steps):
            agreements.append(public)
            return agree_steps(public, *rest)

        bench.signer.agree_steps = counting
        bench.run(lambda bench: bench.keys.ready.wait())
        assert derived(bench.keys._lasting, 0, GATEWAY, link_keys.LASTING)
        assert derived(bench.keys._down[2], 2, private, link_keys.PER_EPOCH)
        assert len(agreements) == (1 if private == GATEWAY else 2)
