"""The whole terminal started from a slot: it tells its release, takes one by cable or over MQTT, proves the one that runs, and
falls back from one that does not start.
"""

import asyncio
import hashlib

from firmware import main

main.load()

from firmware import links, loader, stopping  # noqa: E402
from firmware.console.releases import PROVED_AFTER_MS  # noqa: E402
from firmware.crypto import self_test  # noqa: E402
from firmware.relay import kept_fetch, release_fetch  # noqa: E402
from protocol import frame, offer, status  # noqa: E402
from protocol.offer import Offer  # noqa: E402
from tests.support.mp_broker import Keeper, PlayedLink  # noqa: E402
from tests.support.mp_release import PUBLIC, ROOT, bundle, get, mount, new_flash, put, unmount  # noqa: E402
from tests.support.mp_shop import Shop  # noqa: E402

TIMEOUT_S = 120


def test_a_terminal_that_runs_well_ends_its_release_s_trial_and_tells_the_gateway_what_it_runs():
    """STA-02."""
    shop = Shop()
    shop.running = (ROOT, "b")
    mount(new_flash())
    put("b/firmware/main.mpy", b"new")
    put("b/release.head", HEAD)
    loader.write_state(ROOT, "b", 2)

    async def story(shop):
        await shop.begin()
        commands = shop.app.console._commands
        assert dict(await commands["release"](None, []))["trial"] == 2
        assert {"release-begin", "release-piece", "release-end"} <= set(commands)
        await shop.cash("programme", "50*")
        await shop.hand_over()
        await shop.time.sleep_ms(PROVED_AFTER_MS)
        assert shop.restarts == []
        report = await shop.app.relay.frames.report(lambda: None)
        opened = frame.open_counter(report, shop.app.keys.uplink())[1]
        assert status.decode(opened).release == 5

    shop.open(story)
    assert loader.read_state(ROOT) == ("b", -1)
    unmount()


def test_a_terminal_that_was_not_started_from_a_slot_takes_no_release():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        assert "release" not in shop.app.console._commands

    shop.open(story)


# Shorter than in the field: a whole terminal lives through them.
kept_fetch.FIRST_LOOK_MS = 20_000
release_fetch.STILL_MS = 60_000
FILES = {"firmware/main.mpy": b"new" * 900, "firmware/app.mpy": bytes(range(256)) * 30}
HEAD, OCTETS = bundle(5, FILES)
WHOLE = HEAD + OCTETS
DIGEST = hashlib.sha256(HEAD).digest()


def on_air():
    """A shop that runs from slot a, at a broker that keeps release 5."""
    offered = Offer(5, len(WHOLE), len(HEAD), DIGEST, offer.SHARE_MAX, ())
    keeper = Keeper({offer.offer_topic(): offer.encode(offered)})
    for offset in range(0, len(WHOLE), offer.PIECE_OCTETS):
        keeper.kept[offer.piece_topic(DIGEST, offset)] = WHOLE[offset : offset + offer.PIECE_OCTETS]
    shop = Shop()
    shop.running = (ROOT, "a")
    mount(new_flash())
    put("a/firmware/main.mpy", b"old")
    return shop, keeper


async def connect(shop, keeper, way=links.WLAN):
    """The terminal finds the broker over that way."""
    app = shop.app
    app.workshop.releases.updater._release_key = PUBLIC
    # Of new rosters, tests of their own tell.
    app.relay.mqtt.fetches = [app.workshop.releases.fetch]
    app.relay.mqtt.make_link = lambda: PlayedLink(keeper.answer)
    app.links.way = way
    app.settings["broker_host"] = "played"
    await shop.until(lambda: app.relay.state == "up", "a session")


def seal_all(shop):
    """As if the gateway had acknowledged every record."""
    shop.app.ledger.marks.sealed_through = shop.app.ledger.journal.sequence


def test_a_release_from_the_air_waits_for_sales_and_seals_and_then_for_quiet():
    """REL-08."""
    shop, keeper = on_air()

    async def story(shop):
        await shop.begin()
        await connect(shop, keeper)
        updater = shop.app.workshop.releases.updater
        written = []
        write = updater.write

        def watched(offset, octets):
            written.append(shop.shown)
            write(offset, octets)

        updater.write = watched
        # The operator is about to serve when the first look is due.
        await shop.press("E")
        await shop.see("choose")
        await asyncio.sleep_ms(kept_fetch.FIRST_LOOK_MS + 10_000)
        assert keeper.asked == []
        assert shop.app.workshop.releases.fetch.waits == release_fetch.SERVED
        await shop.press("X")
        await shop.see("idle")
        await shop.cash("programme", "50*")
        await shop.hand_over()
        await asyncio.sleep_ms(10_000)
        assert updater.is_complete
        assert written and not [screen for screen in written if screen not in ("idle", "last_transaction")]
        told = dict(await shop.app.console._commands["release"](None, []))
        assert (told["offered"], told["taking"], told["of"]) == (5, 5, len(OCTETS))
        # Nobody comes, but the gateway does not have the sale yet.
        await asyncio.sleep_ms(2 * release_fetch.STILL_MS)
        assert shop.app.workshop.releases.fetch.waits == release_fetch.QUIET
        assert loader.read_state(ROOT) == ("a", -1)
        await shop.cash("bank", "25*")
        assert shop.shown == "granted"
        await shop.hand_over()
        seal_all(shop)
        await asyncio.sleep_ms(release_fetch.STILL_MS - 10_000)
        assert shop.restarts == []
        await asyncio.sleep_ms(20_000)
        assert shop.restarts == [0]
        assert loader.read_state(ROOT) == ("b", loader.STARTS_ON_TRIAL)
        assert get("b/firmware/app.mpy") == FILES["firmware/app.mpy"]

    shop.open(story)
    unmount()


def test_over_a_modem_a_release_comes_only_where_a_setting_allows_it():
    for allowed in ("0", "1"):
        shop, keeper = on_air()

        async def story(shop, allowed=allowed, keeper=keeper):
            await shop.begin()
            shop.app.settings["release_by_modem"] = allowed
            await connect(shop, keeper, links.MODEM)
            await asyncio.sleep_ms(kept_fetch.FIRST_LOOK_MS + 10_000)
            assert bool(keeper.asked) == (allowed == "1")
            assert shop.app.workshop.releases.updater.is_complete == (allowed == "1")
            waits = shop.app.workshop.releases.fetch.waits
            assert waits == (release_fetch.WAY if allowed == "0" else release_fetch.QUIET)

        shop.open(story)
        unmount()


def test_a_terminal_in_trouble_takes_no_release_and_says_what_it_waits_for():
    shop, keeper = on_air()

    async def story(shop):
        await shop.begin()
        ledger = shop.app.ledger
        fetch = shop.app.workshop.releases.fetch
        await connect(shop, keeper)
        free_sectors = ledger.journal.free_sectors
        ledger.journal.free_sectors = lambda: release_fetch.FREE_SECTORS_MIN - 1
        await asyncio.sleep_ms(kept_fetch.FIRST_LOOK_MS + 10_000)
        assert fetch.waits == release_fetch.JOURNAL
        ledger.journal.free_sectors = free_sectors
        ledger.findings.journal.missing.append((1, 1, 0))
        await asyncio.sleep_ms(10_000)
        assert fetch.waits == release_fetch.FINDINGS
        assert keeper.asked == []
        ledger.findings.journal.missing.pop()
        await asyncio.sleep_ms(20_000)
        assert keeper.asked

    shop.open(story)
    unmount()


def test_a_release_whose_self_test_fails_is_left_after_its_starts_on_trial():
    mount(new_flash())
    put("a/firmware/main.mpy", b"old")
    put("b/firmware/main.mpy", b"new")
    put("b/release.head", HEAD)
    loader.write_state(ROOT, "b", loader.STARTS_ON_TRIAL)
    flash = None
    good_run = self_test.run

    def fails():
        raise self_test.SelfTestFailed("sha256")

    async def stops(shop):
        await shop.see_stopped(301)
        # Not ten minutes as with a terminal that nothing else can help.
        await asyncio.sleep_ms(2 * stopping.STOPPED_MS)
        assert shop.restarts == [301]

    async def starts(shop):
        await shop.begin()
        assert shop.app.workshop.releases.updater.has_failed(HEAD)

    slots = []
    self_test.run = fails
    try:
        while loader.choose(ROOT) == "b":
            slots.append("b")
            shop = Shop(flash)
            shop.running = (ROOT, "b")
            shop.open(stops)
            flash = shop.flash
    finally:
        self_test.run = good_run
    assert len(slots) == loader.STARTS_ON_TRIAL
    shop = Shop(flash)
    shop.running = (ROOT, "a")
    shop.open(starts)
    assert loader.read_state(ROOT) == ("a", -1)
    unmount()
