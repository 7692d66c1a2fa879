"""Events of terminals in words."""

from __future__ import annotations

import pytest

from gateway import events
from protocol import records, self_test

SEEN = {code for name, code in vars(records).items() if name.startswith("EVENT_")}


def event(code: int, detail: bytes = b"", operator: int = 0) -> bytes:
    return records.encode(
        records.Record(
            kind=records.EVENT, version=1, time_s=1_790_000_000, time_trust=1, code=code, operator=operator, detail=detail
        )
    )  # fmt: skip


def test_every_code_has_words_and_no_two_have_the_same():
    words = [events.told(event(code)) for code in sorted(SEEN)]
    assert len(set(words)) == len(SEEN)
    assert not [word for word in words if word.startswith("event ")]
    assert events.told(event(200)) == "event 200", "one of a later release"


def test_a_self_test_tells_what_failed_and_by_which_release():
    found = self_test.SelfTest(0b1110, 0b1110, 7)
    assert events.told(event(8, self_test.encode(found))) == "self-test: 3 of 3 parts passed; release 7"
    found = self_test.SelfTest(0b1110, 0b0110, 0)
    assert events.told(event(8, self_test.encode(found))) == "self-test: 2 of 3 parts passed, failed: printer"
    assert "cannot be read" in events.told(event(8, b"?"))


def test_an_operator_is_a_number_and_no_card_is_told():
    assert events.told(event(records.EVENT_OPERATOR_LOGIN, operator=3)) == "operator login no. 3"
    key = bytes(range(0xA0, 0xA8))
    assert key.hex() not in events.told(event(records.EVENT_PIN_LOCKED, key))


@pytest.mark.parametrize("kind", [records.ADOPTION])
def test_other_records_are_no_events(kind):
    octets = records.encode(
        records.Record(kind=kind, version=1, time_s=1, time_trust=1, subject=1, number=1, digest=bytes(32))
    )
    assert events.told(octets) == ""
