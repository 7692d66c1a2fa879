"""A release over MQTT: taken piece by piece beside the records, gone on with after anything, tried when nobody is served."""

import asyncio
import hashlib

from firmware import loader
from firmware.relay import kept_fetch, release_fetch
from firmware.relay.link import LinkError
from firmware.relay.release_fetch import ReleaseFetch, Stillness
from firmware.updater import Updater, UpdateRefused
from protocol import offer
from protocol.errors import AuthenticationFailed, OutOfRange, ProtocolError
from protocol.offer import Offer
from tests.support.mp_release import PUBLIC, ROOT, bundle, get, mount, new_flash, put, unmount
from tests.support.mp_virtual_time import VirtualTime

TIMEOUT_S = 120
KID = 0x2A
FILES = {
    "firmware/app.mpy": bytes(range(251)) * 40,
    "firmware/main.mpy": b"M" * 700,
    "protocol/x.mpy": b"x" * 3000,
}
HEAD, OCTETS = bundle(5, FILES, 2)
WHOLE = HEAD + OCTETS
DIGEST = hashlib.sha256(HEAD).digest()


def kept_of(number, head, octets, share=1000, kids=()):
    """What the broker keeps: topic -> payload."""
    whole = head + octets
    digest = hashlib.sha256(head).digest()
    kept = {offer.offer_topic(): offer.encode(Offer(number, len(whole), len(head), digest, share, kids))}
    for offset in range(0, len(whole), offer.PIECE_OCTETS):
        kept[offer.piece_topic(digest, offset)] = whole[offset : offset + offer.PIECE_OCTETS]
    return kept


def believe(public, digest, signature):
    """The signature is verified in one test; the others need not pay for it."""
    yield
    return signature == HEAD[-64:]


class Bench:
    """A terminal that runs release 4 from slot a, with the broker's kept messages; `links` sessions were begun."""

    def __init__(self, kept=None, verify_steps=believe):
        mount(new_flash())
        put("a/firmware/main.mpy", b"old")
        self.kept = kept_of(5, HEAD, OCTETS) if kept is None else kept
        self.asked = []
        self.fails_after = -1
        self.clear = True
        self.hindered = ""
        self.still = True
        self.restarts = 0
        self.verify_steps = verify_steps
        self.slow_ms = 0
        self.on_fetch = lambda topic: None

    def start(self, running=4):
        """As after a restart."""
        self.updater = Updater(ROOT, "a", running, PUBLIC, self.verify_steps)
        self.fetch = ReleaseFetch(
            self.updater,
            KID,
            lambda: self.hindered,
            lambda: self.still,
            self.restart,
            self.time,
            lambda most_ms: most_ms // 2,
        )

    def restart(self):
        self.restarts += 1
        self.over.set()

    def run(self, story):
        self.time = VirtualTime(1_790_000_000)

        async def live():
            self.over = asyncio.Event()
            self.start()
            return await story(self)

        try:
            return self.time.run(live(), 3_600_000 * 90)
        finally:
            unmount()

    async def session(self):
        """One session, until the terminal restarts; what ended it otherwise is raised."""
        failed = []
        self.over.clear()

        async def work():
            try:
                await self.fetch.run(Client(self), lambda: self.clear)
            except LinkError as error:
                failed.append(error)
                self.over.set()

        task = asyncio.create_task(work())
        try:
            await self.over.wait()
            if failed:
                raise failed[0]
        finally:
            task.cancel()


class Client:
    """The MQTT client as far as it is used here."""

    def __init__(self, bench):
        self._bench = bench

    async def fetch(self, topic, timeout_ms):
        bench = self._bench
        await asyncio.sleep_ms(bench.slow_ms + 20)
        if bench.fails_after == 0:
            raise LinkError("closed")
        bench.fails_after -= 1
        bench.asked.append(topic)
        bench.on_fetch(topic)
        payload = bench.kept.get(topic)
        if payload is None:
            await asyncio.sleep_ms(timeout_ms)
        return payload


def is_installed():
    return all(get("b/" + path) == FILES[path] for path in FILES)


def test_an_offered_release_is_taken_verified_and_tried():
    """REL-06, REL-08."""
    from firmware.crypto import p256

    async def story(bench):
        await bench.session()
        assert bench.time.ticks_diff(bench.time.ticks_ms(), begun) >= kept_fetch.FIRST_LOOK_MS // 2
        assert is_installed()
        assert loader.read_state(ROOT) == ("b", loader.STARTS_ON_TRIAL)
        assert bench.fetch.failures == 0
        # Each piece once but for those that hold the end of the head or are the last of a file too.
        assert len(bench.asked) <= len(bench.kept) + 2
        assert bench.asked[0] == bench.asked[-1] == offer.offer_topic()

    bench = Bench(verify_steps=p256.verify_steps)
    bench.time = VirtualTime(0)
    begun = bench.time.ticks_ms()
    bench.run(story)


def test_after_a_lost_link_it_goes_on_at_once_and_fetches_nothing_twice():
    async def story(bench):
        lost = 0
        while not bench.restarts:
            bench.fails_after = 3
            try:
                await bench.session()
            except LinkError:
                lost += 1
        assert lost >= 2
        assert is_installed()
        pieces = [topic for topic in bench.asked if topic != offer.offer_topic()]
        assert len(pieces) <= len(bench.kept) + 2
        assert bench.fetch.failures == 0
        elapsed_ms = bench.time.ticks_diff(bench.time.ticks_ms(), bench.time._base)
        assert elapsed_ms < kept_fetch.FIRST_LOOK_MS, "only the first look is far off"

    Bench().run(story)


def test_after_a_restart_it_goes_on_behind_the_last_whole_file():
    async def story(bench):
        bench.fails_after = 5
        try:
            await bench.session()
        except LinkError:
            pass
        assert bench.updater.next_offset >= len(FILES["firmware/app.mpy"])
        bench.start()
        bench.fails_after = -1
        bench.asked = []
        await bench.session()
        assert is_installed()
        first = min([int(topic.split("/")[-1]) for topic in bench.asked if "offer" not in topic])
        at = len(HEAD) + len(FILES["firmware/app.mpy"])
        assert first == at - at % offer.PIECE_OCTETS, "neither head nor first file again"

    Bench().run(story)


def test_nothing_is_taken_while_a_sale_records_or_a_trouble_come_first():
    async def story(bench):
        def hinder(name):
            if name == "served":
                bench.hindered = "served"
            else:
                bench.clear = False

        for name in ("served", "records"):
            bench.on_fetch = lambda topic, name=name: hinder(name) if topic[-1] == "0" else None
            before = bench.updater.next_offset
            asked = len(bench.asked)
            task = asyncio.create_task(bench.session())
            await asyncio.sleep_ms(1_200_000)
            # What was under way came, and stays in RAM: nothing was written and nothing else asked for.
            assert len(bench.asked) == asked + 2
            assert bench.updater.next_offset == before
            assert bench.fetch.waits == name
            task.cancel()
            bench.on_fetch = lambda topic: None
            bench.hindered = ""
            bench.clear = True
        await asyncio.sleep_ms(1)
        await bench.session()
        assert is_installed()

    Bench().run(story)


def test_it_starts_only_when_nobody_is_served_and_all_is_sealed():
    async def story(bench):
        bench.still = False
        task = asyncio.create_task(bench.session())
        await asyncio.sleep_ms(7_200_000)
        assert is_installed() and bench.updater.is_complete
        assert loader.read_state(ROOT) == ("a", -1)
        assert bench.fetch.waits == release_fetch.QUIET
        assert bench.asked.count(offer.offer_topic()) == 1
        bench.still = True
        await task
        assert loader.read_state(ROOT)[0] == "b"

    Bench().run(story)


def test_whoever_is_not_meant_asks_for_no_piece():
    """REL-07, REL-08: not newer, not in the share, nothing offered, no offer that decodes."""
    lot = offer.lot(DIGEST, KID)
    for kept, number in (
        (kept_of(5, HEAD, OCTETS, lot), 0),
        (kept_of(4, HEAD, OCTETS), 0),
        (kept_of(5, HEAD, OCTETS, 0, (KID - 1, KID + 1)), 0),
        ({}, 0),
        ({offer.offer_topic(): b"rubbish"}, 1),
    ):

        async def story(bench, number=number):
            task = asyncio.create_task(bench.session())
            await asyncio.sleep_ms(12 * 3_600_000)
            task.cancel()
            assert set(bench.asked) == {offer.offer_topic()}
            assert 3 <= len(bench.asked) <= 12
            assert (bench.fetch.failures > 0) == bool(number)
            assert bench.fetch.offered == 0

        Bench(kept).run(story)
    for kept in (kept_of(5, HEAD, OCTETS, lot + 1), kept_of(5, HEAD, OCTETS, 0, (KID,))):

        async def taken(bench):
            await bench.session()
            assert bench.fetch.offered == 5

        Bench(kept).run(taken)


def test_what_was_tampered_with_is_counted_refused_and_tried_again_later():
    """REL-08: a piece of a file, of the head, one of another length, another number, another key's signature."""
    last = offer.piece_topic(DIGEST, len(WHOLE) // offer.PIECE_OCTETS * offer.PIECE_OCTETS)
    first = offer.piece_topic(DIGEST, 0)
    other_head = HEAD[:-1] + bytes((HEAD[-1] ^ 1,))

    def bend(topic, place):
        def do(kept):
            kept[topic][place] ^= 1

        return do

    for spoil, kind in (
        (bend(last, -1), OutOfRange),
        (bend(first, len(HEAD) - 1), AuthenticationFailed),
        (bend(first, -1), OutOfRange),
        (lambda kept: kept.update({first: kept[first] + b"x"}), OutOfRange),
        (lambda kept: kept.update({last: b"x"}), OutOfRange),
        (lambda kept: kept.pop(last), UpdateRefused),
        (lambda kept: kept.update(kept_of(6, HEAD, OCTETS)), OutOfRange),
        (lambda kept: kept.update(kept_of(5, other_head, OCTETS)), AuthenticationFailed),
    ):

        async def story(bench, spoil=spoil, kind=kind):
            good = dict(bench.kept)
            for topic in list(bench.kept):
                bench.kept[topic] = bytearray(bench.kept[topic])
            spoil(bench.kept)
            task = asyncio.create_task(bench.session())
            await asyncio.sleep_ms(3_600_000)
            assert bench.fetch.failures == 1
            assert isinstance(bench.fetch.last_error, kind), bench.fetch.last_error
            assert loader.choose(ROOT) == "a" and get("a/firmware/main.mpy") == b"old"
            asked = len(bench.asked)
            await asyncio.sleep_ms(5 * 3_600_000)
            assert 2 <= bench.fetch.failures <= 4, "ever more seldom"
            assert len(bench.asked) > asked
            bench.kept = good
            await task
            assert is_installed()
            assert loader.choose(ROOT) == "b"

        Bench().run(story)


def test_an_offer_that_is_withdrawn_or_replaced_is_not_started():
    """REL-08."""
    newer = bundle(6, FILES, 2)

    def verify(public, digest, signature):
        yield
        return signature in (HEAD[-64:], newer[0][-64:])

    async def story(bench):
        bench.still = False
        task = asyncio.create_task(bench.session())
        await asyncio.sleep_ms(3_600_000)
        assert bench.updater.is_complete
        bench.kept = {}
        bench.still = True
        await asyncio.sleep_ms(3_600_000)
        assert loader.read_state(ROOT) == ("a", -1) and not bench.restarts
        bench.kept = kept_of(6, *newer)
        await task
        assert loader.read_state(ROOT)[0] == "b"
        assert bench.updater.release == 6

    Bench(verify_steps=verify).run(story)


def test_a_release_that_failed_its_trial_is_not_taken_again_but_the_next_one_is():
    """REL-08."""
    newer = bundle(6, FILES, 2)

    def verify(public, digest, signature):
        yield
        return signature in (HEAD[-64:], newer[0][-64:])

    async def story(bench):
        await bench.session()
        for _ in range(loader.STARTS_ON_TRIAL):
            assert loader.choose(ROOT) == "b"
        assert loader.choose(ROOT) == "a"
        bench.restarts = 0
        bench.start()
        task = asyncio.create_task(bench.session())
        await asyncio.sleep_ms(24 * 3_600_000)
        assert loader.read_state(ROOT) == ("a", -1)
        assert "failed its trial" in str(bench.fetch.last_error)
        bench.kept = kept_of(6, *newer)
        await task
        assert loader.choose(ROOT) == "b"

    Bench(verify_steps=verify).run(story)


def test_a_technicians_cable_goes_first():
    """Another bundle that is begun by cable ends the one from the air; the same one is gone on with."""
    by_cable = bundle(9, {"firmware/main.mpy": b"by cable" * 200}, 2)

    def verify(public, digest, signature):
        yield
        return signature in (HEAD[-64:], by_cable[0][-64:])

    async def story(bench):
        def same(topic):
            if topic.endswith("/4096"):
                bench.updater.begin(HEAD)
                bench.updater.write(0, OCTETS[:6000])

        bench.on_fetch = same
        bench.still = False
        task = asyncio.create_task(bench.session())
        await asyncio.sleep_ms(3_600_000)
        assert is_installed() and bench.fetch.failures == 0
        task.cancel()

        bench.start()
        bench.updater.begin(by_cable[0])
        bench.start()

        def another(topic):
            if topic.endswith("/8192"):
                bench.updater.begin(by_cable[0])

        bench.on_fetch = another
        task = asyncio.create_task(bench.session())
        await asyncio.sleep_ms(3_600_000)
        assert bench.updater.release == 9 and bench.updater.next_offset == 0
        assert "by cable" in str(bench.fetch.last_error)
        bench.updater.write(0, by_cable[1])
        bench.updater.finish()
        task.cancel()

    Bench(verify_steps=verify).run(story)


def fill():
    """Nothing of a release's size goes onto the file system any more."""
    number = 0
    while True:
        try:
            put("filler%d" % number, bytes(4096))
        except OSError:
            return
        number += 1


def test_a_full_file_system_is_counted_and_the_terminal_goes_on():
    async def story(bench):
        fill()
        task = asyncio.create_task(bench.session())
        await asyncio.sleep_ms(3_600_000)
        assert isinstance(bench.fetch.last_error, OSError)
        assert loader.choose(ROOT) == "a"
        task.cancel()

    Bench().run(story)


def test_a_broker_that_ends_the_session_for_the_question_is_not_asked_in_every_session():
    async def story(bench):
        sessions = 0
        bench.fails_after = 0
        while bench.time.ticks_diff(bench.time.ticks_ms(), bench.time._base) < 6 * 3_600_000:
            try:
                await bench.session()
            except LinkError:
                sessions += 1
        assert 2 <= sessions <= 7

    Bench().run(story)


def test_stillness_is_the_same_sight_for_ten_minutes():
    time = VirtualTime(0)
    seen = [(1, "idle")]
    still = Stillness(time, lambda: seen[0])
    assert not still.lasts(release_fetch.STILL_MS)
    time.models.advance_us(release_fetch.STILL_MS * 1000)
    assert still.lasts(release_fetch.STILL_MS)
    seen[0] = (2, "idle")
    assert not still.lasts(release_fetch.STILL_MS)
    time.models.advance_us(release_fetch.STILL_MS * 1000)
    seen[0] = None
    assert not still.lasts(release_fetch.STILL_MS)
    time.models.advance_us(release_fetch.STILL_MS * 1000)
    assert not still.lasts(release_fetch.STILL_MS)


def test_any_octets_for_an_offer_are_refused_or_an_offer():
    good = Bench().kept[offer.offer_topic()]
    unmount()
    for place in range(len(good)):
        for octet in (0, 1, 0x7F, 0xFF):
            bent = bytearray(good)
            bent[place] = octet
            try:
                offer.decode(bytes(bent))
            except ProtocolError:
                pass
