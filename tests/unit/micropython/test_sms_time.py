"""Times in short messages: quarter-hours east and west, nonsense, and the three forms of a validity period."""

from protocol import sms_time
from protocol.errors import OutOfRange
from protocol.octets import Reader
from protocol.sms_time import ABSOLUTE, ENHANCED, NO_VALIDITY, RELATIVE, Stamp, Validity
from tests.support.mp import raises


def stamp(hexa):
    return Stamp(bytes.fromhex(hexa))


def test_a_time_stamp_has_swapped_digits_and_a_zone():
    got = stamp("62114151030482")
    assert (got.year, got.month, got.day, got.hour, got.minute, got.second) == (2026, 11, 14, 15, 30, 40)
    assert got.zone_minutes == 420
    assert got.is_valid
    assert got.time_s == 1794645040  # 08:30:40 UTC


def test_zones_west_have_their_sign_in_the_first_digit():
    got = stamp("1210924190630a")  # low half a: sign and tens digit 2
    assert got.zone_minutes == -300
    assert stamp("12109241906369").zone_minutes == -15 * 16
    assert stamp("12109241906300").zone_minutes == 0


def test_every_quarter_of_an_hour_comes_back():
    for quarters in range(-79, 80):
        got = sms_time.stamp(1794645040, 15 * quarters)
        assert got.zone_minutes == 15 * quarters
        assert got.time_s == 1794645040
        assert got.is_valid


def test_days_turn_with_the_zone():
    got = sms_time.stamp(1798761600 - 1, 420)  # 2026-12-31 23:59:59 UTC
    assert (got.year, got.month, got.day, got.hour) == (2027, 1, 1, 6)
    got = sms_time.stamp(1798761600, -15)
    assert (got.year, got.month, got.day, got.hour, got.minute) == (2026, 12, 31, 23, 45)


def test_two_digits_of_a_year():
    assert stamp("89212221401400").year == 1998
    assert stamp("07101000000000").year == 1970
    assert stamp("96101000000000").year == 2069


def test_nonsense_is_kept_and_marked():
    for hexa in ("00000000000000", "62314151030482", "62111351030482", "f2114151030482",
                 "62114152030482", "62114151060482", "62114151030a82", "621141510304ff", "62110051030482"):  # fmt: skip
        got = stamp(hexa)
        assert not got.is_valid
        assert got.time_s == -1
        assert got.octets.hex() == hexa


def test_leap_days():
    assert stamp("82209200000000").is_valid  # 2028-02-29
    assert not stamp("62209200000000").is_valid
    assert not stamp("62200300000000").is_valid


def test_what_does_not_fit_is_refused():
    raises(OutOfRange, sms_time.stamp, 1794645040, 7)
    raises(OutOfRange, sms_time.stamp, 1794645040, 15 * 80)
    raises(OutOfRange, sms_time.stamp, 3155760000, 0)  # 2070


def test_relative_periods_by_the_table():
    for value, minutes in (
        (0, 5), (143, 720), (144, 750), (167, 1440), (168, 2880), (196, 43200), (197, 50400), (255, 635040),
    ):  # fmt: skip
        assert sms_time.relative_minutes(value) == minutes
        assert sms_time.relative(minutes).octets == bytes((value,))
    for value in range(1, 256):
        least = sms_time.relative_minutes(value - 1) + 1
        assert sms_time.relative(least).octets == bytes((value,))
    raises(OutOfRange, sms_time.relative, 0)
    raises(OutOfRange, sms_time.relative, 635041)


def test_forms_of_validity():
    def read(hexa, form):
        return sms_time.read_validity(Reader(bytes.fromhex(hexa)), form)

    got = read("", NO_VALIDITY)
    assert (got.minutes, got.stamp, got.seconds, got.is_single_shot) == (-1, None, -1, False)
    got = read("aa", RELATIVE)
    assert (got.minutes, got.stamp, got.seconds) == (4 * 1440, None, -1)
    got = read("62114151030482", ABSOLUTE)
    assert (got.minutes, got.stamp.time_s, got.seconds) == (-1, 1794645040, -1)
    assert sms_time.absolute(got.stamp).octets == got.octets


def test_enhanced_periods():
    def seconds(hexa):
        return Validity(ENHANCED, bytes.fromhex(hexa)).seconds

    assert seconds("00000000000000") == -1
    assert seconds("01aa0000000000") == 4 * 86400
    assert seconds("02ff0000000000") == 255
    assert seconds("03102132000000") == (1 * 60 + 12) * 60 + 23
    assert seconds("8200ff00000000") == 255
    assert seconds("04ff0000000000") == -1
    got = sms_time.enhanced_seconds(90, True)
    assert (got.form, got.seconds, got.is_single_shot) == (ENHANCED, 90, True)
    raises(OutOfRange, sms_time.enhanced_seconds, 0)
    raises(OutOfRange, sms_time.enhanced_seconds, 256)
