"""The hot path and the `construct` declarations read the same octets the same way, and refuse the same ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import construct
import pytest
from construct import Construct
from hypothesis import given
from hypothesis import strategies as st

from protocol import frame, grant, records, schema
from protocol.errors import ProtocolError
from tests.property import protocol_strategies as drawn

LAYOUTS: dict[str, Construct] = {
    "record": schema.Record,
    "roster": schema.Roster,
    "policy": schema.Policy,
    "acknowledgement": schema.Acknowledgement,
    "status": schema.Status,
    "notice": schema.Notice,
    "standing": schema.Standing,
    "bridge": schema.Bridge,
    "part": schema.Part,
    "write-off": schema.WriteOff,
    "statement": schema.Statement,
    "takeover": schema.Takeover,
    "roster delta": schema.RosterDelta,
    "renewal": schema.Renewal,
    "renewal piece": schema.RenewalPiece,
    "terminal certificate": schema.TerminalCertificate,
    "epoch certificate": schema.EpochCertificate,
}
# What holds only between fields, which the layouts do not say: (unit, field of the refusal).
BEYOND_LAYOUT = {
    ("record", "items"),
    ("roster", "cards"),
    ("roster delta", "cards"),
    ("renewal", "cards"),
    ("policy", "programme"),
    ("policy", "commodity"),
}
PARTS = {"proof", "items", "detail"}


def parsed(layout: Construct, data: bytes) -> Any:
    """What the layout says, or None where it refuses."""
    try:
        return layout.parse(data)
    except construct.ConstructError:
        return None


def refusal_of(decode: Callable[[bytes], Any], data: bytes) -> ProtocolError | None:
    """The refusal of `data`, or None where it decodes."""
    try:
        decode(data)
    except ProtocolError as error:
        return error
    return None


def same(value: Any, declared: Any) -> bool:
    """Hold a value of ours against construct's: enumerations by number, items by place."""
    if isinstance(value, tuple):
        return [tuple(int(one) for one in item) for item in value] == [
            tuple(int(item[name]) for name in ("commodity", "quantity_hundredths", "price_rupiah"))
            for item in declared
        ]
    if isinstance(value, records.CardProof):
        return (
            all(getattr(value, name) == declared[name] for name, *_ in records.PROOF_FIELDS)
            and value.iad == declared.iad
        )
    if value is None:
        return declared == b"\x00"
    return value == (int(declared) if isinstance(value, int) else declared)


@given(record=drawn.record())
def test_both_read_a_record_the_same_way(record: records.Record) -> None:
    """REC-01, REC-07 to REC-15, REC-16, REC-19, REC-21: field by field, and back to the same octets."""
    octets = records.encode(record)
    declared = schema.Record.parse(octets)
    for name, *_ in records.HEAD:
        assert same(getattr(record, name), declared[name])
    fields, parts = records.LAYOUTS[record.kind][1:]
    for name in [name for name, *_ in fields] + [part.removeprefix("optional_") for part in parts]:
        assert same(getattr(record, name), declared.body[name]), name
    assert schema.Record.build(declared) == octets


@pytest.mark.parametrize("name", LAYOUTS)
@given(data=st.data())
def test_both_accept_and_refuse_the_same_octets(name: str, data: st.DataObject) -> None:
    """GEN-02, GEN-06: after a few changes, either both read it (and write it back) or both refuse it."""
    unit = drawn.UNITS[name]
    octets = data.draw(unit.octets)
    if data.draw(st.booleans()):
        octets = data.draw(drawn.mutated(octets))
    declared = parsed(LAYOUTS[name], octets)
    refusal = refusal_of(unit.decode, octets)
    if refusal is not None:
        assert declared is None or (name, refusal.field) in BEYOND_LAYOUT, refusal
    else:
        assert declared is not None
        assert LAYOUTS[name].build(declared) == octets


@given(data=st.data())
def test_both_read_the_head_of_a_grant_the_same_way(data: st.DataObject) -> None:
    """GRT-01: the exceptions behind it are no layout."""
    octets = data.draw(drawn.UNITS["grant"].octets)
    if data.draw(st.booleans()):
        head = data.draw(drawn.mutated(octets[: grant.HEAD_OCTETS]))
        octets = head[: grant.HEAD_OCTETS].ljust(grant.HEAD_OCTETS, b"\x00") + octets[grant.HEAD_OCTETS :]
    declared = parsed(schema.GrantHead, octets)
    refusal = refusal_of(drawn.decode_grant, octets)
    if refusal is not None:
        assert declared is None or "exception" in refusal.field or refusal.field == "coded records", refusal
        return
    assert declared is not None
    decoded = drawn.decode_grant(octets)
    for name in ("number", "programme", "period", "expiry_s", "hold"):
        assert getattr(decoded, name) == declared[name]
    assert decoded.default_rupiah == 1000 * declared.default_thousands
    assert schema.GrantHead.build(declared) == octets


@given(octets=drawn.octets(13), kind=st.sampled_from([None, 0, 1, 0x41, 0x42, 0x81, 0x82, 0x84, 0xC1]))
def test_both_read_a_frame_header_the_same_way(octets: bytes, kind: int | None) -> None:
    """FRM-01, FRM-02, FRM-03: class, codec or kind, kid, sequence or counter, salt."""
    if kind is not None:
        octets = bytes((kind,)) + octets[1:]
    frame_class = octets[0] >> 6
    layout = (schema.RecordsHeader, schema.UpHeader, schema.DownHeader, schema.ClearHeader)[frame_class]
    declared = parsed(layout, octets)
    refusal = refusal_of(frame.read_header, octets)
    if refusal is not None:
        assert declared is None or refusal.field == "count", refusal
        return
    header = frame.read_header(octets)
    if declared is None:
        # Kinds and the zero salt are for whoever opens the frame.
        assert frame_class != frame.CLASS_RECORDS
        return
    assert (header.kid, header.salt) == (declared.kid, declared.salt)
    if frame_class == frame.CLASS_RECORDS:
        assert header.codec == int(declared.codec)
        assert header.first | header.sealed << 23 == declared.flagged_first
        assert header.count == declared.count_less_one + 1
    else:
        assert header.counter == declared.counter
    assert layout.build(declared) == octets


@given(record=drawn.record(), data=st.data())
def test_both_refuse_to_write_a_number_out_of_its_limits(record: records.Record, data: st.DataObject) -> None:
    """GEN-04, REC-06: encoding, one field set to just beyond a limit."""
    declared = schema.Record.parse(records.encode(record))
    numbers = [
        (name, least, most)
        for name, code, least, most in records.LAYOUTS[record.kind][1]
        if not code.endswith("s")
    ]
    if not numbers:
        return
    name, least, most = data.draw(st.sampled_from(numbers))
    value = data.draw(st.sampled_from([least - 1, most + 1, most + 1 << 40]))
    setattr(record, name, value)
    with pytest.raises(ProtocolError) as refusal:
        records.encode(record)
    assert refusal.value.field in {name, "method"}
    declared.body[name] = value
    with pytest.raises((construct.ConstructError, KeyError)):
        schema.Record.build(declared)
