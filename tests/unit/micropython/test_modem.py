"""The modem driver against the modem model: start, messages both ways, connection, and one owner for all of it."""

import asyncio

from firmware.drivers.modem import modem as driver
from firmware.drivers.modem.errors import CommandRefused, NotRegistered, QueueFull, SocketFailed
from hardware import modem_faults
from hardware.modem_faults import FaultPlan
from tests.unit.micropython.modem_bench import FAMILIES, NUMBER, Bench, counted, submit


async def fails(error_type, work):
    """The error that awaiting `work` must raise."""
    try:
        await work
    except error_type as error:
        return error
    raise AssertionError("no %s" % error_type.__name__)


# Start.


def test_every_family_is_switched_on_and_recognised():
    for family in FAMILIES:

        async def scenario(bench):
            await bench.ready()
            assert bench.modem.dialect.name == bench.family
            assert bench.now_ms() < 30000
            assert bench.counts() == {"switched_on": 1}
            assert bench.model.boots == 1

        bench = Bench(family)
        bench.family = family
        bench.run(scenario)


def test_a_modem_that_runs_already_is_left_running():
    async def scenario(bench):
        bench.model.start(0)
        await bench.time.sleep_ms(15000)
        await bench.ready()
        assert bench.counts() == {}
        assert bench.model.boots == 1

    for family in FAMILIES:
        Bench(family).run(scenario)


def test_an_unknown_model_sends_messages_by_the_standard_and_has_no_sockets():
    async def scenario(bench):
        bench.model._handlers[b"+CGMM"] = bench.model.telling(b"SOMETHING 2000")
        await bench.ready()
        assert bench.modem.dialect.name == "unknown"
        await bench.send(b"frame")
        assert bench.network.submitted == [(b"+62822", b"frame")]
        await fails(SocketFailed, bench.modem.sockets.open("broker", 1883))

    Bench("EC25").run(scenario)


def test_states_tell_what_is_missing():
    async def scenario(bench):
        bench.start()
        radio = bench.model.radio
        radio.has_sim = False
        await bench.until(lambda: bench.modem.state == driver.NO_SIM)
        radio.has_sim = True
        radio.sim_pin = True
        await bench.until(lambda: bench.modem.state == driver.SIM_LOCKED)
        radio.sim_pin = False
        radio.in_reach = False
        await bench.until(lambda: bench.modem.state == driver.SEARCHING)
        radio.in_reach = True
        radio.is_denied = True
        await bench.until(lambda: bench.modem.state == driver.DENIED)
        await fails(SocketFailed, bench.modem.sockets.open("broker", 1883))
        radio.is_denied = False
        await bench.until(lambda: bench.modem.state == driver.READY)
        assert bench.model.boots == 1

    Bench().run(scenario)


def test_the_sim_is_never_asked_for_a_pin():
    async def scenario(bench):
        bench.model.radio.sim_pin = True
        bench.start()
        await bench.until(lambda: bench.modem.state == driver.SIM_LOCKED)
        await bench.time.sleep_ms(120000)
        assert bench.pins == []

    bench = Bench()
    bench.pins = []
    original = bench.model.radio._pin
    bench.model._handlers[b"+CPIN"] = lambda mode, argument: (
        bench.pins.append(argument) if mode == "=" else original(mode, argument)
    )
    bench.run(scenario)


def test_signal_and_time_are_told():
    async def scenario(bench):
        await bench.ready()
        assert bench.modem.service.signal == 18
        await bench.until(lambda: bench.heard)
        told = bench.heard[0] - (1794645040 + bench.now_ms() // 1000)
        assert -2 <= told <= 0

    Bench().run(scenario)


def test_a_clock_that_was_never_set_is_not_told():
    async def scenario(bench):
        bench.model.radio.knows_time = False
        await bench.ready()
        await bench.time.sleep_ms(120000)
        assert bench.heard == []

    Bench().run(scenario)


# Messages out.


def test_a_message_goes_out_and_has_a_reference():
    async def scenario(bench):
        await bench.ready()
        frame = bytes(range(140))
        assert await bench.send(frame) == 1
        assert await bench.send(b"\x1a\x1b") == 2
        assert bench.network.submitted == [(b"+62822", frame), (b"+62822", b"\x1a\x1b")]
        assert bench.counts()["sent"] == 2

    for family in FAMILIES:
        Bench(family).run(scenario)


def test_a_refused_message_is_told_by_number():
    async def scenario(bench):
        await bench.ready()
        bench.network.refuse = 1000
        error = await fails(CommandRefused, bench.send(b"frame"))
        assert (error.command, error.result, error.code) == ("AT+CMGS", "+CMS ERROR", 500)
        bench.network.refuse = 0
        await bench.send(b"frame")
        assert bench.counts()["not_sent"] == 1

    Bench().run(scenario)


def test_without_a_network_a_message_waits_and_then_fails():
    async def scenario(bench):
        bench.model.radio.in_reach = False
        bench.start()
        started = bench.now_ms()
        await fails(NotRegistered, bench.send(b"frame"))
        assert 170000 < bench.now_ms() - started < 200000
        waiting = asyncio.create_task(bench.send(b"later"))
        await bench.time.sleep_ms(60000)
        bench.model.radio.in_reach = True
        assert await waiting == 1

    Bench().run(scenario)


def test_the_queue_is_short():
    async def scenario(bench):
        bench.model.radio.in_reach = False
        bench.start()
        tasks = [asyncio.create_task(bench.send(b"%d" % number)) for number in range(4)]
        await bench.time.sleep_ms(1000)
        await fails(QueueFull, bench.send(b"one more"))
        tasks[1].cancel()
        await bench.time.sleep_ms(1000)
        bench.model.radio.in_reach = True
        for place in (0, 2, 3):
            await tasks[place]
        assert [content for _, content in bench.network.submitted] == [b"0", b"2", b"3"]

    Bench().run(scenario)


def test_status_reports_are_told():
    async def scenario(bench):
        await bench.ready()
        pdu = submit(b"frame", "+628111")
        reference = await bench.modem.sender.send(pdu[:1] + bytes((pdu[1] | 0x20,)) + pdu[2:])
        await bench.until(lambda: bench.reports)
        report = bench.reports[0]
        assert (report.reference, report.is_delivered) == (reference, True)
        assert bench.counts()["reports"] == 1

    Bench("EC25").run(scenario)


# Messages in.


def test_a_message_is_handed_over_and_then_deleted():
    async def scenario(bench):
        await bench.ready()
        bench.network.inject(NUMBER, b"+62822", counted(b"frame \x00\x1a"))
        await bench.until(lambda: bench.got == [b"frame \x00\x1a"])
        await bench.until(lambda: bench.counts().get("deleted") == 1)
        assert len(bench.model.messages.deleted) == 1

    for family in FAMILIES:
        Bench(family).run(scenario)


def test_nothing_is_deleted_before_the_hand_over_has_returned():
    async def scenario(bench):
        gate = asyncio.Event()
        inner = bench.modem.inbox._received

        async def held(incoming):
            await gate.wait()
            await inner(incoming)

        bench.modem.inbox._received = held
        await bench.ready()
        bench.network.inject(NUMBER, b"+62822", counted(b"frame"))
        await bench.until(lambda: bench.modem.counters.received)
        for _ in range(20):
            await bench.time.sleep_ms(50)
            bench.check_in()
        assert bench.model.messages.deleted == []
        gate.set()
        await bench.until(lambda: bench.model.messages.deleted)
        assert bench.got == [b"frame"]

    Bench().run(scenario)


def test_a_hand_over_that_fails_is_tried_again():
    async def scenario(bench):
        bench.refuse_next = 2
        await bench.ready()
        bench.network.inject(NUMBER, b"+62822", counted(b"frame"))
        await bench.until(lambda: bench.got == [b"frame"], 300000)
        await bench.until(lambda: bench.model.messages.deleted)
        assert bench.counts()["hand_over_failures"] == 2

    Bench().run(scenario)


def test_the_sim_is_drained_at_the_start():
    async def scenario(bench):
        bench.model.messages.fill(18)
        await bench.ready()
        await bench.until(lambda: len(bench.model.messages.deleted) == 18)
        assert bench.counts()["handed_over"] == 18
        assert bench.model.messages.stored(b"SM") == {}

    Bench("SIM800").run(scenario)


def test_more_than_one_listing_is_drained_too():
    async def scenario(bench):
        bench.model.messages.fill(120)
        await bench.ready()
        await bench.until(lambda: len(bench.model.messages.deleted) == 120)
        assert bench.counts()["handed_over"] == 120

    Bench("EC25").run(scenario)


def test_messages_in_another_store_are_found():
    async def scenario(bench):
        bench.model.messages.fill(20, b"SM")
        bench.model.messages.fill(3)
        await bench.ready()
        await bench.until(lambda: len(bench.model.messages.deleted) == 23)
        bench.network.inject(NUMBER, b"+62822", counted(b"frame"))
        await bench.until(lambda: b"frame" in bench.got, 10000)
        bench.model.messages._coming = b"SM"
        bench.network.inject(NUMBER, b"+62822", counted(b"elsewhere"))
        await bench.until(lambda: b"elsewhere" in bench.got, 10000)
        await bench.until(lambda: len(bench.model.messages.deleted) == 25)
        await bench.until(lambda: bench.model.messages._name == b"ME")

    for family in ("SIM7600", "EC25"):
        Bench(family).run(scenario)


def test_messages_that_came_without_a_notice_are_found():
    async def scenario(bench):
        await bench.ready()
        bench.model.messages._indicate = 0
        bench.network.inject(NUMBER, b"+62822", counted(b"frame"))
        await bench.until(lambda: bench.got == [b"frame"])

    Bench().run(scenario)


def test_a_full_store_is_seen_and_emptied():
    async def scenario(bench):
        await bench.ready()
        bench.model.messages._indicate = 0
        bench.model.messages.fill(20)
        bench.network.inject(NUMBER, b"+62822", counted(b"frame"))
        await bench.until(lambda: bench.modem.inbox.is_nearly_full)
        await bench.until(lambda: b"frame" in bench.got)
        await bench.until(lambda: bench.modem.inbox.storage == (0, 20))
        assert bench.counts()["nearly_full"] >= 1

    Bench("SIM800").run(scenario)


def test_a_message_handed_over_at_once_by_the_modem_is_taken():
    async def scenario(bench):
        await bench.ready()
        bench.model.messages._indicate = 2
        bench.network.inject(NUMBER, b"+62822", counted(b"frame"))
        await bench.until(lambda: bench.got == [b"frame"])

    Bench().run(scenario)


def test_what_is_no_message_is_handed_over_as_it_is_and_deleted():
    async def scenario(bench):
        await bench.ready()
        bench.network.inject_raw(NUMBER, b"\x03\xff\xff")
        await bench.until(lambda: bench.got)
        assert bench.got == [b"07912618010000F003FFFF"]
        await bench.until(lambda: bench.model.messages.deleted)
        assert bench.counts()["undecodable"] == 1

    Bench().run(scenario)


def test_a_deletion_that_does_nothing_is_no_new_message():
    async def scenario(bench):
        await bench.ready()
        bench.network.inject(NUMBER, b"+62822", counted(b"frame"))
        await bench.time.sleep_ms(300000)
        assert bench.got == [b"frame"]
        bench.model.faults.rest()
        await bench.until(lambda: bench.model.messages.deleted)

    Bench(faults=FaultPlan(1, keep=1000)).run(scenario)


def test_a_sim_without_message_service_is_no_reason_to_do_without_data():
    async def scenario(bench):
        refused = bench.model._handlers[b"+CMGF"]
        bench.model._handlers[b"+CMGF"] = lambda mode, argument: bench.model.cms(302)
        await bench.ready()
        await bench.modem.sockets.open("broker", 1883)
        assert not bench.modem.inbox.is_served
        await bench.time.sleep_ms(120000)
        assert bench.modem.sockets.state
        bench.model._handlers[b"+CMGF"] = refused
        bench.network.inject(NUMBER, b"+62822", counted(b"frame"))
        await bench.until(lambda: bench.got == [b"frame"])
        assert bench.modem.sockets.state
        assert bench.model.boots == 1

    Bench().run(scenario)


def test_want_of_credit_does_not_cost_the_connection():
    async def scenario(bench):
        await bench.ready()
        await bench.modem.sockets.open("broker", 1883)
        bench.network.refuse = 1000
        for _ in range(8):
            await fails(CommandRefused, bench.send(b"frame"))
        assert bench.modem.sockets.state
        assert "radio_cycles" not in bench.counts()

    Bench().run(scenario)


# Connection.


def test_a_connection_carries_octets_both_ways():
    async def scenario(bench):
        await bench.ready()
        sockets = bench.modem.sockets
        await sockets.open("broker.example", 1883)
        pipe = bench.internet.pipes[-1]
        assert pipe.place == ("broker.example", 1883)
        octets = bytes(range(256)) * 12
        await sockets.send(octets)
        assert bytes(pipe.sent) == octets
        pipe.push(octets * 3)
        got = b""
        while len(got) < 3 * len(octets):
            got += await sockets.receive(700)
        assert got == octets * 3
        await sockets.close()
        await bench.until(lambda: pipe.closed)
        await fails(SocketFailed, sockets.send(b"more"))
        await sockets.open("broker.example", 1883)
        assert len(bench.internet.pipes) == 2
        assert bench.counts() == {"switched_on": 1, "opened": 2}

    for family in FAMILIES:
        Bench(family).run(scenario)


def test_the_peers_end_comes_behind_its_last_octets():
    async def scenario(bench):
        await bench.ready()
        sockets = bench.modem.sockets
        await sockets.open("broker.example", 1883)
        pipe = bench.internet.pipes[-1]
        pipe.push(b"last words")
        pipe.hang_up()
        got = b""
        while len(got) < 10:
            got += await sockets.receive(4)
        assert got == b"last words"
        await fails(SocketFailed, sockets.receive(1))
        await fails(SocketFailed, sockets.send(b"hello?"))
        assert bench.counts()["lost_connections"] == 1
        await sockets.open("broker.example", 1883)

    for family in FAMILIES:
        Bench(family).run(scenario)


def test_nobody_answers_and_then_somebody_does():
    async def scenario(bench):
        await bench.ready()
        bench.internet.is_up = False
        await fails(SocketFailed, bench.modem.sockets.open("broker.example", 1883))
        bench.internet.is_up = True
        await bench.modem.sockets.open("broker.example", 1883)
        assert bench.counts() == {"switched_on": 1, "opened": 1, "open_failures": 1}

    for family in FAMILIES:
        Bench(family).run(scenario)


def test_a_lost_bearer_ends_the_connection_and_comes_back():
    async def scenario(bench):
        await bench.ready()
        sockets = bench.modem.sockets
        await sockets.open("broker.example", 1883)
        bench.model.sockets.lose_bearer()
        await fails(SocketFailed, sockets.receive(1))
        await sockets.open("broker.example", 1883)
        await sockets.send(b"again")
        assert bytes(bench.internet.pipes[-1].sent) == b"again"

    for family in FAMILIES:
        Bench(family).run(scenario)


def test_names_that_would_be_commands_are_refused():
    async def scenario(bench):
        await bench.ready()
        for host in ('a"b', "a\rAT", "a b", "", "a,b"):
            await fails(SocketFailed, bench.modem.sockets.open(host, 1883))
        assert b"+CIPOPEN" not in bench.model.commands

    Bench().run(scenario)


def test_received_data_has_a_limit_and_the_rest_waits_in_the_modem():
    async def scenario(bench):
        await bench.ready()
        sockets = bench.modem.sockets
        await sockets.open("broker.example", 1883)
        bench.internet.pipes[-1].push(bytes(20000))
        await bench.time.sleep_ms(30000)
        assert len(sockets._received) <= 4096
        got = 0
        while got < 20000:
            got += len(await sockets.receive(1000))
        assert got == 20000

    Bench("EC25").run(scenario)


def test_a_lost_notice_of_data_is_made_up_for():
    async def scenario(bench):
        await bench.ready()
        sockets = bench.modem.sockets
        await sockets.open("broker.example", 1883)
        bench.model.sockets._announced = True  # the notice got lost
        bench.internet.pipes[-1].push(b"hello")
        assert await sockets.receive(10) == b"hello"

    for family in FAMILIES:
        Bench(family).run(scenario)


# One owner.


def test_messages_and_connection_share_the_modem():
    async def scenario(bench):
        await bench.ready()
        sockets = bench.modem.sockets
        await sockets.open("broker.example", 1883)
        pipe = bench.internet.pipes[-1]

        async def talk():
            for number in range(30):
                await sockets.send(b"%04d" % number)
                pipe.push(b"%04d" % number)
                got = b""
                while len(got) < 4:
                    got += await sockets.receive(4)
                assert got == b"%04d" % number
                await bench.time.sleep_ms(300)

        async def write():
            for number in range(6):
                await bench.send(b"frame %d" % number)

        tasks = [asyncio.create_task(talk()), asyncio.create_task(write())]
        for number in range(6):
            bench.network.inject(NUMBER, b"+62822", counted(b"down %d" % number))
            await bench.time.sleep_ms(2500)
        for task in tasks:
            await task
        await bench.until(lambda: len(bench.got) == 6)
        assert bytes(pipe.sent) == b"".join([b"%04d" % number for number in range(30)])
        assert sorted(bench.got) == [b"down %d" % number for number in range(6)]
        assert [content for _, content in bench.network.submitted] == [
            b"frame %d" % number for number in range(6)
        ]
        assert "lost_connections" not in bench.counts()

    for family in FAMILIES:
        Bench(family).run(scenario)


def test_who_gives_up_waiting_breaks_nothing_off():
    async def scenario(bench):
        await bench.ready()
        sockets = bench.modem.sockets
        await sockets.open("broker.example", 1883)
        for wait_ms in range(0, 200, 7):
            sending = asyncio.create_task(bench.send(b"frame"))
            receiving = asyncio.create_task(sockets.receive(1))
            talking = asyncio.create_task(sockets.send(b"x"))
            await bench.time.sleep_ms(wait_ms)
            for task in (sending, receiving, talking):
                task.cancel()
            await bench.time.sleep_ms(3500)
        bench.internet.pipes[-1].push(b"y")
        assert await sockets.receive(1) == b"y"
        assert await bench.send(b"last")
        assert bench.modem.port.noise == 0
        assert bench.counts().get("silent", 0) == 0

    Bench().run(scenario)


def test_the_task_checks_in_while_everything_takes_long():
    class Mute(modem_faults.NoFaults):
        def on_command(self, count, name):
            return modem_faults.SILENT

    async def scenario(bench):
        bench.start()
        await bench.until(lambda: bench.modem.counters.power_cycles >= 1, 600000)
        assert bench.silence_ms < 1000

    Bench(faults=Mute()).run(scenario)


def test_ticks_may_wrap_anywhere():
    async def scenario(bench):
        await bench.ready()
        await bench.send(b"frame")
        bench.network.inject(NUMBER, b"+62822", counted(b"down"))
        await bench.until(lambda: bench.got == [b"down"])
        await bench.time.sleep_ms(120000)
        assert bench.modem.state == driver.READY
        assert bench.counts()["sent"] == 1

    for before_ms in (5000, 24000, 26000, 40000):
        Bench(start_ms=(1 << 30) - before_ms).run(scenario)
