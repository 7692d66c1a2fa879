"""The published reference day: 300 redemptions of a busy outlet, drawn from hashes so that every machine gets the same.

What is assumed, and why (sources: the programme's press and ministry pages as far as they are public):

- The roster holds 842 families, the largest count per outlet that is known (DKI Jakarta 2018), in 12 hamlets; the
  authority allots indices hamlet by hamlet, 1 in 33 families came later and stands at the end. 1 in 33 holds two cards.
- 300 families come in one day of 8 hours: 96 seconds each on average, breaks included. 17 of 20 come when their hamlet
  is called, the others when they like. `VARIANTS["any order"]` has everybody come when they like.
- Two applications: 1 card in 4 has the programme's own, 7 in 10 the bank's, the rest both.
- Two programmes: food by basket (200,000 rupiah; 1 family in 10 has two months in arrears), and cash for half of the
  families (amounts of their own, most of them one of four), which 1 redemption in 20 is.
- 39 of 40 take all they are due. Baskets: 3 in 4 the standard one, 1 in 5 one of two others, 1 in 40 chooses items;
  `VARIANTS["free choice"]` has every second family choose.
- Small things: 2 % need a second attempt at the card, 1 % give a reason after a flag, 1 % come by delegation,
  1 % show another TVR bit; two records are voided; one operator login opens the day.
- 1 in 50 with a bank's card keys the aid PIN for the first time and is enrolled (`VARIANTS["first month"]` enrols all of
  them); the next month's grant comes in the evening, and its adoption is the last record.
- ATC: all 16 bits drawn evenly (`VARIANTS["young cards"]` draws 1 to 300 instead, as on cards used monthly). The
  cryptogram is 8 octets that nothing predicts. IAD static, or with 3 octets that change with every card.
"""

from protocol import civil_date, context, grant, policy, records
from protocol.records import CardProof, Record
from tools.golden_vectors.world import BASKETS, COMMODITIES, Draw, RosterInMemory, sample_policy

FAMILIES = 842
HAMLETS = 12
REDEMPTIONS = 300
KID = 0x10203040
# 25 November 2026, 08:00 at UTC+7.
OPENING_S = civil_date.to_days(2026, 11, 25) * civil_date.SECONDS_PER_DAY + 3600
PERIOD = civil_date.period_of(2026, 11)
SEQUENCE_FIRST = 4711


class Variant:
    """What departs from the reference day; see the module's text."""

    def __init__(
        self,
        ordered: bool = True,
        choosing: int = 1,
        memoryless_gaps: bool = False,
        dynamic_iad: bool = False,
        goods_received: bool = False,
        second_tap: bool = False,
        young_cards: bool = False,
        enrolled_percent: int = 2,
    ) -> None:
        self.ordered = ordered
        # Families in forty that choose their items.
        self.choosing = choosing
        self.memoryless_gaps = memoryless_gaps
        self.dynamic_iad = dynamic_iad
        self.goods_received = goods_received
        self.second_tap = second_tap
        self.young_cards = young_cards
        # Of families with a bank's card, in a hundred.
        self.enrolled_percent = enrolled_percent


VARIANTS = {
    "reference": Variant(),
    "free choice": Variant(choosing=20),
    "any order": Variant(ordered=False),
    "memoryless gaps": Variant(memoryless_gaps=True),
    "dynamic IAD": Variant(dynamic_iad=True),
    "goods received": Variant(goods_received=True),
    "goods received by second tap": Variant(goods_received=True, second_tap=True),
    "young cards": Variant(young_cards=True),
    "first month": Variant(enrolled_percent=100),
}
# The order in which reports name them: dictionaries have none on MicroPython.
VARIANT_NAMES = (
    "reference",
    "free choice",
    "any order",
    "memoryless gaps",
    "dynamic IAD",
    "goods received",
    "goods received by second tap",
    "young cards",
    "first month",
)


def _draw(label: str) -> Draw:
    """The day's own numbers."""
    return Draw(label, "lumbung reference day")


class Day:
    """`context`, `batch` (canonical records), `redemptions` among them, `first` sequence, `kid`."""

    def __init__(self, held: context.Context, batch: list[bytes]) -> None:
        self.context = held
        self.batch = batch
        self.redemptions = len([octets for octets in batch if octets[0] == records.REDEMPTION])
        self.first = SEQUENCE_FIRST
        self.kid = KID


def _roster(draw: Draw) -> RosterInMemory:
    """842 entries of one or two cards."""
    entries = []
    for _ in range(FAMILIES):
        roll = draw.below(100)
        applications = 1 if roll < 25 else 2 if roll < 95 else 3
        cards = [(draw.octets(8), applications) for _ in range(2 if draw.below(33) == 0 else 1)]
        entries.append(cards)
    return RosterInMemory(entries)


def _grants(draw: Draw, held_policy: policy.Policy, roster: RosterInMemory) -> dict[int, grant.Grant]:
    """Programme 1: food for all; programme 2: cash for every second family."""
    food = [(i, 400_000) for i in range(FAMILIES) if draw.percent(10)]
    amounts = (225_000, 375_000, 500_000, 750_000)
    cash = [
        (i, amounts[draw.below(4)] if draw.percent(80) else 1000 * (100 + draw.below(900)))
        for i in range(FAMILIES)
        if draw.percent(50)
    ]
    grants = {}
    for programme, default, exceptions in ((1, 200_000, food), (2, 0, cash)):
        out = grant.Grant()
        out.number = 40 + programme
        out.programme = programme
        out.period = PERIOD
        out.expiry_s = civil_date.period_start_s(PERIOD + 2)
        out.hold = 7000 + programme
        out.default_rupiah = default
        out.exceptions = tuple(exceptions)
        grants[programme] = grant.decode(grant.encode(out), KID, roster.digest, held_policy.digest)
    return grants


def _visitors(draw: Draw, ordered: bool) -> list[int]:
    """Roster indices of the 300 families in the order in which they come."""
    late = FAMILIES - FAMILIES // 33
    hamlets: list[list[int]] = [[] for _ in range(HAMLETS)]
    for i in range(late):
        hamlets[i * HAMLETS // late].append(i)
    for i in range(late, FAMILIES):
        hamlets[draw.below(HAMLETS)].append(i)
    called = []
    for hamlet in hamlets[draw.below(HAMLETS - 6) :]:
        called += draw.shuffled(hamlet)
    planned = called[: REDEMPTIONS * 17 // 20]
    taken = set(planned)
    others = draw.shuffled([i for i in range(FAMILIES) if i not in taken])[: REDEMPTIONS - len(planned)]
    for i in others:
        planned.insert(draw.below(len(planned) + 1), i)
    return planned if ordered else draw.shuffled(planned)


def _gap_s(draw: Draw, memoryless: bool) -> int:
    """Seconds until the next family is done; 96 on average."""
    if memoryless:
        gap = 1
        while draw.below(96):
            gap += 1
        return gap
    gap = 20 + draw.below(33) + draw.below(33) + draw.below(33)
    if draw.percent(15):
        gap += 20 + draw.below(101)
    if draw.below(40) == 0:
        gap += 120 + draw.below(1281)
    return gap


def _chosen_items(draw: Draw, most_rupiah: int) -> tuple[tuple[int, int, int], ...]:
    """Three to five commodities in halves and wholes, at posted prices, worth at most `most_rupiah`."""
    items = []
    left = most_rupiah
    for place in sorted(draw.shuffled(list(range(len(COMMODITIES))))[: 3 + draw.below(3)]):
        entry = COMMODITIES[place]
        halves = min(2 * left // entry[3], 1 + draw.below(8 if entry[0] != 1 else 20))
        if halves > 0:
            items.append((entry[0], 50 * halves, entry[3]))
            left -= 50 * halves * entry[3] // 100
    return tuple(items)


def _total(items: tuple[tuple[int, int, int], ...]) -> int:
    """What a basket costs in rupiah."""
    return sum([quantity * price // 100 for _, quantity, price in items])


def _proof(
    draw: Draw, held: context.Context, record: Record, applications: int, variant: Variant
) -> CardProof:
    """What the card answers."""
    index = 0 if applications & 1 else 1
    known = held.policy.applications[index]
    proof = CardProof()
    proof.application_index = index
    for name in ("pan_sequence", "cid", "aip", "tvr", "cvm_results", "iad"):
        setattr(proof, name, getattr(known, name))
    if variant.dynamic_iad:
        at = 8 if index == 0 else 3
        proof.iad = known.iad[:at] + draw.octets(3) + known.iad[at + 3 :]
    if draw.percent(1):
        proof.tvr = proof.tvr[:3] + bytes((proof.tvr[3] | 0x20,)) + proof.tvr[4:]
    proof.un_attempt = 1 if draw.percent(2) else 0
    proof.transaction_date = civil_date.transaction_date(record.time_s, held.policy.utc_offset_minutes)
    proof.atc = 1 + draw.below(300) if variant.young_cards else draw.below(65536)
    proof.ac = draw.octets(8)
    return proof


def _redemption(draw: Draw, held: context.Context, index: int, time_s: int, variant: Variant) -> Record:
    """One redemption by the family at roster `index`."""
    cards = held.roster.entries[index]  # type: ignore[attr-defined]
    place = len(cards) - 1
    out = _stamped(records.REDEMPTION, time_s)
    cash = held.grants[2].amount_rupiah(index) > 0 and draw.percent(10)
    out.programme = 2 if cash else 1
    out.tender = records.TENDER_CASH if cash else records.TENDER_GOODS
    out.period = PERIOD
    given = held.grants[out.programme]
    out.lease = given.number
    due = given.amount_rupiah(index)
    whole = draw.below(40) > 0
    out.items = ()
    if cash:
        out.amount_rupiah = due if whole else max(1000, 50_000 * (1 + draw.below(due // 50_000)))
    else:
        choosing = draw.below(40) < variant.choosing
        roll = draw.below(19)
        if not whole or choosing:
            out.items = _chosen_items(draw, due)
        elif due == 400_000:
            out.items = BASKETS[3][1]
        else:
            out.items = BASKETS[0 if roll < 15 else 1 if roll < 17 else 2][1]
        out.amount_rupiah = _total(out.items)
    out.card_key = cards[place][0]
    out.method = held.policy.applications[0 if cards[place][1] & 1 else 1].method
    out.flags = out.reason = 0
    if draw.percent(1):
        out.flags = 1
        out.reason = 1 + draw.below(4)
    if draw.percent(1):
        out.method = records.METHOD_DELEGATE
    out.proof = _proof(draw, held, out, cards[place][1], variant)
    return out


def _stamped(kind: int, time_s: int) -> Record:
    """A record with its head; the clock was kept by the RTC, as without a network."""
    out = Record()
    out.kind = kind
    out.version = records.VERSION
    out.time_s = time_s
    out.time_trust = records.TRUST_KEPT
    return out


def _goods_received(draw: Draw, held: context.Context, of: Record, sequence: int, variant: Variant) -> Record:
    """The family has its goods: confirmed on the screen, or by a second tap of the card."""
    out = _stamped(records.GOODS_RECEIVED, of.time_s + 8 + draw.below(13))
    out.reference_sequence = sequence
    out.card_key = of.card_key
    out.method = 1 if variant.second_tap else 0
    out.proof = None
    if out.method:
        out.proof = _proof(draw, held, out, 1 << _proof_of(of).application_index, variant)
        out.proof.cid = 0
        out.proof.atc = _proof_of(of).atc + 1 & 0xFFFF
    return out


def build(variant: str = "reference") -> Day:
    """The day in a variant of `VARIANTS`."""
    drawn = VARIANTS[variant]
    draw = _draw("roster")
    roster = _roster(draw)
    held_policy = sample_policy()
    held = context.Context(roster, held_policy, _grants(_draw("grants"), held_policy, roster))
    login = _stamped(records.EVENT, OPENING_S)
    login.code = records.EVENT_OPERATOR_LOGIN
    login.operator = 2
    login.detail = b""
    batch = [login]
    gaps = _draw("gaps")
    enrolments = _draw("enrolments")
    time_s = OPENING_S
    for place, index in enumerate(_visitors(_draw("visitors"), drawn.ordered)):
        time_s += _gap_s(gaps, drawn.memoryless_gaps)
        # One stream of draws per family, so that variants differ in nothing but what they are named for.
        sales = _draw(f"family {index}")
        sale = _redemption(sales, held, index, time_s, drawn)
        batch.append(sale)
        number = SEQUENCE_FIRST + len(batch) - 1
        if drawn.goods_received and sale.tender == records.TENDER_GOODS:
            batch.append(_goods_received(sales, held, sale, number, drawn))
        is_banks = _proof_of(sale).application_index == 1
        if is_banks and enrolments.percent(drawn.enrolled_percent):
            batch.append(_enrol(enrolments, sale))
        if place in (99, 248):
            batch.append(_void(sales, held, sale, number, drawn))
    batch.append(_adoption(_draw("adoption"), time_s + 1800))
    return Day(held, [records.encode(record) for record in batch])


def _proof_of(record: Record) -> CardProof:
    """The proof of a record that has one."""
    assert record.proof is not None
    return record.proof


def _enrol(draw: Draw, of: Record) -> Record:
    """The verifier is bound to the card that was just used."""
    out = _stamped(records.ENROL, of.time_s)
    out.card_key = of.card_key
    out.application_index = _proof_of(of).application_index
    out.verifier = draw.octets(16)
    return out


def _adoption(draw: Draw, time_s: int) -> Record:
    """The next month's grant of food."""
    out = _stamped(records.ADOPTION, time_s)
    out.subject = records.SUBJECT_GRANT
    out.number = 43
    out.digest = draw.octets(32)
    return out


def _void(draw: Draw, held: context.Context, of: Record, sequence: int, variant: Variant) -> Record:
    """The redemption just made is taken back, with the card."""
    out = _stamped(records.VOID, of.time_s + 30)
    out.programme = of.programme
    out.period = of.period
    out.amount_rupiah = of.amount_rupiah
    out.reference_sequence = sequence
    out.card_key = of.card_key
    out.reason = 2
    out.proof = _proof(draw, held, out, 1 << _proof_of(of).application_index, variant)
    out.proof.cid = 0
    return out
