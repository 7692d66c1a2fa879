"""Power fails at every flash operation of an update: the terminal always starts a whole release, and the update ends."""

from firmware import loader
from firmware.crypto import p256
from firmware.updater import Updater
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
FILES = {"firmware/main.mpy": b"new" * 90, "firmware/app.mpy": bytes(range(200)) * 4}
OLD = bundle(4, OLD_FILES)
NEW = bundle(5, FILES)
PIECE = 512


def install(slot, running, given):
    """Send all that is lacking of a release into the other slot and let it be tried."""
    update = Updater(ROOT, slot, running, PUBLIC, fast_verify)
    update.begin(given[0])
    while not update.is_complete:
        offset = update.next_offset
        update.write(offset, given[1][offset : offset + PIECE])
    update.finish()


def fast_verify(public, digest, signature):
    """The signature was verified once below; each of the hundreds of lives need not pay for it again."""
    yield
    return public == PUBLIC and len(digest) == 32 and signature in (OLD[0][-64:], NEW[0][-64:])


def whole(slot, files):
    return all(get(slot + "/" + path) == files[path] for path in files)


def live():
    """One start: choose, look that what starts is whole, prove it; then go on with the update until 5 runs."""
    slot = loader.choose(ROOT)
    assert whole(slot, OLD_FILES if slot == "a" else FILES), slot
    if slot == "b":
        loader.confirm(ROOT, "b")
        return True
    install("a", 4, NEW)
    return False


def shop(plan_seed):
    chip = new_flash(plan_seed)
    mount(chip)
    put("a/release.head", OLD[0])
    for path in OLD_FILES:
        put("a/" + path, OLD_FILES[path])
    # An older release half written in the other slot, so that emptying it is swept, too.
    put("b/release.head", OLD[0])
    put("b/protocol/y.mpy", b"half")
    return chip


def test_the_signatures_are_good():
    for given in (OLD, NEW):
        update = Updater(ROOT, "a", 3, PUBLIC, p256.verify_steps)
        mount(new_flash())
        update.begin(given[0])
        unmount()


def test_cut_at_every_operation():
    cuts = cut_at_every_operation(shop, live)
    assert cuts > 30
    print("update: %d cuts" % cuts)
