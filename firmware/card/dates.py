"""Dates on cards and in certificates: BCD, two-digit years, the century by EMV's rule (Book 4, 6.7.3)."""


def _months(year: int, month: int) -> int:
    """A number that orders the months of YY and MM (BCD octets), or -1 where they are none. BCD orders as the numbers do that
    it writes; YY from 50 on is 19YY.
    """
    if year > 0x99 or year & 0x0F > 9 or not 1 <= month <= 0x12 or month & 0x0F > 9:
        return -1
    return (year if year >= 0x50 else year + 0x100) << 8 | month


def ordinal(date: bytes) -> int:
    """A number that orders dates YYMMDD (3 BCD octets), or -1 where `date` is none."""
    if len(date) != 3:
        return -1
    months = _months(date[0], date[1])
    day = date[2]
    return -1 if months < 0 or not 1 <= day <= 0x31 or day & 0x0F > 9 else months << 8 | day


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
    return today < 0 or last < 0 or today >> 8 > last
