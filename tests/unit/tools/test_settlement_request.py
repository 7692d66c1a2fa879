"""A settlement request is read strictly: what is not of the contract is named by its field, whatever it is."""

import copy
from typing import Any

import pytest

from tools.settlement import request
from tools.settlement.request import RequestError, check_idempotency_key, parse, parse_kid

SEGMENT: dict[str, Any] = {
    "kid": "0000002a",
    "certificate": "07" * 202,
    "un_key_commitment": "c0" * 32,
    "first": 5,
    "chain_before": "cb" * 32,
    "records": ["0901", "0902", "0903"],
    "seal": "5e" * 64,
    "unpredictable_numbers": {"5": "00000005", "7": "00000007"},
    "frames": ["00", "ff" * 300],
}


def test_a_segment_is_read():
    (segment,) = parse({"segments": [SEGMENT]})
    assert (segment.kid, segment.first, segment.last) == (42, 5, 7)
    assert segment.records == (b"\x09\x01", b"\x09\x02", b"\x09\x03")
    assert segment.unpredictable_numbers == {5: b"\x00\x00\x00\x05", 7: b"\x00\x00\x00\x07"}
    assert segment.frames == (b"\x00", b"\xff" * 300)
    assert segment.seal == b"\x5e" * 64


@pytest.mark.parametrize("field", ["chain_before", "frames"])
def test_what_is_not_believed_or_not_there_may_be_left_out(field):
    segment = copy.deepcopy(SEGMENT)
    del segment[field]
    assert parse({"segments": [segment]})[0].kid == 42


@pytest.mark.parametrize("field", sorted(set(SEGMENT) - {"chain_before", "frames"}))
@pytest.mark.parametrize("value", [None, 1.5, True, [], {}, "", "x", -1, ["x"], {"5": 5}, {"x": "00000005"}])
def test_a_wrong_value_is_named_by_its_field(field, value):
    if field == "unpredictable_numbers" and value == {}:
        return
    segment = copy.deepcopy(SEGMENT) | {field: value}
    with pytest.raises(RequestError) as caught:
        parse({"segments": [SEGMENT, segment]})
    assert caught.value.field.startswith(f"segments[1].{field}")


@pytest.mark.parametrize("field", sorted(set(SEGMENT) - {"chain_before", "frames"}))
def test_a_missing_field_is_named(field):
    segment = copy.deepcopy(SEGMENT)
    del segment[field]
    with pytest.raises(RequestError) as caught:
        parse({"segments": [segment]})
    assert caught.value.field == f"segments[0].{field}"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kid": "0000002A"}, "kid"),
        ({"kid": "0x00002a"}, "kid"),
        ({"kid": "2a"}, "kid"),
        ({"kid": 42}, "kid"),
        ({"certificate": "07" * 64}, "certificate"),
        ({"certificate": "07" * 257}, "certificate"),
        ({"un_key_commitment": "c0" * 31}, "un_key_commitment"),
        ({"chain_before": "cb" * 33}, "chain_before"),
        ({"chain_before": None}, "chain_before"),
        ({"first": 0}, "first"),
        ({"first": "5"}, "first"),
        ({"first": (1 << 23)}, "first"),
        ({"first": (1 << 23) - 2}, "records"),
        ({"records": ["00", "0G"]}, "records[1]"),
        ({"records": ["00", "0"]}, "records[1]"),
        ({"records": ["00", " 00"]}, "records[1]"),
        ({"records": ["AA"]}, "records[0]"),
        ({"records": ["00" * 177]}, "records[0]"),
        ({"records": [b"00"]}, "records[0]"),
        ({"records": ["00"] * (request.RECORDS_MAX + 1)}, "records"),
        ({"seal": "5e" * 63}, "seal"),
        ({"unpredictable_numbers": {"4": "00000004"}}, "unpredictable_numbers"),
        ({"unpredictable_numbers": {"8": "00000004"}}, "unpredictable_numbers"),
        ({"unpredictable_numbers": {"05": "00000004"}}, "unpredictable_numbers"),
        ({"unpredictable_numbers": {"5": "0000000"}}, "unpredictable_numbers.5"),
        ({"unpredictable_numbers": []}, "unpredictable_numbers"),
        ({"frames": ["00" * (request.FRAME_OCTETS_MAX + 1)]}, "frames[0]"),
        ({"frames": [""]}, "frames[0]"),
        ({"frames": ["00"] * (request.FRAMES_MAX + 1)}, "frames"),
        ({"frames": None}, "frames"),
        ({"amount": 5}, ""),
    ],
    ids=lambda value: str(value)[:50],
)
def test_every_limit_holds(change, field):
    with pytest.raises(RequestError) as caught:
        parse({"segments": [SEGMENT | change]})
    assert caught.value.field == f"segments[0].{field}".rstrip(".")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "body"),
        ([], "body"),
        ("segments", "body"),
        ({}, "segments"),
        ({"segments": {}}, "segments"),
        ({"segments": []}, "segments"),
        ({"segments": [SEGMENT] * (request.SEGMENTS_MAX + 1)}, "segments"),
        ({"segments": [SEGMENT], "more": 1}, "body"),
        ({"segments": ["x"]}, "segments[0]"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_body_of_another_shape_is_refused(body, field):
    with pytest.raises(RequestError) as caught:
        parse(body)
    assert caught.value.field == field


def test_errors_do_not_repeat_what_was_sent():
    with pytest.raises(RequestError) as caught:
        parse({"segments": [SEGMENT | {"seal": "secret"}]})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", [None, "", "x", "AB" * 32, "ab" * 31, "ab" * 33])
def test_an_idempotency_key_is_a_digest(value):
    with pytest.raises(RequestError) as caught:
        check_idempotency_key(value)
    assert caught.value.field == "Idempotency-Key"
    assert check_idempotency_key("ab" * 32) == "ab" * 32


def test_a_kid_in_a_path_is_eight_digits():
    assert parse_kid("ffffffff") == 0xFFFFFFFF
    for text in ("", "fffffffff", "FFFFFFFF", "-fffffff", "+fffffff"):
        with pytest.raises(RequestError):
            parse_kid(text)
