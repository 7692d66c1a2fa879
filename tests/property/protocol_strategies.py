"""Hypothesis strategies for every unit of the protocol, edge values included."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from protocol import records
from protocol.records import CardProof, Record
from tests.bench import reference_day

DAY = reference_day.build()
CONTEXT = DAY.context
ROSTER_KEYS = [card[0] for cards in CONTEXT.roster.entries for card in cards]


def uint(octets: int, least: int = 0, most: int | None = None) -> st.SearchStrategy[int]:
    """A number of a field, its bounds more often than chance would."""
    top = (1 << 8 * octets) - 1 if most is None else most
    return st.one_of(st.sampled_from([least, top]), st.integers(least, top))


def octets(length: int) -> st.SearchStrategy[bytes]:
    """Exactly `length` octets."""
    return st.binary(min_size=length, max_size=length)


def number_of(code: str, least: int, most: int) -> st.SearchStrategy[Any]:
    """A value for a field of a record layout."""
    return octets(int(code[:-1])) if code.endswith("s") else uint(1, least, most)


CARD_KEYS = st.one_of(st.sampled_from(ROSTER_KEYS), octets(8))
# What real records look like, so that the codec's expectations are met and missed.
USUAL = {
    "time_s": st.one_of(
        uint(4),
        st.integers(reference_day.OPENING_S, reference_day.OPENING_S + 90000),
        st.just(reference_day.OPENING_S),
    ),
    "programme": st.one_of(st.sampled_from([1, 1, 2]), uint(1, 1)),
    "period": st.one_of(st.just(reference_day.PERIOD), uint(2, 24000, 36000)),
    "lease": st.one_of(st.sampled_from([41, 42]), uint(4)),
    "amount_rupiah": st.one_of(
        st.sampled_from([200_000, 400_000, 225_000, 1000, 1]), uint(4, 1, records.AMOUNT_RUPIAH_MAX)
    ),
    "card_key": CARD_KEYS,
    "reference_sequence": st.one_of(
        st.integers(reference_day.SEQUENCE_FIRST - 3, reference_day.SEQUENCE_FIRST + 9),
        uint(3, 1, records.SEQUENCE_MAX),
    ),
}


@st.composite
def proofs(draw: st.DrawFn, time_s: int) -> CardProof:
    """A card proof, either near what the policy says or anything."""
    proof = CardProof()
    for name, code, least, most in records.PROOF_FIELDS:
        setattr(proof, name, draw(number_of(code, least, most)))
    proof.iad = draw(st.binary(max_size=records.IAD_OCTETS_MAX))
    if draw(st.booleans()):
        known = CONTEXT.policy.applications[draw(st.integers(0, 1))]
        proof.application_index = known.application_index
        for name in draw(
            st.sets(st.sampled_from(["pan_sequence", "cid", "aip", "tvr", "cvm_results", "iad"]))
        ):
            setattr(proof, name, getattr(known, name))
        proof.un_attempt = draw(st.integers(0, 1))
    return proof


@st.composite
def items(draw: st.DrawFn) -> tuple[tuple[int, int, int], ...]:
    """A basket of the policy, posted prices, or anything."""
    if draw(st.booleans()):
        return tuple(draw(st.sampled_from([basket[1] for basket in CONTEXT.policy.baskets])))
    item = st.tuples(uint(1, 1), uint(2, 1), uint(4, 0, records.AMOUNT_RUPIAH_MAX))
    posted = st.builds(
        lambda entry, halves: (entry[0], 50 * halves, entry[3]),
        st.sampled_from(CONTEXT.policy.commodities),
        st.integers(1, 30),
    )
    return tuple(draw(st.lists(st.one_of(item, posted), max_size=records.ITEMS_MAX)))


@st.composite
def record(draw: st.DrawFn, kinds: tuple[int, ...] = tuple(range(1, 10))) -> Record:
    """A valid record of any kind."""
    kind = draw(st.sampled_from(kinds))
    out = Record()
    for name, code, least, most in records.HEAD + records.LAYOUTS[kind][1]:
        setattr(out, name, draw(USUAL.get(name, number_of(code, least, most))))
    out.kind = kind
    out.version = records.VERSION
    parts = records.LAYOUTS[kind][2]
    if "items" in parts:
        out.items = draw(items())
        if kind == records.REDEMPTION and out.tender == records.TENDER_CASH:
            out.items = ()
    if "detail" in parts:
        out.detail = draw(st.binary(max_size=records.DETAIL_OCTETS_MAX))
    if "proof" in parts:
        out.proof = draw(proofs(out.time_s))
    if "optional_proof" in parts:
        out.proof = draw(proofs(out.time_s)) if out.method else None
    return out


@st.composite
def canonical(draw: st.DrawFn) -> bytes:
    """The canonical octets of a valid record."""
    return records.encode(draw(record()))


@st.composite
def batches(draw: st.DrawFn, most: int = 12) -> list[bytes]:
    """Records of one frame: drawn ones, ones of the reference day, small changes of the one before; an adoption ends
    it.
    """
    batch: list[bytes] = []
    for _ in range(draw(st.integers(1, most))):
        if batch and batch[-1][0] == records.ADOPTION:
            break
        source = draw(st.integers(0, 2))
        if source == 0 or not batch:
            batch.append(draw(canonical()))
        elif source == 1:
            batch.append(draw(st.sampled_from(DAY.batch)))
        else:
            changed = records.decode(batch[-1])
            changed.time_s = min(0xFFFFFFFF, changed.time_s + draw(st.integers(0, 300)))
            if getattr(changed, "proof", None) is not None and draw(st.booleans()):
                changed.proof.iad = changed.proof.iad[:-1] + draw(octets(1))
                changed.proof.atc = (changed.proof.atc + 1) & 0xFFFF
            batch.append(records.encode(changed))
    return batch


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """`data` with a few octets changed, cut, repeated or added."""
    out = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        how = draw(st.integers(0, 4))
        at = draw(st.integers(0, max(0, len(out) - 1)))
        if how == 0 and out:
            out[at] ^= 1 << draw(st.integers(0, 7))
        elif how == 1 and out:
            out[at] = draw(st.integers(0, 255))
        elif how == 2:
            del out[at:]
        elif how == 3:
            out[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif out:
            del out[at]
    return bytes(out)
