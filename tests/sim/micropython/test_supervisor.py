"""Whatever dies, hangs or runs out in a running terminal ends in a crash record, a code on the screen and a restart."""

import asyncio

from firmware import main

main.load()

from firmware import app as app_module  # noqa: E402
from firmware import provisioning, supervisor  # noqa: E402
from firmware.hal.flash_area import FlashError  # noqa: E402
from firmware.ledger import document_area  # noqa: E402
from hardware.pn532_faults import NoFaults  # noqa: E402
from tests.support.mp import share  # noqa: E402
from tests.support.mp_shop import Shop  # noqa: E402
from tests.support.mp_terminal import copy_of, provisioned_flash  # noqa: E402
from tools.virtual_board import VirtualBoard  # noqa: E402

HEAP = "8m"
TIMEOUT_S = 240
TASKS = (
    app_module.TASK_RELAY,
    app_module.TASK_UPKEEP,
    app_module.TASK_KEYPAD,
    app_module.TASK_SIGNALS,
    app_module.TASK_FLOW,
    app_module.TASK_CONSOLE,
)  # the modem's tasks: test_modem_in_shop.py
UNFREE = 1 << 30  # clock pulses after which a chip lets go of the bus: never


def crash_of(shop):
    """(code, uptime in seconds, detail) in the journal."""
    return supervisor.decode_crash(shop.app.ledger.last_crash)


def replace(shop, name, work):
    """Let `work(check_in)` run in the place of an essential task."""
    app = shop.app
    if name == "relay":
        app._run_relay = work
    elif name == "flow":
        app._run_flow = work
    elif name in ("upkeep", "console"):
        assemble = app.assemble

        def assemble_and_replace():
            assemble()
            app.keys.ready.set()
            getattr(app, name).run = work

        app.assemble = assemble_and_replace
    else:
        getattr(app, name).run = work


def ends_with(name, work, code, after_ms=100):
    """Whatever becomes of that task: record, code, restart; and a terminal that starts again and knows."""
    shop = Shop()
    shop.prepare = lambda shop: replace(shop, name, work)

    async def story(shop):
        await shop.until(lambda: shop.app.terminal is not None, "start")
        await asyncio.sleep_ms(after_ms)
        await shop.see_stopped(code)
        await shop.until(lambda: shop.restarts == [code], "restart %d" % code)
        assert not shop.board.watchdogs[0].expired()

    shop.open(story)
    told, uptime_s, detail = crash_of(shop)
    assert told == code and uptime_s < 100, (name, told, uptime_s)
    shop.prepare = lambda shop: None

    async def again(shop):
        await shop.see("last_transaction")
        assert crash_of(shop)[0] == code

    shop.open(again)
    return detail


def test_each_essential_task_that_ends_is_a_crash():
    async def ending(_check_in):
        await asyncio.sleep_ms(1500)

    for name, number, _ in share(TASKS):
        assert ends_with(name, ending, supervisor.TASK_ENDED + number) == b"ended", name


def test_each_essential_task_that_falls_silent_is_a_crash():
    async def hanging(_check_in):
        await asyncio.Event().wait()

    for task in share(TASKS):
        name, number, limit_ms = shortened(task)
        assert ends_with(name, hanging, supervisor.TASK_SILENT + number, limit_ms) == b"silent", name
    app_module.TASK_FLOW = TASKS[4]


def shortened(task):
    """The conversation with less patience, so that the test ends soon."""
    if task is TASKS[4]:
        app_module.TASK_FLOW = task = (task[0], task[1], 20_000)
    return task


def test_a_conversation_that_looks_for_keys_is_alive_however_long_nobody_comes():
    shortened(TASKS[4])
    shop = Shop()

    async def story(shop):
        await shop.begin()
        await asyncio.sleep_ms(60_000)
        await shop.cash("programme", "50*")
        assert shop.shown == "granted"
        await shop.hand_over()
        await asyncio.sleep_ms(60_000)

    try:
        shop.open(story)
    finally:
        app_module.TASK_FLOW = TASKS[4]
    assert shop.restarts == [] and shop.app.supervisor._tasks[4].limit_ms == 20_000


def test_flash_and_heap_that_fail_in_any_essential_task_are_kept_by_type_and_place():
    for name, number, _ in share(TASKS):
        for error in (FlashError("journal", 0x1000, "read failed"), MemoryError("memory allocation failed")):

            async def failing(_check_in, error=error):
                await asyncio.sleep_ms(100)
                raise error

            detail = ends_with(name, failing, supervisor.TASK_ENDED + number)
            assert detail.startswith(type(error).__name__.encode() + b" "), (name, detail)
            assert b"memory allocation" not in detail and b"read failed" not in detail


class Leak:
    """Takes the heap, down to a few octets, and holds it."""

    def __init__(self):
        self.held = None

    def grow(self):
        size = 1 << 16
        while size >= 16:
            try:
                while True:
                    self.held = [self.held, bytearray(size)]
            except MemoryError:
                size //= 2

    def release(self):
        """Link by link: a stale pointer on the stack, which the collector takes for one, keeps one of them and not all."""
        while self.held is not None:
            link = self.held
            self.held = link[0]
            link[0] = link[1] = None


def test_a_heap_that_is_really_exhausted_ends_with_record_code_and_restart():
    shop = Shop()
    shop.code = None  # has its place before the heap is gone
    leak = Leak()

    async def exhausting(_check_in):
        await asyncio.sleep_ms(100)
        leak.grow()
        raise MemoryError

    async def story(shop):
        await shop.until(lambda: shop.app.terminal is not None, "start")
        await asyncio.sleep_ms(5_000)
        shop.code = shop.app.stopping.crash_code
        leak.release()  # now the test needs room of its own, to look
        await shop.see_stopped(104)
        await shop.until(lambda: shop.restarts == [104], "restart")

    shop.prepare = lambda shop: replace(shop, "signals", exhausting)
    try:
        shop.open(story)
    finally:
        leak.release()
    assert shop.code == 104
    code, _, detail = crash_of(shop)
    assert code == 104 and detail.startswith(b"MemoryError"), (code, detail)


def test_a_bus_that_is_held_for_a_moment_is_freed_and_nothing_ends():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        for pulses in (1, 5, 9):
            shop.board.i2c.hold_sda(pulses)
            await asyncio.sleep_ms(30_000)
        await shop.cash("programme", "50*")
        assert shop.shown == "granted"

    shop.open(story)
    assert shop.restarts == []


def test_a_bus_that_stays_held_ends_with_code_and_restart_and_a_free_one_starts_again():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        await asyncio.sleep_ms(20_000)
        shop.board.i2c.hold_sda(UNFREE)
        await shop.see_stopped(103)
        await shop.until(lambda: shop.restarts == [103], "restart")

    shop.open(story)
    code, uptime_s, detail = crash_of(shop)
    assert code == 103 and uptime_s >= 20 and detail.startswith(b"BusError "), (code, uptime_s, detail)

    async def again(shop):
        await shop.begin()

    shop.open(again)


def test_a_display_whose_bus_is_stuck_ends_with_record_and_restart_though_nobody_can_read_the_code():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        await asyncio.sleep_ms(20_000)
        shop.board.spi.fail_next(1 << 30)
        shop.board.keypad.press("M")
        await shop.until(lambda: shop.restarts == [105], "restart")
        assert shop.app.stopped_code == 105
        assert not shop.board.watchdogs[0].expired()

    shop.open(story)
    code, uptime_s, detail = crash_of(shop)
    assert code == 105 and uptime_s >= 20 and detail.startswith(b"DisplayError "), (code, uptime_s, detail)

    async def again(shop):
        await shop.begin()

    shop.open(again)


def test_a_heap_that_is_exhausted_in_work_that_forgives_everything_else_is_a_crash_too():
    shop = Shop(with_settings(b"broker_host=broker.example\n"))

    def exhausted():
        raise MemoryError

    def prepare(shop):
        assemble = shop.app.assemble

        def assemble_and_break():
            assemble()
            shop.app.links._tcp_link = exhausted

        shop.app.assemble = assemble_and_break

    shop.prepare = prepare

    async def story(shop):
        await shop.see_stopped(101)
        await shop.until(lambda: shop.restarts == [101], "restart")

    shop.open(story)
    assert crash_of(shop)[2].startswith(b"MemoryError ")


def with_settings(octets):
    """The world's flash with other settings."""
    flash = copy_of(provisioned_flash())
    areas = VirtualBoard(flash=flash).board.flash
    provisioning.open_documents(areas).save({document_area.SETTINGS: octets})
    return flash


def test_a_crash_that_flash_cannot_keep_is_shown_and_restarted_from_all_the_same():
    shop = Shop()

    def fail(*_):
        raise OSError(5)

    async def story(shop):
        await shop.begin()
        shop.board.board.flash["journal"]._partition.writeblocks = fail

        def break_scan():
            raise RuntimeError

        shop.app.keypad.scan = break_scan
        await shop.see_stopped(103)
        await shop.until(lambda: shop.restarts == [103], "restart")

    shop.open(story)


def test_a_crash_is_kept_where_the_journal_is_full_for_records():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        journal = shop.app.ledger.journal
        room = journal.free_sectors
        journal.free_sectors = lambda: min(room(), journal._marks_sectors - 1)

        def break_scan():
            raise RuntimeError

        shop.app.keypad.scan = break_scan
        await shop.see_stopped(103)
        await shop.until(lambda: shop.restarts == [103], "restart")

    shop.open(story)
    assert crash_of(shop)[0] == 103


class DeafOnce(NoFaults):
    """A reader that hears nothing until it is reset."""

    def __init__(self):
        super().__init__()
        self.is_deaf = True

    def goes_deaf(self, _command_count):
        was, self.is_deaf = self.is_deaf, False
        return was


def test_a_deaf_reader_heals_by_its_reset_line_within_a_sale_and_nothing_ends():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        for name in ("programme", "bank", "one"):
            shop.board.pn532.faults = DeafOnce()
            await shop.cash(name, "50*")
            if shop.shown == "refused":  # the card was not seen this time: it is laid on once more
                await shop.see("refused")
                await shop.press("E")
                await shop.see("idle")
                shop.board.remove_card()
                await shop.cash(name, "50*")
            assert shop.shown == "granted", name
            assert not shop.board.pn532.faults.is_deaf
            await shop.hand_over()

    shop.open(story)
    assert shop.restarts == []
