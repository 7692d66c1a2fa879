"""What a new generation of a lost or locked terminal may still spend: the old leases less all that is sealed at the gateway."""

from collections.abc import Iterable, Mapping

from protocol import grant, records, roster

MONEY_KINDS = (records.REDEMPTION, records.VOID, records.RETURN)


def families_of(roster_octets: bytes) -> dict[bytes, int]:
    """Roster index by card key, of both cards of each family."""
    _, entries = roster.decode(roster_octets)
    return {card.card_key: index for index, entry in enumerate(entries) for card in entry.cards}


def left(
    granted: grant.Grant, number: int, sealed: Iterable[bytes], families: Mapping[bytes, int]
) -> grant.Grant:
    """A grant of what `granted` leaves after the sealed records of its terminal; grants are in whole thousands, so what
    is less than that stays with the authority.

    A card that the roster does not know spent no lease of `granted`. Voids give back, returns end a family's lease.
    """
    drawn_rupiah: dict[int, int] = {}
    returned = set()
    for octets in sealed:
        if octets[0] not in MONEY_KINDS:
            continue
        record = records.decode(octets)
        index = families.get(record.card_key)
        if index is None or (record.programme, record.period) != (granted.programme, granted.period):
            continue
        if record.kind == records.RETURN:
            returned.add(index)
        else:
            sign = 1 if record.kind == records.REDEMPTION else -1
            drawn_rupiah[index] = drawn_rupiah.get(index, 0) + sign * record.amount_rupiah
    amounts = dict(granted.exceptions)
    for index in drawn_rupiah.keys() | returned:
        rest = 0 if index in returned else max(0, granted.amount_rupiah(index) - drawn_rupiah[index])
        amounts[index] = rest // grant.UNIT_RUPIAH * grant.UNIT_RUPIAH
    document = grant.Grant()
    document.number, document.programme, document.period = number, granted.programme, granted.period
    document.expiry_s, document.hold = granted.expiry_s, granted.hold
    document.default_rupiah = granted.default_rupiah
    document.exceptions = tuple(
        (index, amounts[index]) for index in sorted(amounts) if amounts[index] != granted.default_rupiah
    )
    return document
