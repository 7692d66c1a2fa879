"""Grants of a new generation: the old leases less what is sealed, per family, never more than was left."""

from protocol import grant, records
from tests.support.frames import card_key, sample_roster
from tools.authority import release

FAMILIES = 12
PERIOD = 24322
OTHER_KEY = bytes(8)


def lease(programme: int = 1) -> grant.Grant:
    """200,000 for all, 300,000 for family 4, nothing for family 7."""
    made = grant.Grant()
    made.number, made.programme, made.period = 3, programme, PERIOD
    made.expiry_s, made.hold, made.default_rupiah = 1_800_000_000, 9, 200_000
    made.exceptions = ((4, 300_000), (7, 0))
    return made


def spent(kind: int, index: int, amount_rupiah: int, programme: int = 1, period: int = PERIOD) -> bytes:
    """A record that moves money of a family."""
    proof = records.CardProof(
        application_index=0, pan_sequence=1, transaction_date=bytes(3), cid=0x40, atc=1, ac=bytes(8), tvr=bytes(5),
        aip=bytes(2), cvm_results=bytes(3), un_attempt=0, iad=b"",
    )  # fmt: skip
    key = card_key("release", index) if index < FAMILIES else OTHER_KEY
    return records.encode(
        records.Record(
            kind=kind, version=1, time_s=1_790_000_000, time_trust=1, programme=programme, period=period,
            tender=records.TENDER_CASH, amount_rupiah=amount_rupiah, card_key=key, lease=3,
            method=records.METHOD_CARD_PIN, flags=0, reason=0, proof=proof, items=(), reference_sequence=1,
        )
    )  # fmt: skip


def left_of(*sealed: bytes) -> grant.Grant:
    """What is left of the lease."""
    families = release.families_of(sample_roster("release", FAMILIES))
    made = release.left(lease(), 8, sealed, families)
    grant.encode(made)
    return made


def amounts(*sealed: bytes) -> list[int]:
    """What is left for each family."""
    made = left_of(*sealed)
    return [made.amount_rupiah(index) for index in range(FAMILIES)]


def test_nothing_sealed_leaves_all() -> None:
    made = left_of()
    assert (made.number, made.programme, made.period, made.hold) == (8, 1, PERIOD, 9)
    assert made.exceptions == lease().exceptions


def test_each_family_has_what_it_did_not_draw() -> None:
    redeemed, voided = records.REDEMPTION, records.VOID
    expected = [200_000] * FAMILIES
    expected[0], expected[3], expected[4], expected[7] = 150_000, 0, 200_000, 0
    sealed = (
        spent(redeemed, 0, 50_000),
        spent(redeemed, 2, 70_000), spent(voided, 2, 70_000),
        spent(redeemed, 3, 150_000), spent(redeemed, 3, 50_000),
        spent(redeemed, 4, 100_000),
    )  # fmt: skip
    assert amounts(*sealed) == expected


def test_a_return_ends_the_lease_and_parts_of_a_thousand_stay_with_the_authority() -> None:
    redeemed = records.REDEMPTION
    assert amounts(spent(redeemed, 1, 1), spent(records.RETURN, 5, 20_000))[:6] == [
        200_000, 199_000, 200_000, 200_000, 300_000, 0,
    ]  # fmt: skip


def test_other_programmes_periods_and_cards_took_nothing() -> None:
    redeemed = records.REDEMPTION
    sealed = (
        spent(redeemed, 1, 9_000, programme=2), spent(redeemed, 1, 9_000, period=PERIOD + 1),
        spent(redeemed, FAMILIES, 9_000),
    )  # fmt: skip
    assert left_of(*sealed).exceptions == lease().exceptions
