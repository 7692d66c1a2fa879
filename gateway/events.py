"""What an event in a terminal's chain says, in words: who reads the list of records should not have to know codes."""

from __future__ import annotations

from protocol import records, self_test
from protocol.errors import ProtocolError

_WORDS = {
    records.EVENT_CLOCK_SET: "clock set",
    records.EVENT_TAMPER: "case opened",
    records.EVENT_PIN_LOCKED: "PIN locked",
    records.EVENT_OPERATOR_LOGIN: "operator login",
    records.EVENT_UN_ATTEMPTS_SPENT: "card attempts spent",
    records.EVENT_ACKNOWLEDGEMENT_AHEAD: "acknowledgement ahead",
    records.EVENT_CARD_NOT_AUTHENTIC: "card not authentic",
    records.EVENT_SELF_TEST: "self-test",
}


def told(octets: bytes) -> str:
    """One line about a canonical record that is an event, "" for any other. No card key is told."""
    if octets[0] != records.EVENT:
        return ""
    event = records.decode(octets)
    words = _WORDS.get(event.code, f"event {event.code}")
    if event.code == records.EVENT_OPERATOR_LOGIN:
        return f"{words} no. {event.operator}"
    if event.code == records.EVENT_SELF_TEST:
        return f"{words}: {_outcome(event.detail)}"
    return words


def _outcome(detail: bytes) -> str:
    """How many parts passed, which did not, and the release that tested them."""
    try:
        found = self_test.decode(detail)
    except ProtocolError as error:
        return f"cannot be read ({error})"
    run, failed = self_test.names(found.run), self_test.names(found.run & ~found.passed)
    words = f"{len(run) - len(failed)} of {len(run)} parts passed"
    if failed:
        words += ", failed: " + ", ".join(failed)
    return words + (f"; release {found.release}" if found.release else "")
