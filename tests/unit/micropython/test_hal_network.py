"""Wi-Fi comes up or says why not, and a failed join leaves the radio off."""

import asyncio

from firmware.hal.network import JOIN_REST_MS, NetworkError, WlanNetwork, open_stream
from tests.support.mp import raises, seed


class SteppingClock:
    """Time that a sleep moves on."""

    def __init__(self):
        self.now_ms = 0

    def ticks_ms(self):
        return self.now_ms

    def ticks_diff(self, later, earlier):
        return later - earlier

    async def sleep_ms(self, duration_ms):
        self.now_ms += duration_ms
        await asyncio.sleep_ms(0)


class Radio:
    """A `network.WLAN` whose access point answers after `joins_after_ms`, or never."""

    def __init__(self, clock, joins_after_ms=None, refuses=False):
        self.clock = clock
        self.joins_after_ms = joins_after_ms
        self.refuses = refuses
        self.is_active = False
        self.asked_for = None
        self.since_ms = None

    def active(self, on):
        self.is_active = on

    def connect(self, ssid, password):
        if self.refuses:
            raise OSError(1)
        self.asked_for = (ssid, password)
        self.since_ms = self.clock.ticks_ms()

    def disconnect(self):
        if self.since_ms is None:
            raise OSError(2)
        self.since_ms = None

    def isconnected(self):
        if self.since_ms is None or self.joins_after_ms is None:
            return False
        return self.clock.ticks_ms() - self.since_ms >= self.joins_after_ms


def network(**behaviour):
    clock = SteppingClock()
    radio = Radio(clock, **behaviour)
    wlan = WlanNetwork(radio, clock)
    wlan.configure("desa", "rahasia")
    return wlan, radio, clock


def test_up_returns_when_the_network_is_joined():
    wlan, radio, clock = network(joins_after_ms=1500)
    asyncio.run(wlan.up(5000))
    assert wlan.is_up() and radio.asked_for == ("desa", "rahasia")
    assert 1500 <= clock.now_ms < 2000
    asyncio.run(wlan.up(5000))
    assert clock.now_ms < 2000, "a network that is up is not joined again"


def test_a_network_that_does_not_answer_ends_with_the_radio_off_and_rested():
    wlan, radio, clock = network()
    error = raises(NetworkError, asyncio.run, wlan.up(3000))
    assert error.place == "desa" and "rahasia" not in str(error)
    assert not radio.is_active and wlan.failed_joins == 1
    assert clock.now_ms >= 3000 + JOIN_REST_MS


def test_a_radio_that_refuses_is_torn_down_too():
    wlan, radio, _ = network(refuses=True)
    raises(NetworkError, asyncio.run, wlan.up(3000))
    assert not radio.is_active and wlan.failed_joins == 1


def test_without_a_configured_network_nothing_is_tried():
    clock = SteppingClock()
    radio = Radio(clock)
    raises(NetworkError, asyncio.run, WlanNetwork(radio, clock).up(1000))
    assert not radio.is_active


def test_open_without_a_network_fails_at_once():
    wlan, _, clock = network()
    error = raises(NetworkError, asyncio.run, wlan.open("broker", 1883))
    assert error.place == "broker" and clock.now_ms == 0


async def echo(reader, writer):
    writer.write(await reader.readexactly(4))
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def serve_somewhere():
    """(server, port): the first of a range that is free, since port 0 would not tell which it became."""
    for port in range(20000 + seed() % 30000, 60000):
        try:
            return await asyncio.start_server(echo, "127.0.0.1", port), port
        except OSError:
            pass
    raise AssertionError("no free port")


def test_a_stream_carries_octets_both_ways():
    async def main():
        server, port = await serve_somewhere()
        reader, writer = await open_stream("127.0.0.1", port)
        writer.write(b"tapi")
        await writer.drain()
        answer = await reader.readexactly(4)
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return answer

    assert asyncio.run(main()) == b"tapi"


def test_a_refused_connection_shows_when_opening_or_at_the_first_read():
    async def main():
        try:
            reader, _ = await open_stream("127.0.0.1", 1)
        except NetworkError as error:
            return error.place == "127.0.0.1"
        try:
            await reader.read(1)
        except OSError:
            return True
        return False

    assert asyncio.run(main())


def test_a_host_that_does_not_resolve_is_a_typed_error():
    async def unresolved(host, port):
        raise OSError(-2, "name does not resolve")

    kept = asyncio.open_connection
    asyncio.open_connection = unresolved
    try:
        error = raises(NetworkError, asyncio.run, open_stream("broker.invalid", 1883))
    finally:
        asyncio.open_connection = kept
    assert error.place == "broker.invalid" and "1883" in str(error)
