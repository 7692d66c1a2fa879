"""The modem fails in every way that it knows, at every moment: the driver gets it back, and no message is lost by that."""

import asyncio

from firmware.drivers.modem import modem as driver
from firmware.drivers.modem.errors import ModemError, ModemRestarted, ModemSilent, SocketFailed
from hardware import modem_faults
from hardware.modem_faults import FaultPlan
from tests.support.mp import seed, share
from tests.unit.micropython.modem_bench import FAMILIES, NUMBER, Bench, counted

TIMEOUT_S = 110

# Commands from power-up to the first look into the store, and some of what follows.
COMMANDS = 20


async def works(bench, limit_ms=600000):
    """Messages pass in both directions, and a connection can be made."""
    bench.network.inject(NUMBER, b"+62822", counted(b"down"))
    await bench.until(lambda: b"down" in bench.got, limit_ms)
    for _ in range(5):
        try:
            await bench.send(b"up")
            break
        except ModemError:
            await bench.time.sleep_ms(10000)
    assert (b"+62822", b"up") in bench.network.submitted
    await bench.until(lambda: bench.modem.state == driver.READY, limit_ms)
    for _ in range(5):
        try:
            await bench.modem.sockets.open("broker", 1883)
            await bench.modem.sockets.send(b"hello")
            break
        except ModemError:
            await bench.time.sleep_ms(30000)
    assert bytes(bench.internet.pipes[-1].sent) == b"hello"


def test_any_command_may_go_wrong_in_any_way():
    async def scenario(bench):
        bench.start()
        await works(bench)
        assert bench.model.faults.happened == 1 or bench.model.faults._commands
        bench.model.faults.rest()

    faults = (modem_faults.SILENT, modem_faults.REFUSE, modem_faults.REBOOT, modem_faults.HANG)
    for fault, count in share([(fault, count) for fault in faults for count in range(1, COMMANDS + 1)]):
        family = FAMILIES[count % len(FAMILIES)]
        try:
            Bench(family, FaultPlan(1, commands={count: fault})).run(scenario)
        except AssertionError as failure:
            raise AssertionError("%s, %s at command %d: %s" % (family, fault, count, failure))


# The rungs of the ladder.


def test_a_single_silence_costs_a_resync():
    async def scenario(bench):
        await bench.ready()
        bench.model.faults._commands[bench.model._count + 1] = modem_faults.SILENT
        await bench.until(lambda: bench.modem.counters.resyncs == 1)
        await bench.until(lambda: bench.modem.state == driver.READY)
        await works(bench)
        assert bench.counts()["silent"] == 1
        assert bench.model.boots == 1
        assert "radio_cycles" not in bench.counts()

    Bench(faults=FaultPlan(1)).run(scenario)


def test_a_modem_that_hangs_is_reset_by_its_line():
    async def scenario(bench):
        await bench.ready()
        bench.model._hangs = True
        await bench.until(lambda: bench.modem.counters.resets == 1)
        await works(bench)
        assert bench.counts()["resyncs"] == 1
        assert bench.counts()["radio_cycles"] == 1
        assert "power_cycles" not in bench.counts()
        assert bench.model.boots == 2

    for family in FAMILIES:
        Bench(family).run(scenario)


def test_without_a_reset_line_the_power_key_does():
    async def scenario(bench):
        bench.modem._ladder._reset = None
        await bench.ready()
        bench.model._hangs = True
        await bench.until(lambda: bench.modem.counters.power_cycles == 1)
        await works(bench)
        assert "resets" not in bench.counts()

    for family in FAMILIES:
        Bench(family).run(scenario)


def test_without_any_line_it_goes_on_asking():
    async def scenario(bench):
        bench.model.start(0)
        await bench.ready()
        bench.model._hangs = True
        await bench.until(lambda: bench.modem.state == driver.FAILED)
        await bench.time.sleep_ms(600000)
        assert bench.modem.state == driver.FAILED
        assert isinstance(bench.modem.last_error, ModemSilent)
        bench.model._hangs = False
        await works(bench)

    Bench(lines=False).run(scenario)


def test_an_expander_that_does_not_answer_is_counted():
    async def scenario(bench):
        bench.start()
        await bench.until(lambda: bench.modem.counters.line_failures >= 2, 600000)
        bench.modem._ladder._power_key = bench.model.press_power_key
        await works(bench)

    def broken(_level):
        raise OSError(5)

    bench = Bench()
    bench.modem._ladder._power_key = broken
    bench.run(scenario)


def test_trouble_soon_after_trouble_climbs_higher():
    async def scenario(bench):
        await bench.ready()
        for rung, name in enumerate(("resyncs", "radio_cycles", "resets", "power_cycles")):
            bench.model.faults._commands[bench.model._count + 1] = modem_faults.SILENT
            await bench.until(lambda name=name: getattr(bench.modem.counters, name))
            await bench.until(lambda: bench.modem.state == driver.READY)
            total = sum(
                [
                    bench.counts().get(each, 0)
                    for each in ("resyncs", "radio_cycles", "resets", "power_cycles")
                ]
            )
            assert total == rung + 1
        await bench.time.sleep_ms(700000)
        bench.model.faults._commands[bench.model._count + 1] = modem_faults.SILENT
        await bench.until(lambda: bench.modem.counters.resyncs == 2)

    Bench(faults=FaultPlan(1)).run(scenario)


def test_a_modem_that_starts_anew_by_itself_is_noticed_and_set_up_again():
    async def scenario(bench):
        await bench.ready()
        await bench.modem.sockets.open("broker", 1883)
        receiving = asyncio.create_task(bench.modem.sockets.receive(1))
        bench.model.start(bench.time.models.now_us())
        try:
            await receiving
            raise AssertionError("the connection is gone")
        except (ModemRestarted, ModemSilent, SocketFailed):
            pass
        await works(bench)
        assert bench.model.boots == 2 or bench.family == "SIM800"

    for family in FAMILIES:
        bench = Bench(family)
        bench.family = family
        bench.run(scenario)


def test_a_quick_start_anew_betrays_itself_by_its_echo():
    """No boot line is heard, and the modem answers at once: only the echo tells that settings are gone."""

    async def scenario(bench):
        await bench.ready()
        bench.model._echo = True
        bench.model.messages.forget()
        await bench.until(lambda: bench.modem.counters.restarts == 1)
        await works(bench)
        assert bench.model.boots == 1

    Bench().run(scenario)


def test_a_modem_that_falls_into_text_mode_is_set_up_again():
    async def scenario(bench):
        await bench.ready()
        bench.model.messages._pdu_mode = False
        bench.network.inject(NUMBER, b"+62822", counted(b"down"))
        await bench.until(lambda: bench.got == [b"down"], 300000)

    for family in FAMILIES:
        Bench(family).run(scenario)


# The radio.


def test_a_stuck_radio_is_switched_off_and_on():
    async def scenario(bench):
        await bench.ready()
        bench.model.radio.is_stuck = True
        await bench.until(lambda: bench.modem.counters.radio_cycles == 1, 400000)
        await works(bench)
        assert bench.model.boots == 1

    Bench().run(scenario)


def test_in_a_blank_spot_the_modem_is_left_alone():
    async def scenario(bench):
        bench.model.radio.in_reach = False
        bench.start()
        for _ in range(3 * 60):
            await bench.time.sleep_ms(60000)
        assert bench.model.boots == 1
        assert bench.counts()["radio_cycles"] == 5
        bench.model.radio.in_reach = True
        await bench.until(lambda: bench.modem.state == driver.READY)

    bench = Bench()
    from firmware.drivers.modem import modem

    idle_ms, modem._IDLE_MS = modem._IDLE_MS, 900
    try:
        bench.run(scenario, 90000000)
    finally:
        modem._IDLE_MS = idle_ms


def test_messages_that_are_refused_again_and_again_cycle_the_radio():
    async def scenario(bench):
        await bench.ready()
        bench.network.refuse = 1000
        for _ in range(3):
            try:
                await bench.send(b"frame")
            except ModemError:
                pass
        await bench.until(lambda: bench.modem.counters.radio_cycles == 1)
        bench.network.refuse = 0
        await works(bench)

    Bench().run(scenario)


# Octets that get lost.


def test_lost_octets_never_make_wrong_data():
    """What is received is what was sent, up to a place; then the connection is over."""

    async def scenario(bench):
        plan = bench.model.faults
        await bench.ready()
        sockets = bench.modem.sockets
        octets = bytes([number * 7 % 256 for number in range(6000)])
        for _ in range(6):
            plan.rest()
            await bench.until(lambda: bench.modem.state == driver.READY, 600000)
            await sockets.open("broker", 1883)
            plan._lose_to_host = 150
            bench.internet.pipes[-1].push(octets)
            got = b""
            try:
                while len(got) < len(octets):
                    got += await sockets.receive(500)
            except ModemError:
                pass
            assert octets.startswith(got)
            plan.rest()
            await sockets.close()
        assert plan.happened > 3

    for family in FAMILIES:
        Bench(family, FaultPlan(seed() % 1000 + 1)).run(scenario)


def test_octets_lost_on_the_way_out_end_the_connection():
    """What the peer gets is what was sent, up to a place: behind it come fillers, and nothing of later commands."""

    async def scenario(bench):
        plan = bench.model.faults
        await bench.ready()
        sockets = bench.modem.sockets
        octets = b"0123456789abcdef" * 64
        ended = 0
        for _ in range(6):
            await bench.until(lambda: bench.modem.state == driver.READY, 600000)
            await sockets.open("broker", 1883)
            pipe = bench.internet.pipes[-1]
            plan._lose_to_modem = 3
            try:
                await sockets.send(octets)
                plan.rest()
                assert bytes(pipe.sent) == octets
            except ModemError:
                plan.rest()
                ended += 1
                assert b"AT" not in bytes(pipe.sent)
            await sockets.close()
            await bench.until(lambda pipe=pipe: pipe.closed, 300000)
        assert ended

    for family in FAMILIES:
        Bench(family, FaultPlan(seed() % 1000 + 1)).run(scenario)
