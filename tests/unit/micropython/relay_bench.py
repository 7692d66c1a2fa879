"""A relay on the bench: real books, a played broker, a post for short messages, in virtual time."""

import asyncio

from firmware import main

main.load()

from firmware.relay.downlink import Downlink  # noqa: E402
from firmware.relay.link import LinkError  # noqa: E402
from firmware.relay.mqtt_way import Settings  # noqa: E402
from firmware.relay.relay import Relay  # noqa: E402
from protocol import frame, status  # noqa: E402
from tests.support.mp_books import (  # noqa: E402
    Keeper,
    flash_of,
    make_chip,
    open_ledger,
    provision,
    redeem,
)
from tests.support.mp_broker import PlayedLink, payload_of, polite  # noqa: E402
from tests.support.mp_gateway import certify, cipher_of, uplink_cipher  # noqa: E402
from tests.support.mp_virtual_time import VirtualTime  # noqa: E402

SEND_MS = 4000


class Post:
    """Takes short messages as a modem does: each takes a while. `frames` arrived there, `moments` tells when (ms)."""

    def __init__(self, time):
        self._time = time
        self._started = time.ticks_ms()
        self.can_send = True
        self.fails = False
        self.frames = []
        self.moments = []
        self.tries = 0

    async def send(self, octets):
        self.tries += 1
        await asyncio.sleep_ms(SEND_MS)
        if self.fails:
            raise LinkError("+CMS ERROR: 500")
        assert len(octets) <= 140
        self.frames.append(octets)
        self.moments.append(self._time.ticks_diff(self._time.ticks_ms(), self._started))
        return len(self.frames)


class Watch:
    """The longest time without a check-in: `silence_ms`."""

    def __init__(self, time):
        self._time = time
        self._last_ms = time.ticks_ms()
        self.silence_ms = 0

    def check_in(self):
        now = self._time.ticks_ms()
        self.silence_ms = max(self.silence_ms, self._time.ticks_diff(now, self._last_ms))
        self._last_ms = now


class LivingKeeper(Keeper):
    """Its time goes on with the bench's."""

    time = None

    def epoch_seconds(self):
        return self.now_s if self.time is None else self.time.epoch_seconds()


class Bench:
    """One terminal's relay with a played broker: `links` are those it made, `frames` what it published, opened.

    With `by_sms` there is a `post` beside the broker, without `by_mqtt` nobody tries that one.
    """

    def __init__(self, sales=0, by_sms=False, by_mqtt=True):
        self.flash = flash_of(make_chip(16))
        provision(self.flash)
        self.keeper = LivingKeeper()
        self.ledger = open_ledger(self.flash, self.keeper)
        self.by_sms = by_sms
        self.by_mqtt = by_mqtt
        certify(self.ledger)
        for number in range(sales):
            redeem(self.ledger, number % 8, 100)
        self.answer = polite
        self.opens = True
        self.links = []
        self.bad_seals = set()
        self.verified_through = None
        self.checked = []

    def run(self, story, limit_ms=3_600_000 * 30):
        """Live through `story(bench)` while the relay runs."""
        self.time = VirtualTime(self.keeper.now_s)
        self.keeper.time = self.time
        self.post = Post(self.time) if self.by_sms else None
        self.watches = (Watch(self.time), Watch(self.time))
        return self.time.run(self._live(story), limit_ms)

    async def _live(self, story):
        self.downlink = Downlink(self.ledger, cipher_of)
        self.relay = Relay(
            self.ledger,
            self.downlink,
            self._make_link,
            uplink_cipher,
            self._verified_through,
            Settings("id", "", ""),
            self.time,
            lambda most_ms: most_ms // 2,
            self._verify,
            self.post,
        )
        works = [self.relay.run(self.watches[0].check_in)] if self.by_mqtt else []
        if self.by_sms:
            works.append(self.relay.run_sms(self.watches[1].check_in))
        tasks = [asyncio.create_task(work) for work in works]
        try:
            return await story(self)
        finally:
            assert not any(task.done() for task in tasks), "the relay ended"
            for task in tasks:
                task.cancel()
            self.keeper.now_s = self.time.epoch_seconds()
            self.keeper.time = None

    def power_cut(self):
        """The books as they are after power came back."""
        self.ledger = open_ledger(self.flash, self.keeper)

    def _make_link(self):
        self.links.append(PlayedLink(self.answer, self.opens))
        self.links[-1].made_ms = self.time.ticks_ms()
        return self.links[-1]

    def _verified_through(self):
        return self.ledger.journal.sequence if self.verified_through is None else self.verified_through

    async def _verify(self, sequence):
        self.checked.append(sequence)
        await asyncio.sleep_ms(5)
        return sequence not in self.bad_seals

    def published(self, link=-1):
        """Payloads of the PUBLISH packets on a link, by default the newest."""
        return [payload_of(packet) for packet in self.links[link].written if packet[0] >> 4 == 3]

    def ranges(self, link=-1):
        """(first, last, codec, sealed) of the records frames on a link."""
        found = []
        for octets in self.published(link):
            header = frame.read_header(octets)
            if header.frame_class == frame.CLASS_RECORDS:
                found.append((header.first, header.first + header.count - 1, header.codec, header.sealed))
        return found

    def records(self, link=-1):
        """(sequence, octets) of all records published, decoded as the gateway does."""
        found = []
        for octets in self.published(link):
            header = frame.read_header(octets)
            if header.frame_class == frame.CLASS_RECORDS:
                opened = frame.open_records(octets, [self.ledger.context], uplink_cipher())
                for place in range(len(opened.records)):
                    found.append((header.first + place, opened.records[place]))
        return found

    def statuses(self, link=-1):
        """Status reports on a link."""
        found = []
        for octets in self.published(link):
            header = frame.read_header(octets)
            if header.frame_class == frame.CLASS_UP:
                found.append(status.decode(frame.open_counter(octets, uplink_cipher())[1]))
        return found

    def send(self, octets):
        """The broker delivers a message."""
        link = self.links[-1]
        body = b"\x00\x01t\x00\x07" + octets
        length = bytes((len(body) & 0x7F | 0x80, len(body) >> 7))
        link.feed(b"\x32" + length + body)

    def acknowledged(self, link=-1):
        """How many messages were acknowledged to the broker."""
        return self.links[link].kinds().count(4)
