"""Grants of a new generation: the old leases less what counts of them, per family, never more than was left."""

from protocol import grant, takeover
from tools.authority import release

FAMILIES = 12
PERIOD = 24322


def lease(number: int = 3) -> grant.Grant:
    """200,000 for all, 300,000 for family 4, nothing for family 7."""
    made = grant.Grant()
    made.number, made.programme, made.period = number, 1, PERIOD
    made.expiry_s, made.hold, made.default_rupiah = 1_800_000_000, 9, 200_000
    made.exceptions = ((4, 300_000), (7, 0))
    return made


def left_of(
    *spent: tuple[int, bool, int, int], is_closed: bool = False, families: int = FAMILIES
) -> grant.Grant:
    """What is left of the lease after (index, returned, redeemed, voided) of some families."""
    stated = takeover.Lease()
    stated.is_closed, stated.spent = is_closed, spent
    made = release.left(lease(), families, stated)
    grant.encode(made)
    return made


def amounts(*spent: tuple[int, bool, int, int], is_closed: bool = False) -> list[int]:
    """What is left for each family."""
    made = left_of(*spent, is_closed=is_closed)
    return [made.amount_rupiah(index) for index in range(FAMILIES)]


def test_nothing_spent_leaves_all() -> None:
    """TKO-07."""
    made = left_of()
    assert (made.number, made.programme, made.period, made.hold) == (3, 1, PERIOD, 9)
    assert (made.expiry_s, made.exceptions) == (1_800_000_000, lease().exceptions)
    assert release.left_rupiah(made, FAMILIES) == 10 * 200_000 + 300_000


def test_each_family_has_what_it_did_not_draw() -> None:
    """TKO-07."""
    expected = [200_000] * FAMILIES
    expected[0], expected[3], expected[4], expected[7] = 150_000, 0, 200_000, 0
    assert amounts(
        (0, False, 50_000, 0), (2, False, 70_000, 70_000), (3, False, 200_000, 0), (4, False, 100_000, 0)
    ) == expected  # fmt: skip


def test_a_return_ends_the_lease_and_parts_of_a_thousand_stay_with_the_authority() -> None:
    """TKO-07."""
    assert amounts((1, False, 1, 0), (5, True, 20_000, 0))[:6] == [
        200_000, 199_000, 200_000, 200_000, 300_000, 0,
    ]  # fmt: skip


def test_neither_an_overdrawn_lease_nor_a_void_without_its_redemption_makes_money() -> None:
    """TKO-07."""
    assert amounts((1, False, 900_000, 0), (2, False, 0, 70_000), (7, False, 0, 1_000))[:8] == [
        200_000, 0, 200_000, 200_000, 300_000, 200_000, 200_000, 0,
    ]  # fmt: skip


def test_a_closed_period_leaves_nothing() -> None:
    """TKO-07."""
    assert amounts((1, False, 1, 0), is_closed=True) == [0] * FAMILIES


def test_where_most_have_spent_what_is_left_to_most_is_the_default() -> None:
    made = left_of(*((index, False, 200_000, 0) for index in range(5, 2500)), families=2600)
    assert made.default_rupiah == 0
    assert [made.amount_rupiah(index) for index in (0, 4, 5, 7, 2499, 2500)] == [
        200_000, 300_000, 0, 0, 0, 200_000,
    ]  # fmt: skip
