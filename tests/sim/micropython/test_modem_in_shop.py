"""The modem as part of a running terminal: brought up by its key, healed by its lines, and never the shop's trouble."""

import asyncio

from firmware import main

main.load()

from firmware import app as app_module  # noqa: E402
from firmware import provisioning, supervisor  # noqa: E402
from firmware.drivers.modem import modem as driver  # noqa: E402
from firmware.ledger import document_area  # noqa: E402
from hardware import modem_dialects, modem_faults, modem_internet, modem_network  # noqa: E402
from hardware.modem import Modem  # noqa: E402
from tests.support.mp_shop import Shop  # noqa: E402
from tests.support.mp_terminal import copy_of, provisioned_flash  # noqa: E402
from tools.virtual_board import VirtualBoard  # noqa: E402

HEAP = "16m"
TIMEOUT_S = 240
NUMBER = b"+628111"
GATEWAY = b"+628222"
SETTINGS = b"modem=1\napn=internet\ngateway_number=+628222\nbroker_host=broker.example\nusername=x\n"
READY_MS = 90_000


def modem_shop(faults=None, settings=SETTINGS, **radio):
    """A shop whose terminal has a modem; `radio`: what is special about SIM and network."""
    flash = copy_of(provisioned_flash())
    areas = VirtualBoard(flash=flash).board.flash
    provisioning.open_documents(areas).save({document_area.SETTINGS: settings})
    shop = Shop(flash)

    def fittings(models):
        shop.network = modem_network.GsmNetwork(models)
        shop.internet = modem_internet.PipeInternet()
        dialect = modem_dialects.SIM7600
        shop.modem = Modem(models, dialect, shop.network, NUMBER, shop.internet, faults)
        for name in radio:
            setattr(shop.modem.radio, name, radio[name])
        return {"modem": shop.modem}

    shop.fittings = fittings
    return shop


def driver_of(shop):
    return shop.app.links.modem


async def ready(shop, limit_ms=READY_MS):
    """Until the terminal's own driver says that the modem serves."""
    for _ in range(limit_ms // 100):
        if shop.app.terminal is not None and driver_of(shop).state == driver.READY:
            return
        await asyncio.sleep_ms(100)
    raise AssertionError("%s, %r" % (driver_of(shop).state, driver_of(shop).last_error))


async def one_sale(shop, name="programme"):
    await shop.cash(name, "10*")
    assert shop.shown == "granted"
    await shop.hand_over()


def test_it_is_switched_on_by_its_key_and_its_line_never_blocks_or_overflows():
    shop = modem_shop()

    async def story(shop):
        await shop.begin()
        await ready(shop)
        assert shop.modem.boots == 1 and driver_of(shop).counters.switched_on == 1
        await one_sale(shop)
        uart = shop.board.modem_uart
        assert uart.blocked_us == 0 and uart.lost_octets == 0
        assert not shop.board.watchdogs[0].expired()

    shop.open(story)
    assert shop.restarts == []


def test_a_session_with_the_broker_goes_through_it():
    shop = modem_shop()

    async def story(shop):
        await shop.begin()
        await ready(shop)
        await shop.until(lambda: shop.internet.pipes and len(shop.internet.pipes[-1].sent) > 20, "CONNECT")
        pipe = shop.internet.pipes[-1]
        assert pipe.place == ("broker.example", 1883)
        assert bytes(pipe.sent)[0] == 0x10 and b"MQTT" in bytes(pipe.sent)
        pipe.push(b"\x20\x02\x00\x00")  # CONNACK
        await shop.until(lambda: bytes(pipe.sent).find(b"lumbung/1/down/") > 0, "SUBSCRIBE")

    shop.open(story)
    assert shop.restarts == []


def test_where_wlan_is_out_of_reach_the_modem_carries_the_session_and_wlan_is_tried_again():
    shop = modem_shop(settings=SETTINGS + b"wifi_ssid=Warung\n")
    shop.prepare = lambda shop: setattr(shop.board.network, "in_reach", False)

    async def story(shop):
        await shop.begin()
        await ready(shop)
        await shop.until(lambda: shop.internet.pipes, "a connection over the modem")
        pipe = shop.internet.pipes[-1]
        assert shop.app.links.ways == ("WLAN", "modem") and shop.app.links.way == "modem"
        await shop.until(lambda: len(pipe.sent) > 20, "CONNECT")
        pipe.push(b"\x20\x02\x00\x00")
        await shop.until(lambda: shop.app.relay.sessions == 1, "a session")
        pipe.hang_up()
        ways = []
        for _ in range(300):  # the pauses between two tries grow
            await asyncio.sleep_ms(1000)
            if not ways or ways[-1] != shop.app.links.way:
                ways.append(shop.app.links.way)
        assert "WLAN" in ways and "modem" in ways[ways.index("WLAN") :], ways
        assert len(shop.internet.pipes) >= 2

    shop.open(story)
    assert shop.restarts == []


def test_a_modem_that_hangs_is_healed_by_its_reset_line():
    shop = modem_shop(modem_faults.FaultPlan(commands={40: modem_faults.HANG}))

    async def story(shop):
        await shop.begin()
        await ready(shop)
        await shop.until(lambda: shop.modem._hangs, "it hangs")
        await one_sale(shop)
        await shop.until(lambda: driver_of(shop).counters.resets == 1, "reset")
        await ready(shop)
        assert shop.modem.boots == 2 and driver_of(shop).counters.power_cycles == 0

    shop.open(story)
    assert shop.restarts == []


def dead(shop):
    """Neither key nor reset line brings it to life."""
    shop.modem.press_power_key = lambda pressed: None


def test_a_modem_that_is_dead_or_has_no_sim_or_no_network_ends_nothing():
    for radio, prepare, state in (
        ({}, dead, driver.FAILED),
        ({"has_sim": False}, None, driver.NO_SIM),
        ({"sim_pin": True}, None, driver.SIM_LOCKED),
        ({"in_reach": False}, None, driver.SEARCHING),
    ):
        shop = modem_shop(**radio)
        if prepare:
            shop.prepare = prepare

        async def story(shop, state=state):
            await shop.begin()
            await shop.until(lambda: driver_of(shop).state == state, state)
            for _ in range(2):
                await asyncio.sleep_ms(60_000)
                assert not shop.board.watchdogs[0].expired()
            await one_sale(shop)

        shop.open(story)
        assert shop.restarts == [], state


def test_an_expander_that_does_not_take_the_modems_lines_ends_nothing_of_the_modem():
    shop = modem_shop()

    async def story(shop):
        await shop.until(lambda: shop.app.terminal is not None, "start")
        await asyncio.sleep_ms(4000)  # its key is about to be pressed
        shop.board.i2c.hold_sda(1 << 30)
        await shop.until(lambda: driver_of(shop).counters.line_failures > 0, "a line that fails")
        shop.board.i2c.hold_sda(0)
        await ready(shop)

    shop.open(story)
    assert shop.restarts == []


def test_a_task_of_the_modem_that_ends_or_falls_silent_is_a_crash():
    async def ending(_check_in):
        await asyncio.sleep_ms(500)

    async def hanging(_check_in):
        await asyncio.Event().wait()

    for task in (app_module.TASK_MODEM, app_module.TASK_SMS):
        for work, base in ((ending, supervisor.TASK_ENDED), (hanging, supervisor.TASK_SILENT)):
            is_a_crash(task, work, base + task[1])


def is_a_crash(task, work, code):
    """Whatever becomes of that task: record, code, restart."""
    name, _, limit_ms = task
    shop = modem_shop()

    def prepare(shop):
        assemble = shop.app.assemble

        def assemble_and_replace():
            assemble()
            if name == "modem":
                driver_of(shop).run = work
            else:
                shop.app._run_sms = work

        shop.app.assemble = assemble_and_replace

    shop.prepare = prepare

    async def story(shop):
        await shop.until(lambda: shop.app.terminal is not None, "start")
        await asyncio.sleep_ms(limit_ms)
        await shop.see_stopped(code)
        await shop.until(lambda: shop.restarts == [code], "restart %d" % code)

    shop.open(story)
    assert supervisor.decode_crash(shop.app.ledger.last_crash)[0] == code, name


def test_a_line_of_the_modem_that_is_stuck_ends_nothing_and_heals():
    shop = modem_shop()

    async def story(shop):
        await shop.begin()
        await ready(shop)
        uart = shop.board.modem_uart
        uart.txdone = lambda: False
        await shop.until(lambda: driver_of(shop).state == driver.FAILED, "failure")
        await one_sale(shop)
        await shop.until(lambda: driver_of(shop).counters.resets > 0, "a reset")
        assert not shop.board.watchdogs[0].expired()
        del uart.txdone
        await ready(shop, 300_000)

    shop.open(story)
    assert shop.restarts == []


def test_a_line_that_breaks_the_driver_is_a_crash():
    shop = modem_shop()

    def fail(*_):
        raise OSError(5)

    async def story(shop):
        await shop.begin()
        await ready(shop)
        shop.board.modem_uart.read = fail
        await shop.see_stopped(106)
        await shop.until(lambda: shop.restarts == [106], "restart")

    shop.open(story)
    code, _, detail = supervisor.decode_crash(shop.app.ledger.last_crash)
    assert code == 106 and detail.startswith(b"OSError "), (code, detail)


def test_a_heap_that_is_exhausted_by_a_message_is_a_crash_and_the_message_comes_again():
    shop = modem_shop()

    async def exhausted(_octets):
        raise MemoryError

    async def story(shop):
        await shop.begin()
        await ready(shop)
        shop.app.relay.received = exhausted
        shop.network.inject(NUMBER, GATEWAY, b"\x02\xc1\x00")
        await shop.see_stopped(106)
        await shop.until(lambda: shop.restarts == [106], "restart")
        assert driver_of(shop).counters.deleted == 0

    shop.open(story)


def test_a_frame_in_a_message_reaches_the_books_and_what_is_none_is_only_counted():
    shop = modem_shop()

    async def story(shop):
        await shop.begin()
        await ready(shop)
        for content in (b"\xc1" + bytes(60), b"\x00"):
            shop.network.inject(NUMBER, GATEWAY, bytes((len(content),)) + content)
        shop.network.inject(NUMBER, b"+621", b"\x05" + b"Promo", dcs=0)
        await shop.until(lambda: driver_of(shop).counters.deleted == 3, "three messages deleted")
        assert shop.app.links.sms.frames == 2 and shop.app.links.sms.foreign == 1
        return dict(shop.app.downlink.counts)

    counts = shop.open(story)
    assert sum(counts.values()) == 2 and counts["applied"] == 0
    assert shop.restarts == []


def test_a_frame_that_flash_cannot_take_stays_in_the_modem():
    shop = modem_shop()

    async def story(shop):
        await shop.begin()
        await ready(shop)
        apply = shop.app.downlink.apply

        async def not_now(octets):
            return "JournalFull", False

        shop.app.downlink.apply = not_now
        shop.network.inject(NUMBER, GATEWAY, b"\x02\xc1\x00")
        await asyncio.sleep_ms(200_000)
        assert driver_of(shop).counters.hand_over_failures > 1 and driver_of(shop).counters.deleted == 0
        shop.app.downlink.apply = apply
        await asyncio.sleep_ms(100_000)
        assert driver_of(shop).counters.deleted == 1

    shop.open(story)


def test_without_a_modem_in_the_settings_nothing_touches_its_line():
    shop = modem_shop(settings=b"broker_host=broker.example\n")

    async def story(shop):
        await shop.begin()
        await asyncio.sleep_ms(60_000)
        assert shop.app.links.modem is None and not shop.modem.is_on and shop.modem.commands == []

    shop.open(story)
