"""The time of day never goes back, and is trusted only as far as something vouches for it."""

from firmware.time_keeper import PLAUSIBLE_FROM_S, TimeKeeper
from protocol import records

NOW_S = 1_795_000_000


class Clock:
    def __init__(self):
        self.seconds = 1000

    def epoch_seconds(self):
        return self.seconds

    def set_epoch_seconds(self, seconds):
        self.seconds = seconds


class RtcFault(Exception):
    pass


class Rtc:
    def __init__(self, seconds=NOW_S, trusted=True, fails=False):
        self.seconds = seconds
        self.trusted = trusted
        self.fails = fails

    def read(self):
        if self.fails:
            raise RtcFault
        return self.seconds, self.trusted

    def set(self, seconds):
        if self.fails:
            raise RtcFault
        self.seconds = seconds


def started(rtc):
    keeper = TimeKeeper(Clock(), rtc, (RtcFault,))
    keeper.start()
    return keeper


def test_an_rtc_that_never_stopped_is_believed():
    keeper = started(Rtc())
    assert (keeper.epoch_seconds(), keeper.trust) == (NOW_S, records.TRUST_KEPT)


def test_an_rtc_that_stopped_or_fails_or_shows_nonsense_is_not():
    for rtc in (Rtc(trusted=False), Rtc(fails=True), Rtc(PLAUSIBLE_FROM_S - 1), Rtc(0)):
        keeper = started(rtc)
        assert (keeper.epoch_seconds(), keeper.trust) == (0, records.TRUST_UNSET)
    assert started(Rtc(fails=True)).rtc_failures == 1


def test_fresh_time_from_the_gateway_is_trusted_and_kept():
    rtc = Rtc(trusted=False)
    keeper = started(rtc)
    keeper.hear(NOW_S + 10, True)
    assert (keeper.epoch_seconds(), keeper.trust, rtc.seconds) == (
        NOW_S + 10,
        records.TRUST_NETWORK,
        NOW_S + 10,
    )


def test_old_time_from_the_gateway_proves_nothing():
    keeper = started(Rtc(trusted=False))
    keeper.hear(NOW_S, False)
    assert (keeper.epoch_seconds(), keeper.trust) == (0, records.TRUST_UNSET)


def test_time_never_goes_back():
    rtc = Rtc()
    keeper = started(rtc)
    for is_fresh in (False, True):
        keeper.hear(NOW_S - 100, is_fresh)
        assert (keeper.epoch_seconds(), rtc.seconds) == (NOW_S, NOW_S)
    assert keeper.trust == records.TRUST_NETWORK
    keeper.hear(NOW_S + 100, False)
    assert (keeper.epoch_seconds(), rtc.seconds) == (NOW_S + 100, NOW_S + 100)


def test_an_old_time_does_not_lower_the_trust():
    keeper = started(Rtc())
    keeper.hear(NOW_S + 5, True)
    keeper.hear(NOW_S + 9, False)
    assert keeper.trust == records.TRUST_NETWORK


def test_time_that_cannot_be_is_not_heard():
    keeper = started(Rtc(trusted=False))
    keeper.hear(PLAUSIBLE_FROM_S - 1, True)
    assert keeper.trust == records.TRUST_UNSET


def test_an_rtc_that_does_not_take_the_time_is_counted_and_the_time_is_used():
    keeper = started(Rtc(fails=True))
    keeper.hear(NOW_S, True)
    assert (keeper.epoch_seconds(), keeper.rtc_failures) == (NOW_S, 2)
