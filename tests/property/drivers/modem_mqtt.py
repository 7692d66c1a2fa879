"""Firmware's MQTT client over the modem driver over the modem model to a real broker, for tests/property/test_modem_mqtt.py.

A request: JSON with family, port, up (how many to publish), down (how many to expect). Time runs faster for modem and
driver, so that a start takes seconds.
"""

import asyncio
import json

from firmware.drivers.modem import modem as driver
from firmware.relay.link import LinkError
from firmware.relay.modem_link import ModemLink
from firmware.relay.mqtt_client import MqttClient
from firmware.relay.mqtt_packets import MqttError
from hardware import modem_dialects, modem_internet, modem_network
from hardware.model_clock import HostClock
from hardware.modem import Modem as ModemModel
from hardware.modem_uart import ModemUart

FACTOR = 16
LIMIT_MS = 50000
TICKS_PERIOD = 1 << 30


class FastClock:
    """The host's time, run faster, for driver and model."""

    def __init__(self):
        self._host = HostClock()

    def now_us(self):
        return self._host.now_us() * FACTOR

    def spend_us(self, duration_us):
        raise AssertionError("the driver must never make the processor wait")

    def ticks_ms(self):
        return self.now_us() // 1000 % TICKS_PERIOD

    def ticks_add(self, ticks, delta_ms):
        return (ticks + delta_ms) % TICKS_PERIOD

    def ticks_diff(self, later, earlier):
        half = TICKS_PERIOD // 2
        return (later - earlier + half) % TICKS_PERIOD - half

    async def sleep_ms(self, duration_ms):
        await asyncio.sleep_ms((duration_ms + FACTOR - 1) // FACTOR)


def payload(number):
    """Of any content and of lengths up to some kilobytes."""
    return b"up %d " % number + bytes([value * number % 256 for value in range(number * 97 % 3000)])


class Terminal:
    """What the relay does, without books: publish until acknowledged, take what comes, again after each failure."""

    def __init__(self, request):
        self._clock = FastClock()
        network = modem_network.GsmNetwork(self._clock)
        dialect = modem_dialects.BY_NAME[request["family"]]
        self.model = ModemModel(self._clock, dialect, network, b"+628111", modem_internet.TcpInternet())
        # Time runs fast here, so a busy host that lets this process wait would fill any smaller buffer.
        uart = ModemUart(self._clock, 115200, txbuf=512, rxbuf=1 << 20)
        self.model.connect(uart)
        self.modem = driver.Modem(
            uart,
            self._clock,
            received=None,
            power_key=self.model.press_power_key,
            reset=self.model.drive_reset,
        )
        self._port = request["port"]
        self._up = [payload(number) for number in range(request["up"])]
        self._expected = request["down"]
        self.down = []
        self.sessions = 0
        self.failures = []

    async def run(self):
        self.modem_task = asyncio.create_task(self.modem.run(lambda: None))
        while self.modem.state != driver.READY:
            await asyncio.sleep_ms(20)
        while self._up or len(set(self.down)) < self._expected:
            try:
                await self.session()
            except (LinkError, MqttError, asyncio.TimeoutError) as failure:
                self.failures.append("%s: %s" % (type(failure).__name__, failure))
                await asyncio.sleep_ms(100)
        self.modem_task.cancel()

    async def session(self):
        link = ModemLink(self.modem.sockets, "127.0.0.1", self._port, self._clock, lambda: None)
        client = MqttClient(link, "terminal", "user", "password", 10, self._clock)
        try:
            await client.open("down/terminal")
            self.sessions += 1
            serving = asyncio.create_task(client.serve(self.take))
            try:
                while (self._up or len(set(self.down)) < self._expected) and not serving.done():
                    if self._up:
                        await client.publish("up/terminal", self._up[0], 5000)
                        self._up.pop(0)
                    else:
                        await asyncio.sleep_ms(20)
                if serving.done():
                    await serving
            finally:
                serving.cancel()
        finally:
            await client.close()

    async def take(self, octets):
        self.down.append(octets)


async def whole(terminal):
    await asyncio.wait_for_ms(terminal.run(), LIMIT_MS)


def handle(request):
    """Run; the answer says how many sessions it took and what came down."""
    terminal = Terminal(json.loads(request))
    try:
        asyncio.run(whole(terminal))
    except asyncio.TimeoutError:
        raise AssertionError(
            "not done: %d left, %d down, %d sessions, %s, %r"
            % (
                len(terminal._up),
                len(terminal.down),
                terminal.sessions,
                terminal.failures[-3:],
                terminal.modem.last_error,
            )
        )
    finally:
        asyncio.new_event_loop()
    counters = terminal.modem.counters
    return json.dumps(
        {
            "sessions": terminal.sessions,
            "failures": terminal.failures,
            "down": [octets.hex() for octets in terminal.down],
            "noise": terminal.modem.port.noise,
            "silent": counters.silent,
            "opened": counters.opened,
            "lost": counters.lost_connections,
            "milliseconds": terminal._clock.now_us() // 1000,
        }
    ).encode()
