"""A card that lies in any one of its answers gets a typed error or leaves the proof as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.worker import MicroPythonWorker

DRIVER = "tests/property/drivers/card_fuzz.py"
PERSONAS = 3
STEPS_MAX = 14
REPLACED, CHANGED, APPENDED, INSERTED = range(4)


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def card_room(request: pytest.FixtureRequest) -> Iterator[MicroPythonWorker]:
    with MicroPythonWorker(DRIVER, request.param, timeout_s=60) as worker:
        yield worker


def talk(worker: MicroPythonWorker, persona: int, step: int, how: int, at: int, what: bytes) -> bytes:
    return worker.call(b"t" + bytes((persona, step, how)) + at.to_bytes(2, "big") + what)


def check_proof(persona: int, good: bytes, answer: bytes) -> None:
    """CDA covers the cryptogram: either nothing that counts was changed, or there is no proof.

    The card's counters (GET DATA) are authenticated by nothing in EMV: they may change the TVR, which is then in the
    proof and under the cryptogram. Persona 2 does DDA only, where a spoiled cryptogram is found by the bank.
    """
    if answer[:1] == b"+" and persona != 2 and answer[1:6] == good[1:6]:
        assert answer == good


@pytest.mark.parametrize("persona", range(PERSONAS))
def test_the_good_conversation_is_good(card_room, persona):
    answer = talk(card_room, persona, 255, REPLACED, 0, b"")
    assert answer[:1] == b"+"
    assert answer[6] == (0x40 if persona == 1 else 0x80)


@given(
    persona=st.integers(0, PERSONAS - 1),
    step=st.integers(0, STEPS_MAX),
    how=st.sampled_from((CHANGED, APPENDED, INSERTED)),
    at=st.integers(0, 260),
    what=st.binary(min_size=1, max_size=6),
)
def test_an_answer_changed_anywhere(card_room, persona, step, how, at, what):
    good = talk(card_room, persona, 255, REPLACED, 0, b"")
    answer = talk(card_room, persona, step, how, at, what)
    check_proof(persona, good, answer)


@given(
    persona=st.integers(0, PERSONAS - 1),
    step=st.integers(0, STEPS_MAX),
    what=st.binary(max_size=260),
    status=st.sampled_from((b"", b"\x90\x00", b"\x61\x20", b"\x6c\x20", b"\x62\x83", b"\x69\x85")),
)
def test_an_answer_replaced_by_anything(card_room, persona, step, what, status):
    good = talk(card_room, persona, 255, REPLACED, 0, b"")
    answer = talk(card_room, persona, step, REPLACED, 0, what + status)
    check_proof(persona, good, answer)
