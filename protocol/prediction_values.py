"""Values that codec 1 has no expectation of: numbers, amounts, items, octets. Each function works in both directions:
when encoding it takes the value, when decoding the value is ignored; it returns the value.
"""

from protocol import prediction_tables as likely
from protocol import records
from protocol.entropy import Coder
from protocol.prediction_tables import Tables


def number(coder: Coder, field: str, value: int) -> int:
    """An unsigned number of up to 48 bits; money in whole thousands takes ten bits less."""
    is_money = field.endswith("_rupiah")
    if is_money and coder.choice(field, 1 if value and value % 1000 == 0 else 0, likely.EVEN):
        return 1000 * by_length(coder, field, value // 1000, likely.NUMBER_BITS)
    return by_length(coder, field, value, likely.NUMBER_BITS)


def by_length(
    coder: Coder, field: str, value: int, lengths: tuple[tuple[tuple[int, int, int], ...], bytes, int, int]
) -> int:
    """A number by its length in bits, then the bits below the leading one."""
    length = 0
    while coder.encoding and value >> length:
        length += 1
    length = coder.choice(field, length, lengths)
    if length < 2:
        return length
    leading = 1 << length - 1
    return leading + coder.bits(field, value - leading, length - 1)


def expected_number(coder: Coder, field: str, value: int, expected: int) -> int:
    """A number that usually is `expected`."""
    if coder.choice(field, 1 if value != expected else 0, likely.NEARLY_SURE):
        return number(coder, field, value)
    return expected


def octets_like(coder: Coder, field: str, value: bytes, expected: bytes) -> tuple[bytes, tuple[int, ...]]:
    """(octets, changed places): octets as long as `expected`, each the same or sent."""
    out = bytearray(expected)
    changed = []
    for i in range(len(expected)):
        if coder.choice(field, 1 if coder.encoding and value[i] != expected[i] else 0, likely.RATHER):
            out[i] = coder.bits(field, value[i] if coder.encoding else 0, 8)
            changed.append(i)
    return bytes(out), tuple(changed)


def items(
    coder: Coder, given: tuple[tuple[int, int, int], ...], tables: Tables
) -> tuple[tuple[int, int, int], ...]:
    """Items one by one: commodities by their place in the policy, at the posted price unless said otherwise."""
    known = tables.commodities
    found = []
    after = 0
    for i in range(coder.choice("items", len(given), likely.ITEM_COUNTS)):
        commodity, quantity, price = given[i] if coder.encoding else (0, 0, 0)
        place = known.index(commodity) if commodity in known else len(known)
        step = place - after
        step = coder.choice(
            "commodity", step if 0 <= step < likely.ELSEWHERE else likely.ELSEWHERE, likely.PLACE_STEPS
        )
        place = (
            coder.uniform("commodity", place, len(known) + 1) if step == likely.ELSEWHERE else after + step
        )
        after = place + 1
        commodity = known[place] if place < len(known) else coder.bits("commodity", commodity, 8)
        quantity = _quantity(coder, quantity)
        posted = tables.prices.get(commodity, 0)
        price = (
            expected_number(coder, "price_rupiah", price, posted)
            if posted
            else number(coder, "price_rupiah", price)
        )
        found.append((commodity, quantity, price))
    return tuple(found)


def _quantity(coder: Coder, quantity: int) -> int:
    """Hundredths of a unit: whole units, halves, or any number of hundredths."""
    unit = 0
    while quantity % likely.QUANTITY_UNITS[unit]:
        unit += 1
    unit = coder.choice("quantity_hundredths", unit, likely.QUANTITY_UNIT_WEIGHTS)
    size = likely.QUANTITY_UNITS[unit]
    return size * by_length(coder, "quantity_hundredths", quantity // size, likely.QUANTITY_BITS)


def amount(coder: Coder, value: int, first: int, second: int) -> int:
    """An amount of rupiah that is likely `first`, else `second` (0: there is no such expectation), or any number."""
    if not first:
        first, second = second, 0
    if first and not coder.choice("amount_rupiah", 1 if value != first else 0, likely.LIKELY):
        return first
    if (
        second
        and second != first
        and not coder.choice("amount_rupiah", 1 if value != second else 0, likely.EVEN)
    ):
        return second
    return number(coder, "amount_rupiah", value)


def detail(coder: Coder, value: bytes) -> bytes:
    """An event's detail, often empty."""
    if not coder.choice("detail", 1 if value else 0, likely.EVEN):
        return b""
    length = 1 + coder.uniform("detail", len(value) - 1, records.DETAIL_OCTETS_MAX)
    return coder.octets("detail", value, length)
