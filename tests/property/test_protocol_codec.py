"""Codecs: any batch comes back bit for bit, and no octets but the encoder's own are accepted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol import codec, records
from protocol.context import Context
from protocol.errors import ProtocolError
from tests.property import protocol_strategies as drawn
from tools.golden_vectors.world import RosterInMemory

CODECS = st.sampled_from([codec.LITERAL, codec.PREDICTED])
FIRSTS = st.sampled_from([1, drawn.DAY.first, records.SEQUENCE_MAX - 20])
# A context without grants, commodities the policy has but no family, and one that shares cards with the reference day.
BARE = Context(RosterInMemory([]), drawn.CONTEXT.policy, {})
SMALL = Context(
    RosterInMemory(drawn.CONTEXT.roster.entries[:5]),  # type: ignore[attr-defined]
    drawn.CONTEXT.policy,
    {2: drawn.CONTEXT.grants[2]},
)
CONTEXTS = st.sampled_from([drawn.CONTEXT, BARE, SMALL])


@given(batch=drawn.batches(), number=CODECS, first=FIRSTS, context=CONTEXTS)
def test_any_batch_comes_back(batch: list[bytes], number: int, first: int, context: Context) -> None:
    """COD-01, COD-02, COD-05: bit for bit, and as records too."""
    octets = codec.encode(number, batch, context, first)
    assert codec.decode(number, octets, len(batch), context, first) == batch
    pairs = codec.decode_pairs(number, octets, len(batch), context, first)
    assert [records.encode(record) for _, record in pairs] == [canonical for canonical, _ in pairs] == batch


@given(data=st.data(), batch=drawn.batches(4), number=CODECS, first=FIRSTS, context=CONTEXTS)
def test_changed_octets_are_refused_or_are_another_encoding(
    data: st.DataObject, batch: list[bytes], number: int, first: int, context: Context
) -> None:
    """GEN-02, COD-06, COD-07: what is accepted is what the encoder makes of it."""
    octets = data.draw(drawn.mutated(codec.encode(number, batch, context, first)))
    count = data.draw(st.sampled_from([len(batch), len(batch) + 1, max(1, len(batch) - 1)]))
    try:
        accepted = codec.decode(number, octets, count, context, first)
    except ProtocolError:
        return
    assert len(accepted) == count
    assert codec.encode(number, accepted, context, first) == octets


@given(octets=st.binary(max_size=80), count=st.integers(1, 6), context=CONTEXTS, first=FIRSTS)
def test_random_octets_are_refused_or_are_an_encoding(
    octets: bytes, count: int, context: Context, first: int
) -> None:
    """COD-07: no other error, whatever arrives."""
    try:
        accepted = codec.decode(codec.PREDICTED, octets, count, context, first)
    except ProtocolError:
        return
    assert codec.encode(codec.PREDICTED, accepted, context, first) == octets


@given(batch=drawn.batches(), number=CODECS, room=st.integers(0, 400), first=FIRSTS)
def test_fit_takes_the_longest_start_that_fits(
    batch: list[bytes], number: int, room: int, first: int
) -> None:
    """FRM-11: a frame for SMS is filled and not overfilled."""
    count, octets = codec.fit(number, batch, drawn.CONTEXT, room, first)
    assert len(octets) <= room
    if count:
        assert codec.encode(number, batch[:count], drawn.CONTEXT, first) == octets
    if count < len(batch):
        assert len(codec.encode(number, batch[: count + 1], drawn.CONTEXT, first)) > room


@given(batch=drawn.batches(6), first=FIRSTS)
def test_another_context_never_yields_other_records_unseen(batch: list[bytes], first: int) -> None:
    """CTX-01: under another context the octets are refused or mean something else, which the salt tells apart."""
    octets = codec.encode(codec.PREDICTED, batch, drawn.CONTEXT, first)
    assert SMALL.digest != drawn.CONTEXT.digest != BARE.digest
    try:
        accepted = codec.decode(codec.PREDICTED, octets, len(batch), SMALL, first)
    except ProtocolError:
        return
    assert codec.encode(codec.PREDICTED, accepted, SMALL, first) == octets
