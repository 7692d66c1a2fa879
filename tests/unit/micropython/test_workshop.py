"""The technician's cable on a terminal that has stopped: commands are answered, and nobody is thrown out at work."""

import asyncio

from firmware import main

main.load()

from firmware import loader, stopping, workshop  # noqa: E402
from firmware.ledger import document_area  # noqa: E402
from firmware.provisioning import open_documents  # noqa: E402
from hardware.nor_flash import NorFlash  # noqa: E402
from tests.support.mp_cable import Laptop  # noqa: E402
from tests.support.mp_release import PUBLIC, ROOT, bundle, mount, new_flash, put, unmount  # noqa: E402
from tests.support.mp_shop import Shop, empty_flash  # noqa: E402
from tests.support.mp_terminal import FLASH_BYTES  # noqa: E402
from tools.virtual_board import VirtualBoard  # noqa: E402

HEAP = "24m"
TIMEOUT_S = 120
OF_BOOKS = ("carry-out", "renew", "flash")


def stopped(story, code=302, flash=None):
    """A terminal that shows `code`, with a laptop at its cable."""
    shop = Shop(empty_flash() if flash is None else flash)
    shop.running = (ROOT, "a")
    mount(new_flash())
    put("a/firmware/main.mpy", b"old")

    async def whole(shop):
        laptop = Laptop(shop.board.technician_uart, shop.time)
        await shop.see_stopped(code)
        await story(shop, laptop)

    shop.open(whole)
    unmount()


def test_a_terminal_without_documents_answers_at_the_cable():
    async def story(shop, laptop):
        assert "release-begin" in (await laptop.ask("help"))[-1]
        assert (await laptop.ask("nonsense"))[-1][:7] == "ERROR 1"

    stopped(story)


def test_the_restart_waits_while_somebody_works_and_comes_when_nobody_does():
    async def story(shop, laptop):
        for _ in range(20):
            await asyncio.sleep_ms(workshop.AT_WORK_MS - 10_000)
            await laptop.ask("help")
        assert shop.restarts == [], "at work for 37 minutes"
        await asyncio.sleep_ms(workshop.AT_WORK_MS - 5000)
        assert shop.restarts == []
        await asyncio.sleep_ms(10_000)
        assert shop.restarts == [302]

    stopped(story)


def test_who_looks_in_early_does_not_shorten_the_time_that_the_code_is_shown():
    async def story(shop, laptop):
        await laptop.ask("help")
        await asyncio.sleep_ms(stopping.STOPPED_AGAIN_MS - 20_000)
        assert shop.restarts == []

    stopped(story)


def test_a_command_that_is_being_carried_out_is_work_too():
    async def story(shop, laptop):
        async def long(console, _words):
            await shop.time.sleep_ms(stopping.STOPPED_AGAIN_MS + 60_000)
            return []

        shop.app.console.add({"long": long})
        await laptop.type("long")
        await asyncio.sleep_ms(stopping.STOPPED_AGAIN_MS + 30_000)
        assert shop.restarts == []
        assert await laptop.answer(60_000) == ["OK"]

    stopped(story)


def test_after_a_crash_the_cable_is_served_without_the_books_and_the_watchdog_is_fed():
    shop = Shop()

    async def story(shop):
        laptop = Laptop(shop.board.technician_uart, shop.time)
        await shop.begin()
        told = (await laptop.ask("help"))[-1]
        assert all(name in told for name in OF_BOOKS)

        def fail():
            raise RuntimeError

        shop.app.keypad.scan = fail
        await shop.until(lambda: shop.app.stopped_code == 103, "code 103")
        for _ in range(3):
            told = (await laptop.ask("help"))[-1]
            assert not any(name in told for name in OF_BOOKS), told
            await asyncio.sleep_ms(workshop.AT_WORK_MS - 5000)
            assert shop.restarts == []
        await shop.until(lambda: shop.restarts == [103], "restart")
        assert not shop.board.watchdogs[0].expired()

    shop.open(story)


def test_a_release_reaches_a_terminal_whose_documents_stop_it():
    flash = NorFlash(FLASH_BYTES)
    areas = VirtualBoard(flash=flash).board.flash
    open_documents(areas).save(
        {
            document_area.AUTHORITY_KEY: PUBLIC,
            document_area.CHAIN_START: bytes(32),
            document_area.POLICY: b"?",
        }
    )
    head, octets = bundle(5, {"firmware/main.mpy": b"new"})

    async def story(shop, laptop):
        assert "next=0" in (await laptop.give("release-begin", head))[-1]
        assert "next=%d" % len(octets) in (await laptop.give("release-piece 0", octets))[-1]
        assert "release=5" in (await laptop.ask("release-end"))[-1]
        await asyncio.sleep_ms(2000)
        assert shop.restarts == [0]
        assert loader.read_state(ROOT) == ("b", loader.STARTS_ON_TRIAL)

    stopped(story, 304, flash)


def test_without_the_authoritys_key_a_release_is_refused_in_words():
    async def story(shop, laptop):
        head, _ = bundle(5, {"firmware/main.mpy": b"new"})
        assert "no authority key" in (await laptop.give("release-begin", head))[-1]

    stopped(story)


def test_a_console_that_dies_takes_nothing_along():
    async def story(shop, laptop):
        async def exhaust(_console, _words):
            raise MemoryError

        shop.app.console.add({"exhaust": exhaust})
        await laptop.type("exhaust")
        await asyncio.sleep_ms(stopping.STOPPED_AGAIN_MS + workshop.AT_WORK_MS)
        assert shop.restarts == [302]

    stopped(story)
