"""Wi-Fi comes up or says why not, and a failed join leaves the radio off."""

import asyncio

from firmware.hal.network import JOIN_REST_MS, NetworkError, WlanNetwork
from tests.support.mp import raises


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
