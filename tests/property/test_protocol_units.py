"""Every unit: what decodes encodes to the same octets, anything else is refused by a typed error; and the arithmetic."""

from __future__ import annotations

import datetime as dt
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import acknowledgement, civil_date, frame, grant, link_keys, records, unpredictable_number
from protocol import context as contexts
from protocol.context import NO_CONTEXT_DIGEST
from protocol.errors import (
    AuthenticationFailed,
    OutOfRange,
    ProtocolError,
    Truncated,
    UnknownContext,
    UnknownVersion,
)
from tests.property import protocol_strategies as drawn
from tests.support.link_cipher import CpythonCipher
from tools.golden_vectors.reference import encrypt_block

CIPHER = CpythonCipher()
SEALS = st.one_of(st.just(b""), drawn.octets(64))


@pytest.mark.parametrize("name", drawn.UNITS)
@given(data=st.data())
def test_a_unit_comes_back(name: str, data: st.DataObject) -> None:
    """GEN-02: for each unit of sections 2 and 6."""
    unit = drawn.UNITS[name]
    octets = data.draw(unit.octets)
    assert unit.encode(unit.decode(octets)) == octets


@pytest.mark.parametrize("name", drawn.UNITS)
@given(data=st.data())
def test_a_changed_unit_is_refused_or_is_another_one(name: str, data: st.DataObject) -> None:
    """GEN-02, GEN-03, GEN-06: nothing but a ProtocolError, and never two encodings of one unit."""
    unit = drawn.UNITS[name]
    octets = data.draw(drawn.mutated(data.draw(unit.octets)))
    refusal = None
    try:
        assert unit.encode(unit.decode(octets)) == octets
    except ProtocolError as error:
        refusal = error
    if refusal is not None:
        assert refusal.field
        assert -1 <= refusal.offset <= len(octets) + 1


@pytest.mark.parametrize("name", drawn.UNITS)
@given(octets=st.binary(max_size=100))
def test_random_octets_are_refused(name: str, octets: bytes) -> None:
    """GEN-03."""
    try:
        decoded = drawn.UNITS[name].decode(octets)
    except ProtocolError:
        return
    assert drawn.UNITS[name].encode(decoded) == octets


# Frames.


@given(batch=drawn.batches(6), seal=SEALS, number=st.sampled_from([0, 1]), kid=drawn.uint(4), data=st.data())
def test_a_records_frame_opens_and_no_changed_one_does(
    batch: list[bytes], seal: bytes, number: int, kid: int, data: st.DataObject
) -> None:
    """FRM-01, FRM-02, FRM-05, FRM-06, FRM-07, FRM-09."""
    first = data.draw(drawn.uint(3, 1, records.SEQUENCE_MAX - len(batch) + 1))
    octets = frame.encode_records(kid, first, batch, seal, number, drawn.CONTEXT, CIPHER)
    opened = frame.open_records(octets, [drawn.CONTEXT], CIPHER)
    assert (opened.records, opened.seal) == (batch, seal)
    header = opened.header
    assert (header.kid, header.first, header.count, header.sealed) == (kid, first, len(batch), bool(seal))
    changed = data.draw(drawn.mutated(octets))
    try:
        again = frame.open_records(changed, [drawn.CONTEXT], CIPHER)
    except (AuthenticationFailed, Truncated, OutOfRange, UnknownVersion):
        return
    # Only the seal stands outside of the tag; the chain judges it.
    body = len(octets) - len(seal)
    assert changed[:body] == octets[:body]
    assert again.records == batch


@given(batch=drawn.batches(3), first=st.integers(1, 1000))
def test_a_frame_of_an_unknown_context_says_so(batch: list[bytes], first: int) -> None:
    """FRM-08, CTX-02: the salt finds the context among those held, or none."""
    octets = frame.encode_records(7, first, batch, b"", 1, drawn.CONTEXT, CIPHER)
    other = contexts.Context(drawn.CONTEXT.roster, drawn.CONTEXT.policy, {})
    with pytest.raises(UnknownContext):
        frame.open_records(octets, [other], CIPHER)
    assert frame.open_records(octets, [other, drawn.CONTEXT], CIPHER).records == batch


@given(
    frame_class=st.sampled_from([frame.CLASS_UP, frame.CLASS_DOWN]),
    kind=st.integers(0, 63),
    kid=drawn.uint(4),
    counter=drawn.uint(4),
    body=st.binary(max_size=200),
    data=st.data(),
)
def test_a_counter_frame_opens_and_no_changed_one_does(
    frame_class: int, kind: int, kid: int, counter: int, body: bytes, data: st.DataObject
) -> None:
    """FRM-03, FRM-04, FRM-09."""
    octets = frame.encode_counter(frame_class, kind, kid, counter, body, CIPHER)
    header, opened = frame.open_counter(octets, CIPHER)
    assert (header.frame_class, header.codec, header.kid, header.counter) == (frame_class, kind, kid, counter)
    assert opened == body
    assert octets[9:13] == CIPHER.salt(octets[:9] + NO_CONTEXT_DIGEST + body)
    changed = data.draw(drawn.mutated(octets))
    if changed != octets:
        with pytest.raises(ProtocolError):
            frame.open_counter(changed, CIPHER)


@given(kind=st.integers(0, 63), kid=drawn.uint(4), counter=drawn.uint(4), body=st.binary(max_size=200))
def test_a_clear_frame_opens(kind: int, kid: int, counter: int, body: bytes) -> None:
    """FRM-10, GEN-06: its salt is zero and nothing else."""
    octets = frame.encode_clear(kind, kid, counter, body)
    header, opened = frame.open_clear(octets)
    assert (header.codec, header.kid, header.counter, opened) == (kind, kid, counter, body)
    with pytest.raises(OutOfRange):
        frame.open_clear(octets[:12] + b"\x01" + octets[13:])


@given(octets=st.binary(max_size=200))
def test_random_frames_are_refused(octets: bytes) -> None:
    """FRM-07, FRM-11: by every opener, with a typed error; a clear frame has no protection but its signature."""
    for opener in (
        lambda: frame.read_header(octets),
        lambda: frame.open_records(octets, [drawn.CONTEXT], CIPHER),
        lambda: frame.open_counter(octets, CIPHER),
        lambda: frame.open_clear(octets),
        lambda: frame.kid_of(octets),
    ):
        try:
            opener()
        except ProtocolError:
            continue


# Signed units.


@given(one=drawn.grants(), index=drawn.uint(2, 0, 4999))
def test_a_grant_gives_each_family_its_exception_or_the_default(one: grant.Grant, index: int) -> None:
    """GRT-06, GRT-02, GRT-03."""
    decoded = drawn.decode_grant(grant.encode(one))
    assert decoded.exceptions == one.exceptions
    assert decoded.amount_rupiah(index) == dict(one.exceptions).get(index, one.default_rupiah)


@given(one=drawn.acknowledgements())
def test_the_size_of_an_acknowledgement_is_known_before(one: acknowledgement.Acknowledgement) -> None:
    """ACK-01, ACK-02, ACK-03."""
    octets = acknowledgement.encode(one)
    assert len(octets) == acknowledgement.octets(len(one.gaps), len(one.states))
    decoded = acknowledgement.decode(octets)
    assert (decoded.gaps, decoded.states) == (one.gaps, one.states)


# Context, keys, numbers, dates.

DIGESTS = st.sampled_from([bytes([n]) * 32 for n in range(4)])


@given(
    one=st.tuples(DIGESTS, DIGESTS, st.lists(DIGESTS, max_size=3)),
    other=st.tuples(DIGESTS, DIGESTS, st.lists(DIGESTS, max_size=3)),
)
def test_context_digests_differ_where_anything_does(
    one: tuple[bytes, bytes, list[bytes]], other: tuple[bytes, bytes, list[bytes]]
) -> None:
    """CTX-02, CTX-03: number and order of grants included."""
    assert (contexts.digest(*one) == contexts.digest(*other)) == (one == other)
    joined = b"lumbung/ctx/1\x00\x00\x00" + one[0] + one[1] + b"".join(one[2])
    assert contexts.digest(*one) == hashlib.sha256(joined).digest()


@given(start=st.integers(0, (1 << 24) - 400))
def test_unpredictable_numbers_never_repeat_under_one_key(start: int) -> None:
    """UN-02: a window of sequences and attempts."""
    pairs = [(sequence, attempt) for sequence in range(start, start + 40) for attempt in (0, 1, 2, 127, 254)]
    assert len({unpredictable_number.derive(encrypt_block, *pair) for pair in pairs}) == len(pairs)


def unfeistel(number: bytes) -> tuple[int, int]:
    """The inverse of UN-01: rounds backwards."""
    left, right = int.from_bytes(number[:2], "big"), int.from_bytes(number[2:], "big")
    for i in reversed(range(10)):
        block = encrypt_block(bytes([i]) + left.to_bytes(2, "big") + bytes(13))
        left, right = right ^ int.from_bytes(block[:2], "big"), left
    return left << 8 | right >> 8, right & 0xFF


@given(sequence=drawn.uint(3), attempt=st.integers(0, 254))
def test_an_unpredictable_number_leads_back_to_its_sequence_and_attempt(sequence: int, attempt: int) -> None:
    """UN-01, UN-02: it is a permutation of 32 bits."""
    assert unfeistel(unpredictable_number.derive(encrypt_block, sequence, attempt)) == (sequence, attempt)


@given(
    label=st.sampled_from(link_keys.LASTING + link_keys.PER_EPOCH),
    kid=drawn.uint(4),
    key=drawn.uint(4),
    epoch=drawn.uint(2),
)
def test_the_info_of_each_key_is_its_own(label: tuple[bytes, int], kid: int, key: int, epoch: int) -> None:
    """KEY-02, KEY-03: label, a zero octet, then fields of fixed width, so no two say the same."""
    info = link_keys.info(label[0], kid, key, epoch)
    assert info == label[0] + b"\x00" + bytes.fromhex(f"{kid:08x}{key:08x}{epoch:04x}")
    others = [link_keys.info(other[0], kid, key, epoch) for other in link_keys.LASTING + link_keys.PER_EPOCH]
    assert others.count(info) == 1


@given(time_s=drawn.uint(4), offset=st.integers(0, 840))
def test_dates_are_those_of_the_standard_library(time_s: int, offset: int) -> None:
    """DAT-01."""
    moment = dt.datetime.fromtimestamp(time_s, dt.timezone(dt.timedelta(minutes=offset)))
    assert civil_date.local_date(time_s, offset) == (moment.year, moment.month, moment.day)
    assert civil_date.transaction_date(time_s, offset).hex() == moment.strftime("%y%m%d")


@given(date=st.dates(dt.date(1970, 1, 1), dt.date(2106, 2, 6)))
def test_days_and_periods_lead_back_to_their_dates(date: dt.date) -> None:
    """DAT-02."""
    days = (date - dt.date(1970, 1, 1)).days
    assert civil_date.to_days(date.year, date.month, date.day) == days
    assert civil_date.from_days(days) == (date.year, date.month, date.day)
    period = civil_date.period_of(date.year, date.month)
    assert period == 12 * date.year + date.month - 1
    assert civil_date.period_start_s(period) == 86400 * (date.replace(day=1) - dt.date(1970, 1, 1)).days
