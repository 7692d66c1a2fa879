"""What a new generation may still spend: the old lease less all that counts of it, per family, never below nothing."""

from collections import Counter

from protocol import grant, takeover


def left(granted: grant.Grant, families: int, stated: takeover.Lease) -> grant.Grant:
    """A grant of what `granted` leaves on a roster of `families` after what the gateway stated of it.

    Its number stays, so that the next month's is greater at both generations. Grants are in whole thousands: what is less
    than that stays with the authority. Where the old default would need too many exceptions, the commonest rest takes its
    place.
    """
    rests = [_rest(granted.amount_rupiah(index), index, stated) for index in range(families)]
    document = grant.Grant()
    document.number, document.programme, document.period = granted.number, granted.programme, granted.period
    document.expiry_s, document.hold = granted.expiry_s, granted.hold
    document.default_rupiah, document.exceptions = _with_default(rests, granted.default_rupiah)
    if len(document.exceptions) > grant.EXCEPTIONS_MAX:
        (commonest, _), *_ = Counter(rests).most_common(1)
        document.default_rupiah, document.exceptions = _with_default(rests, commonest)
    return document


def left_rupiah(document: grant.Grant, families: int) -> int:
    """The sum of a grant over all families."""
    return sum(document.amount_rupiah(index) for index in range(families))


def _rest(granted_rupiah: int, index: int, stated: takeover.Lease) -> int:
    """What is left to one family."""
    if stated.is_closed:
        return 0
    for spender, is_returned, redeemed_rupiah, voided_rupiah in stated.spent:
        if spender == index:
            rest = 0 if is_returned else max(0, granted_rupiah - redeemed_rupiah + voided_rupiah)
            # A void without its redemption, which is missing, gives nothing that was not granted.
            return min(rest, granted_rupiah) // grant.UNIT_RUPIAH * grant.UNIT_RUPIAH
    return granted_rupiah


def _with_default(rests: list[int], default_rupiah: int) -> tuple[int, tuple[tuple[int, int], ...]]:
    """A default, and who departs from it."""
    return default_rupiah, tuple((index, rest) for index, rest in enumerate(rests) if rest != default_rupiah)
