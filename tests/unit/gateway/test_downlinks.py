"""Which way down a terminal is answered, and that messages, which cost money, keep to their bounds."""

import random

import pytest

from gateway.config import Sms
from gateway.downlinks import Downlinks, StoredDayCounts
from gateway.store.interface import TerminalRow
from gateway.store.memory import MemoryStore

KID = 42
NOON_S = 20_000 * 86_400 + 43_200
NUMBER = "+628111"
CONFIG = Sms(settle_s=60, interval_s=600, sent_per_day_max=4, grant_interval_s=7200, mqtt_fresh_s=900)


class Way:
    """A channel that keeps what it is given; `to` are kids or numbers."""

    def __init__(self, name):
        self.name = name
        self.is_ready = True
        self.sent = []

    def send(self, to, octets):
        """Take it, if it is up."""
        if self.is_ready:
            self.sent.append((to, octets))
        return self.is_ready


class Scene:
    """Three ways, one clock, and what the store says about terminals."""

    def __init__(self, number=NUMBER, channel="", store=None):
        self.store = store or MemoryStore()
        self.rows = {KID: TerminalRow(KID, b"", 1, 0, telephone=number, channel=channel)}
        self.mqtt, self.sms, self.smpp = Way("mqtt"), Way("sms"), Way("smpp")
        self.now_s = 0.0
        day_counts = StoredDayCounts(self.store.value, self.store.apply)
        self.down = Downlinks(
            self.rows.get, self.mqtt, (self.sms, self.smpp), CONFIG,
            lambda: 0.5, lambda: self.now_s, lambda: NOON_S + self.now_s, day_counts,
        )  # fmt: skip

    def hold_s(self):
        """How long the terminal is to be left alone."""
        return self.down.manner(KID).hold_s

    def send(self, octets=b"frame"):
        """Send something."""
        return self.down.send(KID, octets)


@pytest.fixture
def scene():
    """A terminal with a number that has not been heard yet."""
    return Scene()


def test_a_terminal_is_answered_by_the_way_its_newest_frame_came(scene):
    for way, by in ((scene.mqtt, KID), (scene.sms, NUMBER), (scene.smpp, NUMBER), (scene.mqtt, KID)):
        scene.now_s += 10_000
        scene.down.heard(KID, {way.name})
        scene.now_s += 60
        assert scene.hold_s() == 0
        assert scene.send()
        assert way.sent[-1] == (by, b"frame")
    assert (len(scene.mqtt.sent), len(scene.sms.sent), len(scene.smpp.sent)) == (2, 1, 1)


def test_the_way_is_remembered_by_the_store():
    scene = Scene(channel="sms")
    assert scene.send()
    assert scene.sms.sent == [(NUMBER, b"frame")]


@pytest.mark.parametrize("channel", ["", "mqtt", "file"])
def test_mqtt_is_the_way_where_nothing_else_is_known(channel):
    scene = Scene(channel=channel)
    assert scene.hold_s() == 0
    assert scene.send(bytes(300))
    assert scene.mqtt.sent


def test_a_terminal_that_is_on_mqtt_is_answered_there_whatever_sms_brings_late(scene):
    scene.down.heard(KID, {"mqtt"})
    scene.now_s += 899
    scene.down.heard(KID, {"sms"})
    assert scene.hold_s() == 0
    assert scene.send()
    assert len(scene.mqtt.sent) == 1
    scene.now_s += 61
    scene.down.heard(KID, {"sms"})
    assert scene.send()
    assert len(scene.sms.sent) == 1


def test_both_at_once_is_mqtt(scene):
    scene.down.heard(KID, {"sms", "mqtt"})
    assert scene.send()
    assert scene.mqtt.sent


def test_nobody_without_a_registered_number_gets_a_message():
    scene = Scene(number="", channel="sms")
    scene.down.heard(KID, {"sms"})
    assert scene.send()
    assert scene.sms.sent == scene.smpp.sent == []
    scene.rows[KID].telephone = NUMBER
    scene.down.redirected(KID)
    assert scene.send()
    assert scene.sms.sent == [(NUMBER, b"frame")]
    scene.rows[KID].telephone = ""
    scene.down.redirected(KID)
    assert scene.send()
    assert len(scene.sms.sent) == 1


def test_a_stranger_gets_nothing_by_sms(scene):
    scene.down.heard(7, {"sms"})
    assert scene.down.send(7, b"frame")
    assert scene.sms.sent == scene.smpp.sent == []


def test_an_answer_waits_for_what_else_comes_and_then_keeps_its_distance(scene):
    scene.down.heard(KID, {"sms"})
    assert scene.hold_s() == 60
    scene.now_s += 59
    scene.down.heard(KID, {"sms"})
    assert scene.hold_s() == 1, "more frames do not put it off"
    scene.now_s += 1
    assert scene.hold_s() == 0
    assert scene.send()
    assert scene.hold_s() == 600
    scene.now_s += 100
    scene.down.heard(KID, {"sms"})
    assert scene.hold_s() == 500
    scene.down.heard(KID, {"mqtt"})
    assert scene.hold_s() == 0, "MQTT is quicker"


def spend(scene):
    """Send all that a day has."""
    scene.down.heard(KID, {"sms"})
    for _ in range(CONFIG.sent_per_day_max):
        scene.now_s += 3600
        assert scene.hold_s() == 0
        assert scene.send()
    scene.now_s += 3600


def test_a_day_has_so_many_messages_and_no_more(scene):
    spend(scene)
    assert scene.hold_s() == 43_200 - 5 * 3600, "until midnight"
    assert not scene.send()
    assert scene.down.counts["over_daily_bound"] == 1
    scene.now_s = 43_200
    assert scene.hold_s() == 0
    assert scene.send()
    assert len(scene.sms.sent) == 5


def test_a_restart_forgets_nothing_of_the_day(scene):
    spend(scene)
    again = Scene(channel="sms", store=scene.store)
    again.now_s = scene.now_s
    assert again.hold_s() == scene.hold_s() > 0
    assert not again.send()


def test_a_clock_that_is_put_back_opens_no_second_day_but_a_wrong_year_costs_none(scene):
    spend(scene)
    scene.now_s -= 86_400
    assert not scene.send()
    scene.now_s -= 365 * 86_400
    assert scene.send()


def test_a_frame_that_is_no_single_message_is_counted_and_not_sent(scene):
    scene.down.heard(KID, {"sms"})
    assert scene.down.manner(KID).octets_max == 140
    assert scene.down.manner(KID).grant_interval_s == 7200
    assert not scene.send(bytes(141))
    assert scene.down.counts["too_long_for_sms"] == 1


def test_the_other_link_stands_in(scene):
    scene.down.heard(KID, {"smpp"})
    scene.smpp.is_ready = False
    assert scene.send()
    assert scene.sms.sent == [(NUMBER, b"frame")]


def test_nothing_is_tried_while_the_way_is_down(scene):
    scene.down.heard(KID, {"sms"})
    scene.now_s += 60
    scene.sms.is_ready = scene.smpp.is_ready = False
    assert scene.down.is_ready
    assert 5 <= scene.hold_s() <= 10
    assert not scene.send()
    assert scene.mqtt.sent == []
    scene.down.heard(KID, {"mqtt"})
    scene.mqtt.is_ready = False
    assert not scene.down.is_ready
    assert 5 <= scene.hold_s() <= 10


def test_a_region_that_comes_back_is_not_answered_in_one_go():
    rows = {kid: TerminalRow(kid, b"", 1, 0, telephone=NUMBER) for kid in range(1, 301)}
    down = Downlinks(rows.get, Way("mqtt"), (Way("sms"),), CONFIG, random.Random(1).random, lambda: 0.0)
    for kid in rows:
        down.heard(kid, {"sms"})
    holds = sorted(down.manner(kid).hold_s for kid in rows)
    assert (holds[0] >= 30, holds[-1] <= 90) == (True, True)
    busiest = max(sum(1 for hold in holds if second <= hold < second + 1) for second in range(30, 90))
    assert busiest < 20
