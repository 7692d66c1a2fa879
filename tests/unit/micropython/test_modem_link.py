"""MQTT's link over the modem: the shape of a TCP link, errors of its own type, and a supervisor that is kept informed."""

import asyncio

from firmware.relay.link import LinkError
from firmware.relay.modem_link import ModemLink
from firmware.relay.mqtt_client import MqttClient
from protocol import offer
from tests.support.mp_broker import Keeper
from tests.unit.micropython.modem_bench import FAMILIES, Bench


def link_of(bench):
    return ModemLink(bench.modem.sockets, "broker.example", 1883, bench.time, bench.check_in)


async def fails(work):
    try:
        await work
    except LinkError as error:
        return error
    raise AssertionError("no LinkError")


def test_octets_pass_both_ways():
    async def scenario(bench):
        await bench.ready()
        link = link_of(bench)
        await link.open()
        pipe = bench.internet.pipes[-1]
        await link.write(b"\x10\x02hi")
        assert bytes(pipe.sent) == b"\x10\x02hi"
        pipe.push(b"\x20\x02")
        assert await link.read(1) == b"\x20"
        pipe.push(b"\x00\x00more")
        assert await link.read(3) == b"\x02\x00\x00"
        assert await link.read(4) == b"more"
        await link.close()
        await link.close()
        await bench.until(lambda: pipe.closed)

    for family in FAMILIES:
        Bench(family).run(scenario)


def test_a_modem_that_is_not_ready_is_a_link_error_at_once():
    async def scenario(bench):
        bench.start()
        started = bench.now_ms()
        await fails(link_of(bench).open())
        assert bench.now_ms() - started < 200

    Bench().run(scenario)


def test_a_failure_is_told_to_nobody_but_the_caller():
    """The application takes an error of a task that nobody waits for as a crash."""

    async def scenario(bench):
        told = []
        loop = asyncio.get_event_loop()
        loop.set_exception_handler(lambda _loop, context: told.append(context["exception"]))
        try:
            await fails(link_of(bench).open())
            await bench.ready()
            bench.internet.is_up = False
            await fails(link_of(bench).open())
            await bench.time.sleep_ms(1000)
        finally:
            loop.set_exception_handler(None)
        assert told == []

    Bench().run(scenario)


def test_the_peers_end_is_a_link_error():
    async def scenario(bench):
        await bench.ready()
        link = link_of(bench)
        await link.open()
        bench.internet.pipes[-1].push(b"bye")
        bench.internet.pipes[-1].hang_up()
        assert await link.read(3) == b"bye"
        await fails(link.read(1))
        await fails(link.write(b"hello?"))
        await link.close()
        await link.open()

    Bench("SIM800").run(scenario)


def test_a_read_that_is_given_up_loses_nothing():
    async def scenario(bench):
        await bench.ready()
        link = link_of(bench)
        await link.open()
        pipe = bench.internet.pipes[-1]
        reading = asyncio.create_task(link.read(4))
        pipe.push(b"ab")
        await bench.time.sleep_ms(500)
        reading.cancel()
        await bench.time.sleep_ms(10)
        pipe.push(b"cd")
        assert await link.read(4) == b"abcd"

    Bench().run(scenario)


def test_long_waits_check_in():
    async def scenario(bench):
        await bench.ready()
        link = link_of(bench)
        await link.open()
        sending = asyncio.create_task(bench.send(b"frame"))
        await bench.time.sleep_ms(100)
        before = bench.checks
        started = bench.now_ms()
        await link.write(b"behind the message")
        assert bench.now_ms() - started > 1000
        assert bench.checks - before > 30
        await sending

    Bench("SIM800").run(scenario)


def test_opening_that_is_given_up_is_closed_again():
    async def scenario(bench):
        await bench.ready()
        link = link_of(bench)
        opening = asyncio.create_task(link.open())
        await bench.time.sleep_ms(300)
        opening.cancel()
        await link.close()
        await bench.time.sleep_ms(20000)
        await link.open()
        await link.write(b"x")
        assert bytes(bench.internet.pipes[-1].sent) == b"x"

    for family in FAMILIES:
        Bench(family).run(scenario)


async def play(keeper, pipe, bench):
    """The broker behind the modem: answers every packet that has come whole."""
    done = 0
    while True:
        sent = bytes(pipe.sent)[done:]
        if len(sent) >= 2:
            length, at, shift = 0, 1, 0
            while at < len(sent):
                length |= (sent[at] & 0x7F) << shift
                shift += 7
                at += 1
                if sent[at - 1] < 0x80:
                    break
            if len(sent) >= at + length:
                pipe.push(keeper.answer(sent[: at + length]))
                done += at + length
                continue
        await bench.time.sleep_ms(20)


def test_a_piece_of_a_release_comes_whole_over_every_modem():
    """Four kilobytes are more than any modem hands over at once, and fill its buffers several times."""
    topic = offer.piece_topic(bytes(32), 8192)
    piece = bytes([(place * 7 + place // 256) & 0xFF for place in range(offer.PIECE_OCTETS)])

    async def scenario(bench):
        await bench.ready()
        client = MqttClient(link_of(bench), "id", "", "", 60, bench.time)
        link = client._link
        await link.open()
        pipe = bench.internet.pipes[-1]
        keeper = Keeper({topic: piece})
        broker = asyncio.create_task(play(keeper, pipe, bench))
        link.open = nothing
        await client.open("down")
        reader = asyncio.create_task(client.serve(nothing))
        try:
            for _ in range(3):
                assert await client.fetch(topic, 60_000) == piece
            assert keeper.left == [topic] * 3
        finally:
            reader.cancel()
            broker.cancel()

    for family in FAMILIES:
        Bench(family).run(scenario)


async def nothing(*_):
    return True
