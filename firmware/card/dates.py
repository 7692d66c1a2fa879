"""Dates on cards and in certificates: BCD, two-digit years, the century by EMV's rule (Book 4, 6.7.3)."""


def _digits(octet: int) -> int:
    """The number in one BCD octet, or -1."""
    tens = octet >> 4
    units = octet & 0x0F
    return tens * 10 + units if tens < 10 and units < 10 else -1


def _months(year_octet: int, month_octet: int) -> int:
    """Months since year 0 of YY and MM, or -1; YY from 50 on is 19YY."""
    year = _digits(year_octet)
    month = _digits(month_octet)
    if year < 0 or month < 1 or month > 12:
        return -1
    return (year + (1900 if year >= 50 else 2000)) * 12 + month - 1


def ordinal(date: bytes) -> int:
    """A number that orders dates YYMMDD (3 BCD octets), or -1 where `date` is none."""
    if len(date) != 3:
        return -1
    months = _months(date[0], date[1])
    day = _digits(date[2])
    return -1 if months < 0 or day < 1 or day > 31 else months * 32 + day


def is_after(date: bytes, other: bytes) -> bool:
    """Whether `date` is later than `other` (both YYMMDD); true as well where either is no date, which is the safe
    answer both for "expired" and for "not yet effective".
    """
    first = ordinal(date)
    second = ordinal(other)
    return first < 0 or second < 0 or first > second


def certificate_expired(transaction_date: bytes, mmyy: bytes) -> bool:
    """Whether a certificate that runs to the end of month MMYY (2 BCD octets) has expired; true for what is no date."""
    today = ordinal(transaction_date)
    last = _months(mmyy[1], mmyy[0]) if len(mmyy) == 2 else -1
    return today < 0 or last < 0 or today >> 5 > last
