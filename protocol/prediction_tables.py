"""What codec 1 holds to be likely: fixed weights that are part of the wire format, and what follows from a context.

Every weight here is normative: changing one changes the octets and needs a new codec number.
"""

from protocol import civil_date
from protocol.entropy import cumulate, scaled

# As expected, or not: by how sure the expectation is.
NEARLY_SURE = cumulate((250, 6))
LIKELY = cumulate((60, 4))
RATHER = cumulate((7, 1))
EVEN = cumulate((1, 1))

KINDS = cumulate((6, 2, 6, 2, 1, 3, 2, 2, 8))

# Departures: none or some, after a record without; the same, none or others, after a record with new or kept ones.
USUAL_NONE = cumulate((61, 3))
USUAL_NEW = cumulate((28, 32, 4))
USUAL_KEPT = cumulate((60, 2, 2))

# Seconds since the record before, by range (least, bits); the last symbol: earlier than the record before.
GAPS = (
    (0, 4),
    (16, 4),
    (32, 4),
    (48, 4),
    (64, 4),
    (80, 4),
    (96, 4),
    (112, 4),
    (128, 5),
    (160, 5),
    (192, 6),
    (256, 8),
    (512, 9),
    (1024, 10),
    (2048, 11),
    (4096, 12),
    (8192, 13),
    (1 << 14, 14),
    (1 << 15, 15),
    (1 << 16, 16),
    (1 << 17, 32),
)
BACKWARDS = len(GAPS)
GAP_WEIGHTS = cumulate((8, 12, 24, 42, 44, 36, 22, 14, 16, 9, 7, 6, 3, 2, 2, 2, 1, 1, 1, 1, 1, 2))
# The range of a gap below 256 by its sixteenth.
GAP_OF_SIXTEENTH = bytes((0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 9, 10, 10, 10, 10))

# The first record of a frame: local days from the start of the grant's month; the last symbol: any 32-bit time. Then
# the second of the local day, within usual hours or not.
DAYS = 31
DAY_WEIGHTS = cumulate((8,) * DAYS + (8,))
OPEN_S = 6 * 3600
OPEN_SECONDS = 13 * 3600

# How the card is said: near the last one on the roster, anywhere on it, an entry's second card, or as its key.
NEAR = 0
FAR = 1
SECOND = 2
STRANGE = 3
NEAR_BITS = 7
NEAR_BEFORE = 64
CARD_FIRST = cumulate((0, 240, 10, 6))
CARD_AFTER_NEAR = cumulate((184, 60, 8, 4))
CARD_AFTER_FAR = cumulate((112, 132, 8, 4))

# ATC by range (least, bits): few cards have seen a thousand transactions. The last range is any ATC.
ATC_RANGES = ((0, 7), (128, 8), (384, 10), (0, 16))
ATC_SMALL = 1408
ATC_LARGE = 3
ATC_FIRST = cumulate((12, 12, 8, 32))
ATC_AFTER_SMALL = cumulate((28, 26, 8, 2))
ATC_AFTER_LARGE = cumulate((1, 1, 2, 124))
# ATC of a second tap: 1, 2 or 3 more than the first tap's, or otherwise.
ATC_STEPS = cumulate((52, 6, 2, 4))
OTHER_STEP = 3

# Numbers by their length in bits: any, a distance between sequences (0: none), a quantity in its unit.
NUMBER_BITS = cumulate((4,) * 20 + (2,) * 19 + (1,) * 10)
DISTANCE_BITS_MAX = 23
DISTANCE_BITS = cumulate((2, 24, 8, 4, 2, 2, 2, 2, 2) + (1,) * 14 + (2,))
QUANTITY_BITS = cumulate((1, 24, 24, 24, 18, 12, 8, 4, 2, 2, 2, 2, 1, 1, 1, 1, 1))
QUANTITY_UNITS = (100, 50, 1)
QUANTITY_UNIT_WEIGHTS = cumulate((9, 5, 2))

ITEM_COUNTS = cumulate((1, 3, 5, 6, 6, 4, 3, 2, 2))
# Place of a commodity in the policy counted on from the item before; the last symbol: elsewhere.
PLACE_STEPS = cumulate((14, 8, 5, 3, 1, 1))
ELSEWHERE = 5
# A basket worth exactly what the family is due is this much likelier; chosen items are one case in about thirteen.
DUE_FACTOR = 16
CHOSEN_SHARE = 12
BASKET_TOTAL = 256
BASKET_TABLES_MAX = 8
PROGRAMME_TOTAL = 256

# A card's usual answer, in this order.
TYPICAL_FIELDS = ("pan_sequence", "cid", "aip", "tvr", "cvm_results", "iad")


class Tables:
    """What the model derives once from a context: months, programmes, prices, baskets and what cards usually answer.

    It keeps no roster: a gateway holds many contexts, and rosters are large.
    """

    def __init__(self, context: object) -> None:
        self.grants = context.grants  # type: ignore[attr-defined]
        policy = context.policy  # type: ignore[attr-defined]
        first = context.first_grant()  # type: ignore[attr-defined]
        self.programme = first.programme if first else 1
        self.programmes = sorted(self.grants)
        # Another of the context's programmes, or (last symbol) none of them.
        self.other_programme = cumulate(scaled([8] * len(self.programmes) + [1], PROGRAMME_TOTAL))
        self.utc_offset_minutes = policy.utc_offset_minutes
        # Where the grant's month starts, in local time.
        self.start_s = (
            civil_date.period_start_s(first.period) - 60 * policy.utc_offset_minutes if first else 0
        )
        self.methods = [application.method for application in policy.applications]
        self.typical = [
            tuple([getattr(application, name) for name in TYPICAL_FIELDS])
            for application in policy.applications
        ]
        self.commodities = [entry[0] for entry in policy.commodities]
        self.prices = {}
        for entry in policy.commodities:
            self.prices[entry[0]] = entry[3]
        # Baskets from 1 on; 0 stands for chosen items.
        self.baskets = [()] + [tuple(basket[1]) for basket in policy.baskets]
        self.totals = [total_rupiah(items) for items in self.baskets]
        self.basket_of = {}
        for place in range(len(self.baskets) - 1, 0, -1):
            self.basket_of[self.baskets[place]] = place
        self._weights = [basket[0] for basket in policy.baskets]
        self._basket_tables: dict[int, tuple[tuple[tuple[int, int, int], ...], bytes, int, int]] = {}
        self._day = (0, 0, b"")

    def period_and_lease(self, programme: int) -> tuple[int, int]:
        """What the grant in force for a programme makes expected."""
        grant = self.grants.get(programme)
        return (grant.period, grant.number) if grant else (24000, 0)

    def day_of(self, time_s: int) -> tuple[int, int, bytes]:
        """The local day that a time is in: its first second, the next day's, and its date as EMV tag 9A. Most frames are of
        the day that was last asked for.
        """
        day = self._day
        if not day[0] <= time_s < day[1]:
            start_s = time_s - (time_s + 60 * self.utc_offset_minutes) % civil_date.SECONDS_PER_DAY
            date = civil_date.transaction_date(time_s, self.utc_offset_minutes)
            self._day = day = (start_s, start_s + civil_date.SECONDS_PER_DAY, date)
        return day

    def due_rupiah(self, programme: int, index: int) -> int:
        """What the grant gives the family at roster `index`; 0 where that is not known."""
        grant = self.grants.get(programme)
        return int(grant.amount_rupiah(index)) if grant and index >= 0 else 0

    def basket_table(self, due_rupiah: int) -> tuple[tuple[tuple[int, int, int], ...], bytes, int, int]:
        """The likelihood of chosen items (symbol 0) and of each basket for a family that is due `due_rupiah`."""
        table = self._basket_tables.get(due_rupiah)
        if table is None:
            weights = [
                self._weights[i] * (DUE_FACTOR if self.totals[i + 1] == due_rupiah else 1)
                for i in range(len(self._weights))
            ]
            table = cumulate(scaled([1 + sum(weights) // CHOSEN_SHARE] + weights, BASKET_TOTAL))
            if len(self._basket_tables) < BASKET_TABLES_MAX:
                self._basket_tables[due_rupiah] = table
        return table

    def typical_answer(self, application: int, is_redemption: bool) -> tuple[object, ...]:
        """`TYPICAL_FIELDS` of a policy application (the first one's for an unknown application)."""
        typical = self.typical[application if application < len(self.typical) else 0]
        # A second tap decides nothing: it asks for an AAC, whose CID is 0.
        return typical if is_redemption else (typical[0], 0) + typical[2:]


def tables_of(context: object) -> Tables:
    """The tables of a context, derived when it is first used and kept with it."""
    tables = getattr(context, "prediction_tables", None)
    if tables is None:
        tables = Tables(context)
        context.prediction_tables = tables  # type: ignore[attr-defined]
    return tables


def total_rupiah(items: tuple[tuple[int, int, int], ...]) -> int:
    """What items cost: price per unit times hundredths of the unit, each rounded down to a rupiah."""
    total = 0
    for _, quantity_hundredths, price_rupiah in items:
        total += quantity_hundredths * price_rupiah // 100
    return total
