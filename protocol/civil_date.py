"""Calendar dates from unsigned seconds, in integers only (both interpreters, no time zone data base)."""

SECONDS_PER_DAY = 86400


def from_days(days: int) -> tuple[int, int, int]:
    """(year, month, day) of a count of days since 1970-01-01, proleptic Gregorian, 1970 to 2106."""
    # Count from 1 March 0000, so that the leap day ends the year and months have a fixed pattern.
    days += 719468
    era, day_of_era = divmod(days, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    return 400 * era + year_of_era + (1 if month <= 2 else 0), month, day


def to_days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a proleptic Gregorian date."""
    if month <= 2:
        year -= 1
        month += 12
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month - 3) + 2) // 5 + day - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468


def local_date(time_s: int, utc_offset_minutes: int) -> tuple[int, int, int]:
    """(year, month, day) at a place east of UTC by `utc_offset_minutes`."""
    return from_days((time_s + utc_offset_minutes * 60) // SECONDS_PER_DAY)


def transaction_date(time_s: int, utc_offset_minutes: int) -> bytes:
    """EMV tag 9A: the local date as three BCD octets YYMMDD (EMV Book 3, Annex A1)."""
    year, month, day = local_date(time_s, utc_offset_minutes)
    return bytes((_bcd(year % 100), _bcd(month), _bcd(day)))


def _bcd(value: int) -> int:
    """Two decimal digits in one octet."""
    return (value // 10) * 16 + value % 10


def period_of(year: int, month: int) -> int:
    """A calendar month as the count of months since year 0: what the `period` field holds."""
    return year * 12 + month - 1


def period_start_s(period: int) -> int:
    """The first second (UTC) of a period, unsigned seconds since 1970."""
    return to_days(period // 12, period % 12 + 1, 1) * SECONDS_PER_DAY
