"""Power fails at every flash operation of an update over MQTT: the terminal always starts a whole release, and it ends well.

Beside `test_update_power_cut`, which sweeps the updater: here the offer decides where to go on, from what flash says alone.
"""

import asyncio
import hashlib

from firmware import loader
from firmware.relay.release_fetch import ReleaseFetch
from firmware.updater import Updater, release_of
from hardware.nor_flash import PowerCut
from protocol import offer
from protocol.offer import Offer
from tests.support.mp import seed
from tests.support.mp_release import (
    PUBLIC,
    ROOT,
    bundle,
    cut_at_every_operation,
    get,
    mount,
    new_flash,
    put,
    unmount,
)

TIMEOUT_S = 300
OLD_FILES = {"firmware/main.mpy": b"old" * 90, "protocol/y.mpy": b"gone"}
FILES = {"firmware/main.mpy": b"new" * 90, "firmware/app.mpy": bytes(range(200)) * 25}
OLD = bundle(4, OLD_FILES)
NEW = bundle(5, FILES)
WHOLE = NEW[0] + NEW[1]
DIGEST = hashlib.sha256(NEW[0]).digest()
OFFER = Offer(5, len(WHOLE), len(NEW[0]), DIGEST, 1000, ())


class Restarted(Exception):
    """The terminal starts anew."""


class Client:
    """A broker that keeps the offer and its pieces."""

    async def fetch(self, topic, timeout_ms):
        if topic == offer.offer_topic():
            return offer.encode(OFFER)
        offset = int(topic.split("/")[-1])
        return WHOLE[offset : offset + offer.PIECE_OCTETS]


class Instant:
    """Time in which nothing is waited for."""

    def ticks_ms(self):
        return 0

    def ticks_add(self, ticks, delta_ms):
        return 0

    def ticks_diff(self, later, earlier):
        return 0

    async def sleep_ms(self, duration_ms):
        pass


def believe(public, digest, signature):
    """The signatures are verified by the sweep of the updater."""
    yield
    return signature == NEW[0][-64:]


def restart():
    raise Restarted


def whole(slot, files):
    return all(get(slot + "/" + path) == files[path] for path in files)


def live():
    """One start: choose, look that what starts is whole, prove it; else take what is offered."""
    slot = loader.choose(ROOT)
    assert whole(slot, OLD_FILES if slot == "a" else FILES), slot
    if slot == "b":
        loader.confirm(ROOT, "b")
        return True
    updater = Updater(ROOT, "a", release_of(ROOT, "a"), PUBLIC, believe)
    fetch = ReleaseFetch(updater, 1, lambda: "", lambda: True, restart, Instant(), lambda most_ms: 0)
    asyncio.new_event_loop()
    try:
        asyncio.run(fetch.run(Client(), lambda: True))
    except Restarted:
        pass
    return False


def shop(plan_seed):
    chip = new_flash(plan_seed)
    mount(chip)
    put("a/release.head", OLD[0])
    for path in OLD_FILES:
        put("a/" + path, OLD_FILES[path])
    # A release that failed here lies in the other slot, so that emptying it is swept, too.
    put("b/release.head", OLD[0])
    put("b/firmware/y.mpy", b"half")
    put("b/release.failed", b"")
    return chip


def test_cut_at_every_operation():
    cuts = cut_at_every_operation(shop, live)
    assert cuts > 30
    print("update over MQTT: %d cuts" % cuts)


def test_the_way_back_is_cut_at_every_operation():
    """A release on trial that has used its starts: whatever is cut, the proved one starts, and the failure is remembered."""
    cuts = 0
    was_cut = True
    while was_cut:
        was_cut = False
        chip = shop(seed() + cuts)
        put("b/firmware/main.mpy", b"bad")
        loader.write_state(ROOT, "b", 0)
        chip.power_cut_after(cuts, (0, 1, 100, 255)[cuts % 4])
        try:
            assert loader.choose(ROOT) == "a", cuts
        except PowerCut:
            was_cut = True
            chip.power_on()
            mount(chip)
            assert loader.choose(ROOT) == "a", cuts
        assert loader.read_state(ROOT) == ("a", -1), cuts
        assert get("b/" + loader.FAILED) == b"", cuts
        unmount()
        cuts += 1
    assert cuts > 3
