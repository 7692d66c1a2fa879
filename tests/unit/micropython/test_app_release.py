"""The whole terminal started from a slot: it tells its release, takes one by cable, and proves the one that runs."""

from firmware import loader
from firmware.console.releases import PROVED_AFTER_MS
from tests.support.mp_release import ROOT, mount, new_flash, put, unmount
from tests.support.mp_shop import Shop

TIMEOUT_S = 120


def test_a_terminal_that_runs_well_ends_its_release_s_trial():
    shop = Shop()
    shop.running = (ROOT, "b")
    mount(new_flash())
    put("b/firmware/main.mpy", b"new")
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

    shop.open(story)
    assert loader.read_state(ROOT) == ("b", -1)
    unmount()


def test_a_terminal_that_was_not_started_from_a_slot_takes_no_release():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        assert "release" not in shop.app.console._commands

    shop.open(story)
