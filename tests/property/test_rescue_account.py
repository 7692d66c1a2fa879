"""Whatever wears out in a journal, a rescue names each number once, and calls nothing proved that its terminal did not write."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import frames
from tests.support.gateway_rig import Rig
from tests.support.journal_images import JournalImages
from tools.forensics import dump, proof, report
from tools.setup import checkout
from tools.technician import account
from tools.technician.account import RECOVERED, Account, Found, Gateway

KID = 42
SALES = 30
HEAD = SALES + 3

pytestmark = pytest.mark.skipif("micropython64" in checkout.missing(), reason="MicroPython could not be had")


@pytest.fixture(scope="module")
def terminal() -> frames.Terminal:
    made = Rig().terminal(KID)
    for _ in range(SALES):
        made.redeem()
    return made


@pytest.fixture(scope="module")
def journal(terminal: frames.Terminal) -> Iterator[bytes]:
    """Its journal in the first sectors of the ring, by the real firmware."""
    written = [("record", octets.hex(), 0xFFFF, 1) for octets in terminal.octets[1:]]
    with JournalImages("unix64", KID, terminal.chains[0]) as firmware:
        _, image = firmware.live(written, seals=terminal.seals[1:])
    return image


def reckoned(journal: bytes, terminal: frames.Terminal) -> tuple[Account, dict[int, bytes]] | None:
    """The account, and each record that was found."""
    reading = report.read(dump.of(journal), proof.read_certificate(terminal.certificate))
    if not reading.generations:
        return None
    [one] = reading.generations
    return account.of_dump(one, reading.sectors), {held.sequence: held.slot.payload for held in one.records}


@given(st.data())
def test_worn_cells_hide_records_and_never_make_any(journal, terminal, data):
    octets = bytearray(journal)
    end = len(journal.rstrip(b"\xff"))
    for _ in range(data.draw(st.integers(1, 12), "cells")):
        at = data.draw(st.integers(0, end - 1), "at")
        octets[at] &= ~(1 << data.draw(st.integers(0, 7), "bit"))  # what wears reads as programmed
    found = reckoned(bytes(octets), terminal)
    if found is None:
        return
    told, payloads = found
    numbers = [number for span in told.spans for number in range(span.first, span.last + 1)]
    assert numbers == list(range(1, told.head + 1)), "each number once, in order"
    neighbours = zip(told.spans, told.spans[1:], strict=False)
    assert all((one.found, one.gateway) != (other.found, other.gateway) for one, other in neighbours)
    for span in told.spans:
        assert span.gateway is Gateway.WAITING, "nothing told the terminal otherwise"
        for number in range(span.first, span.last + 1):
            assert (span.found in RECOVERED) == (number in payloads), number
            if span.found is Found.PROVED:
                assert payloads[number] == terminal.octets[number], number
    assert told.count(*RECOVERED) + sum(span.count for span in told.lost) == told.head <= HEAD
    if octets == journal:
        assert (told.count(Found.PROVED), told.lost, told.unproved) == (HEAD, [], [])
        assert told.sum is not None
        assert told.sum.redeemed_count == SALES
